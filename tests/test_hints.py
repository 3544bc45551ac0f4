"""Hints in messages about missing files: other formats, subfolders, other spellings."""

import re

import numpy as np
import pytest
from helpers.advice import arguments_in
from helpers.dataset_files import write_pair

import fmnist_fast as ff
from fmnist_fast._cli.main import main

IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def loaded(message):
    """Return the dataset that the advice "Load it with ..." of a message loads."""
    advice = re.search(r"Load it with (?:x = (.*), then )?(ff\..*)\.$", message, re.M)
    names = {"numpy": np, "ff": ff}
    if "datasets." in advice[2]:
        names["datasets"] = pytest.importorskip("datasets")
    if advice[1]:
        names["x"] = eval(advice[1], names)
    return eval(advice[2], names)


@pytest.fixture
def six_gray():
    """Return six 28x28 images in ten classes."""
    images = np.arange(6 * 784, dtype=np.uint16).reshape(6, 28, 28).astype(np.uint8)
    return images, np.arange(6, dtype=np.uint8)


def write_parquet(path, images, labels):
    path.parent.mkdir()
    pytest.importorskip("datasets")
    pytest.importorskip("PIL.Image")
    dataset = ff.Dataset.from_arrays(images, labels, classes=[*"abcdefghij"])
    dataset.to_huggingface().to_parquet(str(path))


def write_csv(path, images, labels):
    rows = np.column_stack([labels, images.reshape(len(images), -1)])
    header = ",".join(["label", *(f"pixel{i + 1}" for i in range(784))])
    np.savetxt(path, rows, "%d", delimiter=",", header=header, comments="")


FORMATS = {  # of Hugging Face, Keras and Kaggle
    "fashion_mnist/test-00000-of-00001.parquet": write_parquet,
    "mnist.npz": lambda path, x, y: np.savez(path, x_test=x, y_test=y),
    "fashion-mnist_test.csv": write_csv,
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_in_another_format_is_loaded_as_the_message_says(
    tmp_path, nowhere, monkeypatch, six_gray, name
):
    images, labels = six_gray
    FORMATS[name](tmp_path / name, images, labels)
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path))
    for arguments in ({}, {"root": tmp_path}, {"name": tmp_path}):
        with pytest.raises(FileNotFoundError, match="is no IDX file") as caught:
            ff.load("test", **arguments)
    dataset = loaded(str(caught.value))
    assert np.array_equal(dataset.images, images)
    assert np.array_equal(dataset.labels, labels)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("n_files", [0, 1])
def test_the_advice_for_an_archive_takes_the_split(tmp_path, six_gray, split, n_files):
    images, labels = six_gray
    arrays = {"x_train": images, "y_train": labels}
    arrays |= {"x_test": images[:2], "y_test": labels[:2]}
    np.savez(tmp_path / "mnist.npz", **arrays)
    for path in write_pair(tmp_path, split)[n_files:]:
        path.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        ff.load(split, tmp_path, name="mnist")
    assert len(loaded(str(caught.value))) == {"train": 6, "test": 2}[split]


@pytest.mark.parametrize("name", ["results.csv", "mnist_train.csv", "x.parquet"])
def test_a_file_whose_columns_are_not_known_is_not_mentioned(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(FileNotFoundError) as caught:
        ff.load("test", tmp_path)
    assert name not in str(caught.value)


@pytest.mark.parametrize("folder", ["x", "mnist", "FashionMNIST", "x/y"])
def test_files_in_a_subfolder_are_loaded_as_the_message_says(
    tmp_path, real_root, folder
):
    (tmp_path / folder).mkdir(parents=True)
    for name in (IMAGES, LABELS):
        (tmp_path / folder / f"{name}.gz").symlink_to(real_root / f"{name}.gz")
    for arguments in ({"name": tmp_path}, {"root": tmp_path, "name": "fashion-mnist"}):
        with pytest.raises(FileNotFoundError) as caught:
            ff.load("test", **arguments)
        assert arguments_in(caught.value) == {"root": str(tmp_path / folder)}
    assert ff.load("test", **arguments_in(caught.value)).name == "fashion-mnist"


def test_other_datasets_in_subfolders_are_not_mentioned_if_one_is_named(
    tmp_path, mnist_root
):
    (tmp_path / "mnist").symlink_to(mnist_root)
    with pytest.raises(FileNotFoundError) as caught:
        ff.load("test", tmp_path, name="kmnist")
    assert "of MNIST" not in str(caught.value)


def test_folders_far_below_are_not_searched(tmp_path, mnist_root):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").symlink_to(mnist_root)
    (tmp_path / ".hidden").symlink_to(mnist_root)
    with pytest.raises(FileNotFoundError) as caught:
        ff.load("test", tmp_path)
    assert "of MNIST" not in str(caught.value)


@pytest.mark.parametrize("argument", ["root", "name"])
def test_a_file_in_place_of_its_folder(tmp_path, argument):
    path = write_pair(tmp_path)[0]
    with pytest.raises(FileNotFoundError, match=r"is a file\.\nPass its fol") as caught:
        ff.load("test", **{argument: path})
    assert f"Pass its folder, {str(tmp_path)!r}." in str(caught.value)
    assert len(ff.load("test", **{argument: tmp_path})) == 12


def test_train_files_under_the_names_of_test_files_are_no_silent_test_split(
    tmp_path, real_root
):
    for stem in (IMAGES, LABELS):
        source = real_root / f"{stem.replace('t10k', 'train')}.gz"
        (tmp_path / f"{stem.replace('-idx', '.idx')}.gz").symlink_to(source)
    for argument in ("root", "name"):
        with pytest.warns(UserWarning, match="It is train-images-idx3-ubyte of Fash"):
            ff.load("test", **{argument: tmp_path})


def test_verify_says_which_file_it_is(tmp_path, real_root, capsys):
    (tmp_path / f"{LABELS}.gz").symlink_to(real_root / "train-labels-idx1-ubyte.gz")
    assert main(["verify", str(tmp_path / f"{LABELS}.gz")]) == 1
    out = capsys.readouterr().out
    assert out.startswith("DIFFERS ") and "; it is train-labels-idx1-ubyte of F" in out


# ---- load_files -------------------------------------------------------------------


@pytest.mark.parametrize("asked", [IMAGES, f"{IMAGES}.gz"])
def test_load_files_names_another_spelling(tmp_path, asked):
    for path in write_pair(tmp_path, suffix=""):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    spelled = tmp_path / IMAGES.replace("-idx", ".idx")
    with pytest.raises(FileNotFoundError, match=f"Pass {spelled}, which matches"):
        ff.load_files(tmp_path / asked)
    assert len(ff.load_files(spelled)) == 12


def test_load_files_of_a_folder_says_which_pattern_matches(tmp_path):
    for path in write_pair(tmp_path / "a", suffix=""):
        (tmp_path / path.name).mkdir()
        path.rename(tmp_path / path.name / path.name)
    with pytest.raises(FileNotFoundError, match=r"got a folder\. Pass ") as caught:
        ff.load_files(tmp_path)
    pattern = str(caught.value).partition("Pass ")[2].partition(".\n")[0]
    assert len(ff.load_files(pattern)) == 12


def test_load_files_of_a_label_file(tmp_path):
    labels = write_pair(tmp_path)[1]
    with pytest.raises(FileNotFoundError, match="got a file with another name"):
        ff.load_files(labels)
