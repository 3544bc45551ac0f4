"""Options of a Loader: messages about bad values, and its repr."""

import re
import types

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast._dataset import statistics


@pytest.mark.parametrize(
    "options, error, message",
    [
        (
            {"batch_size": 0},
            ValueError,
            "batch_size must be in 1..1099511627776, got 0",
        ),
        ({"batch_size": 1.5}, TypeError, "batch_size must be an integer, got 1.5"),
        ({"batch_size": True}, TypeError, "batch_size must be an integer, got True"),
        ({"shuffle": 1}, TypeError, "shuffle must be True or False, got 1"),
        ({"shuffle_block": 8}, ValueError, "shuffle_block=8 requires shuffle=True"),
        (
            {"shuffle": True, "shuffle_block": 0},
            ValueError,
            "shuffle_block must be in 1..1099511627776, got 0",
        ),
        (
            {"shuffle": True, "shuffle_block": "8"},
            TypeError,
            "shuffle_block must be an integer, got '8'",
        ),
        (
            {"drop_last": "no"},
            TypeError,
            "drop_last must be True, False or 'wrap', got 'no'",
        ),
        ({"seed": -1}, ValueError, "seed must be in 0..18446744073709551615, got -1"),
        ({"seed": 2**64}, ValueError, "seed must be in"),
        ({"seed": "x"}, TypeError, "seed must be an integer, got 'x'"),
        ({"dtype": "float64"}, ValueError, "dtype must be one of float32, float16"),
        ({"normalize": "mean"}, ValueError, "normalize must be 'auto', 'dataset'"),
        (
            {"normalize": 0.5},
            TypeError,
            r"a Dataset, or a pair of numbers \(mean, std\)",
        ),
        ({"normalize": (1, 2, 3)}, TypeError, "a pair of numbers"),
        ({"normalize": ("a", 1)}, TypeError, "a pair of numbers"),
        ({"normalize": ("0.1", "1")}, TypeError, "a pair of numbers"),
        ({"normalize": {0.1: 1, 0.3: 2}}, TypeError, "a pair of numbers"),
        ({"normalize": (0.5, 0)}, ValueError, "must be finite numbers with std > 0"),
        ({"normalize": (0.5, -1)}, ValueError, "must be finite numbers with std > 0"),
        ({"normalize": (float("nan"), 1)}, ValueError, "must be finite numbers"),
        ({"normalize": (0, float("inf"))}, ValueError, "must be finite numbers"),
        ({"normalize": (0.5, 1e-300)}, ValueError, "in the range of float32"),
        ({"normalize": "unit", "dtype": "uint8"}, ValueError, "requires normalize="),
        ({"layout": "NCWH"}, ValueError, "layout must be one of NCHW, NHWC, NHW, flat"),
        ({"layout": None}, ValueError, "layout must be one of"),
        ({"label_dtype": "float32"}, ValueError, "label_dtype must be one of int64"),
        ({"threads": 0}, ValueError, "threads must be in 1..256, got 0"),
        ({"threads": 257}, ValueError, "threads must be in 1..256, got 257"),
        ({"prefetch": 0}, ValueError, "prefetch must be in 1..65536, got 0"),
        (
            {"shard": (1, 4), "seed": None},
            ValueError,
            "seed=None requires a single process, got 4",
        ),
        ({"shard": (2, 2)}, ValueError, "shard's rank must be in 0..1, got 2"),
        ({"shard": (-1, 2)}, ValueError, "shard's rank must be in 0..1, got -1"),
        ({"shard": (0, 0)}, ValueError, "shard's world must be in 1..1048576, got 0"),
        ({"shard": (0, 1.0)}, TypeError, "shard's world must be an integer, got 1.0"),
        (
            {"shard": 3},
            TypeError,
            r"shard must be \(rank, world\), 'env' or None, got 3",
        ),
        (
            {"shard": "torch"},
            ValueError,
            r"shard must be \(rank, world\), 'env' or None",
        ),
    ],
    ids=str,
)
def test_bad_options_are_named_with_their_values(odd, options, error, message):
    with pytest.raises(error, match=message):
        ff.Loader(odd, **options)


