"""Hashes identify the published files, whatever their compression."""

import string
import struct

import numpy as np
import pytest
from helpers.dataset_files import NAMES

import fmnist_fast as ff
from fmnist_fast._registry import datasets, hashes
from fmnist_fast._registry.datasets import DATASETS, SPLITS


@pytest.mark.parametrize(
    "stem", [stem for part in SPLITS.values() for stem in part.stems]
)
def test_published_files_have_the_registered_hashes(real_root, stem):
    path, spec = real_root / f"{stem}.gz", DATASETS["fashion-mnist"]
    compressed, decompressed = spec.sha256_of(stem)
    digest, items = hashes.sha256_of(path.read_bytes()), ff.read_idx(path)
    assert digest == compressed == hashes.published_sha256(digest, items)
    assert hashes.published_sha256("of another compressor", items) == decompressed
    assert hashes.published_sha256("another", items[:-1]) == "another"
    for sha256, expected in (
        (compressed, True),
        (decompressed, True),
        ("another", False),
    ):
        is_published = hashes.is_published(spec, stem, sha256, path)
        assert is_published is expected
    for sha256 in (compressed, decompressed):
        assert hashes.has_content_of(sha256, items)
        assert not hashes.has_content_of(sha256, items[:-1])
    assert not hashes.has_content_of("another", items)
    assert hashes.is_published(spec, "x", "another", path) is None
    assert hashes.is_published(spec, "x", compressed, path) is False


def test_content_without_a_published_hash_is_unknown():
    compressed, decompressed = DATASETS["kmnist"].sha256_of(NAMES["test"][1])
    assert compressed and decompressed is None
    assert not hashes.has_content_of(compressed, np.zeros(10000, np.uint8))


def test_an_empty_file_is_not_a_published_one(tmp_path):
    stem = NAMES["test"][1]
    (tmp_path / stem).write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, 0))
    digest = hashes.sha256_of((tmp_path / stem).read_bytes())
    assert hashes.published_sha256(digest, ff.read_idx(tmp_path / stem)) == digest


def test_mnist_is_recognized_by_its_decompressed_content(mnist_root):
    dataset = ff.load("test", mnist_root, name="mnist")  # warnings are errors
    assert dataset.name == "mnist" and dataset.classes == tuple(string.digits)
    assert dataset.images.shape == (10000, 28, 28) and dataset.labels[0] == 7
    for stem in datasets.SPLITS["test"].stems:
        path = mnist_root / f"{stem}.gz"
        digest = hashes.sha256_of(path.read_bytes())
        assert digest not in datasets.DATASETS["mnist"].sha256_of(stem)
        known = hashes.published_sha256(digest, ff.read_idx(path))
        assert hashes.owner_of(known)[0].name == "mnist"
