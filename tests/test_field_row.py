"""Situations that users report, by number: classes, arrays, rows and splits."""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers.photos import draw
from helpers.tiny import IMAGES, LABELS

import fmnist_fast as ff

F = ff.Dataset.from_arrays


@pytest.mark.parametrize(
    "classes",
    [
        {0: "T-shirt", 1: "dog", 2: "cat"},
        {"cat": 2, "dog": 1, "T-shirt": 0},
        {np.uint8(2): "cat", np.int64(0): "T-shirt", 1: "dog"},
    ],
)
def test_case_03_mappings_of_classes(classes):
    """A mapping of labels to names is honored either way, and a set is refused."""
    dataset = F(IMAGES, LABELS, classes=classes)
    assert dataset.classes == ("T-shirt", "dog", "cat")
    assert dataset.str2int("cat") == 2 and dataset.int2str(0) == "T-shirt"
    with pytest.raises(TypeError, match="doesn't say which label a name has"):
        F(IMAGES, LABELS, classes=set(dataset.classes))


@pytest.mark.parametrize(
    "convert, advice",
    [
        (lambda x: x[..., None], r"images\[..., 0\]"),
        (lambda x: x[:, None], r"images\[:, 0\]"),
        (lambda x: x / 255, r"\(images \* 255\)\.round\(\)\.astype\('uint8'\)"),
    ],
)
def test_case_13_advice_for_arrays(convert, advice):
    """The error for other arrays ends with an expression that makes them right."""
    images = convert(IMAGES)
    with pytest.raises(ValueError, match=rf"\nPass {advice}\.$") as raised:
        F(images, LABELS)
    expression = str(raised.value).rpartition("Pass ")[2].rstrip(".")
    right = eval(expression, {"images": images, "numpy": np})
    assert np.array_equal(F(right, LABELS).images, IMAGES)


def test_case_14_rows_unpack(six):
    """A row is a pair of an image and a label, and is indexed by column as well."""
    for i, (image, label) in enumerate(six):
        assert np.array_equal(image, IMAGES[i]) and label == LABELS[i]
    images, labels = six[2:5]
    assert images.shape == (3, 4, 3) and labels.tolist() == LABELS[2:5].tolist()
    row = pickle.loads(pickle.dumps(six[3]))
    assert row == six[3] != six[1] and dict(row).keys() == {"image", "label"}
    assert row["image"] is row[0] and row["label"] == row.get("label") == 2


def test_case_15_tensors_of_read_only_images(real_root):
    """The recipe of docs/dataset.md makes tensors of all images without a warning."""
    torch, page = pytest.importorskip("torch"), Path(__file__).parents[1] / "docs"
    blocks = (page / "dataset.md").read_text(encoding="utf-8").split("```python\n")
    (recipe,) = (block.split("```")[0] for block in blocks if "dlpack" in block)
    names = {"train": ff.load("test", real_root), "torch": torch}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(recipe, names)
    images, address = names["train"].images, names["train"].images.ctypes.data
    assert np.array_equal(names["copy"], images) and names["copy"].data_ptr() != address
    assert names["shared"].data_ptr() == address and not images.flags.writeable


def test_case_18_labels_from_1():
    """Labels 1..N without names of classes are refused, and subsets are allowed."""
    labels = np.array([3, 1, 2, 3, 1, 3])
    with pytest.raises(ValueError, match=r"got 1\.\.3\.\nPass labels - 1\. To keep"):
        F(IMAGES, labels)
    assert F(IMAGES, labels - 1).classes == ("0", "1", "2")
    kept = F(IMAGES, labels, classes=list(map(str, range(4))))
    assert kept.class_counts.tolist() == [0, 2, 1, 3]
    assert len(F(IMAGES, [3, 5, 7, 3, 5, 7]).classes) == 8


def test_case_21_class_folders_with_numbers(tmp_path):
    """With class folders "0" to "10", each label is the number of its folder."""
    pytest.importorskip("PIL")
    for number in range(11):
        draw(tmp_path / "photos" / str(number) / "a.png", number)
    ff.convert_folder(tmp_path / "photos", tmp_path / "out")
    dataset = ff.load("train", root=tmp_path / "out")
    assert dataset.classes == tuple(map(str, range(11)))
    assert dataset.labels.tolist() == list(range(11))


def test_case_34_numbers_of_rows(six):
    """Booleans are no row numbers, and counts, iterators and indices are taken."""
    for call in (six.__getitem__, six.select):
        for rows in (True, np.True_, [True, 1], [2, np.False_]):
            with pytest.raises(TypeError, match="of a row must be an integer, got"):
                call(rows)
    assert six[iter([4, 1])].label.tolist() == LABELS[[4, 1]].tolist()
    assert len(six.select(i for i in range(0, 6, 2))) == 3
    assert len(six.filter(lambda row, i: i > 3, with_indices=True)) == 2
    assert list(map(len, six.split(4))) == [4, 2]


def test_case_35_every_class_in_both_parts():
    """A stratified split leaves no class out of a part: it has a row, or an error."""
    labels = np.array([0] * 80 + [1] * 18 + [2] * 2)
    dataset = F(np.zeros((100, 1, 1), np.uint8), labels, classes=["a", "b", "rare"])
    first, second = dataset.split(0.8, stratify=True)
    assert first.class_counts.tolist() == [64, 15, 1]
    assert second.class_counts.tolist() == [16, 3, 1]
    with pytest.raises(ValueError, match="2 rows of each class, got 1 of class 'rare'"):
        dataset.select(range(99)).split(0.8, stratify=True)
