"""Files and columns whose labels are exactly 1 to N: a warning, or an error."""

import json
import pickle
import warnings

import numpy as np
import pytest

import fmnist_fast as ff

LABELS = np.array([3, 1, 2, 3, 1, 3], np.uint8)
WARNING = r"the labels are 1 to 3, and class 0 has no images\.\nWrite .* the 4 classes"


def write(folder, labels=LABELS, card=None):
    """Write a dataset without names of classes, and return its folder."""
    folder.mkdir(exist_ok=True)
    images = np.zeros((len(labels), 2, 2), np.uint8)
    ff.write_idx(folder / "mine-train-images-idx3-ubyte", images)
    ff.write_idx(folder / "mine-train-labels-idx1-ubyte", labels)
    if card:
        (folder / "dataset.json").write_text(json.dumps(card))
    return folder


def load(folder):
    return ff.load("train", root=folder)


def load_files(folder):
    return ff.load_files(folder / "*-images-idx3-ubyte")


@pytest.mark.parametrize("read", [load, load_files])
def test_files_with_labels_from_1_lead_to_a_warning(tmp_path, read):
    with pytest.warns(UserWarning, match=WARNING) as caught:
        dataset = read(write(tmp_path / "mine"))
    assert str(tmp_path / "mine") in str(caught[0].message) and len(caught) == 1
    assert caught[0].filename == __file__
    assert dataset.class_counts.tolist() == [0, 2, 1, 3]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pickle.loads(pickle.dumps(dataset)).classes == dataset.classes


@pytest.mark.parametrize("read", [load, load_files])
@pytest.mark.parametrize(
    "labels, card",
    [
        (LABELS - 1, None),
        (LABELS, {"classes": ["none", "a", "b", "c"]}),
        (LABELS[LABELS > 1], None),
        (np.array([3, 5, 7], np.uint8), None),
        (np.ones(3, np.uint8), None),
    ],
)
def test_other_labels_and_named_classes_lead_to_no_warning(
    tmp_path, read, labels, card
):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = read(write(tmp_path / "mine", labels, card))
    assert dataset.labels.tolist() == labels.tolist()


def test_names_as_an_argument_lead_to_no_warning(tmp_path):
    files = write(tmp_path / "mine") / "*"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = ff.load_files(files, classes={"x": 0, "a": 1, "b": 2, "c": 3})
    assert dataset.classes == ("x", "a", "b", "c")


def test_a_hugging_face_column_with_labels_from_1_is_refused():
    datasets = pytest.importorskip("datasets")
    six = ff.Dataset.from_arrays(np.zeros((6, 2, 2), np.uint8), LABELS - 1)
    images = six.to_huggingface().remove_columns("label")
    ds = images.add_column("label", LABELS.astype(int).tolist())
    message = r"'label' must have labels from 0 .*, got 1\.\.3\.\nConvert it with ds\."
    with pytest.raises(ValueError, match=message) as raised:
        ff.Dataset.from_huggingface(ds)
    encoded = eval(str(raised.value).rpartition(" with ")[2].rstrip("."), {"ds": ds})
    assert isinstance(encoded, datasets.Dataset)
    again = ff.Dataset.from_huggingface(encoded)
    assert again.classes == ("1", "2", "3") and (again.labels == LABELS - 1).all()
