"""Compare epochs of several views and of three channels with what they are made of.

    pytest benchmarks/micro/bench_views.py

Two views of each image are compared with one. Batches with three channels are compared
with the memory floor: benchmarks/comparison/probe.c writes as many bytes, in the
fastest of its variants. Both are compared with torchvision's transforms in a
DataLoader.

Ratios are of lower quartiles from interleaved rounds, with two threads. Output is
checked before it is timed.
"""

import functools
import importlib.util
import os
import shutil

import numpy as np
import pytest

import fmnist_fast as ff

from ..comparison.contenders import probe
from .bench_augment import CROP_FLIP
from .bench_loader import NOISE, drain
from .bench_sampling import quartile, seconds_of
from .conftest import interleaved

# The bounds of the ratios.
TWO_VIEWS_OVER_ONE = 2.1
CHANNELS_OVER_FLOOR = 1 / 0.6
N_BY_TORCHVISION = 2000  # images of an epoch, each of which takes a millisecond

SIMCLR = [
    ff.RandomResizedCrop(28),
    ff.RandomHorizontalFlip(),
    ff.RandomApply([ff.ColorJitter(brightness=0.8, contrast=0.8)], p=0.8),
    ff.RandomApply([ff.GaussianBlur(3, sigma=(0.1, 2.0))], p=0.5),
]
AUGMENTS = {"crop + flip": CROP_FLIP, "simclr": SIMCLR}


def loader(data, batch_size, **options):
    """Return a loader of shuffled batches, with two threads."""
    return ff.Loader(data, batch_size, shuffle=True, threads=2, **options)


def check_views(data, one, two):
    """Check that the first of two views is the one view, and the second another."""
    n_rows = 0
    for (image, label), (images, labels) in zip(one, two, strict=True):
        assert np.array_equal(label, labels)
        assert np.array_equal(image, images[0])
        assert np.any(images[0] != images[1], axis=(1, 2, 3)).mean() > 0.5
        n_rows += len(labels)
    assert n_rows == len(data)


@pytest.mark.parametrize("batch_size", [128, 512])
@pytest.mark.parametrize("name", AUGMENTS)
def test_two_views_against_one(
    name, batch_size, train, rounds, measured, report, figure
):
    one = loader(train, batch_size, augment=AUGMENTS[name])
    two = loader(train, batch_size, augment=AUGMENTS[name], views=2)
    check_views(train, one, two)
    seconds = seconds_of({"one": one, "two": two}, rounds)
    ratio = seconds["two"] / seconds["one"]
    report(
        f"two views, {name}, batch {batch_size}: {seconds['two'] * 1e3:.1f} ms, one "
        f"{seconds['one'] * 1e3:.1f} ms, {ratio:.2f} times as long "
        f"(goal: {TWO_VIEWS_OVER_ONE})"
    )
    figure(f"{name}, batch {batch_size}", ratio)
    if measured:
        assert ratio < TWO_VIEWS_OVER_ONE * NOISE


def check_channels(data, gray, batches):
    """Check that all channels have the gray images, and that each comes once."""
    n_rows = 0
    for (image, _), (images, _) in zip(gray, batches, strict=True):
        if images.shape[-1] == 3:
            images = np.moveaxis(images, -1, 1)
        assert images.shape[1] == 3 and np.all(image == images)
        n_rows += len(images)
    assert n_rows == len(data)


def floors(data, batches, n_copies):
    """Return functions that run the variants of the memory floor for a loader."""
    n_slots = batches._pipeline.slots_nbytes // batches.slot_nbytes
    runs = {}
    for n in {n_slots, min(n_slots, 3)}:  # few batches may stay in the caches
        is_float = batches.dtype == "float32"
        ring = probe.Ring(data, batches.batch_size, n, is_float, n_copies)
        for prefetch, streaming in ((4, False), (4, True), (8, False), (8, True)):
            run = functools.partial(epoch_of, ring, prefetch, streaming)
            runs[n, prefetch, streaming] = run
    return runs


def epoch_of(ring, prefetch, streaming):
    """Write an epoch into a ring of batches."""
    drain(ring.epoch(prefetch, streaming, 2))


