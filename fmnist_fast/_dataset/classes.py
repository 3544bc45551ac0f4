"""Convert labels to class names, and class names to labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .._checks import checked_integer, did_you_mean

_MAX_LISTED = 12  # names in a message
_MAX_COMPARED = 50_000  # names to compare a wrong name with, in about a second


def _label_of(classes: Sequence[str], name: Any) -> int:
    """Return the label of a class name."""
    if not isinstance(name, str):
        raise TypeError(f"names must be strings, got {name!r}")
    if name in classes:
        return classes.index(name)
    more = ", ..." if len(classes) > _MAX_LISTED else "."
    names = f".\nThe classes are {', '.join(map(repr, classes[:_MAX_LISTED]))}{more}"
    hint = did_you_mean(name, classes[:_MAX_COMPARED]) or names
    raise ValueError(f"no class is named {name!r}{hint}")


def names_of(classes: Sequence[str], labels: Any) -> str | list[str]:
    """Return the name of a label, or the names of a sequence of labels."""
    last, is_scalar = len(classes) - 1, np.ndim(labels) == 0
    sequence = [labels] if is_scalar else np.asarray(labels).tolist()
    names = [classes[checked_integer("labels", label, 0, last)] for label in sequence]
    return names[0] if is_scalar else names


def labels_of(classes: Sequence[str], names: Any) -> int | list[int]:
    """Return the label of a name, or the labels of a sequence of names."""
    if isinstance(names, str):
        return _label_of(classes, names)
    if not isinstance(names, (list, tuple, np.ndarray)):
        raise TypeError(f"names must be a string or a sequence of them, got {names!r}")
    return [_label_of(classes, name) for name in names]


def selected_labels(classes: Sequence[str], selection: Any) -> list[int]:
    """Return the labels of one or several classes, given by names or numbers."""
    if isinstance(selection, str) or not isinstance(selection, Iterable):
        selection = [selection]
    last = len(classes) - 1
    return [
        _label_of(classes, item)
        if isinstance(item, str)
        else checked_integer("classes", item, 0, last)
        for item in selection
    ]
