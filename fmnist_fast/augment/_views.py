"""compile_views, which turns `augment=` and `views=` into an augmentation per view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from .._checks import checked_integer, one_line
from .._core import MAX_VIEWS
from ._arguments import is_sequence
from ._compile import Augment, Compiled, compile_transforms
from ._transform import Transform
from .crop import FiveCrop

Views: TypeAlias = "int | Sequence[Augment] | FiveCrop | None"


def compile_views(
    augment: Augment, views: Views, height: int, width: int, n_classes: int
) -> tuple[Compiled | None, ...]:
    """Check `augment` and `views` against images of one size, and compile both.

    Parameters
    ----------
    augment : sequence, Transform, callable, str or None
        As for `compile_transforms`. It must be None if `views` is a sequence.
    views : int in 1..63, sequence, FiveCrop, TenCrop or None
        A number of views, each augmented by `augment` with random numbers of its own; a
        sequence of what `augment` may be, one for each view, without functions; or
        crops, which follow `augment`, with the same random numbers in all views. None
        is a single view.
    height, width : int
        Size of the dataset's images in pixels.
    n_classes : int
        Number of classes of the dataset.

    Returns
    -------
    tuple of (Compiled or None)
        The augmentation of each view. None changes nothing.

    Raises
    ------
    TypeError, ValueError
        As by `compile_transforms`. Also, `views` is none of these, or the views have
        images of different sizes.
    """
    size = height, width, n_classes
    if views is None:
        return (_compiled(augment, *size),)
    if isinstance(views, FiveCrop):
        return tuple(
            compile_transforms(augment, *size, then=crops)
            for crops in views._transforms_of_views()
        )
    if is_sequence(views):
        return _each(augment, views, *size)
    is_array = getattr(views, "ndim", 0) > 0
    is_other = isinstance(views, (bool, str, float)) or not hasattr(views, "__index__")
    if is_array or is_other:
        raise TypeError(
            "views must be a number of views, a list with an augmentation for each, "
            f"FiveCrop, TenCrop or None, got {one_line(repr(views), 60)}{_hint(views)}"
        )
    n_views = checked_integer("views", views, 1, MAX_VIEWS)
    compiled = _compiled(augment, *size)
    return tuple(
        compiled and replace(compiled, draws_view=view) for view in range(n_views)
    )


def _hint(views: Any) -> str:
    """Return what to pass in place of what `views` can't be, or nothing."""
    name = getattr(views, "__name__", type(views).__name__)
    if name in ("FiveCrop", "TenCrop"):  # a class, or one of another library
        return f".\nPass ff.{name}(size)."
    if isinstance(views, Transform) or _is_recipe(views):
        advice = "Pass it as augment, and a number of views"
        return f".\n{advice}: augment={views!r}, views=2."
    return ""


def _is_recipe(views: Any) -> bool:
    from .recipes import RECIPES  # late, because it imports many transforms

    return isinstance(views, str) and views in RECIPES


def _compiled(augment: Augment, *size: int) -> Compiled | None:
    return None if augment is None else compile_transforms(augment, *size)


def _each(augment: Augment, views: Any, *size: int) -> tuple[Compiled | None, ...]:
    """Return the augmentations of a list, which have one size."""
    if not 1 <= len(views) <= MAX_VIEWS:
        raise ValueError(
            f"views must have 1..{MAX_VIEWS} augmentations, got {len(views)}"
        )
    if augment is not None:
        raise ValueError(
            "augment and a list of views can't be combined.\n"
            "Put the transforms of augment into each of the views."
        )
    every = []
    for view, item in enumerate(views):
        try:
            compiled = _compiled(item, *size)
        except (TypeError, ValueError) as error:
            raise type(error)(f"views[{view}]: {error}") from None
        if compiled is not None:
            compiled = replace(compiled, draws_view=view)
            if compiled.functions:
                raise ValueError(
                    f"views[{view}] must not contain Python functions, got "
                    f"{compiled.functions[0]!r}.\nCall the function in your loop, or "
                    "pass a number of views and put it at the end of augment."
                )
        every.append(compiled)
    sides = ["{}x{}".format(*_sides(compiled, *size)) for compiled in every]
    for view, text in enumerate(sides):
        if text != sides[0]:
            raise ValueError(
                f"views must have images of one size, got {sides[0]} in views[0] and "
                f"{text} in views[{view}].\nAdd a crop or a Resize."
            )
    return tuple(every)


def _sides(compiled: Compiled | None, *size: int) -> tuple[int, ...]:
    return (compiled.height, compiled.width) if compiled else size[:2]
