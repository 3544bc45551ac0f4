"""The files of a split: damaged or wrong ones, published ones, and the card."""

import shutil
import string

import numpy as np
import pytest
from helpers.dataset_files import CARD, NAMES, N, write_pair, write_published

import fmnist_fast as ff
from fmnist_fast import FormatError
from fmnist_fast._registry import datasets

# ---- damaged and wrong files ---------------------------------------------------------


def test_images_and_labels_swapped(tmp_path):
    images, labels = write_pair(tmp_path, suffix="")
    images.rename(tmp_path / "x")
    labels.rename(images)
    (tmp_path / "x").rename(labels)
    message = f"{images}: has labels, and {labels} has images.\nSwap the names"
    with pytest.raises(FormatError, match=message):
        ff.load("test", tmp_path)


@pytest.mark.parametrize(
    "images, text",
    [
        (np.zeros((12, 20), np.uint8), r"uint8 \(12, 20\)"),
        (np.zeros((12, 5, 4, 1), np.uint8), r"uint8 \(12, 5, 4, 1\)"),
        (np.zeros((12, 5, 4), np.int8), r"int8 \(12, 5, 4\)"),
        (np.zeros((12, 5, 4), np.float32), r"float32 \(12, 5, 4\)"),
        (np.zeros((12, 0, 4), np.uint8), r"uint8 \(12, 0, 4\)"),
        (np.zeros((12, 5, 0), np.uint8), r"uint8 \(12, 5, 0\)"),
    ],
)
def test_images_of_another_type_or_shape(tmp_path, images, text):
    path, _ = write_pair(tmp_path)
    ff.write_idx(path, images)
    message = f"{path.name}: images must be uint8 with 3 dimensions, got {text}"
    with pytest.raises(FormatError, match=message):
        ff.load("test", tmp_path)


@pytest.mark.parametrize(
    "labels, text",
    [
        (np.zeros(12, np.float32), r"float32 \(12,\)"),
        (np.zeros((12, 1), np.uint8), r"uint8 \(12, 1\)"),
        (np.zeros((), np.uint8), r"uint8 \(\)"),
    ],
)
def test_labels_of_another_type_or_shape(tmp_path, labels, text):
    _, path = write_pair(tmp_path)
    ff.write_idx(path, labels)
    message = f"{path.name}: labels must be integers with 1 dimension, got {text}"
    with pytest.raises(FormatError, match=message):
        ff.load("test", tmp_path)


@pytest.mark.parametrize("n", [0, 11, 13])
def test_images_and_labels_of_different_number(tmp_path, n):
    _, path = write_pair(tmp_path)
    ff.write_idx(path, np.zeros(n, np.uint8))
    message = f"ubyte.gz: must have 12 labels, one .* of .*ubyte.gz, got {n}$"
    with pytest.raises(FormatError, match=message):
        ff.load("test", tmp_path)


@pytest.mark.parametrize("which", [0, 1])
def test_damaged_file_is_named(tmp_path, which):
    path = write_pair(tmp_path)[which]
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(FormatError, match=f"{path.name}: truncated"):
        ff.load("test", tmp_path)


def test_file_that_is_not_idx_is_named(tmp_path):
    path, _ = write_pair(tmp_path)
    path.write_text("<html>not found</html>")
    with pytest.raises(FormatError, match=rf"{path.name}: is a web page"):
        ff.load("test", tmp_path)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32"])
def test_labels_of_other_integer_types_can_be_used(tmp_path, dtype):
    _, path = write_pair(tmp_path)
    ff.write_idx(path, np.arange(12).astype(dtype) % 10)
    dataset = ff.load("test", tmp_path)
    assert dataset.labels.dtype == np.int32 and not dataset.labels.flags.writeable
    with ff.Loader(dataset, batch_size=12, normalize=None) as loader:
        ((_, labels),) = loader
    assert labels.tolist() == [*range(10), 0, 1]


def test_label_outside_of_the_classes(tmp_path):
    _, path = write_pair(tmp_path)
    ff.write_idx(path, np.arange(12, dtype=np.uint8))
    message = rf"{path.name}: labels must be in 0\.\.9, .* the 10 classes, got 0 to 11"
    with pytest.raises(FormatError, match=message):
        ff.load("test", tmp_path)


def test_negative_label(tmp_path):
    _, path = write_pair(tmp_path)
    ff.write_idx(path, -np.ones(12, np.int8))
    with pytest.raises(FormatError, match=f"{path.name}: labels must not be .* got -1"):
        ff.load("test", tmp_path)


def test_a_wrong_label_does_not_make_a_billion_class_names(tmp_path):
    _, path = write_pair(tmp_path, card={"name": "unnamed"})
    ff.write_idx(path, np.full(12, 2**31 - 1, np.int32))
    with pytest.raises(FormatError, match=r"must be below 1048576 .* 2147483647"):
        ff.load("test", tmp_path)


# ---- the published files -----------------------------------------------------------


@pytest.mark.parametrize("split, n", [("train", 60000), ("test", 10000)])
def test_published_files_are_recognized(real_root, split, n):
    dataset = ff.load(split, real_root)  # a warning would be an error
    assert dataset.name == "fashion-mnist" and not dataset.synthetic
    assert dataset.images.shape == (n, 28, 28)
    assert np.bincount(dataset.labels).tolist() == [n // 10] * 10
    assert dataset.classes[0] == "T-shirt/top" and dataset.classes[9] == "Ankle boot"


def test_published_files_are_recognized_from_the_cache(
    tmp_path, monkeypatch, real_root
):
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path))
    for _ in range(2):
        assert ff.load("test", real_root).name == "fashion-mnist"
    assert len(list((tmp_path / "decoded").iterdir())) == 2


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_published_content_compressed_again_is_recognized(tmp_path, real_root, suffix):
    for stem in NAMES["test"]:
        items = ff.read_idx(real_root / f"{stem}.gz")
        ff.write_idx(tmp_path / f"{stem}{suffix}", items)
    assert ff.load("test", tmp_path, cache=False).name == "fashion-mnist"


