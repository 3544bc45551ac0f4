"""Check the names of classes, and convert labels to names and names to labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set, ValuesView
from typing import Any

import numpy as np

from .._checks import checked_integer, did_you_mean, one_line

ClassNames = Sequence[str] | Mapping[int, str] | Mapping[str, int]

_MAX_LISTED = 12  # names in a message
_MAX_COMPARED = 50_000  # names to compare a wrong name with, in about a second


def checked_classes(classes: Any) -> list[str] | None:
    """Return the names of the classes in the order of their labels.

    They come from a sequence of names, or a mapping between labels and names.
    """
    if classes is None:
        return None
    if hasattr(classes, "to_dict"):  # a Series of pandas
        classes = classes.to_dict()
    names = _by_label(classes) if isinstance(classes, Mapping) else _in_order(classes)
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        if not isinstance(name, str):
            raise TypeError(
                f"names of classes must be strings, got {name!r}{_hint(names)}"
            )
        if not name.strip():
            raise ValueError(
                f"names of classes must not be empty, got {name!r} for class {i}"
            )
        if first.setdefault(name, i) != i:
            raise ValueError(
                f"classes must have different names, got {name!r} for classes "
                f"{first[name]} and {i}"
            )
    if not names:
        raise ValueError("classes must have at least one name, got none")
    return list(map(str, names))


def _in_order(classes: Any) -> list[Any]:
    """Return the elements of a sequence or iterator, but not of a set or of dict views.

    The order of a set is arbitrary. Names that are keys of a dict may have labels that
    differ from the order.
    """
    is_array = getattr(classes, "ndim", None) == 1
    is_ordered = isinstance(classes, (Sequence, Iterator)) or is_array
    if is_ordered and not isinstance(classes, (str, bytes, bytearray)):
        return list(classes)
    hint = "Pass a list of names in the order of their labels."
    if isinstance(getattr(classes, "names", None), list):  # a datasets.ClassLabel
        hint = "Pass classes.names."
    elif isinstance(classes, (Set, ValuesView)):
        hint = f"It doesn't say which label a name has.\n{hint}"
    elif _is_integer(classes):
        hint = f"Pass list(map(str, range({classes}))) for classes without names."
    raise TypeError(
        f"classes must be a sequence of names, got {one_line(repr(classes), 60)}.\n"
        f"{hint}"
    )


def _by_label(classes: Mapping[Any, Any]) -> list[Any]:
    """Return the names in a mapping of labels to names, or of names to labels."""
    pairs = list(classes.items())
    if all(isinstance(name, str) and _is_integer(label) for name, label in pairs):
        pairs = [(label, name) for name, label in pairs]
    elif not all(_is_integer(label) and isinstance(name, str) for label, name in pairs):
        hint = "Pass {0: 'first', 1: 'second'}, or {'first': 0, 'second': 1}."
        if all(str(key).isdecimal() and isinstance(name, str) for key, name in pairs):
            hint = "Pass {int(label): name for label, name in classes.items()}."
        raise TypeError(
            "classes must map integers to names or names to integers, got "
            f"{one_line(repr(classes), 60)}.\n{hint}"
        )
    names: dict[int, str] = {}
    for label, name in pairs:
        if names.setdefault(int(label), name) != name:
            raise ValueError(
                f"classes must have one name for each label, got {names[int(label)]!r} "
                f"and {name!r} for {label}"
            )
    for label in range(len(names)):
        if label not in names:
            raise ValueError(
                f"classes must have a name for each label in 0..{len(names) - 1}, got "
                f"{one_line(repr(sorted(names)), 60)}.\n"
                f"Add a name for {label}, or number the labels from 0 without gaps."
            )
    return [names[label] for label in range(len(names))]


def _is_integer(label: Any) -> bool:
    return isinstance(label, (int, np.integer)) and not isinstance(label, bool)


def _hint(names: Sequence[Any]) -> str:
    """Return what to pass in place of numbers or bytes, for the end of a message."""
    if all(isinstance(name, bytes) for name in names):
        return ".\nPass [name.decode() for name in classes]."
    if all(map(_is_integer, names)):
        return ".\nPass list(map(str, classes))."
    if all(isinstance(pair, tuple) and len(pair) == 2 for pair in names):
        return ".\nPass dict(classes)."
    return ""


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
    if hasattr(names, "__array__"):  # of numpy or pandas
        names = np.atleast_1d(names)
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
