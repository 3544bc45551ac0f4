"""Weights, own orders, repeats and steps with every adapter, and resuming them."""

import importlib
import json
import operator
import os
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.late_device import Device, cupy_loader, torch_loader

import fmnist_fast as ff

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
ADAPTERS = {
    "torch": "TorchLoader",
    "jax": "JaxLoader",
    "tensorflow": "TensorFlowLoader",
    "keras": "KerasLoader",
}
ROWS = np.random.default_rng(1).permutation(1000)[:700]


def rotated(epoch):
    """Return the rows of an epoch."""
    return np.roll(ROWS, 10 * epoch)


ORDERS = {
    "weights": {"weights": "balanced"},
    "order": {"order": ROWS},
    "function": {"order": rotated},
    "repeats": {"shuffle": True, "repeats": 2},
    "steps": {"shuffle": True, "steps": 20},
    "weighted steps": {"weights": np.arange(1000), "steps": 5},
    "function's steps": {"order": rotated, "steps": 7, "repeats": 3},
    "seeds": {"shuffle": True, "augment_seed": 9},
}
OPTIONS = {"batch_size": 64, "seed": 5, "augment": "standard"}


@pytest.fixture(params=ORDERS)
def options(request):
    return OPTIONS | ORDERS[request.param]


@pytest.fixture(params=ADAPTERS)
def adapter(request):
    pytest.importorskip(request.param)
    module = importlib.import_module(f"fmnist_fast.frameworks.{request.param}")
    return getattr(module, ADAPTERS[request.param])


def plain_loader(loader, options):
    """Return a Loader with the shapes and data types of an adapter."""
    kinds = {"layout": loader.layout, "label_dtype": loader.label_dtype}
    return ff.Loader(loader.dataset, **kinds | options)


def same(batches, expected):
    """Return whether batches have the values of others."""
    return all(
        np.array_equal(np.asarray(field), np.asarray(array))
        for both in zip(batches, expected, strict=True)
        for field, array in zip(*both, strict=True)
    )


def test_batches_and_states_are_those_of_a_loader(small, adapter, options):
    loader = adapter(small, **options)
    plain = plain_loader(loader, options)
    assert len(loader) == len(plain)
    for name in ("weights", "order", "repeats", "steps", "augment_seed"):
        assert getattr(loader, name) is getattr(plain, name)
    for epoch in range(3):
        assert same(loader, plain)
        assert loader.epoch == epoch + 1 and loader.state_dict() == plain.state_dict()


@pytest.mark.parametrize("k", [1, 3, 12])
def test_a_state_resumes(small, adapter, options, k):
    run, resumed = (adapter(small, **options) for _ in range(2))
    plain = plain_loader(run, options)
    want = [batch for _ in range(5) for batch in plain]
    batches, n = iter(run), 0
    while n < k:
        n += sum(1 for _ in zip(range(k - n), batches))
        batches = batches if n == k else iter(run)
    resumed.load_state_dict(json.loads(json.dumps(run.state_dict())))
    left = len(run) - k % len(run)
    if adapter.__name__ != "KerasLoader":
        assert operator.length_hint(iter(resumed)) == left
    rest = list(resumed)
    rest += list(resumed)
    assert same(rest, want[k : k + left + len(run)])


@pytest.mark.parametrize("make", [torch_loader, cupy_loader])
def test_devices(small, make, options):
    pytest.importorskip("torch")
    device = Device()
    loader, resumed = (make(device)(small, **options) for _ in range(2))
    plain = plain_loader(loader, options)
    for _ in range(2):
        assert same(loader, plain)
    next(iter(loader))
    resumed.load_state_dict(loader.state_dict())
    plain.load_state_dict(loader.state_dict())
    assert same(resumed, plain)
    assert not device.faults


# ---- PyTorch ------------------------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def torch_adapter(torch):
    from fmnist_fast.frameworks import torch as adapter

    return adapter


