"""Class names of labels, and labels of class names."""

import collections
import enum
import types

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


def test_labels_of_a_series(ten):
    pd = pytest.importorskip("pandas")
    assert ten.str2int(pd.Series(["Bag", "Coat"])) == [8, 4]
    assert ten.str2int(pd.Categorical(["Bag", "Bag"])) == [8, 8]
    assert ten.str2int(np.array("Bag")) == [8]


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


# ---- names for a new dataset --------------------------------------------------------


class Kind(enum.IntEnum):
    cat, dog, yak = range(3)


def named(classes):
    """Return the classes of a dataset with labels 0, 1 and 2."""
    images = np.zeros((3, 2, 2), np.uint8)
    return ff.Dataset.from_arrays(images, np.arange(3), classes=classes).classes


NAMES = ["cat", "dog", "yak"]


@pytest.mark.parametrize(
    "classes",
    [
        NAMES,
        tuple(NAMES),
        np.array(NAMES),
        np.array(NAMES, dtype=object),
        iter(NAMES),
        (name for name in NAMES),
        map(str.lower, ["Cat", "DOG", "yak"]),
        dict(enumerate(NAMES)),
        {2: "yak", 0: "cat", 1: "dog"},
        {"yak": 2, "cat": 0, "dog": 1},
        {np.int64(2): "yak", np.uint8(0): "cat", 1: "dog"},
        {np.str_("yak"): np.int32(2), "cat": 0, "dog": np.uint8(1)},
        collections.OrderedDict(yak=2, dog=1, cat=0),
        types.MappingProxyType({2: "yak", 0: "cat", 1: "dog"}),
        Kind.__members__,
    ],
    ids=repr,
)
def test_sequences_and_mappings_of_names(classes):
    assert named(classes) == ("cat", "dog", "yak")
    assert all(type(name) is str for name in named(NAMES))


def test_names_in_pandas():
    pd = pytest.importorskip("pandas")
    shuffled = pd.Series(["yak", "cat", "dog"], index=[2, 0, 1])
    by_name = pd.Series([2, 0, 1], index=["yak", "cat", "dog"])
    kinds = pd.Index(NAMES), pd.Series(NAMES), pd.Categorical(NAMES), shuffled, by_name
    for classes in kinds:
        assert named(classes) == ("cat", "dog", "yak")
    with pytest.raises(ValueError, match=r"each label in 0\.\.1, got \[1, 2\]"):
        named(pd.Series(NAMES)[1:])


@pytest.mark.parametrize(
    "classes, error, message",
    [
        (set(NAMES), TypeError, r"\nIt doesn't say .*\.\nPass a list of names in"),
        (frozenset(NAMES), TypeError, r"\nIt doesn't say which label a name has"),
        ({"cat": 1}.keys(), TypeError, r"\nIt doesn't say which label a name has"),
        ({"cat": 1}.values(), TypeError, r"\nIt doesn't say which label a name has"),
        ({"cat": 1}.items(), TypeError, r"\nIt doesn't say which label a name has"),
        (3, TypeError, r"got 3\.\nPass list\(map\(str, range\(3\)\)\) for classes"),
        (np.int64(3), TypeError, r"\nPass list\(map\(str, range\(3\)\)\) for classes"),
        (True, TypeError, r"sequence of names, got True\.\nPass a list of names"),
        (1.5, TypeError, r"sequence of names, got 1\.5\.\nPass a list of names"),
        ("cat", TypeError, r"sequence of names, got 'cat'\.\nPass a list of names"),
        (b"cat", TypeError, r"sequence of names, got b'cat'\.\nPass a list of names"),
        (np.array("cat"), TypeError, r"sequence of names, got array\('cat'"),
        (np.array([NAMES]), TypeError, r"sequence of names, got array\(\[\["),
        (Kind, TypeError, "sequence of names, got <enum 'Kind'>"),
        (
            [0, 1, 2],
            TypeError,
            r"be strings, got 0\.\nPass list\(map\(str, classes\)\)",
        ),
        (np.arange(3), TypeError, r"\nPass list\(map\(str, classes\)\)\.$"),
        (
            [b"a", b"b"],
            TypeError,
            r"got b'a'\.\nPass \[name\.decode\(\) for name in cl",
        ),
        (["cat", None], TypeError, "be strings, got None$"),
        (["cat", 3], TypeError, "be strings, got 3$"),
        ([["cat"], ["dog"]], TypeError, r"be strings, got \['cat'\]$"),
        (
            [("cat", 0), (1, "dog")],
            TypeError,
            r"got \('cat', 0\)\.\nPass dict\(classes\)",
        ),
        (types.SimpleNamespace(names=NAMES), TypeError, r"\nPass classes\.names\.$"),
        (["cat", ""], ValueError, "must not be empty, got '' for class 1"),
        (["cat", " "], ValueError, "must not be empty, got ' ' for class 1"),
        (["cat", "cat"], ValueError, "different names, got 'cat' for classes 0 and 1"),
        ([], ValueError, "must have at least one name, got none"),
        ({}, ValueError, "must have at least one name, got none"),
        (
            {0: "cat", 1: "cat"},
            ValueError,
            "different names, got 'cat' for classes 0 a",
        ),
        ({"cat": 0, "dog": 0}, ValueError, "each label, got 'cat' and 'dog' for 0"),
        (
            {0: "cat", 2: "dog"},
            ValueError,
            r"in 0\.\.1, got \[0, 2\]\.\nAdd .* for 1, or",
        ),
        (
            {1: "cat", 2: "dog"},
            ValueError,
            r"got \[1, 2\]\.\nAdd a name for 0, or number",
        ),
        ({-1: "cat", 0: "dog"}, ValueError, r"got \[-1, 0\]\.\nAdd a name for 1, or"),
        (
            {"0": "a", "1": "b"},
            TypeError,
            r"\nPass {int\(label\): name for label, name in",
        ),
        (
            {True: "a", False: "b"},
            TypeError,
            "must map integers to names or names to in",
        ),
        ({0.0: "a", 1.0: "b"}, TypeError, r"\nPass {0: 'first', 1: 'second'}, or {'fi"),
        (
            {0: "a", "b": 1},
            TypeError,
            "must map integers to names or names to integers",
        ),
        ({0: 1}, TypeError, "must map integers to names or names to integers"),
        (
            {0: None, 1: "a"},
            TypeError,
            "must map integers to names or names to integers",
        ),
        ({0: b"a", 1: b"b"}, TypeError, "must map integers to names or names to int"),
    ],
    ids=repr,
)
def test_names_that_are_refused(classes, error, message):
    with pytest.raises(error, match=message):
        named(classes)


def test_the_advice_for_names_works():
    for advice, classes in (
        ("list(map(str, classes))", [0, 1, 2]),
        ("[name.decode() for name in classes]", [b"0", b"1", b"2"]),
        ("{int(label): name for label, name in classes.items()}", {"0": "0", "1": "1"}),
    ):
        with pytest.raises(TypeError) as raised:
            named(classes)
        assert str(raised.value).endswith(f"\nPass {advice}.")
        names = eval(advice, {"classes": classes})
        labels = np.arange(len(classes))
        images = np.zeros((len(classes), 1, 1), np.uint8)
        dataset = ff.Dataset.from_arrays(images, labels, classes=names)
        assert dataset.classes == ("0", "1", "2")[: len(classes)]