def test_one_changed_label_is_not_the_published_file(tmp_path, real_root):
    images, labels = (f"{stem}.gz" for stem in NAMES["test"])
    shutil.copy(real_root / images, tmp_path)
    items = ff.read_idx(real_root / labels)
    items[5000] = (items[5000] + 1) % 10
    ff.write_idx(tmp_path / labels, items)
    with pytest.warns(UserWarning) as warnings:
        dataset = ff.load("test", tmp_path, cache=False)
    assert dataset.name is None and dataset.classes[9] == "9"
    (warning,) = warnings
    assert str(warning.message).startswith(f"{tmp_path / labels}: not the published")


def test_decoded_copy_made_without_a_check_is_checked_when_needed(
    tmp_path, monkeypatch, real_root
):
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    for stem in NAMES["test"]:
        shutil.copy(real_root / f"{stem}.gz", tmp_path)
    (tmp_path / "dataset.json").write_text('{"name": "renamed"}')
    assert ff.load("test", tmp_path).name == "renamed"
    (tmp_path / "dataset.json").unlink()
    assert ff.load("test", tmp_path).name == "fashion-mnist"


def test_mnist_is_not_taken_for_fashion_mnist(tmp_path):
    images, labels = write_pair(tmp_path, card=None)
    message = (
        f"{images} and {labels}: not the published Fashion-MNIST.*\nClasses are shown"
    )
    with pytest.warns(UserWarning, match=message) as warnings:
        dataset = ff.load("test", tmp_path)
    assert dataset.name is None and not dataset.synthetic
    assert dataset.classes == tuple("0123456789")
    assert [warning.filename for warning in warnings] == [__file__]


def test_decoded_copies_give_the_warning_too(tmp_path, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    write_pair(tmp_path, card=None)
    for _ in range(2):
        with pytest.warns(UserWarning, match="not the published"):
            ff.load("test", tmp_path)


def test_mnist_as_fashion_mnist_gives_a_warning_that_names_it(mnist_root):
    message = (
        "not the published Fashion-MNIST .*of MNIST.\nPass root='.*', name='mnist'"
    )
    with pytest.warns(UserWarning, match=message) as warnings:
        dataset = ff.load("test", mnist_root)
    assert dataset.name == "mnist" and dataset.classes == tuple(string.digits)
    assert [warning.filename for warning in warnings] == [__file__]


def test_train_files_under_the_names_of_test_files(tmp_path, real_root):
    test, train = datasets.SPLITS["test"].stems, datasets.SPLITS["train"].stems
    for target, name in zip(train, test):
        (tmp_path / f"{name}.gz").symlink_to(real_root / f"{target}.gz")
    with pytest.warns(UserWarning, match="It is train-images.* of Fashion-MNIST.\nCl"):
        assert ff.load("test", tmp_path, cache=False).name is None


def test_another_compression_of_a_file_without_a_hash_of_its_content(tmp_path):
    part = datasets.DATASETS["kmnist"].splits["test"]
    write_published(tmp_path, part, np.ones(N, np.uint8))
    with pytest.warns(UserWarning, match="published KMNIST .*Its SHA-256 differs"):
        ff.load("test", tmp_path, name="kmnist")


# ---- dataset.json ------------------------------------------------------------------


def test_card_names_the_dataset_and_its_classes(tmp_path):
    write_pair(tmp_path)
    dataset = ff.load("test", tmp_path)  # a warning would be an error
    assert (dataset.name, dataset.synthetic) == ("letters", False)
    assert dataset.classes == tuple("ABCDEFGHIJ")


def test_card_says_synthetic(tmp_path):
    write_pair(tmp_path, card=CARD | {"synthetic": True})
    dataset = ff.load("test", tmp_path)
    assert dataset.synthetic and "SYNTHETIC" in repr(dataset)


def test_card_without_classes(tmp_path):
    write_pair(tmp_path, card={"name": "unnamed"})
    assert ff.load("test", tmp_path).classes == tuple("0123456789")


@pytest.mark.parametrize(
    "card, message",
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[]", "the file must hold a JSON object, got list"),
        ("3", "the file must hold a JSON object, got int"),
        ("[" * 100000, "recursion|Expecting"),
        ('"name"', "the file must hold a JSON object, got str"),
        ('{"classes": 10}', "classes must be a list of names, got 10"),
        ('{"classes": "ABCDEFGHIJ"}', "classes must be a list of names, got 'ABC"),
        ('{"classes": [1, 2]}', r"classes must be a list of names, got \[1, 2\]"),
        ('{"classes": {"A": 1}}', "classes must be a list of names, got {'A'"),
        ('{"name": 5}', "name must be a string, got 5"),
    ],
)
def test_broken_card(tmp_path, card, message):
    write_pair(tmp_path)
    (tmp_path / "dataset.json").write_text(card)
    message = f"dataset.json: not a dataset card: .*{message}"
    with pytest.raises(FormatError, match=message):
        ff.load("test", tmp_path)


def test_card_that_is_not_text(tmp_path):
    write_pair(tmp_path)
    (tmp_path / "dataset.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match=r"dataset.json: not a dataset card: .*utf-8"):
        ff.load("test", tmp_path)
