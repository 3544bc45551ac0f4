"""Loader(augment=...): valid and invalid values, states, pickles, and previews."""

import json
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.against_reference import same, wanted

import fmnist_fast as ff

RAW = {"dtype": "uint8", "normalize": None, "layout": "NHW"}
CROP_FLIP = [ff.RandomCrop((5, 7), padding=2), ff.RandomHorizontalFlip()]


@pytest.fixture(scope="module")
def few(odd):
    """Return 53 small images."""
    return odd.select(range(53))


def negative(images, labels, rng):
    return -images, labels


def shifted(images, labels, rng):
    """Return a new array, with a random number added."""
    return images + rng.random(dtype=np.float32), labels


def draws(images, labels, rng):
    """Return random numbers in place of the images."""
    return rng.integers(0, 2**62, 3), labels


# ---- values of augment --------------------------------------------------------------


@pytest.mark.parametrize(
    "augment",
    [
        CROP_FLIP,
        tuple(CROP_FLIP),
        ff.Compose(CROP_FLIP),
        [ff.Compose(CROP_FLIP[:1]), CROP_FLIP[1]],
    ],
)
def test_lists_and_compose_are_the_same(few, augment):
    options = {"batch_size": 10, "shuffle": True, "seed": 3}
    want = wanted(few, CROP_FLIP, **options)
    assert same(list(ff.Loader(few, augment=augment, **options)), want)


@pytest.mark.parametrize("name", ["standard", "standard+erasing", "strong"])
def test_recipes_fit_the_images(few, name):
    options = {"batch_size": 10, "shuffle": True, "seed": 3}
    loader = ff.Loader(few, augment=name, **options)
    assert loader.augment == name
    assert same(list(loader), wanted(few, name, **options))


def test_a_single_transform_and_none(few):
    invert = ff.RandomInvert(1)
    ((images, _),) = ff.Loader(few, 100, augment=invert, **RAW)
    assert np.array_equal(images, 255 - few.images)
    plain, none = ff.Loader(few, 10), ff.Loader(few, 10, augment=None)
    assert same(list(none), list(plain))


def test_transforms_may_change_the_size(few):
    for layout, shape in [("NCHW", (53, 1, 3, 4)), ("flat", (53, 12))]:
        loader = ff.Loader(few, 60, layout=layout, augment=[ff.CenterCrop((3, 4))])
        assert [images.shape for images, _ in loader] == [shape]


def test_mixes_have_soft_labels(few):
    loader = ff.Loader(few, 60, augment=[ff.MixUp()], label_dtype="onehot")
    ((_, labels),) = loader
    assert labels.shape == (53, 3)
    assert np.allclose(labels.sum(axis=1), 1) and (labels.max(axis=1) < 1).any()


@pytest.mark.parametrize(
    "augment, error, message",
    [
        ([], ValueError, r"augment must not be empty, got \[\]\. Pass augment=None"),
        (
            "standart",
            ValueError,
            "one of the recipes standard, .* Did you mean 'standa",
        ),
        (3, TypeError, "augment must be a list of transforms, a transform, .* got 3"),
        (
            [ff.RandomInvert],
            TypeError,
            r"got the class RandomInvert\. Pass an instance",
        ),
        (
            [ff.RandomCrop(28)],
            ValueError,
            "size must be at most the image's .*, got 28x28",
        ),
        ([ff.MixUp()], ValueError, "require label_dtype='onehot', got 'int64'"),
        (
            [ff.RandomApply([ff.CutMix()], 0)],
            ValueError,
            "MixUp and CutMix require label_dtype='onehot'",
        ),
        (
            [negative, ff.RandomInvert()],
            ValueError,
            "RandomInvert must come before neg",
        ),
    ],
)
def test_invalid_values_are_rejected(few, augment, error, message):
    with pytest.raises(error, match=message):
        ff.Loader(few, 10, augment=augment)


def test_the_number_of_classes_is_the_datasets(few):
    augment = [ff.CutMix(num_classes=4)]
    with pytest.raises(ValueError, match=r"must be 3, the dataset's number .* got 4"):
        ff.Loader(few, 10, augment=augment, label_dtype="onehot")


def test_batches_larger_than_memory_are_an_error(small):
    loader = ff.Loader(small, 1000, augment=[ff.Pad(32000)])
    with pytest.raises(MemoryError):
        iter(loader)
    assert len(list(ff.Loader(small, 1000))) == 1


def test_augment_can_not_be_changed(few):
    transforms = list(CROP_FLIP)
    loader = ff.Loader(few, 10, augment=transforms)
    transforms.clear()
    assert loader.augment == tuple(CROP_FLIP)
    with pytest.raises(AttributeError, match="augment of a Loader is fixed"):
        loader.augment = None


def test_repr_mentions_augment(few):
    assert "augment" not in repr(ff.Loader(few))
    assert "layout='NCHW', augment='strong': 1 " in repr(
        ff.Loader(few, augment="strong")
    )
    text = repr(ff.Loader(few, augment=[ff.RandomInvert()], shard=(0, 2)))
    assert "augment=(RandomInvert(p=0.5),), shard=(0, 2): " in text


