"""Define cards, and read the cards of the published datasets from a JSON file."""

from __future__ import annotations

import dataclasses
import functools
import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._registry.datasets import DATASETS

_MANY_CLASSES = 26  # a card lists up to this many; 26 letters fill a line
_fill = functools.partial(
    textwrap.fill, width=80, break_long_words=False, break_on_hyphens=False
)


@dataclasses.dataclass(frozen=True, repr=False)
class Card:
    """Metadata of a dataset; ``print(card)`` shows all of it.

    Attributes
    ----------
    name : str
        Name, such as "fashion-mnist". Texts that are not known are empty.
    description : str
        Description of the images and the classes.
    citation : str
        BibTeX entry.
    homepage, license, task : str
        URL of the dataset, its license, and what it is for.
    language : str
        ISO 639 code of the language.
    authors : tuple of str
        Names of the authors.
    made : tuple of str
        How the dataset was made, with one sentence for each operation.
    splits : dict of str to int
        Number of images in each published split, or in the loaded split of another
        dataset.
    features : dict of str to str
        Type and range of each column.
    classes : tuple of str
        Names of the classes.
    synthetic : bool
        Whether a program drew the images to stand in for real ones.

    Notes
    -----
    Determinism: The fields depend only on the dataset and its files.

    Thread safety: A card doesn't change after it is made, so threads can share it.

    Buffers: A card holds texts and numbers, and refers to no arrays.
    """

    name: str = ""
    description: str = ""
    citation: str = ""
    homepage: str = ""
    license: str = ""
    authors: tuple[str, ...] = ()
    task: str = "image classification"
    language: str = ""
    made: tuple[str, ...] = ()
    splits: Mapping[str, int] = dataclasses.field(default_factory=dict)
    features: Mapping[str, str] = dataclasses.field(default_factory=dict)
    classes: tuple[str, ...] = ()
    synthetic: bool = False

    def __repr__(self) -> str:
        """Return all fields that are known, as a text of several lines."""
        title = self.name or "a dataset without a name"
        if self.synthetic:
            title += " (SYNTHETIC: drawn by a program, no real photographs)"
        parts = [title + "\n" + "-" * len(title)]
        if self.description:
            parts.append(_fill(self.description))
        classes = ", ".join(self.classes)
        if len(self.classes) > _MANY_CLASSES:
            first, last = ", ".join(self.classes[:5]), self.classes[-1]
            classes = f"{len(self.classes)}: {first}, ... {last}"
        rows = {
            "homepage": self.homepage,
            "license": self.license,
            "authors": ", ".join(self.authors),
            "task": self.task,
            "language": self.language,
            "splits": ", ".join(f"{name} {n:,}" for name, n in self.splits.items()),
            **self.features,
            "classes": classes,
        }
        lines = [
            _fill(f"{name:9} {text}", subsequent_indent=" " * 10)
            for name, text in rows.items()
            if text
        ]
        parts.append("\n".join(lines))
        if self.made:
            sentences = [
                _fill(f"{i}. {sentence}", subsequent_indent=" " * 3)
                for i, sentence in enumerate(self.made, 1)
            ]
            parts.append("\n".join(["How it was made:", *sentences]))
        if self.citation:
            parts.append(self.citation)
        return "\n\n".join(parts)


def _read_cards() -> dict[str, Card]:
    """Return the cards in known_cards.json by name."""
    text = Path(__file__).with_suffix(".json").read_text("utf-8")
    known: dict[str, dict[str, Any]] = json.loads(text)
    del known["//"]
    emnist = known.pop("emnist")
    for split, contents in emnist.pop("splits").items():
        description = [line.format(contents) for line in emnist["description"]]
        known[f"emnist/{split}"] = emnist | {"description": description}
    return {name: _card(name, fields) for name, fields in known.items()}


def _card(name: str, fields: dict[str, Any]) -> Card:
    """Return the card made of the JSON fields of a dataset."""
    lists = {key: tuple(fields.get(key, ())) for key in ("authors", "made")}
    texts = {
        "description": " ".join(fields["description"]),
        "citation": "\n".join(fields.get("citation", ())),
    }
    splits = {}
    if name in DATASETS:
        for split, part in DATASETS[name].splits.items():
            if (part.begin, part.end) == (0, None):  # a whole published file
                splits[split] = part.n_items
    synthetic = name == "synthetic"
    return Card(**fields | lists | texts, splits=splits, synthetic=synthetic)


CARDS = _read_cards()
SYNTHETIC = CARDS.pop("synthetic")
