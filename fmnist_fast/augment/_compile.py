"""compile_transforms: what `Loader(augment=...)` takes, as a flat list for the core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

from .._core import MAX_MIX_KINDS
from ._arguments import is_sequence
from ._flat import FlatTransform, cumulated
from ._transform import Transform, checked_transforms, compile_all, flatten

Function: TypeAlias = "Callable[..., Any]"
Augment: TypeAlias = (
    "Sequence[Transform | Function] | Transform | Function | str | None"
)


@dataclass(frozen=True)
class Compiled:
    """An augmentation as the core takes it.

    Attributes
    ----------
    transforms : tuple of (kind, p, parameters)
        Depth first; `parameters` are the fields of the C struct.
    mix : (p, parameters) or None
    functions : tuple of callables
        For the finished batch.
    height, width : int
        Of the augmented images.
    source : tuple
        The steps that this was made of; it keeps C functions alive.
    """

    transforms: tuple[FlatTransform, ...]
    mix: tuple[float, dict[str, Any]] | None
    functions: tuple[Function, ...]
    height: int
    width: int
    source: tuple[Any, ...] = field(default=(), repr=False)


def compile_transforms(
    augment: Augment, height: int, width: int, n_classes: int
) -> Compiled:
    """Check `augment` against images of this size, and flatten it for the core.

    Parameters
    ----------
    augment : sequence of steps, Compose, a step, the name of a recipe, or None
        Steps for single images, then at most one mix, then Python functions.
    height, width : int
        Of the dataset's images.
    n_classes : int
        Of the dataset.

    Raises
    ------
    TypeError, ValueError
        What stands in it is no step, in the wrong order, or doesn't fit the images.
    """
    items = _items(augment, height, width)
    ranks = [int(item._is_mix) if isinstance(item, Transform) else 2 for item in items]
    for (before, rank), (after, next_rank) in pairwise(zip(items, ranks)):
        if next_rank < rank:
            raise ValueError(
                f"augment: {_name(after)} must come before {_name(before)}: steps for "
                "single images, then a mix, then Python functions"
            )
    images, mixes, functions = (
        [item for item, rank in zip(items, ranks) if rank == wanted]
        for wanted in range(3)
    )
    if len(mixes) > 1:
        raise ValueError(
            f"augment: a batch is mixed once, got {' and '.join(map(_name, mixes))}: "
            "RandomChoice takes one of several"
        )
    steps, height, width = compile_all(images, height, width)
    mix = _compile_mix(mixes[0], n_classes) if mixes else None
    return Compiled(tuple(steps), mix, tuple(functions), height, width, tuple(items))


def _items(augment: Any, height: int, width: int) -> list[Any]:
    if augment is None:
        return []
    if isinstance(augment, str):
        from .recipes import recipe  # which imports many steps

        return list(recipe(augment)(height, width))
    if is_sequence(augment) and not augment:
        raise ValueError(
            "augment must not be empty; augment=None turns augmentation off"
        )
    if not is_sequence(augment):
        if not isinstance(augment, Transform) and not callable(augment):
            raise TypeError(
                "augment must be a list of steps, a step, the name of a recipe or "
                f"None, got {augment!r}"
            )
        augment = [augment]
    return list(flatten(checked_transforms("augment", augment)))


def _name(item: Any) -> str:
    return str(getattr(item, "__name__", type(item).__name__))


def _compile_mix(step: Any, n_classes: int) -> tuple[float, dict[str, Any]]:
    p, kinds = step._mix(n_classes)
    if len(kinds) > MAX_MIX_KINDS:
        raise ValueError(
            f"augment: one of at most {MAX_MIX_KINDS} mixes is drawn, got {len(kinds)}"
        )
    shares = [share for _, _, share in kinds] if p else [1.0]  # which nobody asks for
    untils = cumulated(shares)
    parts = [(kind, alpha, until) for (kind, alpha, _), until in zip(kinds, untils)]
    return min(p, 1.0), {"kinds": parts}
