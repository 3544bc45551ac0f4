"""The registry of published datasets: files, classes, names and splits."""

import hashlib
import re
import string

import pytest
from helpers.dataset_files import EMNIST

import fmnist_fast as ff
from fmnist_fast._dataset.known_cards import CARDS
from fmnist_fast._registry import datasets

MERGED = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"
SHARED = ("fashion-mnist", "mnist", "kmnist")


# ---- files and classes --------------------------------------------------------------


def test_names():
    assert list(datasets.DATASETS) == [*SHARED, *EMNIST, "qmnist"]
    assert [name.partition("/")[2] for name in EMNIST] == [
        "byclass",
        "bymerge",
        "balanced",
        "letters",
        "digits",
        "mnist",
    ]


@pytest.mark.parametrize("name", datasets.DATASETS)
def test_every_file_has_urls_hashes_and_a_size(name):
    known = datasets.DATASETS[name]
    for split in known.splits.values():
        files = known.files_of(split)
        names = [file.name for file in files]
        if known.archive:
            assert names == ["emnist-gzip.zip"]
            archived = list(known.archived([split]))
            assert archived == [f"gzip/{split.images}.gz", f"gzip/{split.labels}.gz"]
        else:
            assert names == [f"{split.images}.gz", f"{split.labels}.gz"]
        for file in files:
            assert re.fullmatch("[0-9a-f]{64}", file.sha256)
            assert re.fullmatch("[0-9a-f]{32}", file.md5)
            assert file.nbytes > 4000
            assert file.urls[0].startswith("https://")


def test_no_two_files_share_a_hash():
    files = {file for known in datasets.DATASETS.values() for file in known.files}
    hashes = [h for f in files for h in (f.sha256, f.md5, f.idx_sha256) if h]
    assert len(set(hashes)) == len(hashes) == 2 * 17 + 8


@pytest.mark.parametrize(
    "name, classes",
    [
        ("mnist", string.digits),
        ("qmnist", string.digits),
        (
            "emnist/byclass",
            string.digits + string.ascii_uppercase + string.ascii_lowercase,
        ),
        ("emnist/bymerge", MERGED),
        ("emnist/balanced", MERGED),
        ("emnist/letters", string.ascii_lowercase),
        ("emnist/digits", string.digits),
        ("emnist/mnist", string.digits),
    ],
)
def test_classes(name, classes):
    assert datasets.DATASETS[name].classes == tuple(classes)


@pytest.mark.parametrize("name", datasets.DATASETS)
def test_cards_have_the_same_names_and_counts(name):
    splits = datasets.DATASETS[name].splits
    for split, n in CARDS[name].splits.items():
        assert splits[split].n_items == n


def test_published_md5_of_the_real_files(real_root):
    for file in datasets.DATASETS["fashion-mnist"].files:
        content = (real_root / file.name).read_bytes()
        assert len(content) == file.nbytes
        assert hashlib.md5(content).hexdigest() == file.md5
        assert hashlib.sha256(content).hexdigest() == file.sha256


# ---- names and splits --------------------------------------------------------------


@pytest.mark.parametrize(
    "name, near",
    [
        ("fashion_mnist", "fashion-mnist"),
        ("FashionMNIST", "fashion-mnist"),
        ("MNIST", "mnist"),
        ("emnist-letters", "emnist/letters"),
        ("emnist/by_class", "emnist/byclass"),
        ("kminst", "kmnist"),
        ("fmnist", "fashion-mnist"),
        ("emnist", "emnist/balanced"),
    ],
)
def test_unknown_name_suggests_the_nearest(name, near):
    with pytest.raises(ValueError, match=f"got '{name}'. Did you mean '{near}'"):
        ff.load("train", name=name)


@pytest.mark.parametrize("name", ["cifar10", "", 3])
def test_unknown_name_without_a_near_one_lists_all(name):
    message = rf"got {name!r}\.\nThe names are fashion-mnist, .*, qmnist\.$"
    with pytest.raises(ValueError, match=message):
        ff.load("train", name=name)


@pytest.mark.parametrize("name, split", [("qmnist", "nist"), ("mnist", "test10k")])
def test_unknown_split_of_a_dataset(name, split):
    message = f"split of {name} must be 'train'.* or 'test.*', got '{split}'"
    with pytest.raises(ValueError, match=message):
        ff.load(split, name=name)


@pytest.mark.parametrize("split", ["validation", "", "Train", None, 0])
def test_unknown_split(split):
    with pytest.raises(ValueError, match=f"'train' or 'test', got {split!r}"):
        ff.load(split)
