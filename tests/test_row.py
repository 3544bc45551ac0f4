"""Rows: pairs that are indexed by column, in PyTorch, JAX and TensorFlow too."""

import copy
import json
import pickle

import numpy as np
import pytest
from helpers.tiny import IMAGES, LABELS

from fmnist_fast._dataset.row import Row


def test_a_row_is_a_pair(six):
    row = six[3]
    assert type(row) is Row and isinstance(row, tuple) and len(row) == 2
    image, label = row
    assert image is row[0] is row["image"] is row.image and label is row[-1]
    assert row[:1] == (image,) and (row.label, row[1]) == (2, 2)


def test_a_row_is_indexed_as_a_dict(six):
    row = six[3]
    assert list(row.keys()) == ["image", "label"] and len(row.values()) == 2
    assert dict(row.items()).keys() == dict(row).keys() == dict(**row).keys()
    assert dict(row)["image"] is row.image and dict(row)["label"] == 2
    assert row.get("label") == 2 and row.get("x") is None and row.get("x", 7) == 7
    assert "image" in row and "x" not in row and 2 not in row and row.image not in row


@pytest.mark.parametrize("name", ["images", "", "Label"])
def test_other_columns_of_a_row(six, name):
    with pytest.raises(KeyError, match=f"must be 'image' or 'label', got {name!r}"):
        six[0][name]
    with pytest.raises(IndexError):
        six[0][2]


def test_all_ways_to_take_rows_give_rows(six, pictures):
    images, labels = zip(*six)
    assert np.array_equal(images, IMAGES) and labels == tuple(LABELS.tolist())
    assert all(type(label) is int for label in labels)
    for key in (slice(2, 5), range(2, 5), [2, 3, 4], np.arange(6) // 2 == 1, iter([2])):
        images, labels = six[key]
        assert images.ndim == 3 and len(images) == len(labels)
    image, label = pictures[1]
    assert image.size == (3, 4) and label == 0
    assert [label for _, label in pictures] == LABELS.tolist()


def test_equality_compares_all_pixels(six):
    assert six[3] == six[3] and not six[3] != six[3] and six[2:5] == six[[2, 3, 4]]
    other = Row(IMAGES[3] + 1, 2)
    assert six[3] != other and not six[3] == other and six[3] != six[5]
    assert six[3] == (IMAGES[3], 2) and six[3] != (IMAGES[3],) and six[3] != "row"


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda row: pickle.loads(pickle.dumps(row))]
)
def test_copies_are_equal_rows(six, again):
    for row in (six[3], six[1:4]):
        other = again(row)
        assert type(other) is Row and other == row


def test_a_row_in_json(six):
    text = json.dumps(dict(six[3]._replace(image=IMAGES[3].tolist())))
    assert json.loads(text) == {"image": IMAGES[3].tolist(), "label": 2}


def test_repr_has_shapes_in_place_of_pixels(six, pictures):
    assert repr(six[3]) == "Row(image=<uint8 (4, 3)>, label=2)"
    assert repr(six[:2]) == "Row(image=<uint8 (2, 4, 3)>, label=<uint8 (2,)>)"
    assert "mode=L size=3x4" in repr(pictures[3])


# ---- in frameworks ------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
@pytest.mark.parametrize("workers", [0, 1])
def test_pytorchs_own_loader(odd, workers):
    torch = pytest.importorskip("torch")
    data = torch.utils.data
    loader = data.DataLoader(odd, 100, num_workers=workers, timeout=60 * workers)
    batches = list(loader)
    assert [len(labels) for _, labels in batches] == [100] * 5 + [17]
    assert np.array_equal(torch.cat([images for images, _ in batches]), odd.images)
    assert batches[0]["image"] is batches[0][0] and type(batches[0]) is Row
    images, labels = next(iter(data.DataLoader(odd, sampler=[[5, 3]], batch_size=None)))
    assert images.shape == (2, 5, 7) and labels.tolist() == odd.labels[[5, 3]].tolist()


def test_pytorchs_subsets(odd):
    data = pytest.importorskip("torch.utils.data")
    torch = pytest.importorskip("torch")
    first, second = data.random_split(odd, [500, 17])
    assert [first[0], second[16]] == [odd[first.indices[0]], odd[second.indices[16]]]
    for rows in ([5, 3], np.array([5, 3]), torch.tensor([5, 3])):
        assert list(data.Subset(odd, rows)) == [odd[5], odd[3]]
    assert data.ConcatDataset([odd, odd])[520] == odd[3]


def test_rows_are_trees_of_jax(six):
    jax = pytest.importorskip("jax")
    doubled = jax.tree_util.tree_map(lambda leaf: leaf * 2, six[1:3])
    assert type(doubled) is Row and doubled == (IMAGES[1:3] * 2, LABELS[1:3] * 2)
    assert type(jax.jit(lambda row: row)(six[1:3])) is Row


def test_rows_are_structures_of_tensorflow(six):
    tf = pytest.importorskip("tensorflow")
    rows = list(tf.data.Dataset.from_tensor_slices(six[:4]))
    assert [type(row) for row in rows] == [Row] * 4
    assert np.array_equal(rows[3]["image"], IMAGES[3]) and int(rows[3]["label"]) == 2
