"""Compare epochs of every sampling with a plain epoch, and weights with PyTorch's.

    pytest benchmarks/micro/bench_sampling.py

Ratios are of lower quartiles from interleaved rounds: normalized float32, batch 128,
two threads. Output is checked before it is timed.
"""

import tracemalloc

import numpy as np
import pytest

import fmnist_fast as ff

from .bench_loader import NOISE, drain
from .conftest import interleaved

BATCH_SIZE = 128
NAMES = ("plain", "with_index", "weights", "order", "function", "selection", "steps")
# The bounds of the ratios to a plain epoch.
BOUNDS = {"with_index": 1.05, "weights": 1.15, "order": 1.1, "selection": 1.15}
N_CLIENTS, N_SELECTED = 1000, 10


def quartile(seconds):
    """Return the lower quartile of some times, which other programs change little."""
    return float(np.quantile(seconds, 0.25))


def seconds_of(loaders, rounds):
    """Time epochs of loaders in turns; return the lower quartile for each."""
    epochs = {
        name: lambda loader=loader: drain(loader) for name, loader in loaders.items()
    }
    times = interleaved(epochs, rounds)
    return {name: quartile(each) for name, each in times.items()}


def loaders_of(train):
    """Return a loader of each sampling, all with as many samples in an epoch."""
    rng, n = np.random.default_rng(0), len(train)
    rows, weights = rng.permutation(n), rng.random(n)

    def loader(dataset=train, **options):
        return ff.Loader(dataset, BATCH_SIZE, threads=2, **options)

    loaders = (
        loader(shuffle=True),
        loader(shuffle=True, with_index=True),
        loader(weights=weights),
        loader(order=rows),
        loader(order=lambda epoch: rows),
        loader(train.select(rows), shuffle=True),
        loader(shuffle=True, steps=-(-n // BATCH_SIZE)),
    )
    return dict(zip(NAMES, loaders, strict=True))


def check_epoch(train, name, batches):
    """Check the number of samples, and their labels where each sample comes once."""
    labels = np.concatenate([batch[1] for batch in batches])
    if name == "steps":
        labels = labels[: len(train)]
    assert len(labels) == len(train)
    if name != "weights":
        assert np.array_equal(np.bincount(labels), np.bincount(train.labels))


def test_samplings_against_plain(train, rounds, measured, report, figure):
    loaders = loaders_of(train)
    for name, loader in loaders.items():
        check_epoch(train, name, loader)
    seconds = seconds_of(loaders, 10 * rounds if measured else rounds)
    for name in NAMES[1:]:
        ratio = seconds[name] / seconds["plain"]
        goal = f" (goal: {BOUNDS[name]})" if name in BOUNDS else ""
        report(
            f"{name:10}: {seconds[name] * 1e3:.2f} ms, plain "
            f"{seconds['plain'] * 1e3:.2f} ms, {ratio:.3f} times as long{goal}"
        )
        figure(f"{name}_over_plain", ratio)
        if measured:
            assert ratio < BOUNDS.get(name, 2) * NOISE


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # by DataLoader
def test_weights_against_pytorch(train, rounds, measured, report, figure):
    """The DataLoaders get normalized floats, so they only gather.

    PyTorch has one thread, because two wait for each other on a busy machine.
    """
    torch = pytest.importorskip("torch")
    from torch.utils.data import BatchSampler, DataLoader, TensorDataset
    from torch.utils.data import WeightedRandomSampler as Weighted

    from fmnist_fast.frameworks.torch import TorchLoader

    data = train if measured else train.select(slice(2000))
    weights = np.random.default_rng(0).random(len(data))
    (images, labels), *_ = TorchLoader(data, len(data), normalize=train)
    tensors = TensorDataset(images, labels)
    sampler = Weighted(torch.from_numpy(weights), len(data))
    batches = BatchSampler(sampler, BATCH_SIZE, drop_last=False)
    contenders = {"ours": TorchLoader(data, BATCH_SIZE, weights=weights)}
    for n in (0, 2):
        options = {"num_workers": n, "persistent_workers": n > 0}
        usual = DataLoader(tensors, BATCH_SIZE, sampler=sampler, **options)
        whole = DataLoader(tensors, batch_size=None, sampler=batches, **options)
        contenders |= {f"rows, {n} workers": usual, f"batches, {n} workers": whole}
    for loader in contenders.values():
        assert sum(len(labels) for _, labels in loader) == len(data)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds = seconds_of(contenders, min(rounds, 7))
    torch.set_num_threads(n_threads)
    for kind in ("rows", "batches"):
        fastest = min((name for name in seconds if kind in name), key=seconds.get)
        ratio = seconds[fastest] / seconds["ours"]
        report(
            f"weights: {seconds['ours'] * 1e3:.2f} ms, WeightedRandomSampler by "
            f"{fastest}: {seconds[fastest] * 1e3:.1f} ms, {ratio:.0f} times as long"
        )
        figure(f"{kind}_over_weights", ratio)


def test_selections(train, rounds, measured, report, figure):
    n = 100_000 if measured else 1000
    rows = np.random.default_rng(0).integers(0, len(train), (n, N_SELECTED))
    assert np.array_equal(train.select(rows[0]).labels, train.labels[rows[0]])
    select = {"select": lambda: [*map(train.select, rows)]}
    select_us = quartile(interleaved(select, 3)["select"]) / n * 1e6
    tracemalloc.start()
    kept = [*map(train.select, rows)]
    nbytes = tracemalloc.get_traced_memory()[0] / len(kept)
    tracemalloc.stop()
    report(f"select of {N_SELECTED} rows: {select_us:.1f} us, {nbytes:.0f} bytes")
    figure("select_us", select_us)
    figure("selection_bytes", nbytes)


def test_clients(train, rounds, report, figure):
    """Each client has a new loader, as in a round of federated learning."""
    clients = train.partition(N_CLIENTS, by="dirichlet", alpha=0.3, seed=0)

    def loaders():
        return [ff.Loader(client, 32, shuffle=True) for client in clients]

    def epochs():
        for client in clients:
            drain(ff.Loader(client, 32, shuffle=True))

    assert sum(len(labels) for each in loaders() for _, labels in each) == len(train)
    times = interleaved({"loader": loaders, "client": epochs}, max(2, rounds // 4))
    for name, what in (("loader", "a loader"), ("client", "a loader and an epoch")):
        us = quartile(times[name]) / N_CLIENTS * 1e6
        report(f"{what} of a client with 60 images: {us:.0f} us")
        figure(f"{name}_us", us)
