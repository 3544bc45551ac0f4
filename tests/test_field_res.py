"""Cases from the field: resuming, adapters, ranks and workers."""

import copy
import json
import operator
import os
import pickle
import subprocess
import sys
import types

import numpy as np
import pytest

import fmnist_fast as ff


def test_case_02_copies_begin_where_the_next_loop_would(small):
    """A pickled or copied loader yields a whole epoch after ``next(iter(loader))``."""
    data = pytest.importorskip("torch.utils.data")
    from fmnist_fast.frameworks.torch import TorchLoader

    for make in (ff.Loader, TorchLoader):
        loader = make(small, 100)
        next(iter(loader))
        for twin in (pickle.loads(pickle.dumps(loader)), copy.deepcopy(loader)):
            assert sum(len(y) for _, y in twin) == 1000
    workers = data.DataLoader(loader, batch_size=None, num_workers=1)
    assert [sum(len(y) for _, y in workers) for _ in range(2)] == [1000, 1000]


@pytest.mark.parametrize("name", ["torch", "jax", "tensorflow", "keras"])
def test_case_10_options_are_attributes_of_adapters(small, name):
    """An adapter has the attributes of a loader that trainers read, and no others."""
    pytest.importorskip(name)
    module = __import__(f"fmnist_fast.frameworks.{name}", fromlist=["_"])
    (adapter,) = (v for k, v in vars(module).items() if k.lower() == f"{name}loader")
    loader = adapter(small, 64, drop_last=True, shuffle=True, seed=3, shard=(1, 2))
    assert len(loader.dataset) == 1000 and loader.dataset is small
    assert (loader.batch_size, loader.drop_last, loader.shuffle) == (64, True, True)
    assert (loader.seed, loader.rank, loader.world) == (3, 1, 2)
    assert loader.dtype == "float32" and loader.normalize == loader.loader.normalize
    assert getattr(loader, "collate_fn", None) is None


def test_case_16_the_rank_comes_from_torch_distributed(small, monkeypatch):
    """``shard="env"`` takes rank and world from an initialized torch.distributed."""
    for name in os.environ:
        if name.startswith(("SLURM_", "OMPI_")) or name in ("RANK", "WORLD_SIZE"):
            monkeypatch.delenv(name)
    group = {"get_rank": lambda: 2, "get_world_size": lambda: 3}
    fake = types.SimpleNamespace(is_initialized=lambda: True, **group)
    monkeypatch.setitem(sys.modules, "torch.distributed", fake)
    loader = ff.Loader(small, shard="env")
    assert (loader.rank, loader.world) == (2, 3)


def test_case_17_keras_gets_as_many_steps_as_it_asks_for():
    """With steps_per_epoch, batches go on into the next epoch of the loader."""
    pytest.importorskip("keras"), pytest.importorskip("jax")
    code = """import keras, fmnist_fast as ff
from fmnist_fast.frameworks.keras import KerasLoader
loader = KerasLoader(ff.synthetic(1000, 100)[0].select(range(320)), 64)
model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
model.compile("sgd", "sparse_categorical_crossentropy")
model.fit(loader, epochs=2, steps_per_epoch=8, verbose=0, class_weight={0: 2.0})
print(int(model.optimizer.iterations), loader.epoch)"""
    run = [sys.executable, "-W", "error::UserWarning", "-c", code]
    env = os.environ | {"KERAS_BACKEND": "jax"}
    assert subprocess.check_output(run, env=env, timeout=120).split() == [b"16", b"3"]


@pytest.mark.parametrize("workers", [1, 2])
def test_case_19_epochs_of_a_dataloader_go_on(small, workers):
    """Each pass of a DataLoader with workers is the next epoch of a TorchLoader."""
    data = pytest.importorskip("torch.utils.data")
    from fmnist_fast.frameworks.torch import TorchLoader

    loader, plain = (TorchLoader(small, 200, shuffle=True) for _ in "ab")
    batches = data.DataLoader(loader, batch_size=None, num_workers=workers)
    for epoch in range(3):
        rows = np.concatenate([labels for _, labels in batches]).tolist()
        assert rows == np.concatenate([labels for _, labels in plain]).tolist(), epoch