@pytest.mark.skipif(
    not (shutil.which("cc") or os.environ.get("CC")), reason="no compiler"
)
@pytest.mark.parametrize("batch_size", [256, 4096])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_three_channels_against_the_memory_floor(
    dtype, batch_size, train, rounds, measured, report, figure
):
    options = {"dtype": dtype, "normalize": (0.5, 0.25)}
    layouts = {
        layout: loader(train, batch_size, channels=3, layout=layout, **options)
        for layout in ("NCHW", "NHWC")
    }
    for batches in layouts.values():
        check_channels(train, loader(train, batch_size, **options), batches)
    runs = floors(train, batches, 3 * (1 if dtype == "float32" else 2))
    runs |= {k: functools.partial(drain, batches) for k, batches in layouts.items()}
    times = interleaved(runs, rounds)
    seconds = {name: quartile(each) for name, each in times.items()}
    floor = min(seconds[name] for name in runs if name not in layouts)
    for layout in layouts:
        ratio = seconds[layout] / floor
        report(
            f"three channels, {layout}, {dtype}, batch {batch_size}: "
            f"{seconds[layout] * 1e3:.1f} ms, memory floor {floor * 1e3:.1f} ms, "
            f"{1 / ratio:.0%} of the floor (goal: {1 / CHANNELS_OVER_FLOOR:.0%})"
        )
        figure(f"{layout}, {dtype}, batch {batch_size}", 1 / ratio)
        if measured:
            assert ratio < CHANNELS_OVER_FLOOR * NOISE


class Transformed:
    """A dataset with a transform of torchvision, as people write it for PyTorch."""

    def __init__(self, data, transform):
        self.data, self.transform = data, transform

    def __len__(self):
        return len(self.data)

    def __getitem__(self, i):
        image, label = self.data[i]
        return self.transform(image.copy()), int(label)


def twice(transform, image):
    """Return two views of an image."""
    return transform(image), transform(image)


def by_torchvision(torch, v2, name):
    """Return a function that makes floats of an image, as the options of `OURS` do."""
    if name == "two views":
        transforms = [
            v2.RandomResizedCrop(28),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(brightness=0.8, contrast=0.8)], p=0.8),
            v2.RandomApply([v2.GaussianBlur(3, sigma=(0.1, 2.0))], p=0.5),
        ]
    else:
        transforms = [v2.Grayscale(num_output_channels=3)]
    to_float = v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.25])
    transform = v2.Compose([v2.ToImage(), *transforms, *to_float])
    return functools.partial(twice, transform) if name == "two views" else transform


OURS = {"two views": {"augment": SIMCLR, "views": 2}, "three channels": {"channels": 3}}


def check_means(contenders, n_images):
    """Check that the images of all contenders have about the same mean."""
    means = {}
    for name, loader in contenders.items():
        batches = list(loader)
        assert sum(len(labels) for _, labels in batches) == n_images
        pixels = [x for images, _ in batches for x in images]
        means[name] = float(np.mean([float(x.mean()) for x in pixels]))
    for mean in means.values():
        assert abs(mean - means["ours"]) < 0.1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # by DataLoader
@pytest.mark.parametrize("name", OURS)
def test_against_torchvision(name, train, rounds, measured, report, figure):
    """PyTorch has one thread, because two wait for each other on a busy machine."""
    torch = pytest.importorskip("torch")
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("could not import 'torchvision'")
    from fmnist_fast.frameworks.torch import TorchLoader

    from ..comparison.contenders.torchvision import v2

    data = train.select(slice(N_BY_TORCHVISION if measured else 256))
    options = {"shuffle": True, "threads": 2, "normalize": (0.5, 0.25), **OURS[name]}
    contenders = {"ours": TorchLoader(data, 128, **options)}
    theirs = Transformed(data, by_torchvision(torch, v2, name))
    for n in (0, 2):
        options = {"num_workers": n, "persistent_workers": n > 0, "shuffle": True}
        contenders[f"{n} workers"] = torch.utils.data.DataLoader(theirs, 128, **options)
    check_means(contenders, len(data))
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds = seconds_of(contenders, min(rounds, 3))
    torch.set_num_threads(n_threads)
    fastest = min((key for key in seconds if key != "ours"), key=seconds.get)
    ratio = seconds[fastest] / seconds["ours"]
    report(
        f"{name} of {len(data)} images: {seconds['ours'] * 1e3:.2f} ms, torchvision "
        f"and a DataLoader with {fastest}: {seconds[fastest] * 1e3:.0f} ms, "
        f"{ratio:.0f} times as long"
    )
    figure(f"{name}, torchvision", ratio)
