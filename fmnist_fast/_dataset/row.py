"""A row of a dataset, which is a pair and is indexed by column."""

from __future__ import annotations

import functools
from collections.abc import ItemsView, KeysView, ValuesView
from typing import Any, NamedTuple

import numpy as np


class Row(NamedTuple):
    """An image and its label, or several images and their labels.

    It unpacks as a tuple, and its columns have names, as in a row of Hugging Face
    `datasets`. PyTorch, JAX and TensorFlow treat it as a namedtuple: they convert its
    elements and keep its type.
    """

    image: Any
    label: Any

    def __getitem__(self, key: Any) -> Any:
        """Return the column of a name, or the elements at a number or slice."""
        if key == "image":
            return self.image
        if key == "label":
            return self.label
        if isinstance(key, str):
            raise KeyError(f"column must be 'image' or 'label', got {key!r}")
        return tuple.__getitem__(self, key)

    def __contains__(self, name: object) -> bool:
        """Return whether a column has this name."""
        return isinstance(name, str) and name in self._fields

    def __eq__(self, other: object) -> bool:
        """Return whether the other is a pair of equal images and labels."""
        if not isinstance(other, tuple):
            return NotImplemented
        return len(other) == 2 and all(map(np.array_equal, self, other))

    def __ne__(self, other: object) -> bool:
        """Return whether the other is anything except an equal pair."""
        return not self == other

    def __repr__(self) -> str:
        """Return the columns, with types and shapes in place of arrays."""
        return f"Row(image={_shown(self.image)}, label={_shown(self.label)})"

    def keys(self) -> KeysView[str]:
        """Return the names of the columns, as of a dict."""
        return self._asdict().keys()

    def values(self) -> ValuesView[Any]:
        """Return the image and the label, as of a dict."""
        return self._asdict().values()

    def items(self) -> ItemsView[str, Any]:
        """Return the name and the value of each column, as of a dict."""
        return self._asdict().items()

    def get(self, name: str, default: Any = None) -> Any:
        """Return the column of a name, or `default` if there is no such column."""
        return self[name] if name in self else default


new_row = functools.partial(tuple.__new__, Row)  # 80 ns less than a call of Row


def _shown(value: Any) -> str:
    shape = tuple(getattr(value, "shape", ()))
    return f"<{value.dtype} {shape}>" if shape else repr(value)
