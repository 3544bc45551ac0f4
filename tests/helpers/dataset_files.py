"""Small files under the names of published ones, and fixtures for loading them."""

import hashlib
import json

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast._registry import datasets

EMNIST = [name for name in datasets.DATASETS if name.startswith("emnist/")]
N = 12  # images in each file
NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
CARD = {"name": "letters", "classes": list("ABCDEFGHIJ")}


def write_pair(folder, split="test", *, fill=0, suffix=".gz", card=CARD):
    """Write twelve 5x4 images of gray level `fill`, and their labels.

    Without a card, loading warns that the files are not the published ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = (folder / f"{name}{suffix}" for name in NAMES[split])
    ff.write_idx(images, np.full((12, 5, 4), fill, np.uint8))
    ff.write_idx(labels, np.arange(12, dtype=np.uint8) % 10)
    if card is not None:
        (folder / "dataset.json").write_text(json.dumps(card))
    return images, labels


def write_synthetic(folder, n_train, n_test):
    """Write the files and the card of a synthetic dataset."""
    for split in ff.synthetic(n_train, n_test):
        images, labels = NAMES[split.split_name]
        ff.write_idx(folder / images, split.images)
        ff.write_idx(folder / labels, split.labels)
    card = {"name": "synthetic", "synthetic": True, "classes": split.classes}
    (folder / "dataset.json").write_text(json.dumps(card))


def images_of(n=N):
    """Return n images that differ from their mirror images."""
    return np.arange(n * 20, dtype=np.uint8).reshape(n, 5, 4)


def write_published(folder, part, labels, *, images=None, suffix=".gz"):
    """Write the images and labels of a split under its published names."""
    folder.mkdir(parents=True, exist_ok=True)
    images = images_of(len(labels)) if images is None else images
    ff.write_idx(folder / f"{part.images}{suffix}", images)
    ff.write_idx(folder / f"{part.labels}{suffix}", labels)
    return images


@pytest.fixture
def spec(monkeypatch):
    """Return a function that gives the files of a published dataset N images each.

    Their hashes are removed, so that any files of this size count as published.
    """

    def spec(name):
        known = datasets.DATASETS[name]
        splits = {
            split: part._replace(n_items=N) for split, part in known.splits.items()
        }
        files = tuple(f._replace(sha256=None, idx_sha256=None) for f in known.files)
        changed = known._replace(splits=splits, files=files)
        monkeypatch.setitem(datasets.DATASETS, name, changed)
        return changed

    return spec


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """Name no data folder, and return an empty cache folder."""
    monkeypatch.delenv("FMNIST_FAST_DATA", raising=False)
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def mnist_root(real_root):
    """Return the folder of MNIST's test files, compressed differently."""
    root = real_root.parent / "mnist"
    if not root.is_dir():
        pytest.skip(f"{root} does not exist. It should have MNIST's test files.")
    return root


@pytest.fixture
def small_fashion(http, nowhere, tmp_path, monkeypatch):
    """Serve N images as each file of Fashion-MNIST; return the folder for downloads."""
    from helpers.server import content

    known, source = datasets.DATASETS["fashion-mnist"], tmp_path / "served"
    for part in known.splits.values():
        write_published(source, part, np.arange(N, dtype=np.uint8) % 10)

    def published(file):
        body = (source / file.name).read_bytes()
        http.routes[f"/{file.name}"] = content(body)
        urls, sha256 = (f"{http.base}/{file.name}",), hashlib.sha256(body).hexdigest()
        return file._replace(
            urls=urls, sha256=sha256, nbytes=len(body), idx_sha256=None
        )

    splits = {name: part._replace(n_items=N) for name, part in known.splits.items()}
    changed = known._replace(splits=splits, files=tuple(map(published, known.files)))
    monkeypatch.setitem(datasets.DATASETS, known.name, changed)
    return nowhere / "fashion-mnist"
