"""Names of classes from labels, and labels from names."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

_MAX_SHOWN = 12


def names_of(classes: Sequence[str], labels: Any) -> str | list[str]:
    """The name of a label, or the list of those of a sequence of labels."""
    if np.ndim(labels):
        return [_name_of(classes, label) for label in np.asarray(labels).tolist()]
    return _name_of(classes, labels)


def _name_of(classes: Sequence[str], label: Any) -> str:
    try:
        label = operator.index(label)
    except TypeError:
        raise TypeError(
            f"labels must be integers or sequences of them, got {label!r}"
        ) from None
    if not 0 <= label < len(classes):
        raise ValueError(f"labels must be in 0..{len(classes) - 1}, got {label}")
    return classes[label]


def labels_of(classes: Sequence[str], names: Any) -> int | list[int]:
    """The label of a name, or the list of those of a sequence of names."""
    if isinstance(names, str):
        return _label_of(classes, names)
    if not isinstance(names, (list, tuple, np.ndarray)):
        raise TypeError(f"names must be a string or a sequence of them, got {names!r}")
    return [_label_of(classes, name) for name in names]


def _label_of(classes: Sequence[str], name: Any) -> int:
    if not isinstance(name, str):
        raise TypeError(f"names must be strings, got {name!r}")
    found = [label for label, known in enumerate(classes) if known == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"several classes are named {name!r}: {found}")
    import difflib

    known = {each.casefold(): each for each in classes}
    near = difflib.get_close_matches(name.casefold(), known, n=3, cutoff=0.6)
    if near:
        hint = "did you mean " + " or ".join(repr(known[each]) for each in near) + "?"
    else:
        more = ", ..." if len(classes) > _MAX_SHOWN else ""
        hint = f"they are {', '.join(map(repr, classes[:_MAX_SHOWN]))}{more}"
    raise ValueError(f"no class is named {name!r}: {hint}")
