"""What a card holds, and the cards of the datasets that are known by name.

Sources: the papers that the citations name; https://github.com/zalandoresearch/
fashion-mnist, https://github.com/rois-codh/kmnist, https://github.com/facebookresearch/
qmnist, https://www.nist.gov/itl/products-and-services/emnist-dataset; the licence of
MNIST: https://keras.io/api/datasets/mnist/.
"""

from __future__ import annotations

import dataclasses
import functools
import textwrap
from collections.abc import Mapping

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


# ---- known datasets -----------------------------------------------------------------

_60_AND_10 = {"train": 60000, "test": 10000}

_FASHION_MNIST = Card(
    description=(
        "Pictures of articles from the shop of Zalando, ten kinds of clothing, shoes "
        "and bags, in the format and the sizes of MNIST: the same code runs on both, "
        "and the task is harder. Each class has 6,000 training and 1,000 test images. "
        "The articles are light on a black ground."
    ),
    citation="""@misc{xiao2017fashion,
  title         = {Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
                   Learning Algorithms},
  author        = {Han Xiao and Kashif Rasul and Roland Vollgraf},
  year          = {2017},
  eprint        = {1708.07747},
  archivePrefix = {arXiv},
  primaryClass  = {cs.LG}
}""",
    homepage="https://github.com/zalandoresearch/fashion-mnist",
    licence="MIT",
    authors=("Han Xiao", "Kashif Rasul", "Roland Vollgraf"),
    language="en",
    made=(
        "The original is a JPEG of 762x1000 pixels on a light gray ground (#fdfdfd); "
        "its thumbnail of 51x73, seen from the front, is converted to PNG.",
        "Edges are trimmed whose colour is within 5 % of the maximum possible "
        "intensity, in RGB, of the colour of the corner pixels.",
        "The longest edge is resized to 28 by subsampling: rows and columns are "
        "skipped.",
        "The image is sharpened with a Gaussian operator of radius and standard "
        "deviation 1.0, with increasing effect near outlines.",
        "The shortest edge is extended to 28, with the image in the centre.",
        "Intensities are negated.",
        "The image is converted to 8-bit grayscale.",
    ),
    splits=_60_AND_10,
)

_MNIST = Card(
    description=(
        "Handwritten digits, light on a black ground, by employees of the US Census "
        "Bureau and by high-school students; no writer is in both splits."
    ),
    citation="""@article{lecun1998gradient,
  title   = {Gradient-based learning applied to document recognition},
  author  = {Yann LeCun and L{\\'e}on Bottou and Yoshua Bengio and
             Patrick Haffner},
  journal = {Proceedings of the IEEE},
  volume  = {86},
  number  = {11},
  pages   = {2278--2324},
  year    = {1998}
}""",
    homepage="http://yann.lecun.com/exdb/mnist/",
    licence="CC BY-SA 3.0, as the documentation of Keras has it",
    authors=("Yann LeCun", "Corinna Cortes", "Christopher J.C. Burges"),
    made=(
        "Black and white digits come from NIST's Special Databases 1 and 3.",
        "Each is scaled to fit 20x20 pixels with its aspect ratio kept; this gives the "
        "grey levels.",
        "Its centre of mass is put in the centre of 28x28 pixels.",
    ),
    splits=_60_AND_10,
)

_KMNIST = Card(
    description=(
        "Kuzushiji-MNIST: cursive characters from classical Japanese books, one for "
        "each of the ten rows of hiragana, in the format and the sizes of MNIST. Each "
        "class has 6,000 training and 1,000 test images."
    ),
    citation="""@misc{clanuwat2018deep,
  title         = {Deep Learning for Classical Japanese Literature},
  author        = {Tarin Clanuwat and Mikel Bober-Irizar and
                   Asanobu Kitamoto and Alex Lamb and Kazuaki Yamamoto and
                   David Ha},
  year          = {2018},
  eprint        = {1812.01718},
  archivePrefix = {arXiv},
  primaryClass  = {cs.CV}
}""",
    homepage="https://github.com/rois-codh/kmnist",
    licence=(
        "CC BY-SA 4.0; attribution: KMNIST Dataset (created by CODH), adapted from "
        "Kuzushiji Dataset (created by NIJL and others), doi:10.20676/00000341"
    ),
    authors=(
        "Tarin Clanuwat",
        "Mikel Bober-Irizar",
        "Asanobu Kitamoto",
        "Alex Lamb",
        "Kazuaki Yamamoto",
        "David Ha",
    ),
    language="ja",
    splits=_60_AND_10,
)

