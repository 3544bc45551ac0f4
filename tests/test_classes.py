"""Class names of labels, and labels of class names."""

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast._registry import datasets

CLASSES = datasets.CLASSES


@pytest.fixture
def ten():
    images = np.zeros((10, 2, 2), np.uint8)
    return ff.Dataset.from_arrays(images, np.arange(10), classes=CLASSES)


@pytest.mark.parametrize("label", [0, 9, np.uint8(9), np.array(3)])
def test_name_of_a_label(ten, label):
    assert ten.int2str(label) == CLASSES[int(label)]
    assert ten.str2int(CLASSES[int(label)]) == label


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_sequences(ten, kind):
    assert ten.int2str(kind([9, 0, 0])) == ["Ankle boot", "T-shirt/top", "T-shirt/top"]
    assert ten.str2int(kind(["Bag", "Coat"])) == [8, 4]


def test_labels_and_names_of_all_rows(ten):
    assert ten.str2int(ten.int2str(ten["label"])) == list(range(10))
    assert ten.int2str([]) == ten.str2int([]) == []


@pytest.mark.parametrize("label", [-1, 10, [0, 10]])
def test_label_out_of_range(ten, label):
    with pytest.raises(ValueError, match=r"labels must be in 0\.\.9, got (-1|10)"):
        ten.int2str(label)


@pytest.mark.parametrize("label", [1.0, "Bag", None, [0.5]])
def test_label_of_another_type(ten, label):
    with pytest.raises(TypeError, match="labels must be an integer, got"):
        ten.int2str(label)


@pytest.mark.parametrize(
    "name, hint",
    [
        ("Ankle boots", "Did you mean 'Ankle boot'?"),
        ("ankle boot", "Did you mean 'Ankle boot'?"),
        ("shirt", "Did you mean 'Shirt'?"),
        ("t-shirt", "Did you mean 'Shirt' or 'T-shirt/top'?"),
        ("???", "The classes are 'T-shirt/top', 'Trouser', "),
    ],
)
def test_unknown_names(ten, name, hint):
    with pytest.raises(ValueError, match="no class is named") as raised:
        ten.str2int(["Bag", name])
    assert hint in str(raised.value) and repr(name) in str(raised.value)


def test_long_lists_of_classes_are_cut():
    classes = [f"{i:02}" for i in range(40)]
    images = np.zeros((1, 2, 2), np.uint8)
    dataset = ff.Dataset.from_arrays(images, np.zeros(1, int), classes=classes)
    with pytest.raises(ValueError, match=r"The classes are '00', .*'11', \.\.\.$"):
        dataset.str2int("zebra")


def test_names_of_another_type(ten):
    with pytest.raises(TypeError, match="names must be a string or a sequence of them"):
        ten.str2int(3)
    with pytest.raises(TypeError, match="names must be strings, got 3"):
        ten.str2int(["Bag", 3])
