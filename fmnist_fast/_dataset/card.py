"""The card of a dataset: of the known ones, what a ``dataset.json`` says, what is seen.

Loading reads dataset.json, so that making the class of cards waits in known_cards.py.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FormatError

if TYPE_CHECKING:
    import numpy as np

    from .known_cards import Card

CARD_NAME = "dataset.json"
_TEXTS = ("description", "citation", "homepage", "license", "task", "language")
_LISTS = ("authors", "made")


def card_of(
    name: str | None,
    classes: tuple[str, ...],
    sides: tuple[int, ...] = (28, 28),
    *,
    label_dtype: np.dtype | None = None,
    splits: Mapping[str, int] | None = None,
    synthetic: bool = False,
    fields: Mapping[str, Any] | None = None,
) -> Card:
    """Return the card of a dataset: by its name, what `fields` say, what is seen.

    A synthetic dataset has the synthetic card, whatever its name is. `sides` are height
    and width of the images, `splits` the number of images in each split at hand, and
    `fields` the contents of a dataset.json.
    """
    import dataclasses

    from .known_cards import CARDS, SYNTHETIC, Card

    card = SYNTHETIC if synthetic else CARDS.get(name or "", Card())
    dtype = f"{label_dtype}, " if label_dtype else ""
    seen: dict[str, Any] = {
        "name": name or card.name,
        "splits": card.splits or splits or {},
        "features": {
            "image": f"grayscale, uint8 {sides}",
            "label": f"{dtype}0..{len(classes) - 1}",
        },
        "classes": classes,
    }
    return dataclasses.replace(card, **(seen | card_fields(fields or {})))


def read_card(folder: Path, shown: str | None = None) -> dict[str, Any]:
    """Return the contents of the dataset.json in a folder, or nothing without one.

    Messages call the file `shown`, by default its path. It is a FormatError if the file
    holds no JSON object, or a field of another type.
    """
    path = folder / CARD_NAME
    if not os.path.isfile(path):
        return {}
    content = path.read_bytes()
    import json

    try:
        card = json.loads(content.decode("utf-8"))
        if type(card) is not dict:
            kind = type(card).__name__
            raise ValueError(f"the file must hold a JSON object, got {kind}")
        classes, name = card.get("classes", [""]), card.get("name", "")
        if not _is_texts(classes) or not classes:
            raise ValueError(f"classes must be a list of names, got {classes!r}")
        if type(name) is not str:
            raise ValueError(f"name must be a string, got {name!r}")
        card_fields(card)
        return card
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{shown or path}: not a dataset card: {error}") from None


def card_fields(contents: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a card in a dataset.json; other keys are left out.

    A value of another type is a ValueError.
    """
    fields = {name: contents[name] for name in (*_TEXTS, *_LISTS) if name in contents}
    for name, value in fields.items():
        if name in _TEXTS and not isinstance(value, str):
            raise ValueError(f"{name} must be a string, got {value!r}")
        if name in _LISTS:
            if not _is_texts(value):
                raise ValueError(f"{name} must be a list of strings, got {value!r}")
            fields[name] = tuple(value)
    return fields


def _is_texts(value: Any) -> bool:
    return type(value) is list and all(type(each) is str for each in value)
