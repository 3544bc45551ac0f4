"""EMNIST: images are turned upright, and labels of letters start at 0."""

import numpy as np
import pytest
from helpers.dataset_files import EMNIST, N, write_published

import fmnist_fast as ff
from fmnist_fast import FormatError
from fmnist_fast._io.paths import File
from fmnist_fast._load.find import SplitFiles
from fmnist_fast._load.split import read_split
from fmnist_fast._registry import datasets


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("name", EMNIST)
@pytest.mark.parametrize("split", ["train", "test"])
def test_emnist_images_are_upright(tmp_path, spec, monkeypatch, name, split, suffix):
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    part = spec(name).splits[split]
    labels = np.arange(1, N + 1).astype(np.uint8) % 10 + 1
    if name != "emnist/letters":
        labels -= 1
    stored = write_published(tmp_path / "root", part, labels, suffix=suffix)
    for _ in range(2):  # from the file and from the decoded copy
        dataset = ff.load(split, tmp_path / "root", name=name)
        assert np.array_equal(dataset.images, stored.transpose(0, 2, 1))
        assert dataset.images.flags.c_contiguous
        assert not dataset.images.flags.writeable
        assert not dataset.labels.flags.writeable
        assert dataset.labels.tolist() == [(i + 1) % 10 for i in range(N)]
        assert dataset.name == name
    copies = {path.name for path in (tmp_path / "cache" / "decoded").iterdir()}
    assert any(copy.startswith(f"{part.images}{suffix}-") for copy in copies)


def test_upright_and_stored_images_have_separate_decoded_copies(
    tmp_path, spec, monkeypatch
):
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    part = spec("emnist/digits").splits["test"]
    stored = write_published(tmp_path, part, np.zeros(N, np.uint8))
    files = [File(tmp_path / f"{stem}.gz") for stem in part.stems]
    for _ in range(2):
        upright = ff.load("test", tmp_path, name="emnist/digits").images
        assert np.array_equal(upright, stored.transpose(0, 2, 1))
        as_stored = read_split(SplitFiles(*files, "test"), True)[0].images
        assert np.array_equal(as_stored, stored)


@pytest.mark.parametrize("wrong", [0, 27])
def test_labels_outside_the_alphabet(tmp_path, spec, wrong):
    part = spec("emnist/letters").splits["test"]
    labels = np.ones(N, np.uint8)
    labels[5] = wrong
    write_published(tmp_path, part, labels)
    message = r"labels of EMNIST Letters must be in 1\.\.26, got (0 to 1|1 to 27)"
    with pytest.raises(FormatError, match=message):
        ff.load("test", tmp_path, name="emnist/letters")


def test_other_number_of_images_than_published(tmp_path):
    part = datasets.DATASETS["emnist/letters"].splits["test"]
    write_published(tmp_path, part, np.ones(N, np.uint8))
    message = r"not the published EMNIST Letters .*It has 12 items, .* file has 20800\."
    with pytest.warns(UserWarning, match=message):
        dataset = ff.load("test", tmp_path, name="emnist/letters")
    assert dataset.name is None and dataset.labels.tolist() == [0] * N
