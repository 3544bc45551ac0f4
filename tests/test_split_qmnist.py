"""QMNIST: parts of its test files, and the extra columns of its labels."""

import copy
import pickle
import re

import numpy as np
import pytest
from helpers.dataset_files import N, images_of, write_published

import fmnist_fast as ff
from fmnist_fast import FormatError
from fmnist_fast._registry import datasets


@pytest.fixture
def qmnist(tmp_path, spec, monkeypatch):
    """Return a folder with the test files, their images and their labels."""
    spec = spec("qmnist")
    parts = {"test10k": {"end": 5}, "test50k": {"begin": 5}}
    splits = {
        name: part._replace(**parts.get(name, {})) for name, part in spec.splits.items()
    }
    spec = spec._replace(splits=splits)
    monkeypatch.setitem(datasets.DATASETS, "qmnist", spec)
    labels = np.arange(N * 8, dtype=np.int32).reshape(N, 8) * 1000
    labels[:, 0] = np.arange(N) % 10
    return tmp_path, write_published(tmp_path, splits["test"], labels), labels


@pytest.mark.parametrize(
    "split, rows",
    [("test", slice(None)), ("test10k", slice(5)), ("test50k", slice(5, None))],
)
def test_qmnist_columns(qmnist, split, rows):
    root, images, labels = qmnist
    dataset = ff.load(split, root, name="qmnist")
    assert dataset.split_name == split
    assert np.array_equal(dataset.images, images[rows])
    assert dataset.labels.tolist() == labels[rows, 0].tolist()
    assert list(dataset.extra) == [
        "hsf_series",
        "writer_id",
        "digit_index",
        "nist_class",
        "global_index",
        "duplicate",
        "reserved",
    ]
    for i, column in enumerate(dataset.extra.values()):
        assert np.array_equal(column, labels[rows, i + 1])
        assert column.dtype == np.int32 and not column.flags.writeable


def test_extra_columns_follow_the_rows(qmnist):
    root, _, labels = qmnist
    dataset = ff.load("test", root, name="qmnist")
    picked = dataset.select([7, 2, 2])
    assert picked.extra["writer_id"].tolist() == labels[[7, 2, 2], 2].tolist()
    first, second = dataset.split(0.5, seed=3)
    indices = [*first.extra["global_index"], *second.extra["global_index"]]
    assert sorted(indices) == labels[:, 5].tolist()
    for part in (first, second):
        row = labels[:, 5].tolist().index(part.extra["global_index"][0])
        assert np.array_equal(part.images[0], dataset.images[row])


@pytest.mark.parametrize("split", ["test", "test50k"])
def test_extra_columns_are_pickled(qmnist, split):
    dataset = ff.load(split, qmnist[0], name="qmnist")
    for original in (dataset, dataset.select([1, 0])):
        unpickled = pickle.loads(pickle.dumps(original))
        assert np.array_equal(unpickled.images, original.images)
        for name, column in original.extra.items():
            assert np.array_equal(unpickled.extra[name], column)


def test_pickles_have_the_columns_that_were_added(qmnist):
    dataset = ff.load("test", qmnist[0], name="qmnist")
    n_bytes = len(pickle.dumps(dataset))
    ids, writers = np.arange(len(dataset), dtype=np.uint8), dataset.extra["writer_id"]
    dataset = dataset.with_columns({"id": ids, "writer_id": writers + 1})
    assert len(pickle.dumps(dataset)) < n_bytes + 5 * len(dataset) + 500
    for copied in (pickle.loads(pickle.dumps(dataset)), copy.deepcopy(dataset)):
        assert list(copied.extra) == list(dataset.extra)
        for name, column in dataset.extra.items():
            assert np.array_equal(copied.extra[name], column)
        again = pickle.loads(pickle.dumps(copied.with_format("pil")))
        assert np.array_equal(again.extra["id"], dataset.extra["id"])


@pytest.mark.parametrize("shape", [(N,), (N, 7), (N, 9), (N, 8, 1)])
def test_qmnist_labels_of_another_shape(tmp_path, spec, shape):
    write_published(
        tmp_path,
        spec("qmnist").splits["train"],
        np.zeros(shape, np.int32),
        images=images_of(),
    )
    message = r"labels of QMNIST must be integers of shape \(n, 8\), got int32 "
    with pytest.raises(FormatError, match=message + re.escape(str(shape))):
        ff.load("train", tmp_path, name="qmnist")


def test_extra_columns_of_derived_datasets(qmnist):
    dataset = ff.load("test", qmnist[0], name="qmnist")
    ids = dataset.extra["writer_id"].tolist()
    assert dataset.concatenate(dataset).extra["writer_id"].tolist() == ids * 2
    plain = ff.Dataset.from_arrays(dataset.images, dataset.labels)
    assert plain.concatenate(dataset).extra == {}
    assert dataset.with_format("pil").extra["writer_id"].tolist() == ids
    few = dataset.filter(lambda row: row["label"] == 3)
    assert few.extra["writer_id"].tolist() == [ids[3]]


def test_most_datasets_have_no_extra_columns(small):
    assert small.extra == {} and small.select([1]).extra == {}
