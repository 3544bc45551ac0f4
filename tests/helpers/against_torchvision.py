"""Images augmented by fmnist_fast and by torchvision, with the same random numbers."""

from types import SimpleNamespace

import numpy as np
import pytest
import reference_draws
import reference_geometry
import reference_transforms
import torch

import fmnist_fast as ff
import helpers.any_torchvision  # noqa: F401
from fmnist_fast import _core
from fmnist_fast.augment import compile_transforms

# isort: split
from torchvision.transforms import v2  # after any_torchvision has made it importable

F = v2.functional
torch.set_num_threads(1)  # its threads would wait for each other, not for work
SEED, EPOCH = 11, 2
RAW = {"dtype": "uint8", "normalize": None, "layout": "NHW"}
MODES = ["constant", "edge", "reflect", "symmetric"]


@pytest.fixture(params=["real", "synthetic", "noise", "oblong"], scope="module")
def images(request):
    """Return 60 images, uint8 (60, height, width), of four kinds in turn."""
    if request.param == "real":
        return request.getfixturevalue("real_train").images[:60].copy()
    if request.param == "synthetic":
        return request.getfixturevalue("small").images[:60].copy()
    shape = (60, 28, 28) if request.param == "noise" else (60, 21, 34)
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def augmented(images, transforms, threads=2, seed=SEED):
    """Return the images augmented by fmnist_fast. Image i has position i."""
    dataset = ff.Dataset.from_arrays(images, np.zeros(len(images), dtype=np.uint8))
    transforms = transforms if isinstance(transforms, list) else [transforms]
    options = {"batch_size": 128, "seed": seed, "threads": threads, **RAW}
    loader = ff.Loader(dataset, augment=transforms, **options)
    loader.set_epoch(EPOCH)
    return np.concatenate([x for x, _ in loader])


def torchvision_all(images, function, *arguments, **named):
    """Return the images after a function of torchvision, called once for all."""
    return function(torch.from_numpy(images[:, None]), *arguments, **named)[
        :, 0
    ].numpy()


def torchvision_each(images, function):
    """Return function(image, i) of every image, a uint8 tensor (1, height, width)."""
    one_by_one = [
        function(torch.from_numpy(images[i : i + 1].copy()), i)
        for i in range(len(images))
    ]
    return torch.cat(one_by_one).numpy()


class Draws(reference_draws.Draws):
    """The reference's draws, whose words come from the core because it is faster."""

    def word(self):
        """Return the next word of the stream."""
        i, self.n_taken = self.n_taken, self.n_taken + 1
        return _core.draw(*self.stream, i // 4)[i % 4]


def draws_of(i, operation=1):
    """Return the draws of transform number `operation` for image i, after its coin."""
    draws = Draws(SEED, EPOCH, i, operation)
    draws.word()
    return draws


def share(got, want, levels=0):
    """Return the share of pixels that differ by at most `levels` gray levels."""
    assert (got.shape, got.dtype) == (want.shape, want.dtype) and got.dtype == np.uint8
    return float((abs(got.astype(int) - want) <= levels).mean())


INTERPOLATIONS = ["nearest", "bilinear"]


def fields_of(transform, shape):
    """Return the fields of a transform that is one core transform, as attributes."""
    ((_, _, fields),) = compile_transforms(transform, *shape, 1).transforms
    return SimpleNamespace(**fields)


def tied(transform, shape, i=0):
    """Return where the nearest pixel of image i could be either of two pixels.

    Source points there are within 2**-10 pixel of the middle between two pixels. The
    core rounds halves up, and torchvision rounds them to the even pixel. Before that,
    the rounding errors of torchvision's float32 points decide.
    """
    fields = compile_transforms(transform, *shape, 1).transforms[0][2]
    return tied_map(fields, draws_of(i), shape)


def tied_map(fields, draws, shape):
    """Return where the nearest pixel is ambiguous, for an affine map that is drawn."""
    m = reference_transforms.affine_map(SimpleNamespace(**fields), draws)
    x, y = reference_geometry.source_points(m, *shape)
    return (abs(x % 65536 - 32768) < 64) | (abs(y % 65536 - 32768) < 64)


def is_close(got, want, interpolation, is_tied):
    """Return whether bilinear pixels differ by at most two gray levels.

    At least 99.5 % of them must differ by at most one. Nearest pixels must be equal
    except where `is_tied`.
    """
    if interpolation == "bilinear":
        return share(got, want, 2) == 1 and share(got, want, 1) >= 0.995
    free = ~np.broadcast_to(is_tied, got.shape)
    return free.mean() > 0.4 and share(got[free], want[free]) == 1
