"""The memory floor reads all images and writes all batches of an epoch."""

import os
import shutil

import numpy as np
import pytest

from benchmarks import work
from benchmarks.comparison.contenders import probe
from benchmarks.data import Data


@pytest.mark.skipif(
    not (shutil.which("cc") or os.environ.get("CC")), reason="no compiler"
)
@pytest.mark.parametrize("streaming, few", [(False, False), (True, True)])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", ["plain", "uint8"])
def test_the_floor_reads_and_writes_all(name, threads, streaming, few, tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1000, 28, 28), np.uint8)
    data = Data(images, rng.integers(0, 10, 1000, np.uint8), tmp_path)
    epochs = probe.epochs(data, work.WORKS[name], threads, 4, streaming, few)
    ((rows, labels),) = next(epochs)
    order = np.random.default_rng(0).permutation(1000)
    n_batches = 8  # seven of 128 rows, and one of 104
    ring = len(rows)
    if few and threads > 1:  # a slow thread may write an older batch to a slot last
        epochs.close()
        return
    for k in range(max(0, n_batches - ring), n_batches):
        indices = order[128 * k : 128 * (k + 1)]
        slot = k % ring
        assert np.array_equal(
            rows[slot, : len(indices)], images[indices].reshape(-1, 784)
        )
        assert np.array_equal(labels[slot, : len(indices)], data.labels[indices])
    epochs.close()


def test_the_floor_needs_a_compiler(monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(probe.shutil, "which", lambda name: None)
    with pytest.raises(
        RuntimeError, match=r"the memory floor requires a C compiler.*set CC"
    ):
        probe.build.__wrapped__()


@pytest.mark.skipif(
    not (shutil.which("cc") or os.environ.get("CC")), reason="no compiler"
)
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("is_float", [False, True])
def test_the_floor_writes_copies_of_each_row(is_float, streaming, tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (300, 28, 28), np.uint8)
    data = Data(images, rng.integers(0, 10, 300, np.uint8), tmp_path)
    ring = probe.Ring(data, 100, 3, is_float, n_copies=5)
    ((rows, labels),) = ring.epoch(4, streaming, 2)
    order = np.random.default_rng(0).permutation(300).reshape(3, 100)
    assert rows.dtype == (np.uint32 if is_float else np.uint8)
    assert rows.shape == (3, 100, 5, 784)
    assert np.array_equal(labels, data.labels[order])
    assert np.all(rows == images[order].reshape(3, 100, 1, 784))
