"""Any folder of IDX files: words in file names tell the split."""

import re
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast._cli.main import main
from fmnist_fast._registry import datasets


def write(folder, *names, n=6):
    """Write IDX files of images or labels, as their names say."""
    folder.mkdir(exist_ok=True)
    for name in names:
        is_images = "images" in name or "idx3" in name
        items = np.zeros((n, 5, 4) if is_images else n, np.uint8)
        ff.write_idx(folder / name, items)


@pytest.mark.parametrize(
    "split, images, labels",
    [
        ("train", "train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("test", "t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"),
        ("test", "mine-test-images-idx3-ubyte.gz", "mine-test-labels-idx1-ubyte.gz"),
        ("val", "val_images.idx", "val_labels.idx"),
        ("Val", "VAL-IMAGES-IDX3-UBYTE", "VAL-LABELS-IDX1-UBYTE"),
        ("train", "x.train.idx3", "y.train.idx1"),
    ],
)
@pytest.mark.parametrize("as_path", [str, Path])
def test_a_split_is_found(tmp_path, split, images, labels, as_path):
    write(tmp_path / "mine", images.lower(), labels.lower())
    for name in (images, labels):
        (tmp_path / "mine" / name.lower()).rename(tmp_path / "mine" / name)
    dataset = ff.load(split, name=as_path(tmp_path / "mine"))
    assert (len(dataset), dataset.name, dataset.split_name) == (6, None, split)


def test_each_file_may_be_in_a_folder_of_its_name(tmp_path):
    for name in ("my-val-images.idx3", "my-val-labels.idx1"):
        write(tmp_path / name.replace(".", "-"), name)
    assert len(ff.load("val", tmp_path)) == len(ff.load("val", name=tmp_path)) == 6


def test_folders_of_other_names_are_no_files(tmp_path):
    """Their files could be those of several datasets."""
    for folder in ("a-idx", "b-idx"):
        write(tmp_path / folder, "val-images.idx3", "val-labels.idx1")
    with pytest.raises(FileNotFoundError, match="found no IDX file"):
        ff.load("val", name=tmp_path)


def test_the_folder_may_be_given_as_root(tmp_path):
    write(tmp_path, "train-images.idx3-ubyte", "train-labels.idx1-ubyte")
    assert len(ff.load("train", tmp_path)) == 6


def test_card_beside_the_files(tmp_path):
    write(tmp_path, "train-images.idx", "train-labels.idx")
    (tmp_path / "dataset.json").write_text('{"name": "pets", "classes": ["cat"]}')
    dataset = ff.load("train", name=tmp_path)
    assert (dataset.name, dataset.classes) == ("pets", ("cat",))


def test_plain_files_come_before_gzip(tmp_path):
    write(tmp_path, "train-images.idx.gz", "train-labels.idx.gz", n=3)
    write(tmp_path, "train-images.idx", "train-labels.idx", n=6)
    assert len(ff.load("train", name=tmp_path)) == 6


def test_hidden_files_are_ignored(tmp_path):
    write(tmp_path, "train-images.idx", "train-labels.idx", ".train-images.idx.x.part")
    assert len(ff.load("train", name=tmp_path)) == 6


def test_the_name_of_a_dataset_comes_before_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "mnist", "train-images.idx", "train-labels.idx")
    write(tmp_path / "mine", "train-images.idx", "train-labels.idx")
    assert len(ff.load("train", name="./mnist")) == 6
    assert len(ff.load("train", name="mine")) == 6
    monkeypatch.delenv("FMNIST_FAST_DATA", raising=False)
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    with pytest.raises(FileNotFoundError, match="fmnist-fast download mnist"):
        ff.load("train", name="mnist")


def test_files_with_published_names_are_corrected(tmp_path):
    split = datasets.DATASETS["emnist/letters"].splits["test"]
    images = np.arange(6 * 20, dtype=np.uint8).reshape(6, 5, 4)
    ff.write_idx(tmp_path / split.images, images)
    ff.write_idx(tmp_path / split.labels, np.full(6, 26, np.uint8))
    with pytest.warns(UserWarning, match="EMNIST Letters file .*It has 6 items"):
        dataset = ff.load("test", name=tmp_path)
    assert np.array_equal(dataset.images, images.transpose(0, 2, 1))
    assert set(dataset.labels) == {25}


def test_published_files_are_recognized_under_any_name(tmp_path, real_root):
    for stem, name in zip(
        datasets.SPLITS["test"].stems, ("images.idx3", "labels.idx1")
    ):
        (tmp_path / f"any-test-{name}.gz").symlink_to(real_root / f"{stem}.gz")
    dataset = ff.load("test", name=tmp_path, cache=False)
    assert dataset.name == "fashion-mnist" and dataset.classes[8] == "Bag"