@pytest.mark.parametrize(
    "normalize, message",
    [
        (([0.485] * 3, [0.229] * 3), r"got 3 of each\.\nPass one of each, such as "),
        ([0.5] * 3, r"got \[0.5, 0.5, 0.5\]\.\nPass one of each, such as normalize="),
        ((1.5, 1.0), r"so at most 1, got \(1.5, 1.0\)$"),
        ((0.2, 1.5), r"so at most 1, got \(0.2, 1.5\)$"),
        ((300, 3), r"so at most 1, got \(300.0, 3.0\)$"),
        ((72, 90), r"pass normalize=\(0.2824, 0.3529\)\.$"),
        ((0.286, 90), r"pass normalize=\(0.286, 0.3529\)\.$"),
    ],
)
def test_pairs_of_other_images_get_a_hint_that_makes_sense(odd, normalize, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ff.Loader(odd, normalize=normalize)


@pytest.mark.parametrize("name", ["batch_size", "dtype", "seed", "world", "dataset"])
def test_options_are_fixed(odd, name):
    loader = ff.Loader(odd)
    with pytest.raises(AttributeError, match=f"{name}"):
        setattr(loader, name, 5)


def test_numpy_dtypes_are_accepted_by_name(odd):
    x, y = next(iter(ff.Loader(odd, 4, dtype=np.float16, label_dtype=np.int32)))
    assert x.dtype == np.float16 and y.dtype == np.int32
    with pytest.raises(ValueError, match=r"dtype must be one of .*, got 'float64'"):
        ff.Loader(odd, dtype=np.float64)


def test_arrays_instead_of_a_dataset_are_refused(odd):
    with pytest.raises(TypeError, match="dataset must be a Dataset, got ndarray"):
        ff.Loader(odd.images)


def test_datasets_around_a_dataset_get_a_hint(odd):
    subset = types.SimpleNamespace(dataset=odd, indices=[3, 1])  # as of random_split
    with pytest.raises(TypeError, match=r"\nPass dataset\.dataset\.select\(.*s\)\.$"):
        ff.Loader(subset)
    with pytest.raises(TypeError, match=r"got Loader\.\nPass dataset\.dataset\.$"):
        ff.Loader(ff.Loader(odd))


@pytest.mark.parametrize("epoch", [-1, 2**32, 1.0])
def test_bad_epochs_are_refused(odd, epoch):
    with pytest.raises((ValueError, TypeError), match="epoch must be"):
        ff.Loader(odd).set_epoch(epoch)


def test_labels_of_more_classes_than_uint8_holds(odd):
    labels = np.arange(517)
    dataset = ff.Dataset.from_arrays(odd.images, labels)
    with pytest.raises(ValueError, match="requires at most 256 classes, got 517"):
        ff.Loader(dataset, label_dtype="uint8")
    got = np.concatenate([y for _, y in ff.Loader(dataset, label_dtype="int32")])
    assert np.array_equal(got, labels)


def test_equal_pixels_can_not_be_normalized():
    gray = ff.Dataset.from_arrays(
        np.full((5, 2, 2), 9, np.uint8), np.zeros(5, np.uint8)
    )
    with pytest.raises(ValueError, match="all pixels of this dataset are equal"):
        ff.Loader(gray)
    assert next(iter(ff.Loader(gray, normalize=None)))[0].max() == 9


def test_repr_shows_the_main_options(odd):
    text = repr(ff.Loader(odd, 50, shard=(1, 2)))
    assert "batch_size=50" in text and "shard=(1, 2)" in text
    assert "6 batches an epoch" in text and "shuffle_block" not in text
    loader = ff.Loader(odd, shuffle=True, shuffle_block=64)
    assert "shuffle=True, shuffle_block=64" in repr(loader)


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, "normalize=(0.5, 0.2928) of arrays, layout='NCHW': 3 batches an epoch"),
        ({"dtype": "uint8"}, "dtype='uint8', normalize=None, layout='NCHW': 3"),
        ({"normalize": "unit", "layout": "flat"}, "normalize='unit', layout='flat': 3"),
        ({"normalize": [np.float64(0.5), 1 / 3]}, "normalize=(0.5, 0.3333), layout="),
        ({"label_dtype": "onehot"}, "layout='NCHW', label_dtype='onehot': 3 batches"),
        ({"drop_last": "wrap", "prefetch": 2}, ", drop_last='wrap', prefetch=2: 3 "),
        ({"threads": 77}, "layout='NCHW', threads=77: 3 batches"),
    ],
)
def test_repr_shows_options_that_are_not_defaults(odd, options, expected):
    assert expected in repr(ff.Loader(odd, **options))


