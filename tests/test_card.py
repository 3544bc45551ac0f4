"""Cards: which one a dataset has, its text, and the fields of dataset.json."""

import dataclasses
import json
import os
import pickle
import re

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast._dataset.known_cards import CARDS, SYNTHETIC
from fmnist_fast._registry import datasets

IMAGES = np.zeros((6, 4, 3), np.uint8)
LABELS = np.array([2, 0, 1, 2, 0, 2], np.int32)


def folder_with(folder, card):
    images, labels = (folder / name for name in datasets.SPLITS["train"].stems)
    ff.write_idx(images, IMAGES)
    ff.write_idx(labels, LABELS.astype(np.uint8))
    (folder / "dataset.json").write_text(json.dumps(card))
    return folder


def test_card_of_arrays_describes_them():
    dataset = ff.Dataset.from_arrays(IMAGES, LABELS, classes=["a", "b", "c"])
    assert dataset.info == ff.Card(
        splits={"all": 6},
        features={"image": "grayscale, uint8 (4, 3)", "label": "int32, 0..2"},
        classes=("a", "b", "c"),
    )
    text = str(dataset.info)
    assert text.startswith("a dataset without a name\n----")
    assert "classes   a, b, c" in text and "license" not in text


@pytest.mark.parametrize("name", CARDS)
def test_known_cards_are_complete(name):
    card = CARDS[name]
    for field in (
        "description",
        "citation",
        "homepage",
        "license",
        "authors",
        "splits",
    ):
        assert getattr(card, field), field
    assert re.fullmatch(r"@\w+\{\w+,\n(  .*\n)+\}", card.citation)
    assert card.citation.count("{") == card.citation.count("}")
    assert card.task == "image classification" and not card.synthetic
    assert max(map(len, str(card).splitlines())) <= 80


def test_card_of_a_known_name():
    dataset = ff.Dataset.from_arrays(IMAGES, LABELS, name="kmnist")
    card = dataset.info
    assert card.splits == {"train": 60000, "test": 10000}
    assert card.citation == CARDS["kmnist"].citation and card.name == "kmnist"
    assert card.features["image"] == "grayscale, uint8 (4, 3)"
    assert "CC BY-SA 4.0" in str(card)


def test_card_of_the_published_files(real_train):
    card = real_train.select([0, 5]).info
    assert card == real_train.info
    assert (card.license, card.authors[0]) == ("MIT", "Han Xiao")
    assert card.classes[9] == "Ankle boot" and len(card.made) == 7
    assert "1708.07747" in card.citation


def test_cards_of_the_synthetic_set_say_so(small):
    for dataset in (small, small.select([1]), small.split(0.5)[0], small[:2]):
        if isinstance(dataset, ff.Dataset):
            assert dataset.info.synthetic
            assert str(dataset.info).startswith("synthetic (SYNTHETIC: drawn by")
            assert dataset.info.description == SYNTHETIC.description
    assert small.info.splits == {"train": 1000}


def test_a_synthetic_set_by_another_name_has_the_synthetic_card(tmp_path):
    card = {"name": "fashion-mnist", "synthetic": True, "description": "real photos"}
    dataset = ff.load("train", folder_with(tmp_path, card))
    assert dataset.info.synthetic and "(SYNTHETIC" in str(dataset.info)
    assert dataset.info.citation == ""


def test_dataset_json_is_part_of_the_card(tmp_path):
    card = {
        "name": "mine",
        "classes": ["a", "b", "c"],
        "description": "My own photos.",
        "license": "CC0",
        "authors": ["A", "B"],
        "made": ["Taken.", "Converted."],
        "seed": 3,
    }
    dataset = ff.load("train", folder_with(tmp_path, card))
    info = dataset.info
    assert (info.name, info.description, info.license) == (
        "mine",
        "My own photos.",
        "CC0",
    )
    assert info.authors == ("A", "B") and info.splits == {"train": 6}
    assert "How it was made:\n1. Taken.\n2. Converted." in str(info)
    assert pickle.loads(pickle.dumps(dataset)).info == info
    part = dataset.select([3])
    assert pickle.loads(pickle.dumps(part)).info.description == "My own photos."


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("description", 3, "description must be a string, got 3"),
        ("license", ["MIT"], r"license must be a string, got \['MIT'\]"),
        ("authors", "me", "authors must be a list of strings, got 'me'"),
        ("made", [1], r"made must be a list of strings, got \[1\]"),
        ("synthetic", "no", "synthetic must be true or false, got 'no'"),
        ("synthetic", 1, "synthetic must be true or false, got 1"),
        ("synthetic", None, "synthetic must be true or false, got None"),
        (
            "classes",
            ["a", "b", "a"],
            "classes must have different names, got 'a' for classes 0 and 2",
        ),
        ("classes", [], "classes must have at least one name, got none"),
        (
            "classes",
            ["a", " "],
            "names of classes must not be empty, got ' ' for class 1",
        ),
        ("classes", None, "classes must be a list of names, got None"),
        ("classes", "abc", "classes must be a list of names, got 'abc'"),
        ("classes", ["a", 1], r"classes must be a list of names, got \['a', 1\]"),
        (
            "classes",
            {"b": 1, "c": 2, "a": 0},
            r'list of names, got {.*}\.\nWrite "classes": \["a", "b", "c"\]\.$',
        ),
        (
            "classes",
            {"2": "c", "0": "a", "1": "b"},
            r'list of names, got {.*}\.\nWrite "classes": \["a", "b", "c"\]\.$',
        ),
        (
            "classes",
            {"0": "a", "2": "b"},
            r"got {.*}\.\nWrite the names in the order of their labels\.$",
        ),
        ("name", "a\ud800", r"strings must be valid Unicode, got '\\ud800'"),
        ("classes", ["a", "\udfff"], r"strings must be valid Unicode, got '\\udfff'"),
        ("license", "\udc00", r"strings must be valid Unicode, got '\\udc00'"),
        ("other", [{"a": ["\udc01"]}], r"must be valid Unicode, got '\\udc01'"),
        ("\ud8ff", 3, r"strings must be valid Unicode, got '\\ud8ff'"),
    ],
)
def test_bad_fields_of_dataset_json(tmp_path, field, value, message):
    folder_with(tmp_path, {"name": "mine"} | {field: value})
    with pytest.raises(ff.FormatError, match=rf"dataset\.json: not a .* {message}"):
        ff.load("train", tmp_path)


def test_a_card_has_at_most_1_mib(tmp_path):
    card = folder_with(tmp_path, {"name": "mine"}) / "dataset.json"
    text = card.read_text()
    card.write_text(text.ljust(1 << 20))
    assert ff.load("train", tmp_path).name == "mine"
    for nbytes in ((1 << 20) + 1, 1 << 40):  # the second one is more than memory has
        os.truncate(card, nbytes)
        message = rf"^{card}: not a .* must have at most 1048576 bytes, got {nbytes}$"
        with pytest.raises(ff.FormatError, match=message):
            ff.load("train", tmp_path)


def test_many_classes_are_not_all_shown():
    classes = [f"class {i}" for i in range(100)]
    dataset = ff.Dataset.from_arrays(IMAGES, LABELS, classes=classes)
    assert (
        "classes   100: class 0, class 1, class 2, class 3, class 4, ... class 99"
        in (str(dataset.info))
    )


def test_cards_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CARDS["mnist"].license = "none"
