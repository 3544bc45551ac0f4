"""compile_transforms, which turns `augment=` into a flat list for the core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

from .._core import MAX_MIX_KINDS, default_floats
from ._arguments import is_sequence
from ._flat import FlatTransform, cumulative_thresholds
from ._transform import (
    Transform,
    check_functions,
    checked_transforms,
    compile_all,
    flatten,
)

Function: TypeAlias = "Callable[..., Any]"
Augment: TypeAlias = (
    "Sequence[Transform | Function] | Transform | Function | str | None"
)


@dataclass(frozen=True)
class Compiled:
    """An augmentation in the form that the core takes.

    Attributes
    ----------
    transforms : tuple of (kind, p, parameters)
        Core transforms, depth first. `parameters` are the fields of the C struct.
    mix : (p, parameters) or None
        The mix of the batch: its probability and the fields of the C struct.
    functions : tuple of callables
        Python functions that change finished batches.
    height, width : int
        Size of the augmented images in pixels.
    source : tuple
        Transforms and functions that this was compiled from. It keeps C functions
        alive.
    draws_view : int
        View whose random numbers it draws.
    """

    transforms: tuple[FlatTransform, ...]
    mix: tuple[float, dict[str, Any]] | None
    functions: tuple[Function, ...]
    height: int
    width: int
    source: tuple[Any, ...] = field(default=(), repr=False)
    draws_view: int = 0


@default_floats
def compile_transforms(
    augment: Augment,
    height: int,
    width: int,
    n_classes: int,
    *,
    then: Sequence[Transform] = (),
) -> Compiled:
    """Check `augment` against images of one size, and flatten it for the core.

    Parameters
    ----------
    augment : sequence, Transform, callable, str or None
        A list of transforms, one transform or function, the name of a recipe, or None
        for no augmentation. In a list, transforms of single images come first, then at
        most one mix, then Python functions.
    height, width : int
        Size of the dataset's images in pixels.
    n_classes : int
        Number of classes of the dataset.
    then : sequence of Transform
        Transforms of single images that follow those of `augment`.

    Returns
    -------
    Compiled
        The transforms, the mix and the functions, with the size of their result.

    Raises
    ------
    TypeError
        An element of `augment` is neither a transform nor a function.
    ValueError
        `augment` is an empty list or an unknown recipe, or its elements are in the
        wrong order. Also raised for more than one mix or more than 1,024 core
        transforms, and for a transform that does not fit the images or the classes.
    """
    items = _items(augment, height, width)
    stages = [int(item._is_mix) if isinstance(item, Transform) else 2 for item in items]
    for (before, stage), (after, next_stage) in pairwise(zip(items, stages)):
        if next_stage < stage:
            raise ValueError(
                f"augment: {_name(after)} must come before {_name(before)}.\n"
                "Pass transforms of single images first, then at most one mix, then "
                "Python functions."
            )
    images, mixes, functions = (
        [item for item, stage in zip(items, stages) if stage == expected]
        for expected in range(3)
    )
    if len(mixes) > 1:
        raise ValueError(
            f"augment must have at most one mix, got {' and '.join(map(_name, mixes))}."
            "\nPass RandomChoice([...]) to draw one of several mixes."
        )
    images += then
    transforms, height, width = compile_all(images, height, width, len(mixes))
    mix = _compile_mix(mixes[0], n_classes) if mixes else None
    return Compiled(
        tuple(transforms), mix, tuple(functions), height, width, tuple(items)
    )


def _items(augment: Any, height: int, width: int) -> list[Any]:
    """Return the transforms and functions of `augment`, without Compose around them."""
    if augment is None:
        return []
    if isinstance(augment, str):
        from .recipes import recipe  # late, because it imports many transforms

        return list(recipe(augment)(height, width))
    if is_sequence(augment) and not augment:
        raise ValueError(
            f"augment must not be empty, got {augment!r}. "
            "Pass augment=None to turn augmentation off."
        )
    if not is_sequence(augment):
        if not isinstance(augment, Transform) and not callable(augment):
            raise TypeError(
                "augment must be a list of transforms, a transform, a function, the "
                f"name of a recipe or None, got {augment!r}"
            )
        augment = [augment]
    items = list(flatten(checked_transforms("augment", augment)))
    check_functions("augment", items)
    return items


def _name(item: Any) -> str:
    return str(getattr(item, "__name__", type(item).__name__))


def _compile_mix(transform: Any, n_classes: int) -> tuple[float, dict[str, Any]]:
    p, kinds = transform._mix(n_classes)
    if len(kinds) > MAX_MIX_KINDS:
        raise ValueError(
            f"augment must have at most {MAX_MIX_KINDS} mixes to choose from, got "
            f"{len(kinds)}"
        )
    # With p=0 all shares are 0, and the core never reads the thresholds.
    shares = [share for _, _, share in kinds] if p else [1.0]
    untils = cumulative_thresholds(shares)
    parts = [(kind, alpha, until) for (kind, alpha, _), until in zip(kinds, untils)]
    return min(p, 1.0), {"kinds": parts}