# ---- errors ------------------------------------------------------------------------


def test_several_image_files_match(tmp_path):
    write(tmp_path, "a-train-images.idx", "b-train-images.idx", "train-labels.idx")
    message = (
        r"^.*: split 'train' must have one image file, got 2\. Its name must contain "
        r"train, and idx3 or image or images\.\nFound a-train-images\.idx, b-train-"
    )
    with pytest.raises(FileNotFoundError, match=message):
        ff.load("train", name=tmp_path)


def test_no_file_matches(tmp_path):
    write(tmp_path, *(f"{i:02}-val-images.idx" for i in range(15)))
    message = (
        r"^.*: split 'test' must have one image file, got 0\. .* t10k or test, .*\n"
        r"Found 00-val-images\.idx, .*, 11-val-images\.idx and 3 more\.$"
    )
    with pytest.raises(FileNotFoundError, match=message):
        ff.load("test", name=tmp_path)


def test_a_folder_without_idx_files(tmp_path):
    (tmp_path / "train-images.npy").touch()
    with pytest.raises(FileNotFoundError, match=r": found no IDX file\. Its name must"):
        ff.load("train", name=tmp_path)
    with pytest.raises(FileNotFoundError, match="found no train files in"):
        ff.load("train", tmp_path)


def test_the_folder_does_not_exist_or_is_a_file(tmp_path):
    (tmp_path / "x").touch()
    for name, problem in (("x", "is a file"), ("y", "does not exist")):
        message = (
            f"must be a published dataset or a folder, got .*{name}, which {problem}"
        )
        with pytest.raises(FileNotFoundError, match=message):
            ff.load("train", name=tmp_path / name)


@pytest.mark.parametrize("split", ["", None, "a/b", 3])
def test_a_split_must_be_a_word(tmp_path, split):
    message = f"split must be a word such as 'train', got {split!r}"
    with pytest.raises(ValueError, match=message):
        ff.load(split, name=tmp_path)


@pytest.mark.parametrize("options", [{"root": "x"}, {"download": True}])
def test_a_folder_excludes_root_and_download(tmp_path, options):
    message = f"{next(iter(options))} requires a dataset's name, got folder "
    with pytest.raises(ValueError, match=message):
        ff.load("train", name=tmp_path, **options)


@pytest.mark.parametrize(
    "name",
    [
        "Copy of t10k-{}-ubyte.gz",
        "fashion-mnist-t10k-{}-ubyte.gz",
        "emnist-mnist-test-{}-ubyte.gz",
        "qmnist-test-{}.gz",
        "test_{}.bin",
    ],
)
def test_every_way_to_load_finds_published_files_under_any_name(
    tmp_path, monkeypatch, nowhere, real_root, name, capsys
):
    """Neither a name, nor that it is the default, leads to another search."""
    for kind in ("images-idx3", "labels-idx1"):
        path = real_root / f"t10k-{kind}-ubyte.gz"
        (tmp_path / name.format(kind)).symlink_to(path)
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path))
    given = {"name": "fashion-mnist"}
    for arguments in ({}, given, {"root": tmp_path}, {"root": tmp_path} | given):
        assert ff.load("test", **arguments).name == "fashion-mnist"
    assert ff.load("test", name=tmp_path).name == "fashion-mnist"
    message = r"is a file of Fashion-MNIST\. Pass name='fashion-mnist'\."
    for arguments in ({}, {"root": tmp_path}):
        with pytest.raises(FileNotFoundError, match=message):
            ff.load("test", **arguments, name="mnist")
    assert main(["verify"]) == 1  # the training files are missing
    found = r"; (the published Fashion-MNIST file|it is) t10k-"
    assert len(re.findall(found, capsys.readouterr().out)) == 2


def test_card_and_training_set_beside_the_folders_of_the_files(tmp_path):
    for split in ("train", "t10k"):
        for name in (f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"):
            items = np.zeros((6, 5, 4) if "images" in name else 6, np.uint8)
            items[:3] = "images" in name
            (tmp_path / name).mkdir()
            ff.write_idx(tmp_path / name / name, items)
    (tmp_path / "dataset.json").write_text('{"name": "pets", "classes": ["cat"]}')
    dataset = ff.load("test", tmp_path)
    assert (dataset.name, dataset.source) == ("pets", str(tmp_path))
    assert "of pets/train" in repr(ff.Loader(dataset))
