"""The published datasets in the format of MNIST: names, classes, splits and folders.

Sources: EMNIST is described in Cohen et al., arXiv:1702.05373. Figure 2 of the paper
lists the letters whose upper and lower case share a class. QMNIST is described in the
README of github.com/facebookresearch/qmnist, KMNIST at codh.rois.ac.jp/kmnist.
"""

from __future__ import annotations

import os
import re
import string
from collections.abc import Iterable
from typing import Any

from .._checks import did_you_mean
from .files import PUBLISHED
from .spec import DatasetSpec, SplitSpec

DEFAULT = "fashion-mnist"
CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_BY_CLASS = string.digits + string.ascii_uppercase + string.ascii_lowercase
# Lower-case letters that look like their capitals share the class of the capital.
_MERGED = string.digits + string.ascii_uppercase + "abdefghnqrt"

# Fashion-MNIST, MNIST and KMNIST use the same file names.
SPLITS = {
    "train": SplitSpec("train-images-idx3-ubyte", "train-labels-idx1-ubyte", 60000),
    "test": SplitSpec("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", 10000),
}


def _dataset(
    name: str, title: str, classes: Iterable[str], torchvision: str, **more: Any
) -> DatasetSpec:
    """Return the spec of a dataset that torchvision keeps in `torchvision`/raw."""
    defaults: dict[str, Any] = {
        "splits": SPLITS,
        "folders": (name, f"{torchvision}/raw", f"datasets/{name}", "", "raw"),
        "files": PUBLISHED[name.partition("/")[0]],
    }
    return DatasetSpec(name, title, tuple(classes), **defaults | more)


def _emnist(
    split: str, title: str, classes: str, sizes: tuple[int, int], first: int = 0
) -> DatasetSpec:
    """Return the spec of one of EMNIST's six datasets."""
    splits = {}
    for part, n_items in zip(("train", "test"), sizes):
        stem = f"emnist-{split}-{part}"
        images, labels = f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte"
        splits[part] = SplitSpec(images, labels, n_items)
    return _dataset(
        f"emnist/{split}",
        f"EMNIST {title}",
        classes,
        "EMNIST",
        splits=splits,
        folders=(
            *("emnist", "EMNIST/raw", "EMNIST/raw/gzip"),
            *("datasets/emnist", "", "gzip", "raw"),
        ),
        archive="gzip",
        transposed=True,
        first_label=first,
    )


def _qmnist_split(file: str, begin: int = 0, end: int | None = None) -> SplitSpec:
    """Return a split that has some rows of a pair of QMNIST files."""
    stems = f"qmnist-{file}-images-idx3-ubyte", f"qmnist-{file}-labels-idx2-int"
    return SplitSpec(*stems, 60000, begin, end)


_ALL = (
    _dataset(
        DEFAULT,
        "Fashion-MNIST",
        CLASSES,
        "FashionMNIST",
        folders=(  # also those of torchvision, Keras and the publisher's repository
            *("", "fashion-mnist", "FashionMNIST/raw", "raw"),
            *("datasets/fashion-mnist", "data/fashion"),
        ),
        moments=(0.2860405969887955, 0.3530242445149226),
    ),
    _dataset("mnist", "MNIST", string.digits, "MNIST"),
    _dataset("kmnist", "KMNIST", "o ki su tsu na ha ma ya re wo".split(), "KMNIST"),
    _emnist("byclass", "By_Class", _BY_CLASS, (697932, 116323)),
    _emnist("bymerge", "By_Merge", _MERGED, (697932, 116323)),
    _emnist("balanced", "Balanced", _MERGED, (112800, 18800)),
    _emnist("letters", "Letters", string.ascii_lowercase, (124800, 20800), first=1),
    _emnist("digits", "Digits", string.digits, (240000, 40000)),
    _emnist("mnist", "MNIST", string.digits, (60000, 10000)),
    _dataset(
        "qmnist",
        "QMNIST",
        string.digits,
        "QMNIST",
        splits={
            "train": _qmnist_split("train"),
            "test": _qmnist_split("test"),
            "test10k": _qmnist_split("test", end=10000),  # MNIST's test images, rebuilt
            "test50k": _qmnist_split("test", begin=10000),  # images missing from MNIST
        },
        columns=(
            *("hsf_series", "writer_id", "digit_index", "nist_class"),
            *("global_index", "duplicate", "reserved"),
        ),
    ),
)
DATASETS: dict[str, DatasetSpec] = {spec.name: spec for spec in _ALL}


def find_spec(name: object) -> DatasetSpec:
    """Return the dataset of that name, or raise ValueError with a suggestion."""
    if isinstance(name, str) and name in DATASETS:
        return DATASETS[name]
    plain = {re.sub("[-/]", "", known): known for known in DATASETS}
    short = re.sub("[^a-z0-9]", "", str(name).lower())
    short = {"fmnist": "fashionmnist", "emnist": "emnistbalanced"}.get(short, short)
    hint = did_you_mean(short, plain, 1) or "."
    raise ValueError(
        f"name must be that of a published dataset, got {name!r}{hint}\n"
        f"The names are {', '.join(DATASETS)}."
    )


def find_split_spec(spec: DatasetSpec, split: str) -> SplitSpec:
    """Return the split of that name, or raise ValueError with all names."""
    if isinstance(split, str) and split in spec.splits:
        return spec.splits[split]
    *first, last = map(repr, spec.splits)
    known = f"{', '.join(first)} or {last}"
    raise ValueError(
        f"split of {spec.name} must be {known}, got {split!r}{split_hint(split)}"
    )


def split_hint(split: Any) -> str:
    """Return a hint for a slice, or for a folder, which torchvision takes first."""
    word, bracket, _ = str(split).partition("[")
    if bracket:  # a slice, as in Hugging Face and TensorFlow Datasets
        return f".\nSelect rows of the split: load({word!r}).select(range(6000))."
    if isinstance(split, os.PathLike) or re.search(r"[/\\]|^data", str(split)):
        return f".\nPass split='train', root={str(split)!r}."
    return ""
