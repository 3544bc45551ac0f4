"""Checks of contenders' output, on our own loader with steps that differ a little."""

import numpy as np
import pytest

import fmnist_fast as ff
from benchmarks import work
from benchmarks.comparison import checks
from benchmarks.data import Data


def ours(data, augment, batch_size=128):
    """Two epochs with these steps."""
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
    "change, said",
    [
        ({"interpolation": "nearest"}, "not bilinear"),
        ({"degrees": 20}, "angles go up to"),
        ({"degrees": 5}, "angles have a deviation"),
        ({"scale": (0.8, 1.2)}, "scales go up to"),
        ({"scale": None}, "scales have a deviation"),
        ({"translate": None}, "shifts down have a deviation"),
    ],
)
def test_affine_maps_are_checked(change, said, tmp_path):
    whole = Data(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), tmp_path)
    data = checks.Blobs().data(whole, 0.2, tmp_path)
    affine, plain = work.WORKS["affine"], dict(AFFINE)
    degrees = plain.pop("degrees")
    good = ours(data, [ff.RandomAffine(degrees, **plain)])
    checks.Blobs().verify(data, affine, good)
    options = {**AFFINE, **change}
    degrees = options.pop("degrees")
    with pytest.raises(checks.CheckError, match=said):
        checks.Blobs().verify(
            data, affine, ours(data, [ff.RandomAffine(degrees, **options)])
        )


def test_affine_maps_of_a_whole_batch_are_found_out(tmp_path):
    whole = Data(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), tmp_path)
    data = checks.Blobs().data(whole, 0.2, tmp_path)
    steps = [ff.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), interpolation="bilinear")]

    def one_map_each():
        for x, y in ours(data, steps)[0]:
            yield np.repeat(x[:1], len(x), axis=0), y

    with pytest.raises(checks.CheckError, match=r"deviate by 0.000 only|deviation"):
        checks.Blobs().verify(data, work.WORKS["affine"], [one_map_each()])


@pytest.mark.parametrize(
    "options, said",
    [
        ({"p": 1}, "erased in 1?[0-9]{2}% of the images"),
        ({"p": 0.2}, "erased in [12][0-9]% of the images"),
        ({"scale": (0.02, 0.04)}, "of an image is erased|sizes of rectangles"),
        ({"scale": (0.1, 0.1), "ratio": (1, 1)}, "is erased|sizes of rectangles"),
    ],
)
def test_erasing_is_checked(options, said, tmp_path):
    whole = Data(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), tmp_path)
    data, erasing = checks.White().data(whole, 0.3, tmp_path), work.WORKS["erasing"]
    checks.White().verify(data, erasing, ours(data, [ff.RandomErasing()]))
    with pytest.raises(checks.CheckError, match=said):
        checks.White().verify(data, erasing, ours(data, [ff.RandomErasing(**options)]))


@pytest.mark.parametrize(
    "steps, said",
    [
        ([ff.RandomCrop(28, padding=8)], "moved by more than 4 pixels"),
        ([ff.RandomCrop(28, padding=3)], "offsets never come"),
    ],
)
def test_crops_are_checked(steps, said, tmp_path):
    whole = Data(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), tmp_path)
    data = checks.Marks().data(whole, 0.3, tmp_path)
    flips = [*steps, ff.RandomHorizontalFlip()]
    with pytest.raises(checks.CheckError, match=said):
        checks.Marks().verify(data, work.WORKS["crop_flip"], ours(data, flips))


def test_two_epochs_drawn_alike_are_found_out(tmp_path):
    whole = Data(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), tmp_path)
    data = checks.Marks().data(whole, 0.3, tmp_path)
    steps = [ff.RandomCrop(28, padding=4), ff.RandomHorizontalFlip()]
    once = [(x.copy(), y.copy()) for x, y in ours(data, steps)[0]]
    with pytest.raises(checks.CheckError, match="100% of two epochs were drawn alike"):
        checks.Marks().verify(data, work.WORKS["crop_flip"], [once, once])
