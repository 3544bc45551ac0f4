"""What a notebook shows of a dataset: a small HTML page in one string.

Colours are the page's own, so that it suits dark and light themes; all styles are
inline, because notebooks drop style sheets when they are saved or sent.
"""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..dataset import Dataset

_MAX_CLASSES = 30  # with a picture each; the alphabet and four more
_SIDE = 56  # pixels, about: images of 28x28 are shown twice as large
# Dark on amber: readable on any page.
_MARK = "background:#f5b301;color:#1c1c1c;padding:1px 6px;border-radius:3px"
_CELLS = "display:flex;flex-wrap:wrap;align-items:flex-end;gap:10px 6px;margin:8px 0"
_CELL = "width:84px;text-align:center;font-size:12px;line-height:1.3"
_NAME = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"


def dataset_html(dataset: Dataset) -> str:
    """A title, and for each class its first image, its name and how many it has.

    Without Pillow it is the same without the images.
    """
    counts = np.bincount(dataset.labels, minlength=len(dataset.classes))
    cells = [
        _cell(dataset, number, int(counts[number]))
        for number in range(min(len(counts), _MAX_CLASSES))
    ]
    more = len(counts) - len(cells)
    rest = f"<div>and {more:,} more classes</div>" if more else ""
    return (
        f'<div style="max-width:460px">{_title(dataset)}'
        f'<div style="{_CELLS}">'
        f"{''.join(cells)}</div>{rest}</div>"
    )


def _title(dataset: Dataset) -> str:
    n, height, width = dataset.images.shape
    mark = _MARK if dataset.synthetic else ""
    where = f"<br><small>{escape(dataset.source)}</small>" if dataset.source else ""
    return (
        '<div style="overflow-wrap:anywhere">'
        f'<b style="{mark}">{escape(dataset.title)}</b> {n:,} images of '
        f"{height}x{width} uint8, {len(dataset.classes):,} classes{where}</div>"
    )


def _cell(dataset: Dataset, number: int, count: int) -> str:
    name = escape(" ".join(dataset.classes[number].split()))
    picture = ""
    if count:
        picture = _picture(dataset.images[np.argmax(dataset.labels == number)])
    return (
        f'<div style="{_CELL}">{picture}<div style="{_NAME}" title="{name}">{name}'
        f'</div><div style="opacity:.7">{count:,}</div></div>'
    )


def _picture(image: np.ndarray) -> str:
    """An image as an <img> that holds its PNG; nothing without Pillow."""
    step = -(-max(image.shape) // _SIDE)  # large images lose rows and columns
    image = np.ascontiguousarray(image[::step, ::step])
    try:
        from PIL import Image
    except ImportError:
        return ""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG", optimize=True)
    zoom = max(1, _SIDE // max(image.shape))
    height, width = (zoom * side for side in image.shape)
    # Frames keep white images visible on white pages, and black ones on black.
    return (
        f'<img alt="" width="{width}" height="{height}" style="image-rendering:'
        f"pixelated;width:{width}px;height:{height}px;max-width:none;margin:0 auto;"
        'display:block;border:1px solid #808080" src="data:image/png;base64,'
        f'{base64.b64encode(file.getvalue()).decode()}">'
    )