_QMNIST = Card(
    description=(
        "MNIST built again from NIST's Special Database 19, with all 60,000 test "
        "digits. The training digits and the first 10,000 test digits are those of "
        "MNIST, in its order; pixels differ by a few grey levels, and 147 training "
        "digits are shifted by a pixel. Seven more numbers for each digit tell where "
        "in the database it is and who wrote it."
    ),
    citation="""@incollection{yadav2019cold,
  title     = {Cold Case: The Lost MNIST Digits},
  author    = {Chhavi Yadav and L{\\'e}on Bottou},
  booktitle = {Advances in Neural Information Processing Systems 32},
  year      = {2019}
}""",
    homepage="https://github.com/facebookresearch/qmnist",
    licence="BSD-style, see LICENSE in its repository",
    authors=("Chhavi Yadav", "Léon Bottou"),
    made=(
        "Digits of Special Database 19 went through the steps that the first paper on "
        "MNIST tells.",
        "Each training digit of MNIST was paired with its best match, and the worst "
        "pairs were looked at to find out what the steps had been; again and again.",
    ),
    splits={"train": 60000, "test": 60000},
)

# What is in each split of EMNIST, and its training and test images.
_EMNIST = {
    "byclass": ("digits, capital and small letters, in 62 classes", 697932, 116323),
    "bymerge": (
        "digits and letters in 47 classes: small letters that look like their "
        "capitals are one class with these",
        697932,
        116323,
    ),
    "balanced": (
        "the 47 classes of bymerge with the same number of images each",
        112800,
        18800,
    ),
    "letters": ("letters in 26 classes, capital and small together", 124800, 20800),
    "digits": ("digits, as many of each", 240000, 40000),
    "mnist": ("digits in the sizes of MNIST", 60000, 10000),
}


def _emnist(contents: str, n_train: int, n_test: int) -> Card:
    return Card(
        description=(
            "Handwritten characters from NIST's Special Database 19 in the format of "
            f"MNIST, light on a black ground: {contents}."
        ),
        citation="""@inproceedings{cohen2017emnist,
  title     = {EMNIST: Extending MNIST to handwritten letters},
  author    = {Gregory Cohen and Saeed Afshar and Jonathan Tapson and
               Andr{\\'e} van Schaik},
  booktitle = {2017 International Joint Conference on Neural Networks (IJCNN)},
  pages     = {2921--2926},
  year      = {2017}
}""",
        homepage="https://www.nist.gov/itl/products-and-services/emnist-dataset",
        licence="its homepage states none",
        authors=(
            "Gregory Cohen",
            "Saeed Afshar",
            "Jonathan Tapson",
            "André van Schaik",
        ),
        language="en",
        made=(
            "Black and white characters of 128x128 pixels are blurred by a Gaussian "
            "filter of standard deviation 1.",
            "The part with the character is cut out, put in the centre of a square "
            "with its aspect ratio kept, and given a border of 2 pixels.",
            "It is resized to 28x28 with bicubic interpolation, and the grey levels "
            "are scaled to 0..255.",
        ),
        splits={"train": n_train, "test": n_test},
    )


CARDS: dict[str, Card] = {
    "fashion-mnist": _FASHION_MNIST,
    "mnist": _MNIST,
    "kmnist": _KMNIST,
    "qmnist": _QMNIST,
    **{f"emnist/{split}": _emnist(*facts) for split, facts in _EMNIST.items()},
}

SYNTHETIC = Card(
    description=(
        "SYNTHETIC. A stand-in for Fashion-MNIST where its files are missing: "
        "outlines of ten kinds of garments, drawn from random numbers in the sizes "
        "of Fashion-MNIST and with its class names. Good for trying code and for "
        "timing it; figures of accuracy say nothing about Fashion-MNIST."
    ),
    licence="MIT, that of fmnist_fast",
    language="en",
    made=("fmnist_fast.synthetic() drew the images; a seed decides all of them.",),
    synthetic=True,
)
