"""What a card holds, and the cards of the datasets that are known by name."""

from __future__ import annotations

import dataclasses
import functools
import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._registry.datasets import DATASETS

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
    homepage, license, task, language : str
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
            steps = [
                _fill(f"{i}. {step}", subsequent_indent=" " * 3)
                for i, step in enumerate(self.made, 1)
            ]
            parts.append("\n".join(["How it was made:", *steps]))
        if self.citation:
            parts.append(self.citation)
        return "\n\n".join(parts)


def _read_cards() -> dict[str, Card]:
    """Return the cards whose texts known_cards.json beside this module has."""
    text = Path(__file__).with_suffix(".json").read_text("utf-8")
    known: dict[str, dict[str, Any]] = json.loads(text)
    del known["//"]
    emnist = known.pop("emnist")
    for split, contents in emnist.pop("splits").items():
        description = [line.format(contents) for line in emnist["description"]]
        known[f"emnist/{split}"] = emnist | {"description": description}
    return {name: _card(name, fields) for name, fields in known.items()}


def _card(name: str, fields: dict[str, Any]) -> Card:
    lists = {key: tuple(fields.get(key, ())) for key in ("authors", "made")}
    texts = {
        "description": " ".join(fields["description"]),
        "citation": "\n".join(fields.get("citation", ())),
    }
    splits = {}
    if name in DATASETS:
        for split, part in DATASETS[name].splits.items():
            if (part.begin, part.end) == (0, None):  # all of a published file
                splits[split] = part.n_items
    synthetic = name == "synthetic"
    return Card(**fields | lists | texts, splits=splits, synthetic=synthetic)


CARDS = _read_cards()
SYNTHETIC = CARDS.pop("synthetic")
