"""Build the card of a dataset from known texts, ``dataset.json`` and its arrays.

Loading a dataset reads its dataset.json. The class `Card` is defined in known_cards.py,
so that loading doesn't wait for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._io.files import naming
from .._io.private import open_file
from ..errors import FormatError
from .classes import checked_classes
from .statistics import Statistics, title_of

if TYPE_CHECKING:
    import numpy as np

    from .known_cards import Card

CARD_NAME = "dataset.json"
MAX_CARD_NBYTES = 1 << 20  # of a dataset.json; the names of 20,000 classes fit
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
    """Return the card of a dataset.

    The card of a published dataset is found by its name. A synthetic dataset has the
    synthetic card, whatever its name is. `fields`, the contents of a dataset.json,
    replace the texts. `sides` are the height and width of the images, and `splits` the
    numbers of images of the loaded splits.
    """
    import dataclasses

    from .known_cards import CARDS, SYNTHETIC, Card

    card = SYNTHETIC if synthetic else CARDS.get(name or "", Card())
    dtype = f"{label_dtype}, " if label_dtype else ""
    measured: dict[str, Any] = {
        "name": name or card.name,
        "splits": card.splits or splits or {},
        "features": {
            "image": f"grayscale, uint8 {sides}",
            "label": f"{dtype}0..{len(classes) - 1}",
        },
        "classes": classes,
    }
    return dataclasses.replace(card, **(measured | card_fields(fields or {})))


def read_card(folder: Path, shown: str | None = None) -> dict[str, Any]:
    """Return the contents of the dataset.json in a folder, or {} if there is no file.

    Raise FormatError if the file holds no JSON object, or a field of a wrong type. The
    message calls the file `shown`, by default its path.
    """
    path = folder / CARD_NAME
    if not os.path.isfile(path):
        return {}
    try:
        with open_file(path, shown) as file, naming(path):
            content = file.read(MAX_CARD_NBYTES + 1) or b""
            nbytes = max(len(content), os.fstat(file.fileno()).st_size)
    except FileNotFoundError:  # another process removed it
        return {}
    import json

    try:
        if nbytes > MAX_CARD_NBYTES:
            raise ValueError(
                f"the file must have at most {MAX_CARD_NBYTES} bytes, got {nbytes}"
            )
        card = json.loads(content.decode("utf-8"), object_pairs_hook=_object_of)
        _check_characters(json.dumps(card, ensure_ascii=False))
        if type(card) is not dict:
            kind = type(card).__name__
            raise ValueError(f"the file must hold a JSON object, got {kind}")
        classes, name = card.get("classes"), card.get("name", "")
        if "classes" in card and not _is_texts(classes):
            raise ValueError(
                f"classes must be a list of names, got {classes!r}"
                f"{_list_of_classes(classes)}"
            )
        checked_classes(classes)
        if type(name) is not str:
            raise ValueError(f"name must be a string, got {name!r}")
        if type(card.get("synthetic", False)) is not bool:
            synthetic = card["synthetic"]
            raise ValueError(f"synthetic must be true or false, got {synthetic!r}")
        card_fields(card)
        _card_moments(card)
        return card
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{shown or path}: not a dataset card: {error}") from None


def card_fields(contents: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the card in a dataset.json, without other keys.

    Raise ValueError if a field has a wrong type.
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


def training_statistics(
    card: Mapping[str, Any],
    name: str | None,
    moments: tuple[float, float] | None = None,
) -> Statistics | None:
    """Return the training set's statistics: those of the card, or `moments`.

    `name` is that of the dataset. Return None if neither has a mean.
    """
    moments = _card_moments(card) or moments
    of = title_of(name, "train", bool(card.get("synthetic", False)))
    return Statistics(*moments, of) if moments else None


def _card_moments(contents: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the mean and std of the training pixels in a dataset.json, if it has them.

    Raise ValueError if they can't be those of pixels in 0..1.
    """
    given = {key: contents[key] for key in ("mean", "std") if key in contents}
    if not given:
        return None
    if len(given) == 1:
        raise ValueError(f"mean and std require each other, got only {min(given)}")
    for key, value in given.items():
        if type(value) not in (int, float):
            raise ValueError(f"{key} must be a number, got {value!r}")
    mean, std = given.values()
    # The standard deviation is largest if half of the pixels are 0 and the others 1.
    if not (0 <= mean <= 1 and 0 < std <= 0.5):
        hint = ".\nDivide those of pixels in 0..255 by 255." * (max(mean, std) > 1)
        raise ValueError(
            "mean must be in 0..1, and std above 0 and at most 0.5, got "
            f"{mean} and {std}{hint}"
        )
    return float(mean), float(std)


def _check_characters(text: str) -> None:
    """Raise ValueError for half of a surrogate pair, which UTF-8 can't encode."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        half = text[error.start]
        raise ValueError(f"strings must be valid Unicode, got {half!r}") from None


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. Raise ValueError if it has a key twice."""
    contents: dict[str, Any] = {}
    for key, value in pairs:
        if key in contents:
            raise ValueError(f"keys must be different, got {key!r} twice")
        contents[key] = value
    return contents


def _list_of_classes(classes: Any) -> str:
    """Return the list to write in place of an object, for the end of a message."""
    if type(classes) is not dict:
        return ""
    if all(label.isdecimal() for label in classes):  # keys of JSON are strings
        classes = {int(label): name for label, name in classes.items()}
    try:
        names = checked_classes(classes)
    except (TypeError, ValueError):
        return ".\nWrite the names in the order of their labels."
    import json

    return f'.\nWrite "classes": {json.dumps(names)}.'


def _is_texts(value: Any) -> bool:
    return type(value) is list and all(type(item) is str for item in value)
