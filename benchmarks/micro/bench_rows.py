"""Compare access to rows with Hugging Face datasets, and their import with Pillow.

    pytest benchmarks/micro/bench_rows.py

Ratios are of medians from interleaved rounds. Output is checked before it is timed. The
package `datasets` is required.
"""

import io
import statistics

import numpy as np
import pytest

import fmnist_fast as ff

from .conftest import compare, interleaved

hf = pytest.importorskip("datasets")
Image = pytest.importorskip("PIL.Image")

# The bounds of the ratios; docs/dataset.md has the figures.
HF_OVER_OURS = 1000
OURS_OVER_PILLOW = 1.3  # relative to half of Pillow's time on one thread
NOISE = 1.15
ROW_US = 2.0
N_OURS, N_HF = 20000, 200  # accesses in a round


@pytest.fixture(scope="module")
def hf_train(train):
    """Return the training set as a Dataset of `datasets`: PNG files in Arrow."""
    return train.to_huggingface()


def repeat(n, access):
    """Return a function that calls `access` n times."""

    def run():
        for _ in range(n):
            access()

    return run


def test_rows_against_huggingface(
    train, hf_train, rounds, measured, report, figure, benchmark
):
    assert np.array_equal(np.asarray(hf_train["image"][0]), train["image"][0])
    assert np.array_equal(np.asarray(hf_train[0]["image"]), train[0]["image"])
    accesses = {
        'ds["image"][0]': (N_OURS, lambda: train["image"][0]),
        'ds[0]["image"]': (N_OURS, lambda: train[0]["image"]),
        'datasets\' ds["image"][0]': (N_HF, lambda: hf_train["image"][0]),
        'datasets\' ds[0]["image"]': (N_HF, lambda: hf_train[0]["image"]),
    }
    times = interleaved({k: repeat(*v) for k, v in accesses.items()}, rounds)
    us = {
        name: statistics.median(times[name]) / n * 1e6
        for name, (n, _) in accesses.items()
    }
    ours, others = list(us)[:2], list(us)[2:]
    for name, other in zip(ours, others):
        ratio = us[other] / us[name]
        report(
            f"{name}: {us[name]:.3f} us, {other} {us[other]:.1f} us, "
            f"{ratio:.0f} times as long"
        )
        benchmark.extra_info[f"{other} / {name}"] = ratio
        figure(f"{name}_us", us[name])
        figure(f"{other}_us", us[other])
    if measured:
        assert us[others[0]] / us[ours[0]] > HF_OVER_OURS / NOISE
        assert max(us[name] for name in ours) < ROW_US
    benchmark(lambda: train[0]["image"])


def test_from_huggingface_against_pillow(
    train, hf_train, rounds, measured, report, figure, benchmark
):
    """Pillow decodes the same files one after the other, from bytes in memory."""
    column = hf_train.data.column("image").combine_chunks()
    files = column.field("bytes").to_pylist()

    def pillow():
        for file in files:
            with Image.open(io.BytesIO(file)) as image:
                image.load()

    assert np.array_equal(ff.Dataset.from_huggingface(hf_train).images, train.images)
    contenders = {
        "from_huggingface": lambda: ff.Dataset.from_huggingface(hf_train),
        "Pillow, 1 thread": pillow,
    }
    times = interleaved(contenders, max(2, rounds // 4))
    ratio, text = compare(times, "from_huggingface", "Pillow, 1 thread")
    report(
        f"from_huggingface, {len(files)} rows: {text}; {2 * ratio:.2f} times as long "
        "as half of Pillow's time"
    )
    benchmark.extra_info["from_huggingface / (Pillow / 2)"] = 2 * ratio
    for name, key in (("from_huggingface", "ours_s"), ("Pillow, 1 thread", "pillow_s")):
        figure(key, statistics.median(times[name]))
    if measured:
        assert 2 * ratio < OURS_OVER_PILLOW * NOISE
    benchmark.pedantic(contenders["from_huggingface"], rounds=3)
