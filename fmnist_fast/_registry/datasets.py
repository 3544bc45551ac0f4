"""The datasets that come in MNIST's files: what each is called, holds and is known by.

Sources. EMNIST: Cohen et al., arXiv:1702.05373; its figure 2 has the letters whose two
cases are one class. QMNIST: the README of github.com/facebookresearch/qmnist. KMNIST:
codh.rois.ac.jp/kmnist.
"""

from __future__ import annotations

import re
import string

from .files import IDX_SHA256, REMOTE
from .spec import Member, Split

_SPLITS = {
    "train": Split("train-images-idx3-ubyte", "train-labels-idx1-ubyte", 60000),
    "test": Split("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", 10000),
}
_DIGITS = tuple(string.digits)

DEFAULT = "fashion-mnist"

_FASHION_MNIST = Member(
    name=DEFAULT,
    title="Fashion-MNIST",
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    splits=_SPLITS,
    # torchvision's, Keras', and the repository's own.
    folders=(
        "",
        "fashion-mnist",
        "FashionMNIST/raw",
        "raw",
        "datasets/fashion-mnist",
        "data/fashion",
    ),
    remote=REMOTE[DEFAULT],
    idx_sha256=IDX_SHA256[DEFAULT],
)

_MNIST = Member(
    name="mnist",
    title="MNIST",
    classes=_DIGITS,
    splits=_SPLITS,
    folders=("mnist", "MNIST/raw", "datasets/mnist", "", "raw"),
    remote=REMOTE["mnist"],
    idx_sha256=IDX_SHA256["mnist"],
)

_KMNIST = Member(
    name="kmnist",
    title="KMNIST",
    classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    splits=_SPLITS,
    folders=("kmnist", "KMNIST/raw", "datasets/kmnist", "", "raw"),
    remote=REMOTE["kmnist"],
)

_QMNIST = Member(
    name="qmnist",
    title="QMNIST",
    classes=_DIGITS,
    splits={
        name: Split(
            f"qmnist-{file}-images-idx3-ubyte",
            f"qmnist-{file}-labels-idx2-int",
            60000,
            *rows,
        )
        for name, file, *rows in (
            ("train", "train", 0, None),
            ("test", "test", 0, None),
            ("test10k", "test", 0, 10000),  # MNIST's test images, made anew
            ("test50k", "test", 10000, None),  # those that MNIST lost
        )
    },
    folders=("qmnist", "QMNIST/raw", "datasets/qmnist", "", "raw"),
    remote=REMOTE["qmnist"],
    columns=(
        "hsf_series",
        "writer_id",
        "digit_index",
        "nist_class",
        "global_index",
        "duplicate",
        "reserved",
    ),
)


def _emnist(
    split: str,
    title: str,
    classes: str,
    n_train: int,
    n_test: int,
    first_label: int = 0,
) -> Member:
    return Member(
        name=f"emnist/{split}",
        title=f"EMNIST {title}",
        classes=tuple(classes),
        splits={
            part: Split(
                f"emnist-{split}-{part}-images-idx3-ubyte",
                f"emnist-{split}-{part}-labels-idx1-ubyte",
                n_items,
            )
            for part, n_items in (("train", n_train), ("test", n_test))
        },
        folders=(
            "emnist",
            "EMNIST/raw",
            "EMNIST/raw/gzip",
            "datasets/emnist",
            "",
            "gzip",
            "raw",
        ),
        remote=REMOTE["emnist"],
        archive="gzip",
        transposed=True,
        first_label=first_label,
    )


_BY_CLASS = string.digits + string.ascii_uppercase + string.ascii_lowercase
# Lower-case letters that look like their capitals have no class of their own.
_MERGED = string.digits + string.ascii_uppercase + "abdefghnqrt"

MEMBERS: dict[str, Member] = {
    member.name: member
    for member in (
        _FASHION_MNIST,
        _MNIST,
        _KMNIST,
        _emnist("byclass", "By_Class", _BY_CLASS, 697932, 116323),
        _emnist("bymerge", "By_Merge", _MERGED, 697932, 116323),
        _emnist("balanced", "Balanced", _MERGED, 112800, 18800),
        _emnist("letters", "Letters", string.ascii_lowercase, 124800, 20800, 1),
        _emnist("digits", "Digits", string.digits, 240000, 40000),
        _emnist("mnist", "MNIST", string.digits, 60000, 10000),
        _QMNIST,
    )
}

CLASSES = _FASHION_MNIST.classes
FILES = {name: (split.images, split.labels) for name, split in _SPLITS.items()}


def find_member(name: object) -> Member:
    """The dataset of that name; raises a ValueError that has the nearest one."""
    if isinstance(name, str) and name in MEMBERS:
        return MEMBERS[name]
    raise ValueError(
        f"name must be one of {', '.join(MEMBERS)}, got {name!r}{_near(name)}"
    )


def check_split(member: Member, split: str) -> Split:
    """That split of `member`."""
    if isinstance(split, str) and split in member.splits:
        return member.splits[split]
    known = [repr(name) for name in member.splits]
    listed = f"{', '.join(known[:-1])} or {known[-1]}"
    raise ValueError(f"split of {member.name} must be {listed}, got {split!r}")


def _near(name: object) -> str:
    import difflib

    plain = {re.sub("[^a-z0-9]", "", known): known for known in MEMBERS}
    wanted = re.sub("[^a-z0-9]", "", str(name).lower())
    wanted = {"fmnist": "fashionmnist", "emnist": "emnistbalanced"}.get(wanted, wanted)
    found = difflib.get_close_matches(wanted, plain, n=1)
    return f": do you mean {plain[found[0]]!r}?" if found else ""


def owner_of(sha256: str) -> tuple[Member, str] | None:
    """Whose published file that hash belongs to, and the file's name without .gz."""
    for member in MEMBERS.values():
        for split in member.splits.values():
            for stem in (split.images, split.labels):
                if sha256 in member.sha256_of(stem):
                    return member, stem
    return None