def test_case_20_the_seed_of_torch_has_no_effect(small):
    """The argument `seed` chooses the order, and torch.manual_seed does not."""
    torch = pytest.importorskip("torch")
    from fmnist_fast.frameworks.torch import TorchLoader

    def order(torch_seed, seed):
        torch.manual_seed(torch_seed)
        return next(iter(TorchLoader(small, 100, shuffle=True, seed=seed)))[1].tolist()

    assert order(1, seed=1) == order(2, seed=1)
    assert order(1, seed=1) != order(1, seed=2)


@pytest.mark.parametrize("name", ["", "torch", "jax", "tensorflow"])
def test_case_22_pickled_iterator(small, name):
    """A copied or pickled iterator is an error that says what to pickle."""
    make = ff.Loader
    if name:
        pytest.importorskip(name)
        module = __import__(f"fmnist_fast.frameworks.{name}", fromlist=["_"])
        (make,) = (v for k, v in vars(module).items() if k.lower() == f"{name}loader")
    for iterator in (iter(make(small)), iter(make(small, augment=lambda x, y, rng: 0))):
        for copied in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match=r"pickle the loader, or save loader\."):
                copied(iterator)


def test_case_29_an_iterator_knows_how_many_batches_are_left(small):
    """After a resume, ``operator.length_hint(iterator)`` is the rest of the epoch."""
    before, loader = ff.Loader(small, 100), ff.Loader(small, 100)
    batches = iter(before)
    next(batches), next(batches)
    loader.load_state_dict(before.state_dict())
    assert (len(loader), operator.length_hint(iter(loader))) == (10, 8)
    for epoch in range(loader.epoch, 2):
        batches = iter(loader)
        for left, _ in zip(range(9 if epoch else 7, -1, -1), batches):
            assert operator.length_hint(batches) == left


@pytest.mark.filterwarnings("ignore:'set_vital'")
def test_case_31_the_last_batches_of_workers(small):
    """A state taken within the last batches of an epoch resumes with the others."""
    package = pytest.importorskip("torchdata.stateful_dataloader")
    from fmnist_fast.frameworks.torch import TorchLoader

    data = TorchLoader(ff.Dataset.from_arrays(small.images[:8], np.arange(8)), 4)
    run, resumed = (
        package.StatefulDataLoader(data, batch_size=None, num_workers=2) for _ in "ab"
    )
    batches = iter(run)
    resumed.load_state_dict(
        [(next(batches), run.state_dict()) for _ in range(3)][-1][1]
    )
    assert [y.tolist() for _, y in resumed] == [y.tolist() for _, y in batches]


@pytest.mark.parametrize("first", ["loader.epoch", "saved"])
def test_case_32_a_state_at_the_last_step_resumes_with_the_next_epoch(small, first):
    """A run of 12 steps has 12 steps, wherever it is interrupted."""
    states = []
    for k in range(12):
        loader = ff.Loader(small, 250, shuffle=True)
        if k:
            loader.load_state_dict(json.loads(json.dumps(states[k - 1][1])))
        epochs = range(states[k - 1][0] if k and first == "saved" else loader.epoch, 3)
        steps = [(e, loader.state_dict()) for e in epochs for _ in loader]
        assert len(steps) == 12 - k and (k == 0 or steps == states[k:])
        states = states or steps


@pytest.mark.filterwarnings("ignore")
def test_case_36_lightning_overfits_the_same_batches(small, tmp_path):
    """Lightning's overfit_batches refuses `shuffle`, and repeats the other batches."""
    test = pytest.importorskip("test_trainers")
    from fmnist_fast.frameworks.torch import TorchLoader

    options = {"max_epochs": 2, "overfit_batches": 2}
    module, trainer = test.lightning_parts(small, tmp_path, **options)
    trainer.fit(module, TorchLoader(small, 64))
    assert module.seen[:2] == module.seen[2:] and len(module.seen) == 4
    module, trainer = test.lightning_parts(small, tmp_path, **options)
    with pytest.raises(ValueError, match="dataloader TorchLoader"):
        trainer.fit(module, TorchLoader(small, 64, shuffle=True))