def test_an_empty_dataset_has_no_batches():
    empty = ff.Dataset.from_arrays(
        np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), classes=["a", "b"]
    )
    for augment in ("standard", [ff.Resize(9), ff.MixUp(), negative]):
        loader = ff.Loader(
            empty, 10, shuffle=True, label_dtype="onehot", augment=augment
        )
        assert len(loader) == 0 and list(loader) == [] and list(loader) == []
        assert loader.epoch == 2
        with pytest.raises(IndexError, match="0 is out of range: the dataset is empty"):
            loader.augment_preview(0, 1)


# ---- state, pickling, shards --------------------------------------------------------


def test_the_state_does_not_depend_on_augment(few):
    states = []
    for augment in (None, "strong", [negative]):
        loader = ff.Loader(few, 10, shuffle=True, seed=5, augment=augment)
        states.append([loader.state_dict()])
        for _ in range(2):
            states[-1] += [loader.state_dict() for _ in loader]
    assert states[0] == states[1] == states[2]
    assert states[0][2]["position"] == 20


@pytest.mark.parametrize("augment", ["strong", [*CROP_FLIP, shifted], [draws]])
def test_resuming_at_every_batch(few, augment):
    options = {"shuffle": True, "seed": 5, "augment": augment}
    whole = ff.Loader(few, 10, **options)
    want = [*whole, *whole]
    for k in range(len(want)):
        loader, got = ff.Loader(few, 10, threads=1, **options), []
        while len(got) < k:
            for batch in loader:
                got.append(batch)
                if len(got) == k:
                    break
        again = ff.Loader(few, 10, threads=3, prefetch=1, **options)
        again.load_state_dict(json.loads(json.dumps(loader.state_dict())))
        while len(got) < len(want):
            got += again
        assert same(got, want)


@pytest.mark.parametrize("augment", ["strong", [*CROP_FLIP, shifted]])
def test_a_pickled_loader_begins_where_the_next_loop_would(few, augment):
    loader = ff.Loader(few, 10, shuffle=True, augment=augment)
    next(iter(loader))
    again = pickle.loads(pickle.dumps(loader))
    assert repr(again) == repr(loader)
    assert same(list(again), list(loader))
    assert same(list(again), list(loader))


def test_objects_that_can_not_be_pickled_are_named(few):
    loader = ff.Loader(few, augment=[lambda images, labels, rng: (images, labels)])
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(loader)
    loader = ff.Loader(few, augment=[ff.CFunction(SimpleNamespace(address=4096))])
    with pytest.raises(TypeError, match="CFunction can't be pickled"):
        pickle.dumps(loader)


def test_shards_make_up_the_whole(few):
    options = {"shuffle": True, "augment": "strong"}
    ranks = [list(ff.Loader(few, 4, shard=(rank, 3), **options)) for rank in range(3)]
    for k, (images, _) in enumerate(ff.Loader(few, 12, **options)):
        parts = [batches[k][0] for batches in ranks if k < len(batches)]
        assert np.array_equal(np.concatenate(parts), images)


# ---- preview ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "augment",
    [
        "standard",
        [ff.RandomHorizontalFlip(mode="alternating"), ff.Resize((9, 4))],
        [ff.TrivialAugmentWide(), ff.GaussianNoise()],
    ],
)
def test_preview_equals_the_epochs(few, augment):
    loader = ff.Loader(few, 10, seed=4, augment=augment, **RAW)
    epochs = [np.concatenate([images for images, _ in loader]) for _ in range(5)]
    before = loader.state_dict()
    for index in (0, 7, 52, -1, -53):
        shown = loader.augment_preview(index, 5)
        assert shown.dtype == np.uint8 and shown.shape == (5, *epochs[0].shape[1:])
        assert np.array_equal(shown, [images[index] for images in epochs])
    assert np.array_equal(
        loader.augment_preview(np.int64(3), np.uint8(2)), loader.augment_preview(3, 2)
    )
    assert loader.state_dict() == before


def test_preview_leaves_out_mixes_and_functions(few):
    transforms = [ff.RandomErasing(1), ff.RandomInvert()]
    mixed = [*transforms, ff.MixUp(), negative]
    want = ff.Loader(few, 10, augment=transforms, **RAW).augment_preview(2, 6)
    loader = ff.Loader(few, 7, shuffle=True, augment=mixed, label_dtype="onehot")
    assert np.array_equal(loader.augment_preview(2, 6), want)
    for augment in (None, [negative], [ff.CutMix()]):
        loader = ff.Loader(few, augment=augment, label_dtype="onehot")
        shown = loader.augment_preview(2, 3)
        assert np.array_equal(shown, [few.images[2]] * 3)
        shown[:] = 0  # a copy
        assert few.images[2].any()


@pytest.mark.parametrize(
    "index, n, error, message",
    [
        (53, 1, IndexError, r"row 53 is out of range: it must be in -53\.\.52"),
        (-54, 1, IndexError, r"row -54 is out of range: it must be in -53\.\.52"),
        (1.0, 1, TypeError, "index must be an integer, got 1.0"),
        (0, 0, ValueError, r"n must be in 1\.\.4294967296, got 0"),
        (0, True, TypeError, "n must be an integer, got True"),
    ],
)
def test_invalid_previews_are_rejected(few, index, n, error, message):
    with pytest.raises(error, match=message):
        ff.Loader(few, augment="standard").augment_preview(index, n)
