"""parse_transforms: steps written as text, as on a command line."""

from __future__ import annotations

import ast
import importlib
from typing import Any, cast

from .._checks import did_you_mean
from .._names import MODULES
from ._transform import Transform
from .recipes import RECIPES, recipe

MAX_TEXT = 10_000
# Names that may be called: not CFunction, which takes addresses.
TRANSFORMS = [name for name, module in MODULES.items() if module != "user"]


def parse_transforms(text: str) -> str | tuple[Transform, ...]:
    """Read what stands on a command line: a recipe's name, or calls of steps.

    Nothing is evaluated but calls of steps with plain values.

    Raises
    ------
    ValueError
        The text is anything else, or a step does not take its arguments.

    Examples
    --------
    >>> parse_transforms("RandomInvert(p=0.1), RandomApply([CenterCrop(28)])")[0]
    RandomInvert(p=0.1)
    """
    text = text.strip()
    if text in RECIPES:
        return text
    if "(" not in text and text not in TRANSFORMS:
        recipe(text)
    if len(text) > MAX_TEXT:
        raise ValueError(f"augment must have at most {MAX_TEXT:,} characters")
    try:
        tree: Any = ast.parse(" ".join(text.split()), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError(
            f"augment is not a list of steps: {text[:80]!r}: {error}"
        ) from None
    nodes = tree.elts if isinstance(tree, (ast.List, ast.Tuple)) else [tree]
    try:
        return tuple(_read_call(node) for node in nodes)
    except RecursionError:
        raise ValueError("augment: too many brackets inside each other") from None


def _read_call(node: Any) -> Transform:
    source = ast.unparse(node)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise ValueError(f"augment: wanted a step like RandomInvert(), got {source!r}")
    name = node.func.id
    if name not in TRANSFORMS:
        raise ValueError(
            f"augment: unknown step {name!r}{did_you_mean(name, TRANSFORMS)}"
        )
    step = getattr(importlib.import_module(f".{MODULES[name]}", __package__), name)
    words = [word.arg for word in node.keywords]
    if None in words or len(set(words)) < len(words):
        raise ValueError(
            f"augment: arguments must have names of their own, got {source!r}"
        )
    keywords: Any = {word.arg: _read_value(word.value) for word in node.keywords}
    try:
        return cast("Transform", step(*map(_read_value, node.args), **keywords))
    except TypeError as error:  # also for missing and unknown arguments
        raise ValueError(f"augment: {source}: {error}") from None


def _read_value(node: Any) -> Any:
    if isinstance(node, ast.Call):
        return _read_call(node)
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_read_value(item) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        raise ValueError(
            f"augment: wanted a plain value, got {ast.unparse(node)!r}"
        ) from None
