"""FiveCrop and TenCrop give torchvision's crops, also after random transforms."""

import numpy as np
import pytest

import fmnist_fast as ff

torch = pytest.importorskip("torch", reason="its tensors have the images")
import helpers.any_torchvision  # noqa: E402,F401

# isort: split
from torchvision.transforms.v2 import functional as F  # noqa: E402

RAW = {"dtype": "uint8", "layout": "NHW"}
SHAPES = [(28, 28), (27, 28), (9, 14), (14, 9), (5, 7)]
SIZES = [1, 4, (5, 5), (3, 5), (4, 2), (5, 4)]


def images_of(shape):
    images = np.random.default_rng(4).integers(0, 256, (11, *shape), dtype=np.uint8)
    return ff.Dataset.from_arrays(images, np.arange(11))


def only(loader):
    """Return the images of the only batch of a loader."""
    ((images, _),) = loader
    return images


def want(function, images, size, **options):
    """Return the views that a function of torchvision makes of uint8 images."""
    size = [size, size] if isinstance(size, int) else list(size)
    views = function(torch.tensor(images)[:, None], size, **options)
    return np.stack([view[:, 0].numpy() for view in views])


AUGMENTS = {
    "none": None,
    "random": [ff.RandomCrop((8, 9), padding=2, pad_if_needed=True), ff.RandomInvert()],
    "grown": [ff.RandomErasing(), ff.Pad((1, 2, 0, 3)), ff.GaussianNoise()],
    "recipe": "strong",
}


@pytest.mark.parametrize("augment", AUGMENTS.values(), ids=AUGMENTS)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_crops_are_those_of_torchvision(shape, size, augment):
    """All views have the random numbers of a loader without views."""
    options = {**RAW, "augment": augment, "seed": 3}
    data = images_of(shape)
    images = only(ff.Loader(data, **options))
    got = only(ff.Loader(data, views=ff.FiveCrop(size), **options))
    assert np.array_equal(got, want(F.five_crop, images, size))
    for vertical in (False, True):
        views = ff.TenCrop(size, vertical_flip=vertical)
        got = only(ff.Loader(data, views=views, **options))
        wanted = want(F.ten_crop, images, size, vertical_flip=vertical)
        assert np.array_equal(got, wanted)


def test_crops_of_real_images(real_train):
    data = real_train.select(range(500))
    got = only(ff.Loader(data, 500, views=ff.TenCrop(24), **RAW))
    assert np.array_equal(got, want(F.ten_crop, np.asarray(data.images), 24))


def test_mixed_samples_have_one_partner_and_share_in_all_crops():
    data = images_of((9, 9))
    augment = [ff.RandomHorizontalFlip(), ff.MixUp()]
    options = {"augment": augment, "label_dtype": "onehot", "dtype": "uint8"}
    ((_, labels),) = ff.Loader(data, views=ff.FiveCrop(4), **options)
    assert labels.shape == (5, 11, 11)
    assert (labels == labels[0]).all() and not np.isin(labels, [0, 1]).all()


def test_the_arguments_of_crops():
    assert ff.FiveCrop(3).size == (3, 3) == ff.TenCrop([3, 3]).size
    assert repr(ff.TenCrop((3, 4), True)) == "TenCrop(size=(3, 4), vertical_flip=True)"
    assert ff.TenCrop(4) == ff.TenCrop((4, 4)) != ff.TenCrop(4, vertical_flip=True)
    assert not isinstance(ff.FiveCrop(3), ff.TenCrop)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: ff.FiveCrop(0), ValueError, r"FiveCrop: size must be in 1\.\.65536"),
        (lambda: ff.FiveCrop("4"), TypeError, "FiveCrop: size must be an integer"),
        (lambda: ff.TenCrop((1, 2, 3)), ValueError, "TenCrop: size"),
        (lambda: ff.TenCrop(4, 1), TypeError, "vertical_flip must be True or False"),
    ],
)
def test_wrong_arguments_of_crops_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("crops", [ff.FiveCrop((4, 8)), ff.TenCrop((6, 2))], ids=str)
def test_crops_larger_than_the_image_are_refused(crops, odd):
    size = "{}x{}".format(*crops.size)
    message = (
        f"{type(crops).__name__}: size must be at most the image's 5x7, got {size}"
    )
    with pytest.raises(
        ValueError, match=f"{message}.\nPass a smaller size, or a Pad in"
    ):
        ff.Loader(odd, views=crops)
    assert ff.Loader(odd, augment=[ff.Pad(1)], views=crops).image_sides == crops.size


INSIDE = {
    "list": lambda crops: [crops],
    "alone": lambda crops: crops,
    "Compose": lambda crops: [ff.Compose([crops])],
    "RandomApply": lambda crops: [ff.RandomApply([crops])],
    "RandomChoice": lambda crops: [ff.RandomChoice([crops, ff.CenterCrop(4)])],
}


@pytest.mark.parametrize("inside", INSIDE.values(), ids=INSIDE)
@pytest.mark.parametrize("crops", [ff.FiveCrop(4), ff.TenCrop(4)], ids=str)
def test_crops_in_augment_are_refused(crops, inside, odd):
    name = type(crops).__name__
    message = f"{name} must be the value of views, not of augment.\nPass views=ff."
    with pytest.raises(ValueError, match=message):
        ff.Loader(odd, augment=inside(crops))
    with pytest.raises(ValueError, match=rf"views\[1\]: {message}"):
        ff.Loader(odd, views=[None, inside(crops)])