def test_repr_shows_the_number_of_slots(odd):
    slots = [np.empty(1 << 21, np.uint8) for _ in range(3)]
    slots = [slot[-slot.ctypes.data % 64 :] for slot in slots]
    loader = ff.Loader(odd, 50, prefetch=2, slots=slots)
    assert "prefetch=2, 3 slots: 11 batches an epoch)" in repr(loader)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"layout": "nchw"}, "NCHW, NHWC, NHW, flat, got 'nchw'. Did you mean 'NCHW'?"),
        ({"dtype": "bfloat"}, "uint8, got 'bfloat'. Did you mean 'bfloat16' or "),
        ({"label_dtype": "one-hot"}, "got 'one-hot'. Did you mean 'onehot'?"),
        ({"label_dtype": "float"}, "uint8, onehot, got 'float'"),
    ],
)
def test_misspelled_names_get_a_hint(odd, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ff.Loader(odd, **options)


@pytest.mark.parametrize("normalize", ["unit", None, (0.25, 0.5)])
def test_mean_and_std_are_computed_only_if_needed(odd, normalize, monkeypatch):
    def refuse(images):
        raise RuntimeError("pixels are read")

    monkeypatch.setattr(statistics, "_moments", refuse)
    dataset = ff.Dataset.from_arrays(odd.images, odd.labels)
    ff.Loader(dataset, normalize=normalize)
    ff.Loader(dataset, dtype="uint8")
    with pytest.raises(RuntimeError, match="pixels are read"):
        ff.Loader(dataset)


def test_values_of_others(small):
    for option, text in [
        ({"layout": "channels_last"}, 'Pass "NHWC".'),
        ({"layout": "channels_first"}, 'Pass "NCHW".'),
        ({"label_dtype": "categorical"}, 'Pass "onehot".'),
        ({"label_dtype": "long"}, 'Pass "int64".'),
    ]:
        with pytest.raises(ValueError, match=rf"\n{text}$"):
            ff.Loader(small, **option)
    only = 'Pass "bilinear". Only Resize and RandomResizedCrop have "bicubic".'
    for warp in (ff.RandomRotation, ff.RandomAffine, ff.ElasticTransform):
        with pytest.raises(ValueError, match=f"nearest, bilinear, got.*\n{only}"):
            warp(9, interpolation="bicubic")
    for policy in (ff.TrivialAugmentWide, ff.RandAugment):
        with pytest.raises(ValueError, match=f"\n{only}"):
            policy(interpolation=3)
    with pytest.raises(ValueError, match=r'\nPass "bilinear", or "bicubic" to Resize'):
        ff.Resize(9, "lanczos")
    with pytest.raises(ValueError, match=r'\nPass "bilinear", the closest one'):
        ff.Resize(9, "area")
    with pytest.raises(ValueError, match=r"dtype must be .* got None$"):
        ff.Loader(small, dtype=None)


def test_dtypes_of_torch(small):
    torch = pytest.importorskip("torch")
    loader = ff.Loader(small, dtype=torch.bfloat16, label_dtype=torch.int32)
    assert (loader.dtype, loader.label_dtype) == ("bfloat16", "int32")
    with pytest.raises(ValueError, match=r"got 'float64'\. Did you mean 'float16' or"):
        ff.Loader(small, dtype=torch.float64)
