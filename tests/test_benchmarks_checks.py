"""Checks of contenders' output, with loaders whose transforms differ a little."""

import numpy as np
import pytest

import fmnist_fast as ff
from benchmarks import work
from benchmarks.comparison import checks
from benchmarks.data import Data


def two_epochs(data, augment, batch_size=128):
    """Return a loader with these transforms twice, once for each epoch."""
    dataset = ff.Dataset.from_arrays(data.images, data.labels)
    loader = ff.Loader(
        dataset,
        batch_size,
        shuffle=True,
        augment=augment,
        normalize=(data.mean, data.std),
    )
    return [loader, loader]


AFFINE = {
    "degrees": 10,
    "translate": (0.1, 0.1),
    "scale": (0.9, 1.1),
    "interpolation": "bilinear",
}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"interpolation": "nearest"}, "not bilinear"),
        ({"degrees": 20}, "angles must be at most"),
        ({"degrees": 5}, "angles must have a deviation"),
        ({"scale": (0.8, 1.2)}, "scales must be at most"),
        ({"scale": None}, "scales must have a deviation"),
        ({"translate": None}, "shifts down must have a deviation"),
    ],
)
def test_affine_maps_are_checked(change, message, tmp_path):
    whole = Data(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), tmp_path)
    data = checks.Blobs().data(whole, 0.2, tmp_path)
    affine, plain = work.WORKS["affine"], dict(AFFINE)
    degrees = plain.pop("degrees")
    good = two_epochs(data, [ff.RandomAffine(degrees, **plain)])
    checks.Blobs().verify(data, affine, good)
    options = {**AFFINE, **change}
    degrees = options.pop("degrees")
    with pytest.raises(checks.CheckError, match=message):
        checks.Blobs().verify(
            data, affine, two_epochs(data, [ff.RandomAffine(degrees, **options)])
        )


def test_one_affine_map_for_a_whole_batch_is_noticed(tmp_path):
    whole = Data(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), tmp_path)
    data = checks.Blobs().data(whole, 0.2, tmp_path)
    transforms = [ff.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), interpolation="bilinear")]

    def one_map_per_batch():
        for x, y in two_epochs(data, transforms)[0]:
            yield np.repeat(x[:1], len(x), axis=0), y

    with pytest.raises(checks.CheckError, match="must have a deviation of"):
        checks.Blobs().verify(data, work.WORKS["affine"], [one_map_per_batch()])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"p": 1}, "erased in 1?[0-9]{2}% of the images"),
        ({"p": 0.2}, "erased in [12][0-9]% of the images"),
        ({"scale": (0.02, 0.04)}, "of an image is erased|sizes of rectangles"),
        ({"scale": (0.1, 0.1), "ratio": (1, 1)}, "is erased|sizes of rectangles"),
    ],
)
def test_erasing_is_checked(options, message, tmp_path):
    whole = Data(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), tmp_path)
    data, erasing = checks.White().data(whole, 0.3, tmp_path), work.WORKS["erasing"]
    checks.White().verify(data, erasing, two_epochs(data, [ff.RandomErasing()]))
    with pytest.raises(checks.CheckError, match=message):
        checks.White().verify(
            data, erasing, two_epochs(data, [ff.RandomErasing(**options)])
        )


@pytest.mark.parametrize(
    "transforms, message",
    [
        ([ff.RandomCrop(28, padding=8)], "moved by more than 4 pixels"),
        ([ff.RandomCrop(28, padding=3)], "offsets never occur"),
    ],
)
def test_crops_are_checked(transforms, message, tmp_path):
    whole = Data(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), tmp_path)
    data = checks.Marks().data(whole, 0.3, tmp_path)
    flips = [*transforms, ff.RandomHorizontalFlip()]
    with pytest.raises(checks.CheckError, match=message):
        checks.Marks().verify(data, work.WORKS["crop_flip"], two_epochs(data, flips))


def test_two_equal_epochs_are_noticed(tmp_path):
    whole = Data(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), tmp_path)
    data = checks.Marks().data(whole, 0.3, tmp_path)
    transforms = [ff.RandomCrop(28, padding=4), ff.RandomHorizontalFlip()]
    epoch = [(x.copy(), y.copy()) for x, y in two_epochs(data, transforms)[0]]
    with pytest.raises(checks.CheckError, match="100% of the images are the same in"):
        checks.Marks().verify(data, work.WORKS["crop_flip"], [epoch, epoch])
