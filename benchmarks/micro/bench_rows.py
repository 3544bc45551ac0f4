"""Rows, and datasets from Hugging Face, against these and Pillow, side by side.

    pytest benchmarks/micro/bench_rows.py

Ratios of medians from interleaved rounds; every output is checked before it is timed.
Needs `datasets`.
"""

import io
import statistics

import numpy as np
import pytest

import fmnist_fast as ff

from .conftest import compare, interleaved

hf = pytest.importorskip("datasets")
Image = pytest.importorskip("PIL.Image")

# What each ratio has to be; see docs/dataset.md.
THEIRS_OVER_OURS = 1000
OURS_OVER_PILLOW = 1.3  # of Pillow's time on one thread, divided by two
NOISE = 1.15
ROW_US = 2.0
N_OURS, N_THEIRS = 20000, 200  # accesses in a round


@pytest.fixture(scope="module")
def theirs(train):
    """The training set in memory as `datasets` holds it: PNG files in Arrow."""
    return train.to_huggingface()


def repeat(n, access):
    def run():
        for _ in range(n):
            access()

    return run


def test_rows_against_huggingface(train, theirs, rounds, measured, report, benchmark):
    assert np.array_equal(np.asarray(theirs["image"][0]), train["image"][0])
    assert np.array_equal(np.asarray(theirs[0]["image"]), train[0]["image"])
    accesses = {
        'ds["image"][0]': (N_OURS, lambda: train["image"][0]),
        'ds[0]["image"]': (N_OURS, lambda: train[0]["image"]),
        'datasets\' ds["image"][0]': (N_THEIRS, lambda: theirs["image"][0]),
        'datasets\' ds[0]["image"]': (N_THEIRS, lambda: theirs[0]["image"]),
    }
    times = interleaved({k: repeat(*v) for k, v in accesses.items()}, rounds)
    us = {
        name: statistics.median(times[name]) / n * 1e6
        for name, (n, _) in accesses.items()
    }
    ours, against = list(us)[:2], list(us)[2:]
    for name, other in zip(ours, against):
        ratio = us[other] / us[name]
        report(f"{name}: {us[name]:.3f} us, {other} {us[other]:.1f} us, {ratio:.0f} x")
        benchmark.extra_info[f"{other} / {name}"] = ratio
    if measured:
        assert us[against[0]] / us[ours[0]] > THEIRS_OVER_OURS / NOISE
        assert max(us[name] for name in ours) < ROW_US
    benchmark(lambda: train[0]["image"])


def test_from_huggingface_against_pillow(
    train, theirs, rounds, measured, report, benchmark
):
    """Pillow decodes the same files one after the other, from bytes that are there."""
    column = theirs.data.column("image").combine_chunks()
    files = column.field("bytes").to_pylist()

    def pillow():
        for file in files:
            with Image.open(io.BytesIO(file)) as image:
                image.load()

    assert np.array_equal(ff.Dataset.from_huggingface(theirs).images, train.images)
    contenders = {
        "from_huggingface": lambda: ff.Dataset.from_huggingface(theirs),
        "Pillow, 1 thread": pillow,
    }
    times = interleaved(contenders, max(2, rounds // 4))
    ratio, text = compare(times, "from_huggingface", "Pillow, 1 thread")
    report(
        f"from_huggingface, {len(files)} rows: {text}; {2 * ratio:.2f} of half of it"
    )
    benchmark.extra_info["from_huggingface / (Pillow / 2)"] = 2 * ratio
    if measured:
        assert 2 * ratio < OURS_OVER_PILLOW * NOISE
    benchmark.pedantic(contenders["from_huggingface"], rounds=3)
