"""Draw contact sheets: images in a grid, with a line of text under each.

Pillow is required, and is imported when a sheet is drawn.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .._checks import checked_integer, install_hint, one_line
from .._io.files import replacing
from .._io.paths import expanded

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    import PIL.ImageFont

    _Font = PIL.ImageFont.ImageFont | PIL.ImageFont.FreeTypeFont

# The colors are near white and near black. A sheet has its own background, because the
# page around it may be light or dark.
_GROUND = (246, 246, 244)
_INK = (28, 28, 28)
_FONT_SIZE = 12
_TITLE_SIZE = 15
_DEJAVU = "fonts/ttf/DejaVuSans.ttf"  # in the data folder of matplotlib
_GAP = 8  # pixels between cells and around the sheet
_GROUP_GAP = 16  # more pixels between groups of cells on a line
_LONGEST_NAME = 40  # characters; the names of two classes with their shares have 31
_SIDE = 84  # pixels, about: images of 28x28 are drawn three times as large
MAX_IMAGES = 10_000  # on a sheet; 28x28 images then take 300 MB
_MAX_PIXELS = 1 << 27  # of a sheet, 400 MB in RGB


def contact_sheet(
    images: Sequence[np.ndarray] | np.ndarray,
    captions: Sequence[str],
    *,
    columns: int = 8,
    zoom: int | None = None,
    title: str = "",
    group: int = 1,
) -> PIL.Image.Image:
    """Draw images in rows, enlarged without smoothing, with a line of text under each.

    The largest of the images, uint8 (height, width) or (height, width, 3), decides the
    size of all cells. Captions are cut to 40 characters. `zoom` is the side of the
    square that a pixel becomes. By default it makes the longer side of the largest
    image about 84 pixels. Groups of `group` images stay together: a line has as many
    groups as `columns` allows, at least one. The title must say SYNTHETIC if images
    are drawn.
    """
    with install_hint("pictures require Pillow", "pillow"):
        from PIL import Image, ImageDraw

    zoom, height, width = _sizes(images, zoom)
    captions = [one_line(str(caption), _LONGEST_NAME) for caption in captions]
    font = _font(_FONT_SIZE, "".join(captions))
    title_font = _font(_TITLE_SIZE, title)
    # The widest caption decides the width, so that captions can't touch.
    width = max(width, *(_width(font, caption) for caption in captions))
    cell_height = height + _height(font) + 3
    columns = checked_integer("columns", columns, 1)
    lefts = _lefts(min(columns, len(images)), group, width)
    n_rows = -(-len(images) // len(lefts))
    top = _GAP + (_height(title_font) + _GAP if title else 0)
    right = max(lefts[-1] + width, _GAP + _width(title_font, title))
    size = (right + _GAP, top + n_rows * (cell_height + _GAP))
    _check_size(size, len(images), zoom)
    sheet = Image.new("RGB", size, _GROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), title, fill=_INK, font=title_font)
    for i, (image, caption) in enumerate(zip(images, captions)):
        line, place = divmod(i, len(lefts))
        x, y = lefts[place], top + line * (cell_height + _GAP)
        tile = Image.fromarray(image.repeat(zoom, axis=0).repeat(zoom, axis=1))
        left, above = (width - tile.width) // 2, (height - tile.height) // 2
        sheet.paste(tile, (x + left, y + above))
        x += (width - _width(font, caption)) // 2
        draw.text((x, y + height + 1), caption, fill=_INK, font=font)
    return sheet


def _sizes(
    images: Sequence[np.ndarray] | np.ndarray, zoom: int | None
) -> tuple[int, int, int]:
    """Return the zoom, and the height and width of the largest image with it."""
    heights, widths = zip(*(image.shape[:2] for image in images))
    if zoom is None:
        zoom = max(1, round(_SIDE / max(*heights, *widths)))
    zoom = checked_integer("zoom", zoom, 1)
    return zoom, zoom * max(heights), zoom * max(widths)


def _lefts(columns: int, group: int, width: int) -> list[int]:
    """Return the left sides of cells on a line, for as many whole groups as fit."""
    group_width = group * (width + _GAP) + _GROUP_GAP * (group > 1)
    return [
        _GAP + begin * group_width + place * (width + _GAP)
        for begin in range(max(columns // group, 1))
        for place in range(group)
    ]


def save_png(sheet: PIL.Image.Image, path: str | os.PathLike[str]) -> Path:
    """Write a sheet as a PNG file atomically, and return its absolute path."""
    path = Path(expanded(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: the path must be a file, got a folder")
    with replacing(path) as file:
        sheet.save(file, format="PNG", optimize=True)
    return path.resolve()


def _check_size(size: tuple[int, int], n_images: int, zoom: int) -> None:
    """Raise ValueError if a sheet has too many pixels."""
    width, height = size
    if width * height > _MAX_PIXELS:
        raise ValueError(
            f"a sheet must have at most {_MAX_PIXELS:,} pixels, got {width}x{height} "
            f"for {n_images} images with zoom={zoom}.\n"
            "Pass a smaller zoom, or show fewer images."
        )


def _font(size: int, text: str) -> _Font:
    """Return the font for a text: Pillow's font, or DejaVu Sans if it isn't ASCII.

    DejaVu Sans has Greek, Cyrillic, Arabic and more. It comes with matplotlib. Without
    matplotlib, the font is Pillow's for all texts.
    """
    from PIL import ImageFont

    matplotlib = None if text.isascii() else importlib.util.find_spec("matplotlib")
    try:
        if matplotlib is not None and matplotlib.origin is not None:
            with contextlib.suppress(OSError):
                path = Path(matplotlib.origin).with_name("mpl-data") / _DEJAVU
                return ImageFont.truetype(str(path), size)
        return ImageFont.load_default(size)
    except (ImportError, TypeError, OSError):  # without FreeType, or Pillow 10.0
        return ImageFont.load_default()


def _width(font: _Font, text: str) -> int:
    """Return the width of a text in pixels."""
    return -int(-font.getlength(text) // 1)  # rounded up


def _height(font: _Font) -> int:
    """Return the height of a line of text in pixels."""
    return int(font.getbbox("Ap/q")[3]) + 1
