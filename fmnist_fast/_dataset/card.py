"""The card of a dataset: what it is, who made it and how, how to cite it.

The cards of the published datasets are in known_cards.py. A ``dataset.json`` beside
the files of a dataset adds to its card, or replaces it.
"""

from __future__ import annotations

import dataclasses
import functools
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FormatError

if TYPE_CHECKING:
    import numpy as np

CARD_NAME = "dataset.json"
_TEXTS = ("description", "citation", "homepage", "licence", "task", "language")
_LISTS = ("authors", "made")
_MANY_CLASSES = 26  # up to here all are named; 26 letters fill a line
_fill = functools.partial(
    textwrap.fill, width=80, break_long_words=False, break_on_hyphens=False
)


@dataclasses.dataclass(frozen=True, repr=False)
class Card:
    """What is known about a dataset; ``print(card)`` shows all of it.

    Attributes
    ----------
    name : str
        Such as "fashion-mnist"; empty, like the other texts, where it isn't known.
    description : str
    citation : str
        BibTeX.
    homepage, licence, task, language : str
        `language` is an ISO 639 code.
    authors : tuple of str
    made : tuple of str
        How it was made, a sentence for each step.
    splits : dict of str to int
        Images in each published split; of other datasets, those at hand.
    features : dict of str to str
        The columns and what is in them.
    classes : tuple of str
    synthetic : bool
        Whether the images were drawn by a program to stand in for others.
    """

    name: str = ""
    description: str = ""
    citation: str = ""
    homepage: str = ""
    licence: str = ""
    authors: tuple[str, ...] = ()
    task: str = "image classification"
    language: str = ""
    made: tuple[str, ...] = ()
    splits: Mapping[str, int] = dataclasses.field(default_factory=dict)
    features: Mapping[str, str] = dataclasses.field(default_factory=dict)
    classes: tuple[str, ...] = ()
    synthetic: bool = False

    def __repr__(self) -> str:
        title = self.name or "a dataset without a name"
        if self.synthetic:
            title += " (SYNTHETIC: drawn by a program, no real photographs)"
        parts = [title + "\n" + "-" * len(title)]
        if self.description:
            parts.append(_fill(self.description))
        rows = {
            "homepage": self.homepage,
            "licence": self.licence,
            "authors": ", ".join(self.authors),
            "task": self.task,
            "language": self.language,
            "splits": ", ".join(f"{name} {n:,}" for name, n in self.splits.items()),
            **self.features,
            "classes": _shown_classes(self.classes),
        }
        lines = [
            _fill(f"{name:9} {text}", subsequent_indent=" " * 10)
            for name, text in rows.items()
            if text
        ]
        parts.append("\n".join(lines))
        if self.made:
            steps = [
                _fill(f"{i}. {step}", subsequent_indent=" " * 3)
                for i, step in enumerate(self.made, 1)
            ]
            parts.append("\n".join(["How it was made:", *steps]))
        if self.citation:
            parts.append(self.citation)
        return "\n\n".join(parts)


def _shown_classes(classes: tuple[str, ...]) -> str:
    if len(classes) <= _MANY_CLASSES:
        return ", ".join(classes)
    return f"{len(classes)}: {', '.join(classes[:5])}, ... {classes[-1]}"


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
    from .known_cards import CARDS, SYNTHETIC

    card = SYNTHETIC if synthetic else CARDS.get(name or "", Card())
    height, width = sides
    dtype = f"{label_dtype}, " if label_dtype else ""
    seen: dict[str, Any] = {
        "name": name or card.name,
        "splits": card.splits or splits or {},
        "features": {
            "image": f"grayscale, uint8 ({height}, {width})",
            "label": f"{dtype}0..{len(classes) - 1}",
        },
        "classes": classes,
    }
    return dataclasses.replace(card, **(seen | card_fields(fields or {})))


# ---- dataset.json -------------------------------------------------------------------


def read_card(folder: Path, shown: str | None = None) -> dict[str, Any]:
    """Return the contents of the dataset.json in a folder, or nothing without one.

    Messages call the file `shown`, by default its path. It is a FormatError if the file
    holds no JSON object, or a field of another type.
    """
    path = folder / CARD_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
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

    The texts are `description`, `citation`, `homepage`, `licence` (or `license`),
    `task` and `language`; `authors` and `made` are lists of texts. Another type is a
    ValueError.
    """
    fields = {name: contents[name] for name in (*_TEXTS, *_LISTS) if name in contents}
    if "license" in contents:
        fields.setdefault("licence", contents["license"])
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
