"""Passes of a DataLoader's workers, which count the epochs in shared memory."""

import copy
import multiprocessing
import pickle
from types import SimpleNamespace

import pytest

import fmnist_fast as ff
from fmnist_fast.frameworks._passes import Passes


def join(passes, small, seed, worker=0, begin=0):
    """Return the epoch of a worker of the pass with this seed."""
    loader = ff.Loader(small.select(range(4)), 2)
    loader.set_epoch(begin)
    passes.join(loader, SimpleNamespace(id=worker, seed=seed + worker))
    return loader.epoch


def test_each_pass_is_the_next_epoch_in_all_workers(small):
    passes = Passes()
    for epoch, seed in enumerate([2**63, 5, 2**32 + 7, 6]):
        assert [join(passes, small, seed, worker) for worker in (1, 0, 2)] == [
            epoch
        ] * 3
    assert join(passes, small, 5, 3) == 1  # a late worker of an older pass
    passes.forget(None)  # the epoch was set in the main process
    assert join(passes, small, 8, begin=2) == join(passes, small, 8, 1, begin=2) == 2
    assert join(passes, small, 9, begin=2) == 3


def test_passes_with_the_same_seed(small):
    """A program may set PyTorch's seed before each pass."""
    passes = Passes()
    for epoch in range(20):
        assert [join(passes, small, 7, worker) for worker in (1, 0, 2)] == [epoch] * 3
    assert [join(passes, small, seed, 0) for seed in (5, 6, 5)] == [20, 21, 22]
    assert [join(passes, small, seed, 1) for seed in (6, 5)] == [21, 22]


def test_an_epoch_that_is_set_in_a_worker_takes_precedence(small):
    passes = Passes()
    join(passes, small, 1)
    worker = copy.copy(passes)
    worker._items = passes._items
    worker.forget(SimpleNamespace(id=0))
    assert join(worker, small, 2, begin=7) == 7
    assert join(passes, small, 3) == 8


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))]
)
def test_a_copy_counts_by_itself(small, copied):
    passes = Passes()
    join(passes, small, 1)
    twin = copied(passes)
    assert join(twin, small, 2) == 0
    assert join(passes, small, 3) == 1


def join_in_a_process(passes):
    join(passes, ff.synthetic(100, 10)[0], 1, begin=3)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_share_the_memory(small, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"needs {method}")
    passes = Passes()
    context = multiprocessing.get_context(method)
    process = context.Process(target=join_in_a_process, args=(passes,))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert join(passes, small, 2) == 4


@pytest.mark.parametrize("is_persistent", [False, True])
def test_workers_of_a_dataloader_end_early(small, is_persistent):
    data = pytest.importorskip("torch.utils.data")
    from fmnist_fast.frameworks.torch import TorchLoader

    loader, plain = (TorchLoader(small, 250, shuffle=True) for _ in "ab")
    batches = data.DataLoader(
        loader, batch_size=None, num_workers=1, persistent_workers=is_persistent
    )
    want = [[labels.tolist() for _, labels in plain] for _ in range(5)]
    next(iter(batches))  # as in a loop that ends early
    assert [labels.tolist() for _, labels in batches] == want[1]
    if not is_persistent:
        loader.set_epoch(4)
        assert [labels.tolist() for _, labels in batches] == want[4]


def test_the_number_of_workers_is_limited(small, monkeypatch):
    pytest.importorskip("torch")
    from fmnist_fast.frameworks import torch as adapter

    info = SimpleNamespace(num_workers=257, id=0, seed=0)
    monkeypatch.setattr(adapter, "get_worker_info", lambda: info)
    with pytest.raises(ValueError, match="num_workers must be at most 256, got 257"):
        iter(adapter.TorchLoader(small, 257))
