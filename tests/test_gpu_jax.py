"""The part of benchmarks/gpu for JAX, on the CPU, with checks that fail."""

import importlib.util

import numpy as np
import pytest

import fmnist_fast as ff

pytest.importorskip("torch")
jax = pytest.importorskip("jax")
from benchmarks.gpu import jax as section  # noqa: E402
from benchmarks.gpu.bench import Bench  # noqa: E402


@pytest.fixture
def bench():
    return Bench(is_dry=True, n_images=60)


@pytest.mark.parametrize("name", section.RECIPES)
def test_bytes_are_compared(bench, name, monkeypatch):
    figures = section.compare(bench, name)
    rows, itemsize = 2 * 3 * 20, 2 if name.endswith("16") else 4
    n_bytes = rows * (784 * itemsize + 4)
    assert figures == {"bytes": n_bytes, "differ": 0, "ok": True}

    def spoiled(loader, make=ff.Loader.__iter__):
        for number, (images, labels) in enumerate(make(loader)):
            if number == 1:
                images.reshape(-1).view(np.uint8)[5] ^= 1
            yield images, labels

    monkeypatch.setattr(ff.Loader, "__iter__", spoiled)
    figures = section.compare(bench, name)
    assert figures == {"bytes": n_bytes, "differ": 2, "ok": False}


def test_other_shapes_are_errors(bench, monkeypatch):
    monkeypatch.setattr(ff.Loader, "__iter__", lambda _: iter([(np.zeros(3), 0)]))
    with pytest.raises(ValueError, match=r"a batch must have \(3,\), got \(20, 1, 28"):
        section.compare(bench, "plain")


@pytest.mark.parametrize("augment", [None, "standard"])
def test_scans_are_timed(bench, augment, monkeypatch):
    assert section.epoch(bench, augment)["ms"] > 0
    figures = section.seeds(bench, augment)
    assert figures["ratio"] == figures["scans_ms"] / figures["map_ms"] > 0
    original = section.sums

    def wrong(batches, seeds, steps):
        return original(batches, seeds, steps) * (2 if len(seeds) > 1 else 1.01)

    monkeypatch.setattr(section, "sums", wrong)
    for task in (section.epoch, section.seeds):
        with pytest.raises(ValueError, match=r"the pixels must sum to .*, got "):
            task(bench, augment)


def test_it_is_skipped_without_jax_or_a_device(bench, monkeypatch):
    tasks = section.tasks(bench)
    assert {*section.RECIPES} < {*tasks} and "seeds standard" in tasks
    bench.is_dry = False
    if jax.default_backend() != "gpu":
        words = f"JAX {jax.__version__} finds no CUDA device"
        assert tasks["plain"]() == {"skipped": words}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words = 'to install JAX: pip install "jax[cuda12]"'
    assert tasks["epoch plain"]() == {"skipped": words}