@pytest.mark.parametrize("n_workers", [1, 2])
@pytest.mark.parametrize("persistent", [False, True])
def test_workers_of_a_dataloader(
    small, torch, torch_adapter, options, n_workers, persistent
):
    options = options | {"augment": None}
    workers = torch.utils.data.DataLoader(
        torch_adapter.TorchLoader(small, **options),
        batch_size=None,
        num_workers=n_workers,
        persistent_workers=persistent,
        multiprocessing_context="fork",
    )
    plain = ff.Loader(small, **options)
    for _ in range(2):
        labels = torch.cat([y for _, y in workers])
        assert labels.tolist() == np.concatenate([y for _, y in plain]).tolist()


def test_passes_follow_a_state_of_another_batch_size(small, torch, torch_adapter):
    options = {"shuffle": True, "steps": 5}
    run = ff.Loader(small, 10, **options)
    next(iter(run))
    loader, plain = (
        torch_adapter.TorchLoader(small, 64, **options),
        ff.Loader(small, 64, **options),
    )
    for each in (loader, plain):
        each.load_state_dict(run.state_dict())
    workers = torch.utils.data.DataLoader(
        loader, batch_size=None, num_workers=2, multiprocessing_context="fork"
    )
    for n in (4, 5, 5):
        labels = torch.cat([y for _, y in workers])
        assert labels.tolist() == np.concatenate([y for _, y in plain]).tolist()
        assert len(labels) == n * 64


def test_the_state_of_a_worker_at_the_end_of_an_epoch(
    small, torch_adapter, monkeypatch, options
):
    """The consumer may still use the last batches, so the epoch is not over."""
    info = SimpleNamespace(id=0, num_workers=2, seed=1)
    monkeypatch.setattr(torch_adapter, "get_worker_info", lambda: info)
    loader = torch_adapter.TorchLoader(small, **options)
    plain = ff.Loader(small, **options)
    for epoch in range(2):
        for _ in zip(range(3), loader):
            state = loader.state_dict()
        assert state["epoch"] == epoch and state["step"] in (3, None)
        loader.set_epoch(epoch)
        list(loader)
        plain.set_epoch(epoch)
        for _ in plain:
            want = plain.state_dict()
        keys = ("epoch", "position", "step")
        assert [loader.state_dict()[key] for key in keys] == [want[key] for key in keys]
        resumed = ff.Loader(small, **options)
        resumed.load_state_dict(loader.state_dict())
        assert list(resumed) == [] and resumed.epoch == epoch + 1
        loader.set_epoch(epoch + 1)


def test_the_sampler_has_the_samples_of_an_epoch(small, torch, torch_adapter, options):
    sampler = torch_adapter.TorchLoader(small, **options).sampler
    n = {"repeats": 2000, "steps": 20 * 64}
    counts = {
        name: len(torch_adapter.TorchLoader(small, **OPTIONS | ORDERS[name]).sampler)
        for name in ORDERS
    }
    assert counts == {
        "weights": 1000,
        "order": 700,
        "function": 700,
        "weighted steps": 5 * 64,
        "function's steps": 7 * 64,
        "seeds": 1000,
        **n,
    }
    is_fixed = isinstance(sampler, torch.utils.data.SequentialSampler)
    assert is_fixed == (options.get("order") is ROWS)


# ---- Keras --------------------------------------------------------------------------


def test_keras_goes_on_after_a_state_at_the_end_of_steps(small):
    pytest.importorskip("keras")
    from fmnist_fast.frameworks.keras import KerasLoader

    options = OPTIONS | ORDERS["steps"]
    run, loader = ff.Loader(small, **options), KerasLoader(small, **options)
    for _ in run:
        state = run.state_dict()
    assert state["step"] == 20
    loader.load_state_dict(state)
    assert (loader.epoch, loader.num_batches) == (1, 20)
    assert same(loader, plain_loader(loader, options) and _epoch(loader, options, 1))
    loader.set_epoch(3)
    assert same(loader, _epoch(loader, options, 3))
    loader[0], loader[1]
    assert loader.state_dict(2)["step"] == loader.state_dict()["step"] == 2
    assert loader.state_dict(20)["epoch"] == 5


def _epoch(loader, options, epoch):
    plain = plain_loader(loader, options)
    plain.set_epoch(epoch)
    return plain
