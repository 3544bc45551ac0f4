"""Compare epochs of frameworks' arrays with those of numpy arrays.

    pytest benchmarks/micro/bench_frameworks.py

bench_jax.py compares arrays of JAX. It runs earlier: see conftest.py.

Ratios are of medians from interleaved rounds: float32, batch 128, 2 threads.
"""

import numpy as np
import pytest

import fmnist_fast as ff

from .bench_loader import NOISE, drain
from .conftest import compare, interleaved

TORCH_OVER_NUMPY = 1.15
OPTIONS = {"batch_size": 128, "shuffle": True, "threads": 2}


def check_epoch(data, epoch):
    """Check that every label occurs as often as in the dataset."""
    labels = np.concatenate([np.asarray(y) for _, y in epoch])
    assert np.array_equal(np.bincount(labels), np.bincount(data.labels))


def against_numpy(name, ours, train, rounds):
    """Return the ratio of an adapter to numpy arrays, and both times as text."""
    plain = ff.Loader(train, **OPTIONS)
    check_epoch(train, ours)
    contenders = {name: lambda: drain(ours), "numpy": lambda: drain(plain)}
    return compare(interleaved(contenders, rounds), name, "numpy")


def test_torch_against_numpy(train, rounds, measured, report, figure):
    pytest.importorskip("torch")
    from fmnist_fast.frameworks.torch import TorchLoader

    ours = TorchLoader(train, **OPTIONS)
    ratio, text = against_numpy("TorchLoader", ours, train, rounds)
    report(f"TorchLoader: {text}, {ratio:.2f} times as long (goal: {TORCH_OVER_NUMPY})")
    figure("torch_over_numpy", ratio)
    if measured:
        assert ratio < TORCH_OVER_NUMPY * NOISE


def test_tensorflow_against_numpy(train, rounds, report, figure):
    pytest.importorskip("tensorflow")
    from fmnist_fast.frameworks.tensorflow import TensorFlowLoader

    ours = TensorFlowLoader(train, **OPTIONS)
    ratio, text = against_numpy("TensorFlowLoader", ours, train, rounds)
    report(f"TensorFlowLoader: {text}, {ratio:.2f} times as long")
    figure("tensorflow_over_numpy", ratio)
    batches = ours.to_tf_data()  # calls Python through TensorFlow for every batch
    ratio, text = against_numpy("to_tf_data", batches, train, min(rounds, 5))
    report(f"TensorFlowLoader.to_tf_data: {text}, {ratio:.0f} times as long")
    figure("tf_data_over_numpy", ratio)


def test_keras_against_numpy(train, rounds, report, figure):
    pytest.importorskip("keras")
    from fmnist_fast.frameworks.keras import KerasLoader

    ours = KerasLoader(train, **OPTIONS)
    ratio, text = against_numpy("KerasLoader", ours, train, rounds)
    report(f"KerasLoader, batch by batch: {text}, {ratio:.2f} times as long")
    figure("keras_over_numpy", ratio)
