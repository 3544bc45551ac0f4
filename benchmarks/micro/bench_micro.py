"""Compare each kernel with a numpy reference loop and with its baseline.

    pytest benchmarks/micro/bench_micro.py   # fails if one is over 25 % slower
    pytest benchmarks/micro/bench_micro.py --save-baselines   # saves the ratios

The reference loop is an epoch in numpy. It is timed before every round, so that a busy
machine slows down both. The median of the rounds' ratios counts.
"""

import statistics
import time

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import _core

from . import baselines
from .bench_augment import AFFINE, CROP_FLIP, OTHERS
from .bench_augment import loader as augmented
from .bench_loader import drain, loader, numpy_loop
from .bench_sampling import NAMES, loaders_of
from .bench_views import loader as with_views

ROW_ACCESSES = 20_000


def rows(train):
    """Access a row again and again."""
    for _ in range(ROW_ACCESSES):
        train[0]["image"]


def epoch_of(make):
    """Return a workload that takes all batches of the loader that `make` returns."""

    def prepare(train, folder):
        batches = make(train)
        return lambda: drain(batches)

    return prepare


def gzip_file(train, folder):
    """Return a workload that decompresses a file of 10,000 images."""
    path = folder / "images-idx3-ubyte.gz"
    ff.write_idx(path, train.images[:10_000])
    return lambda: ff.read_idx(path)


def photo(train, folder):
    """Return a workload that converts a large photo 8 times."""
    pixels = np.kron(train.images[0], np.ones((24, 24), np.uint8))
    picture = np.repeat((255 - pixels)[:, :, None], 3, axis=2)
    return lambda: [ff.convert(picture) for _ in range(8)]


TRANSFORMS = {
    "crop + flip": CROP_FLIP,
    "crop + flip + erasing": [*CROP_FLIP, ff.RandomErasing()],
    "affine": AFFINE,
    "elastic": ff.ElasticTransform(),
    **OTHERS,
}
WORKS = {
    "float32": epoch_of(lambda train: loader(train, 2)),
    "float32, 1 thread": epoch_of(lambda train: loader(train, 1)),
    "float32, batch 32": epoch_of(lambda train: loader(train, 2, 32)),
    "float32, batch 4096": epoch_of(lambda train: loader(train, 2, 4096)),
    "float16": epoch_of(lambda train: loader(train, 2, dtype="float16")),
    "bfloat16": epoch_of(lambda train: loader(train, 2, dtype="bfloat16")),
    "uint8": epoch_of(lambda train: loader(train, 2, dtype="uint8")),
    **{
        name: epoch_of(
            lambda train, transforms=transforms: augmented(train, transforms)
        )
        for name, transforms in TRANSFORMS.items()
    },
    **{
        f"sampling, {name}": epoch_of(lambda train, name=name: loaders_of(train)[name])
        for name in NAMES[1:]
    },
    **{
        f"three channels, {layout}, {dtype}": epoch_of(
            lambda train, layout=layout, dtype=dtype: with_views(
                train, 256, channels=3, layout=layout, dtype=dtype
            )
        )
        for layout in ("NCHW", "NHWC")
        for dtype in ("float32", "bfloat16")
    },
    "two views": epoch_of(lambda train: with_views(train, 128, views=2)),
    "order": lambda train, folder: lambda: _core.order(len(train), seed=1),
    "pixel sums": lambda train, folder: lambda: _core.pixel_sums(train.images),
    "rows": lambda train, folder: lambda: rows(train),
    "gzip file": gzip_file,
    "photo": photo,
}


def timed(run):
    """Run a function, and return the seconds that it takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@pytest.mark.parametrize("name", WORKS)
def test_against_baseline(
    name, train, rounds, measured, report, tmp_path, benchmark, pytestconfig
):
    work, reference = WORKS[name](train, tmp_path), []

    def measure_reference():
        reference.append(timed(lambda: drain(numpy_loop(train, 128))))

    def ratio_of(ours):
        return statistics.median(a / b for a, b in zip(ours, reference, strict=True))

    benchmark.pedantic(work, setup=measure_reference, rounds=rounds, warmup_rounds=1)
    if not measured:
        return
    del reference[0]  # belongs to the warm-up
    ratio, processor = ratio_of(benchmark.stats.stats.data), baselines.processor()
    baseline = baselines.load().get(processor, {}).get(name)
    if baselines.is_loss(ratio, baseline):
        # The machine may have been busy, so a second measurement decides.
        reference.clear()
        ours = [(measure_reference(), timed(work))[1] for _ in range(rounds)]
        ratio = min(ratio, ratio_of(ours))
    benchmark.extra_info["relative to the numpy loop"] = ratio
    before = f"none for {processor}" if baseline is None else f"{baseline:.3f}"
    report(
        f"{name:32} {ratio:6.3f} times as long as the numpy loop, baseline: {before}"
    )
    if pytestconfig.getoption("save_baselines"):
        baselines.save({name: ratio}, processor)
    else:
        assert not baselines.is_loss(ratio, baseline)
