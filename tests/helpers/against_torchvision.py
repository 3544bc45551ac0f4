"""Images augmented here and by torchvision, with the same draws."""

from types import SimpleNamespace

import numpy as np
import pytest
import reference_draws
import reference_geometry
import torch

import fmnist_fast as ff
import helpers.any_torchvision  # noqa: F401
from fmnist_fast import _core
from fmnist_fast.augment import compile_transforms

# isort: split
from torchvision.transforms import v2  # once any_torchvision has made it importable

F = v2.functional
torch.set_num_threads(1)  # its threads would wait for each other, not for work
SEED, EPOCH = 11, 2
RAW = {"dtype": "uint8", "normalize": None, "layout": "NHW"}
MODES = ["constant", "edge", "reflect", "symmetric"]


@pytest.fixture(params=["real", "synthetic", "noise", "oblong"], scope="module")
def images(request):
    """uint8 (n, height, width)."""
    if request.param == "real":
        return request.getfixturevalue("real_train").images[:60].copy()
    if request.param == "synthetic":
        return request.getfixturevalue("small").images[:60].copy()
    shape = (60, 28, 28) if request.param == "noise" else (60, 21, 34)
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def ours(images, steps, threads=2):
    """The images, in their order, augmented: image i has position i."""
    dataset = ff.Dataset.from_arrays(images, np.zeros(len(images), dtype=np.uint8))
    steps = steps if isinstance(steps, list) else [steps]
    options = {"batch_size": 128, "seed": SEED, "threads": threads, **RAW}
    loader = ff.Loader(dataset, augment=steps, **options)
    loader.set_epoch(EPOCH)
    return np.concatenate([x for x, _ in loader])


def theirs(images, function, *arguments, **named):
    return function(torch.from_numpy(images[:, None]), *arguments, **named)[
        :, 0
    ].numpy()


def theirs_each(images, function):
    """function(image, i) of images one by one, as uint8 (1, height, width)."""
    one_by_one = [
        function(torch.from_numpy(images[i : i + 1].copy()), i)
        for i in range(len(images))
    ]
    return torch.cat(one_by_one).numpy()


class Draws(reference_draws.Draws):
    """The words come from the core itself, which is quicker."""

    def word(self):
        i, self.n_taken = self.n_taken, self.n_taken + 1
        return _core.draw(*self.key, i // 4)[i % 4]


def draws_of(i, operation=1):
    """What step `operation` draws for image i, after its coin."""
    draws = Draws(SEED, EPOCH, i, operation)
    draws.word()
    return draws


def share(got, want, levels=0):
    """Of the pixels that differ by so many grey levels at most."""
    assert (got.shape, got.dtype) == (want.shape, want.dtype) and got.dtype == np.uint8
    return float((abs(got.astype(int) - want) <= levels).mean())


INTERPOLATIONS = ["nearest", "bilinear"]


def tied(step, shape, i=0):
    """Where the nearest pixel of image i is one of two: places come within 2**-10 pixel
    of the middle between them. Half a pixel goes up here, to the even pixel there, and
    float32 decides before that."""
    return tied_map(
        compile_transforms(step, *shape, 1).transforms[0][2], draws_of(i), shape
    )


def tied_map(fields, draws, shape):
    m = reference_geometry.affine_map(SimpleNamespace(**fields), draws)
    x, y = reference_geometry.places(m, *shape)
    return (abs(x % 65536 - 32768) < 64) | (abs(y % 65536 - 32768) < 64)


def is_close(got, want, interpolation, is_tied):
    """Bilinear within a level; nearest pixels equal where they are not tied."""
    if interpolation == "bilinear":
        return share(got, want, 1) >= 0.995
    free = ~np.broadcast_to(is_tied, got.shape)
    return free.mean() > 0.4 and share(got[free], want[free]) == 1
