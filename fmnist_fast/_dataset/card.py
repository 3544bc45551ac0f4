"""The card of a dataset: what it is, who made it and how, how to cite it.

The cards of the datasets that are known by name are in cards.py.
"""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FormatError

if TYPE_CHECKING:
    from .._registry.spec import DatasetSpec
    from ..dataset import Dataset

CARD_NAME = "dataset.json"  # classes and origin, beside files that we made
_WIDTH = 80
_TEXTS = ("description", "citation", "homepage", "licence", "task", "language")
_LISTS = ("authors", "made")
_MANY_CLASSES = 26  # up to here all are named; 26 letters fill a line


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
            parts.append(_filled(self.description))
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
        lines = [_filled(f"{name:9} {text}", 10) for name, text in rows.items() if text]
        parts.append("\n".join(lines))
        if self.made:
            steps = [_filled(f"{i}. {step}", 3) for i, step in enumerate(self.made, 1)]
            parts.append("\n".join(["How it was made:", *steps]))
        if self.citation:
            parts.append(self.citation)
        return "\n\n".join(parts)


def _filled(text: str, indent: int = 0) -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _shown_classes(classes: tuple[str, ...]) -> str:
    if len(classes) <= _MANY_CLASSES:
        return ", ".join(classes)
    return f"{len(classes)}: {', '.join(classes[:5])}, ... {classes[-1]}"


def card_of(dataset: Dataset) -> Card:
    """The card of a dataset: by its name, what its dataset.json says, what is seen.

    A synthetic dataset has the synthetic card, whatever its name is.
    """
    from .known_cards import CARDS, SYNTHETIC

    if dataset.synthetic:
        card = SYNTHETIC
    else:
        card = CARDS.get(dataset.name or "", Card())
    height, width = dataset.images.shape[1:]
    known: dict[str, Any] = {
        "name": dataset.name or card.name,
        "splits": card.splits or {dataset.split_name or "all": len(dataset)},
        "features": {
            "image": f"grayscale, uint8 ({height}, {width})",
            "label": f"{dataset.labels.dtype}, 0..{len(dataset.classes) - 1}",
        },
        "classes": dataset.classes,
    }
    return dataclasses.replace(card, **(known | card_fields(dataset._card)))


def card_of_spec(spec: DatasetSpec) -> Card:
    """The card of a known dataset whose files are not at hand."""
    from .known_cards import CARDS

    return dataclasses.replace(
        CARDS[spec.name],
        name=spec.name,
        features={
            "image": "grayscale, uint8 (28, 28)",
            "label": f"0..{len(spec.classes) - 1}",
        },
        classes=spec.classes,
    )


def card_fields(found: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a card in a dataset.json; other keys are left out.

    The texts are `description`, `citation`, `homepage`, `licence` (or `license`),
    `task` and `language`; `authors` and `made` are lists of texts.

    Raises
    ------
    ValueError
        A field has another type.
    """
    fields = {name: found[name] for name in (*_TEXTS, *_LISTS) if name in found}
    if "license" in found:
        fields.setdefault("licence", found["license"])
    for name, value in fields.items():
        if name in _TEXTS and not isinstance(value, str):
            raise ValueError(f"{name} must be a string, got {value!r}")
        if name in _LISTS:
            if type(value) is not list or any(type(each) is not str for each in value):
                raise ValueError(f"{name} must be a list of strings, got {value!r}")
            fields[name] = tuple(value)
    return fields


def read_card(folder: Path, shown: str | None = None) -> dict[str, Any]:
    """Return what the dataset.json in `folder` says, nothing where there is none.

    Errors call the file `shown`, by default by its path.
    """
    path = folder / CARD_NAME
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    try:
        card = json.loads(text.decode("utf-8"))
        if type(card) is not dict:
            found = type(card).__name__
            raise ValueError(f"the file must hold a JSON object, got {found}")
        classes, name = card.get("classes", [""]), card.get("name", "")
        named = type(classes) is list and all(type(each) is str for each in classes)
        if not named or not classes:
            raise ValueError(f"classes must be a list of names, got {classes!r}")
        if type(name) is not str:
            raise ValueError(f"name must be a string, got {name!r}")
        card_fields(card)
        return card
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{shown or path}: not a dataset card: {error}") from None
