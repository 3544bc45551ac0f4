"""Names of classes from labels, and labels from names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .._checks import checked_integer, did_you_mean

_MAX_LISTED = 12  # names in a message
_MAX_COMPARED = 50_000  # names that a wrong one is compared with, in about a second


def _label_of(classes: Sequence[str], name: Any) -> int:
    if not isinstance(name, str):
        raise TypeError(f"names must be strings, got {name!r}")
    labels = [label for label, known in enumerate(classes) if known == name]
    if len(labels) == 1:
        return labels[0]
    if labels:
        raise ValueError(f"several classes are named {name!r}: {labels}")
    more = ", ..." if len(classes) > _MAX_LISTED else ""
    listed = f"; they are {', '.join(map(repr, classes[:_MAX_LISTED]))}{more}"
    hint = did_you_mean(name, classes[:_MAX_COMPARED]) or listed
    raise ValueError(f"no class is named {name!r}{hint}")


def names_of(classes: Sequence[str], labels: Any) -> str | list[str]:
    """Return the name of a label, or the names of a sequence of labels."""
    last, is_one = len(classes) - 1, np.ndim(labels) == 0
    each = [labels] if is_one else np.asarray(labels).tolist()
    names = [classes[checked_integer("labels", label, 0, last)] for label in each]
    return names[0] if is_one else names


def labels_of(classes: Sequence[str], names: Any) -> int | list[int]:
    """Return the label of a name, or the labels of a sequence of names."""
    if isinstance(names, str):
        return _label_of(classes, names)
    if not isinstance(names, (list, tuple, np.ndarray)):
        raise TypeError(f"names must be a string or a sequence of them, got {names!r}")
    return [_label_of(classes, name) for name in names]


def wanted_labels(classes: Sequence[str], wanted: Any) -> list[int]:
    """Return the labels of one or several classes, each given by name or number."""
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        wanted = [wanted]
    last = len(classes) - 1
    return [
        _label_of(classes, one)
        if isinstance(one, str)
        else checked_integer("classes", one, 0, last)
        for one in wanted
    ]
