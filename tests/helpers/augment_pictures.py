"""The pictures of docs/augmentation.md: each transform on the same three garments.

`python tests/helpers/augment_pictures.py [NAME ...]` writes docs/images/augment-*.png.
It needs Pillow and the published files of Fashion-MNIST, which FMNIST_FAST_DATA names.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

if __name__ == "__main__":
    sys.path[:0] = map(str, Path(__file__).parents[1:3])

import PIL.Image
import PIL.ImageDraw
import PIL.PngImagePlugin

import fmnist_fast as ff
from fmnist_fast._show.contact_sheet import _font, _height, _width

FOLDER = Path(__file__).parents[2] / "docs" / "images"
GARMENTS = [28, 7, 126]  # rows of the test set: a boot, a shirt and a bag
N_EPOCHS = 3
SEED = 16  # in these epochs, coins fall on both sides for each garment


def each(name: str, *arguments: str) -> list[str]:
    """Return calls of a transform, each with other arguments."""
    return [f"{name}({text})" for text in arguments]


# A transform is drawn in three epochs, or three transforms in one epoch.
PICTURES: dict[str, list[str | list[str]]] = {
    "crop": [
        "RandomCrop(28, padding=4)",
        "RandomCrop(28, padding=4, padding_mode='reflect')",
        each("CenterCrop", "24", "20", "16"),
        each("Pad", "2, fill=128", "2, padding_mode='edge'", "2, 0, 'reflect'"),
        "RandomHorizontalFlip()",
        "RandomVerticalFlip()",
    ],
    "resample": [
        each("Resize", "32", "20", "14"),
        each("Resize", "40", "40, 'bicubic'", "40, 'nearest'"),
        "RandomResizedCrop(28, scale=(0.3, 1.0))",
        "RandomZoomOut(side_range=(1.0, 2.0), p=1.0)",
    ],
    "warp": [
        "RandomRotation(30, 'bilinear')",
        "RandomAffine(0, translate=(0.2, 0.2))",
        "RandomAffine(0, scale=(0.6, 1.2), interpolation='bilinear')",
        "RandomAffine(0, shear=(-30, 30), interpolation='bilinear')",
        "RandomPerspective(0.5, p=1.0)",
        "ElasticTransform(alpha=50.0, sigma=5.0)",
    ],
    "tone": [
        "ColorJitter(brightness=0.7)",
        "ColorJitter(contrast=0.9)",
        "RandomInvert()",
        each("RandomPosterize", "3, 1.0", "2, 1.0", "1, 1.0"),
        each("RandomSolarize", "192, 1.0", "128, 1.0", "64, 1.0"),
        "[ColorJitter(contrast=(0.3, 0.3)), RandomAutocontrast()]",
        "RandomEqualize()",
    ],
    "filter": [
        each("GaussianBlur", "3, 1.0", "5, 1.5", "9, 3.0"),
        each("RandomAdjustSharpness", "0, 1.0", "2, 1.0", "5, 1.0"),
    ],
    "noise": [
        each("GaussianNoise", "sigma=0.05", "sigma=0.1", "sigma=0.2"),
        each("SaltAndPepperNoise", "0.02", "0.05", "0.2"),
    ],
    "erase": [
        "RandomErasing(p=1.0)",
        "RandomErasing(p=1.0, value='random')",
        "Cutout(14)",
    ],
    "mix": ["MixUp()", "CutMix()"],
    "group": [
        "RandomApply([RandomRotation(45), RandomInvert(p=1.0)])",
        "RandomChoice([RandomRotation(45), RandomInvert(p=1.0)])",
        "RandomOrder([RandomCrop(28, 6), RandomAffine(0, None, (0.6, 0.6))])",
    ],
    "policy": ["TrivialAugmentWide()", "RandAugment()", "AutoAugment()"],
    "recipes": ["'standard'", "'standard+erasing'", "'strong'"],
    "views": [
        "views=2, augment=RandomResizedCrop(28)",
        "views=[None, RandomHorizontalFlip(1.0)]",
        "views=FiveCrop(20)",
        "views=TenCrop(20)",
    ],
}

GROUND, INK = 246, 28  # gray levels of contact sheets: readable on any page
ZOOM, GAP, GROUP_GAP = 2, 4, 16
NO_BREAK = "\N{NO-BREAK SPACE}"
LABEL = 232  # width of the column of labels in pixels


class Row(NamedTuple):
    """Images beside each other, in groups: one group for each garment."""

    label: str
    groups: list[list[np.ndarray]]
    notes: Sequence[Sequence[str]] = ()  # one below each image


class Picture(NamedTuple):
    """A picture, with the rectangle and the pixels of each image in it."""

    image: PIL.Image.Image
    label: str
    boxes: list[tuple[int, int, int, int]]


def _value(text: str) -> dict:
    names = {name: getattr(ff, name) for name in ff.__all__}
    is_option = text.startswith("views=")
    return eval(f"dict({text})" if is_option else f"dict(augment={text})", names)


@functools.cache
def garments() -> ff.Dataset:
    """Return the three garments, which each picture shows."""
    return ff.load("test").select(GARMENTS)


def rows_of(name: str) -> list[Row]:
    """Return the rows of a picture, the originals first."""
    originals = Row("original", [[image] for image in garments().images])
    rows = [originals]
    for texts in PICTURES[name]:
        texts = texts if isinstance(texts, list) else [texts]
        if name == "mix":
            rows.append(_mixed(*texts))
        elif name == "views":
            rows.append(_views(*texts))
        else:
            rows.append(_augmented(texts))
    return rows


def _augmented(texts: list[str]) -> Row:
    """Return three epochs of one transform, or one epoch of three transforms."""
    n = N_EPOCHS if len(texts) == 1 else 1
    loaders = [ff.Loader(garments(), seed=SEED, **_value(text)) for text in texts]
    groups = [
        [image for loader in loaders for image in loader.augment_preview(i, n)]
        for i in range(len(GARMENTS))
    ]
    return Row(_label(texts), groups)


def _mixed(text: str) -> Row:
    """Return three epochs of a batch of the garments, and the share of each one."""
    options = {"dtype": "uint8", "normalize": None, "layout": "NHW"}
    options |= {"label_dtype": "onehot", "seed": SEED}
    loader = ff.Loader(garments(), **options, **_value(text))
    batches = [next(iter(loader)) for _ in range(N_EPOCHS)]
    images = [[images[i] for images, _ in batches] for i in range(len(GARMENTS))]
    shares = [
        [f"{labels[i, own]:.0%}" for _, labels in batches]
        for i, own in enumerate(garments().labels)
    ]
    return Row(_label([text]), images, shares)


def _views(text: str) -> Row:
    """Return the views of each garment, or of as many as fit into the picture."""
    loader = ff.Loader(garments(), seed=SEED, **_value(text))
    groups = [list(loader.augment_preview(i, 1)[:, 0]) for i in range(len(GARMENTS))]
    n = max(1, 10 // len(groups[0]))
    return Row(_label([text]), groups[:n])


def _label(texts: list[str]) -> str:
    """Return a text, or the first of several, with the arguments of the others."""
    first, *others = texts
    name = first.partition("(")[0]
    others = [text.removeprefix(name).replace(" ", NO_BREAK) for text in others]
    label = ", ".join([first, *others])
    return re.sub(r"\([-\d., ]+\)", lambda x: x[0].replace(" ", NO_BREAK), label)


# ---- drawing ------------------------------------------------------------------------


def drawn(name: str) -> Picture:
    """Draw a picture."""
    rows = rows_of(name)
    side = ZOOM * max(x.shape[1] for row in rows for group in row.groups for x in group)
    width = LABEL + max(_row_width(row, side) for row in rows) + GAP
    heights = [_row_height(row) for row in rows]
    image = PIL.Image.new("L", (width, sum(heights) + GAP), GROUND)
    draw, boxes, top = PIL.ImageDraw.Draw(image), [], GAP
    columns = N_EPOCHS if name != "views" else len(rows[1].groups[0])
    for row, height in zip(rows, heights):
        label = _lines(row.label)
        y = top + (height - GROUP_GAP // 2 - len(label) * _line_height()) // 2
        text = {"fill": INK, "font": _font(12, "")}
        for line in label:
            draw.text((GAP * 2, y), line.replace(NO_BREAK, " "), **text)
            y += _line_height()
        x = LABEL
        for k, group in enumerate(row.groups):
            is_alone = len(group) == 1 and columns > 1
            x += is_alone * (columns - 1) * (side + GAP) // 2
            notes = row.notes[k] if row.notes else [""] * len(group)
            for pixels, note in zip(group, notes):
                boxes.append(_paste(image, pixels, x, top, side, _pixels_height(row)))
                left = x + (side - _width(text["font"], note)) // 2
                draw.text((left, boxes[-1][3]), note, **text)
                x += side + GAP
            x += is_alone * (columns - 1) * (side + GAP) // 2 + GROUP_GAP - GAP
        top += height
    return Picture(image, "\n".join(row.label for row in rows), boxes)


def _paste(image, pixels, x, y, width, height):
    """Paste enlarged pixels into the center of a cell, and return their rectangle."""
    tile = PIL.Image.fromarray(pixels.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1))
    x, y = x + (width - tile.width) // 2, y + (height - tile.height) // 2
    image.paste(tile, (x, y))
    return x, y, x + tile.width, y + tile.height


def _row_width(row: Row, side: int) -> int:
    n = sum(map(len, row.groups))
    return n * (side + GAP) + len(row.groups) * (GROUP_GAP - GAP)


def _pixels_height(row: Row) -> int:
    return ZOOM * max(x.shape[0] for group in row.groups for x in group)


def _row_height(row: Row) -> int:
    height = _pixels_height(row) + _line_height() * bool(row.notes)
    return max(height, _line_height() * len(_lines(row.label))) + GROUP_GAP // 2


@functools.cache
def _line_height() -> int:
    return _height(_font(12, "")) + 2


def _lines(label: str) -> list[str]:
    """Return a label in lines that fit into its column, divided at spaces."""
    lines = [""]
    for word in label.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if _width(_font(12, ""), longer) > LABEL - 4 * GAP and lines[-1]:
            lines.append(f"  {word}")
        else:
            lines[-1] = longer
    return lines


def main(names: list[str]) -> None:
    """Write pictures, by default all of them."""
    for name in names or PICTURES:
        picture, path = drawn(name), FOLDER / f"augment-{name}.png"
        about = PIL.PngImagePlugin.PngInfo()
        about.add_text("Description", picture.label)
        picture.image.save(path, optimize=True, pnginfo=about)
        print(f"Written: {path}, {path.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main(sys.argv[1:])
