"""Batches that JAX makes on the device: their bytes, and the time of scans.

JAX shares the device with PyTorch, so it must not take most of the memory at its start.
Without JAX, or if JAX finds no device, the tasks are skipped.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

import fmnist_fast as ff

from .bench import CROP_FLIP, Bench

SIZE, N_SEEDS, N_STEPS, N_TIMES = 512, 64, 16, 5
RECIPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "standard": {"augment": "standard"},
    "cutout": {"augment": [*CROP_FLIP, ff.Cutout(8)]},
    "tones": {
        "augment": [
            ff.RandomInvert(),
            ff.RandomSolarize(60),
            ff.RandomPosterize(3),
            ff.RandomAutocontrast(),
            ff.RandomEqualize(),
        ]
    },
    "float16": {"dtype": "float16"},
    "bfloat16": {"dtype": "bfloat16"},
}


def tasks(bench: Bench) -> dict[str, Callable[[], dict]]:
    """Return the tasks of the section."""
    own = {name: partial(compare, bench, name) for name in RECIPES}
    for augment in (None, "standard"):
        own[f"epoch {augment or 'plain'}"] = partial(epoch, bench, augment)
        own[f"seeds {augment or 'plain'}"] = partial(seeds, bench, augment)
    return {name: partial(run, bench, task) for name, task in own.items()}


def run(bench: Bench, task: Callable[[], dict]) -> dict[str, Any]:
    """Return the figures of a task, or why it is skipped."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if importlib.util.find_spec("jax") is None:
        return {"skipped": 'to install JAX: pip install "jax[cuda12]"'}
    import jax

    if not bench.is_dry and jax.default_backend() != "gpu":
        return {"skipped": f"JAX {jax.__version__} finds no CUDA device"}
    return task()


def made(bench: Bench, **options: Any) -> tuple[Any, ff.Loader]:
    """Return batches of JAX, and a loader with the same options."""
    from fmnist_fast.frameworks.jax import JaxBatches

    n_rows = min(SIZE, len(bench.train) // 3)
    options |= {"shuffle": True, "seed": 3, "drop_last": True}
    loader = ff.Loader(bench.train, n_rows, label_dtype="int32", **options)
    return JaxBatches(bench.train, n_rows, **options), loader


def compare(bench: Bench, name: str) -> dict[str, Any]:
    """Compare the bytes of two epochs on the host."""
    import jax

    batches, expected = made(bench, **RECIPES[name])
    at, n_bytes, n_differing = jax.jit(lambda batches, k: batches(k)), 0, 0
    for k, arrays in enumerate(chain(expected, expected)):
        for got, want in zip(at(batches, np.uint32(k)), arrays, strict=True):
            if got.shape != want.shape:
                raise ValueError(f"a batch must have {want.shape}, got {got.shape}")
            pair = [np.frombuffer(x.tobytes(), np.uint8) for x in (np.array(got), want)]
            n_bytes += len(pair[1])
            n_differing += int(np.count_nonzero(pair[0] != pair[1]))
    return {"bytes": n_bytes, "differ": n_differing, "ok": n_differing == 0}


def sums(batches: Any, seeds: Any, steps: Any) -> Any:
    """Return the sum of the pixels of some steps, for each of the seeds."""
    import jax

    def step(totals: Any, k: Any) -> Any:
        images = jax.vmap(batches.at, in_axes=(0, None))(seeds, k)[0]
        return totals + images.sum((1, 2, 3, 4), dtype="float32"), None

    return jax.lax.scan(step, jax.numpy.zeros(len(seeds)), steps)[0]


def median(function: Callable[[], Any], is_dry: bool) -> float:
    """Return the median seconds of a function that waits for the device."""
    times = []
    for _ in range(1 if is_dry else N_TIMES):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def epoch(bench: Bench, augment: str | None) -> dict[str, Any]:
    """Return the milliseconds of a scan over the batches of an epoch."""
    import jax

    batches, loader = made(bench, augment=augment, normalize="unit")
    seed = np.array([[3, 0]], np.uint32)
    steps = np.arange(len(loader), dtype=np.uint32)
    scan = jax.jit(sums)
    expected = sum(images.sum(dtype=np.float64) for images, _ in loader)
    check(scan(batches, seed, steps), [expected])
    seconds = median(lambda: np.array(scan(batches, seed, steps)), bench.is_dry)
    return {"ms": seconds * 1e3}


def seeds(bench: Bench, augment: str | None) -> dict[str, Any]:
    """Return the milliseconds of one scan for many seeds, and of a scan for each."""
    import jax

    batches, loader = made(bench, augment=augment, normalize="unit")
    words = np.zeros((4 if bench.is_dry else N_SEEDS, 2), np.uint32)
    words[:, 0] = np.arange(len(words))
    steps = np.arange(min(N_STEPS, len(loader)), dtype=np.uint32)
    scan = jax.jit(sums)

    def each() -> np.ndarray:
        totals = [scan(batches, words[k : k + 1], steps) for k in range(len(words))]
        return np.concatenate(jax.device_get(totals))

    def at_once() -> np.ndarray:
        return np.array(scan(batches, words, steps))

    check(at_once(), each())
    map_ms, scans_ms = (median(way, bench.is_dry) * 1e3 for way in (at_once, each))
    return {"map_ms": map_ms, "scans_ms": scans_ms, "ratio": scans_ms / map_ms}


def check(sums: Any, expected: Any) -> None:
    """Raise ValueError unless sums of pixels are those expected."""
    if not np.allclose(sums, expected, rtol=1e-4):
        raise ValueError(f"the pixels must sum to {expected}, got {sums}")
