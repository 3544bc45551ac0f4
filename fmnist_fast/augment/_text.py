"""parse_transforms, which reads transforms from text, as on a command line."""

from __future__ import annotations

import ast
import importlib
from typing import Any, cast

from .._checks import in_place_of
from .._core import default_floats
from .._names import MODULES
from ._transform import Transform
from .recipes import RECIPES, recipe

MAX_TEXT = 10_000
# Text must not call CFunction, because its arguments are addresses.
TRANSFORMS = [name for name, module in MODULES.items() if module != "user"]


@default_floats
def parse_transforms(text: str) -> str | tuple[Transform, ...]:
    """Read the name of a recipe, or calls of transforms, from text.

    The text is parsed, never run as Python code. Only transforms can be called, and
    their arguments are literal values or transforms. `CFunction` is not allowed.

    Parameters
    ----------
    text : str
        The name of a recipe, such as "strong", or calls of transforms separated by
        commas, with or without brackets around them. At most 10,000 characters.

    Returns
    -------
    str or tuple of Transform
        The name of the recipe, or the transforms. `Loader(augment=...)` takes both.

    Raises
    ------
    ValueError
        The text is neither of the two, or a transform does not accept its arguments.

    Examples
    --------
    >>> parse_transforms("RandomInvert(p=0.1), RandomApply([CenterCrop(28)])")[0]
    RandomInvert(p=0.1)
    """
    text = text.strip()
    if text in RECIPES:
        return text
    if "(" not in text and text not in TRANSFORMS:
        recipe(text)  # raises the error for an unknown recipe
    if len(text) > MAX_TEXT:
        raise ValueError(
            f"augment must have at most {MAX_TEXT:,} characters, got {len(text):,}"
        )
    try:
        tree: Any = ast.parse(" ".join(text.split()), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError(
            f"augment must be a list of transforms, got {text[:80]!r}: "
            f"{getattr(error, 'msg', error)}"
        ) from None
    nodes = tree.elts if isinstance(tree, (ast.List, ast.Tuple)) else [tree]
    try:
        return tuple(_transform_from(node) for node in nodes)
    except RecursionError:
        raise ValueError(
            f"augment must have fewer nested brackets, got {text[:80]!r}"
        ) from None


def _transform_from(node: Any) -> Transform:
    """Return the transform that a call in the syntax tree makes."""
    source = ast.unparse(node)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise ValueError(
            "augment: each transform must be a call such as RandomInvert(), got "
            f"{source!r}"
        )
    name = node.func.id
    if name not in TRANSFORMS:
        raise ValueError(
            f"augment: unknown transform {name!r}"
            f"{in_place_of('fmnist_fast', name, TRANSFORMS)}"
        )
    transform = getattr(importlib.import_module(f".{MODULES[name]}", __package__), name)
    names = [keyword.arg for keyword in node.keywords]
    if None in names or len(set(names)) < len(names):
        raise ValueError(
            "augment: each keyword argument must have a name and appear once, got "
            f"{source!r}"
        )
    keywords: Any = {
        keyword.arg: _value_from(keyword.value) for keyword in node.keywords
    }
    try:
        return cast("Transform", transform(*map(_value_from, node.args), **keywords))
    except TypeError as error:  # also for missing and unknown arguments
        raise ValueError(f"augment: {source}: {error}") from None


def _value_from(node: Any) -> Any:
    """Return the value of an argument in the syntax tree."""
    if isinstance(node, ast.Call):
        return _transform_from(node)
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value_from(item) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        raise ValueError(
            "augment: an argument must be a literal value or a transform, got "
            f"{ast.unparse(node)!r}"
        ) from None
