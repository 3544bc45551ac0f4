"""Transforms of a batch: their random numbers and control flow, as in src/plan.h.

All images get the same operations, and each then keeps the result of those that its
random numbers chose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..._core import MAX_TRANSFORMS, PADDING_MODES, TONE_KINDS
from .canvas import Canvas, select
from .tone import TONES
from .words import Key, Word, Words, below, word

_FIRST_OPERATION = 1  # operation 0 draws the order


@dataclass(frozen=True)
class CoreTransform:
    """A core transform with those inside it.

    Attributes
    ----------
    kind : str
        Key of TRANSFORM_KINDS.
    number : int
        Number in the flat list, from which its random numbers follow.
    threshold : int
        It runs if word 0 is below this.
    fields : tuple of (name, value)
        Fields of the C struct.
    inner : tuple of CoreTransform
    """

    kind: str
    number: int
    threshold: int
    fields: tuple[tuple[str, Any], ...]
    inner: tuple[CoreTransform, ...]

    def __getitem__(self, name: str) -> Any:
        """Return a field."""
        return dict(self.fields)[name]


def nested(
    flat: Sequence[Any], begin: int = 0, end: int | None = None
) -> tuple[CoreTransform, ...]:
    """Return the transforms of a flat list, each with those inside it."""
    transforms, i, end = [], begin, len(flat) if end is None else end
    while i < end:
        kind, p, fields = flat[i]
        after = i + 1 + fields.get("n_inner", 0)
        inner = nested(flat, i + 1, after)
        transforms.append(
            CoreTransform(kind, i, int(p * 2.0**32), _frozen(fields), inner)
        )
        i = after
    return tuple(transforms)


def _frozen(fields: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return fields, also those of structs inside, as values that can be hashed."""
    return tuple(
        (name, _frozen(value) if isinstance(value, Mapping) else value)
        for name, value in fields.items()
    )


class Draws(NamedTuple):
    """Key of the random numbers of a view's transforms, and the samples."""

    key: Key
    indices: Word  # of the samples, uint32 (n,)
    view: int

    def words(self, transform: CoreTransform) -> Words:
        """Return the words that a transform reads."""
        return Words(self.key, self._operation(transform))

    def alternates(self, transform: CoreTransform) -> jax.Array:
        """Return whether an alternating flip runs, for each sample."""
        first = Key(self.key.seed, word(0), self.indices)
        coin = first.draw(self._operation(transform), 0)[0] >> 31
        return jnp.asarray((coin + self.key.epoch) & 1 == 1)

    def _operation(self, transform: CoreTransform) -> int:
        return _FIRST_OPERATION + self.view * MAX_TRANSFORMS + transform.number


def run(transforms: Sequence[CoreTransform], canvas: Canvas, draws: Draws) -> Canvas:
    """Return the images that transforms make of those of a canvas."""
    for transform in transforms:
        words = draws.words(transform)
        changed = _RUN[transform.kind](transform, canvas, draws, words)
        if transform.kind == "flip" and transform["alternating"]:
            canvas = select(draws.alternates(transform), changed, canvas)
        elif transform.threshold >> 32:
            canvas = changed
        else:
            coin = words[0] < word(transform.threshold)
            canvas = select(coin, changed, canvas)
    return canvas


def _group(group: CoreTransform, canvas: Canvas, draws: Draws, words: Words) -> Canvas:
    return run(group.inner, canvas, draws)


def _choice(
    choice: CoreTransform, canvas: Canvas, draws: Draws, words: Words
) -> Canvas:
    *others, last = choice.inner
    chosen = run((last,), canvas, draws)
    for group in reversed(others):
        is_before = words[1] < word(group["until"])
        if group["until"] >> 32:
            is_before = jnp.ones_like(is_before)
        chosen = select(is_before, run((group,), canvas, draws), chosen)
    return chosen


def _order(order: CoreTransform, canvas: Canvas, draws: Draws, words: Words) -> Canvas:
    """Run all groups in random order: in each turn, one of those that are left."""
    n = len(order.inner)
    left = jnp.ones((len(draws.indices), n), bool)
    for turn in range(n):
        skipped = below(words[1 + turn], n - turn) if turn < n - 1 else word(0)
        rank = jnp.cumsum(left, axis=1, dtype=jnp.uint32)  # from 1, of those left
        chosen = left & (rank == jnp.expand_dims(skipped + 1, -1))
        left = left & ~chosen
        results = [run((group,), canvas, draws) for group in order.inner]
        canvas = results[-1]
        for i in reversed(range(n - 1)):
            canvas = select(chosen[:, i], results[i], canvas)
    return canvas


def _flip(flip: CoreTransform, canvas: Canvas, draws: Draws, words: Words) -> Canvas:
    return canvas.flip(bool(flip["vertical"]))


def _crop(crop: CoreTransform, canvas: Canvas, draws: Draws, words: Words) -> Canvas:
    sides = crop["height"], crop["width"]
    is_outside, begins = False, []
    for axis, (name, n_begins) in enumerate((("top", "n_tops"), ("left", "n_lefts"))):
        begin, n = crop[name], crop[n_begins]
        drawn = below(words[1 + axis], n) if n > 1 else jnp.zeros_like(words[0])
        begins.append(drawn.astype(jnp.int32) + np.int32(begin))
        is_outside |= begin < 0 or begin + n - 1 + sides[axis] > canvas.shape[1 + axis]
    is_filled = is_outside and crop["mode"] == PADDING_MODES["constant"]
    fill = crop["fill"] if is_filled else None
    return canvas.crop(begins, sides, crop["mode"], fill)


def _cutout(
    cutout: CoreTransform, canvas: Canvas, draws: Draws, words: Words
) -> Canvas:
    sides = canvas.shape[1:]
    size = min(cutout["size"], 2 * max(sides))  # larger squares cover all as well
    spans = []
    for axis, side in enumerate(sides):
        middle = below(words[1 + axis], side).astype(jnp.int32)[:, None]
        begin, i = middle - np.int32(size // 2), lax.iota(jnp.int32, side)
        spans.append((begin <= i) & (i < begin + np.int32(size)))
    rows, columns = spans
    is_hole = (rows[:, :, None] & columns[:, None, :]).reshape(len(rows), -1)
    value = jnp.uint8(cutout["value"] or 0)
    return canvas.changed(jnp.where(is_hole, value, canvas.pixels_to_change()))


def _tone(tone: CoreTransform, canvas: Canvas, draws: Draws, words: Words) -> Canvas:
    change = TONES[_TONE_NAMES[tone["kind"]]]
    return canvas.changed(change(canvas.pixels_to_change(), dict(tone["value"])["low"]))


_TONE_NAMES = {kind: name for name, kind in TONE_KINDS.items()}
_Run: TypeAlias = Callable[[CoreTransform, Canvas, Draws, Words], Canvas]
_RUN: Mapping[str, _Run] = {
    "group": _group,
    "choice": _choice,
    "order": _order,
    "crop": _crop,
    "flip": _flip,
    "cutout": _cutout,
    "tone": _tone,
}


def is_possible(kind: str, fields: Mapping[str, Any]) -> bool:
    """Return whether a core transform has the same bytes in JAX as in the core.

    Random gray levels, mixing, and maps between pixels need 64-bit floats.
    """
    if kind == "tone":
        value = fields["value"]
        return value["low"] == value["high"] and _TONE_NAMES[fields["kind"]] in TONES
    return kind in _RUN
