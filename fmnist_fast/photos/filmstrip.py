"""Draw the result of each conversion step of a photo side by side, with Pillow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from .._checks import install_hint

if TYPE_CHECKING:
    import PIL.Image

_GROUND = (226, 226, 224)  # differs from the white of photos and canvases
_INK = (28, 28, 28)
_FRAME = 224  # pixels: 28 pixels of an image, each drawn as 8x8
_GAP = 12
_FONT_SIZE = 14
_LINE = 20


def draw_filmstrip(frames: Iterable[tuple[str, np.ndarray]]) -> PIL.Image.Image:
    """Draw frames in a row, with the name and the size below each frame.

    Parameters
    ----------
    frames : iterable of (str, ndarray), at least one
        Names and images, as `convert_in_steps` yields them. An image is uint8 (height,
        width, 3) or (height, width). Small images are enlarged without smoothing, and
        large images are reduced.

    Returns
    -------
    PIL.Image.Image
        Film strip in RGB.

    Raises
    ------
    ImportError
        Pillow is not installed.
    """
    with install_hint("pictures require Pillow", "pillow"):
        from PIL import Image, ImageDraw, ImageFont

    frames = list(frames)
    font = ImageFont.load_default(_FONT_SIZE)
    width = _GAP + len(frames) * (_FRAME + _GAP)
    strip = Image.new("RGB", (width, _GAP + _FRAME + 2 * _LINE + _GAP), _GROUND)
    draw = ImageDraw.Draw(strip)
    for i, (name, pixels) in enumerate(frames):
        x = _GAP + i * (_FRAME + _GAP)
        tile = _fitted(Image.fromarray(np.ascontiguousarray(pixels)))
        top, left = (_FRAME - tile.height) // 2, (_FRAME - tile.width) // 2
        strip.paste(tile, (x + left, _GAP + top))
        captions = (f"{i + 1}. {name}", f"{pixels.shape[1]} x {pixels.shape[0]}")
        for line, text in enumerate(captions):
            left = x + (_FRAME - round(font.getlength(text))) // 2
            draw.text((left, _GAP + _FRAME + 4 + line * _LINE), text, _INK, font)
    return strip


def _fitted(image: PIL.Image.Image) -> PIL.Image.Image:
    """Return the image, scaled so that its longest edge is at most _FRAME."""
    from PIL import Image, ImageOps

    longest = max(image.size)
    if longest <= _FRAME:
        return ImageOps.scale(image, _FRAME // longest, Image.Resampling.NEAREST)
    image.thumbnail((_FRAME, _FRAME), Image.Resampling.LANCZOS)
    return image
