"""Make the HTML that a notebook shows for a dataset.

Colors come from the notebook's page, so that the HTML suits dark and light themes. All
styles are inline, because notebooks drop style sheets when they are saved or sent.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from .._io.png import write_png

_MAX_CLASSES = 30  # classes that are shown: the alphabet and four more
_SIDE = 56  # pixels, about: images of 28x28 are shown twice as large
# Dark text on amber is readable on any page.
_MARK = "background:#f5b301;color:#1c1c1c;padding:1px 6px;border-radius:3px"
_CELLS = "display:flex;flex-wrap:wrap;align-items:flex-end;gap:10px 6px;margin:8px 0"
_CELL = "width:84px;text-align:center;font-size:12px;line-height:1.3"
_NAME = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"


def dataset_html(
    title: str,
    source: str | None,
    synthetic: bool,
    images: Any,
    labels: np.ndarray,
    classes: Sequence[str],
) -> str:
    """Return HTML: the title, and the first image, name and count of each class."""
    counts = np.bincount(labels, minlength=len(classes)).tolist()
    cells = []
    for number, count in enumerate(counts[:_MAX_CLASSES]):
        picture = _picture(images[np.argmax(labels == number)]) if count else ""
        name = escape(" ".join(classes[number].split()))
        cells.append(
            f'<div style="{_CELL}">{picture}<div style="{_NAME}" title="{name}">{name}'
            f'</div><div style="opacity:.7">{count:,}</div></div>'
        )
    more = len(counts) - len(cells)
    rest = f"<div>and {more:,} more classes</div>" if more else ""
    n, height, width = images.shape
    mark = _MARK if synthetic else ""
    where = f"<br><small>{escape(source)}</small>" if source else ""
    return (
        '<div style="max-width:460px"><div style="overflow-wrap:anywhere">'
        f'<b style="{mark}">{escape(title)}</b> {n:,} images of {height}x{width} '
        f"uint8, {len(classes):,} classes{where}</div>"
        f'<div style="{_CELLS}">{"".join(cells)}</div>{rest}</div>'
    )


def _picture(image: np.ndarray) -> str:
    """Return an <img> element that contains the image as PNG."""
    stride = -(-max(image.shape) // _SIDE)  # large images lose rows and columns
    image = image[::stride, ::stride]
    zoom = max(1, _SIDE // max(image.shape))
    height, width = (zoom * side for side in image.shape)
    # A frame keeps a white image visible on a white page, and a black one on black.
    return (
        f'<img alt="" width="{width}" height="{height}" style="image-rendering:'
        f"pixelated;width:{width}px;height:{height}px;max-width:none;margin:0 auto;"
        'display:block;border:1px solid #808080" src="data:image/png;base64,'
        f'{base64.b64encode(write_png(image)).decode()}">'
    )
