"""The images of a batch, of which crops and flips are not carried out at once.

Crops and flips choose a row and a column of the source for each row and column of the
result. They are collected, and the pixels are copied once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ..._core import PADDING_MODES
from .data import taken
from .words import computed_once

_OUTSIDE = -1  # in place of a row or a column: the pixel is `fill`


class Canvas(NamedTuple):
    """Images of one size, uint8.

    Attributes
    ----------
    source : Array, uint8 (m, pixels)
        Images to copy from, with all pixels on one axis. Compilers make slow loops over
        short axes.
    sides : tuple of int
        Height and width of the source.
    image : Array, uint32 (n,), or None
        Number of the source image of each image. None stands for 0, 1, 2, ...
    rows, columns : Array, int32 (n, height) and (n, width), or None
        Row and column of the source for those of the images, or _OUTSIDE. Both are None
        if all pixels of the source are copied.
    fill : int or None
        Gray level of pixels outside, or None if there are none.
    """

    source: jax.Array
    sides: tuple[int, int]
    image: jax.Array | None = None
    rows: jax.Array | None = None
    columns: jax.Array | None = None
    fill: int | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return the number of images, their height and their width."""
        if self.rows is not None and self.columns is not None:
            return *self.rows.shape, self.columns.shape[1]  # type: ignore[return-value]
        return len(self.source if self.image is None else self.image), *self.sides

    def pixels(self) -> jax.Array:
        """Return the images, uint8 (n, pixels)."""
        if self.rows is not None and self.columns is not None:
            return self._gathered(self.rows, self.columns)
        if self.image is None:
            return self.source
        return taken(self.source, self.image)

    def pixels_to_change(self) -> jax.Array:
        """Return the images for operations on pixels, uint8 (n, pixels).

        Whole images are copied before the operation. Otherwise XLA would look up each
        pixel in the operation, which takes twice as long.
        """
        if self.image is None or self.rows is not None:
            return self.pixels()
        return computed_once(self.image, self.pixels())[1]

    def _gathered(self, rows: jax.Array, columns: jax.Array) -> jax.Array:
        """Return the images that rows and columns of the source make."""
        image = self.image
        if image is None:
            image = lax.iota(jnp.uint32, len(self.source))
        image, rows, columns = computed_once(
            image, rows.astype(jnp.uint32), columns.astype(jnp.uint32)
        )
        height, width = (jnp.uint32(side) for side in self.sides)
        begins = jnp.minimum(rows, height - 1) * width
        offsets = begins[:, :, None] + jnp.minimum(columns, width - 1)[:, None, :]
        copied = taken(self.source, image[:, None, None], offsets)
        # XLA makes slow code of a copy without a choice, even if all are inside.
        is_inside = (rows < height)[:, :, None] & (columns < width)[:, None, :]
        pixels = jnp.where(is_inside, copied, jnp.uint8(self.fill or 0))
        return pixels.reshape(len(pixels), -1)

    def changed(self, pixels: jax.Array) -> Canvas:
        """Return a canvas of these pixels, uint8 (n, pixels)."""
        return Canvas(pixels, self.shape[1:])

    def _rows_and_columns(self) -> tuple[jax.Array, jax.Array]:
        """Return the rows and columns, also of a whole source."""
        if self.rows is not None and self.columns is not None:
            return self.rows, self.columns
        n, height, width = self.shape
        rows, columns = (
            jnp.broadcast_to(lax.iota(jnp.int32, side), (n, side))
            for side in (height, width)
        )
        return rows, columns

    def flip(self, vertical: bool) -> Canvas:
        """Return flipped images."""
        rows, columns = self._rows_and_columns()
        if vertical:
            return self._replace(rows=rows[:, ::-1], columns=columns)
        return self._replace(rows=rows, columns=columns[:, ::-1])

    def crop(
        self,
        begins: Sequence[jax.Array],
        sides: tuple[int, int],
        mode: int,
        fill: int | None,
    ) -> Canvas:
        """Return crops from the top and left on, int32 (n,).

        `mode` is a value of PADDING_MODES. `fill` is None if no crop reaches over an
        edge in constant mode.
        """
        canvas = self
        if self.fill is not None and fill is not None and self.fill != fill:
            canvas = self.changed(self.pixels())
        rows, columns = (
            _cropped(places, begin, side, mode)
            for places, begin, side in zip(canvas._rows_and_columns(), begins, sides)
        )
        fill = canvas.fill if fill is None else fill
        return canvas._replace(rows=rows, columns=columns, fill=fill)


def _cropped(places: jax.Array, begin: jax.Array, side: int, mode: int) -> jax.Array:
    """Return the rows or columns of a crop, from those of its source."""
    n = places.shape[1]
    i = begin[:, None] + lax.iota(jnp.int32, side)
    is_inside = (i >= 0) & (i < n)
    if mode == PADDING_MODES["reflect"]:
        i = jnp.where(is_inside, i, jnp.where(i < 0, -i, 2 * (n - 1) - i))
    elif mode == PADDING_MODES["symmetric"]:
        i = jnp.where(is_inside, i, jnp.where(i < 0, -1 - i, 2 * n - 1 - i))
    chosen = jnp.take_along_axis(
        places, jnp.clip(i, 0, n - 1), axis=1, mode="promise_in_bounds"
    )
    if mode != PADDING_MODES["constant"]:
        return chosen
    return jnp.where(is_inside, chosen, _OUTSIDE)


def select(condition: jax.Array, first: Canvas, second: Canvas) -> Canvas:
    """Return the images of one canvas where `condition` (n,) holds, else of another."""
    is_shared = first.source is second.source and first.image is second.image
    fills = {first.fill, second.fill} - {None}
    condition = condition[:, None]
    if is_shared and len(fills) <= 1:
        rows, columns = (
            jnp.where(condition, x, y)
            for x, y in zip(first._rows_and_columns(), second._rows_and_columns())
        )
        return Canvas(first.source, first.sides, first.image, rows, columns, *fills)
    return first.changed(
        jnp.where(condition, first.pixels_to_change(), second.pixels_to_change())
    )
