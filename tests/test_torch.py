"""TorchLoader on the CPU: tensors with the bytes of a Loader, in every process."""

import copy
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.late_device import Device, torch_loader

import fmnist_fast as ff

torch = pytest.importorskip("torch")
from fmnist_fast.frameworks import torch as adapter  # noqa: E402
from fmnist_fast.frameworks.torch import TorchLoader  # noqa: E402

OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5}


def bits(tensor):
    """Return the bytes of a tensor."""
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()


# ---- on the CPU ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8"])
@pytest.mark.parametrize("label_dtype", ["int64", "int32", "uint8", "onehot"])
def test_tensors_have_the_bytes_of_a_loader(small, dtype, label_dtype):
    options = OPTIONS | {"dtype": dtype, "label_dtype": label_dtype}
    tensors, arrays = TorchLoader(small, **options), ff.Loader(small, **options)
    assert len(tensors) == len(arrays)
    for _ in range(2):
        for (x, y), (want_x, want_y) in zip(tensors, arrays, strict=True):
            assert x.shape == want_x.shape and y.shape == want_y.shape
            assert str(x.dtype) == f"torch.{dtype}"
            assert bits(x) == want_x.tobytes() and bits(y) == want_y.tobytes()


def test_data_types_may_be_those_of_torch(small):
    dtypes = {"dtype": torch.bfloat16, "label_dtype": torch.int32}
    x, y = next(iter(TorchLoader(small, **dtypes)))
    assert x.dtype == torch.bfloat16 and y.dtype == torch.int32


def test_tensors_share_the_memory_of_the_batch_and_keep_it(small, monkeypatch):
    addresses = []
    from_numpy = torch.from_numpy

    def recorded(array):
        addresses.append(array.ctypes.data)
        return from_numpy(array)

    monkeypatch.setattr(torch, "from_numpy", recorded)
    held = list(TorchLoader(small, **OPTIONS))
    assert [tensor.data_ptr() for batch in held for tensor in batch] == addresses
    want = list(ff.Loader(small, **OPTIONS))
    for (x, y), (want_x, want_y) in zip(held, want, strict=True):
        assert bits(x) == want_x.tobytes() and bits(y) == want_y.tobytes()


def test_images_in_files(small, small_in_files):
    """Worker processes open the files again, by their names."""
    options = OPTIONS | {"shuffle_block": 4}
    loader = TorchLoader(small_in_files, **options)
    workers = torch.utils.data.DataLoader(
        loader, batch_size=None, num_workers=2, multiprocessing_context="spawn"
    )
    expected = list(TorchLoader(small, **options))
    for (x, y), (want_x, want_y) in zip(loader, expected, strict=True):
        assert torch.equal(x, want_x) and torch.equal(y, want_y)
    next(iter(loader))  # the copies in the workers begin with the next epoch
    labels = torch.cat([y for _, y in workers])
    assert torch.equal(
        labels.sort().values, torch.cat([y for _, y in expected]).sort().values
    )


def test_channels_last(small):
    x, _ = next(iter(TorchLoader(small, channels_last=True, **OPTIONS)))
    want, _ = next(iter(TorchLoader(small, **OPTIONS)))
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert x.shape == want.shape and torch.equal(x, want)


def test_preview_is_that_of_a_loader(small):
    options = {"augment": "standard", "seed": 3}
    adapted, loader = TorchLoader(small, **options), ff.Loader(small, **options)
    assert np.array_equal(adapted.augment_preview(5, 4), loader.augment_preview(5, 4))


def test_another_loader_continues_from_the_state(small):
    run = TorchLoader(small, augment="standard", **OPTIONS)
    batches = iter(run)
    for _ in range(5):
        next(batches)
    state = json.loads(json.dumps(run.state_dict()))
    resumed = TorchLoader(small, augment="standard", threads=1, **OPTIONS)
    resumed.load_state_dict(state)
    assert resumed.epoch == 0
    for (x, y), (want_x, want_y) in zip(resumed, batches, strict=True):
        assert torch.equal(x, want_x) and torch.equal(y, want_y)


def train(loader, model, optimizer, until):
    """Train for `until` steps, and return the states of all three objects.

    If the second epoch ends first, return the state of the model.
    """
    step = 0
    while loader.epoch < 2:
        for images, labels in loader:
            loss = torch.nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if step == until:
                return loader.state_dict(), model.state_dict(), optimizer.state_dict()
    return model.state_dict()


def parts(small):
    """Return a new loader, model and optimizer."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return TorchLoader(small, augment="standard", **OPTIONS), model, optimizer


def test_a_resumed_run_ends_in_the_same_weights(small):
    whole = train(*parts(small), until=None)
    stopped = pickle.loads(pickle.dumps(train(*parts(small), until=21)))
    new = parts(small)
    for part, state in zip(new, stopped):
        part.load_state_dict(state)
    resumed = train(*new, until=None)
    for name, weights in whole.items():
        assert torch.equal(weights, resumed[name])


@pytest.mark.parametrize("shard", [None, (1, 2)])
def test_workers_of_a_dataloader_share_each_batch(small, shard):
    whole = TorchLoader(small, shard=shard, **OPTIONS)
    workers = torch.utils.data.DataLoader(whole, batch_size=None, num_workers=2)
    for epoch in range(2):
        whole.set_epoch(epoch)
        labels = torch.cat([y for _, y in workers])
        want = [y for _, y in ff.Loader(small, shard=shard, **OPTIONS | {"seed": 5})]
        if epoch == 0:
            assert labels.tolist() == np.concatenate(want).tolist()
            first = labels
    assert labels.tolist() != first.tolist()  # another epoch, another order


def test_persistent_workers_continue_with_the_next_epoch(small):
    workers = torch.utils.data.DataLoader(
        TorchLoader(small, **OPTIONS),
        batch_size=None,
        num_workers=2,
        persistent_workers=True,
    )
    want = ff.Loader(small, **OPTIONS)
    for _ in range(3):
        labels = torch.cat([y for _, y in workers])
        assert labels.tolist() == np.concatenate([y for _, y in want]).tolist()


@pytest.mark.parametrize("n_workers", [1, 2])
def test_workers_begin_where_the_next_loop_would(small, n_workers):
    loader = TorchLoader(small, **OPTIONS)
    workers = torch.utils.data.DataLoader(
        loader, batch_size=None, num_workers=n_workers
    )
    want = np.concatenate([y for _, y in ff.Loader(small, **OPTIONS)]).tolist()
    kept = iter(loader)
    next(kept)
    next(iter(loader))
    assert [sum(len(y) for _, y in workers) for _ in range(2)] == [1000, 1000]
    loader.load_state_dict(loader.state_dict() | {"epoch": 0, "position": 14 * 64})
    for epoch, n in [(0, 104), (1, 1000)]:
        loader.set_epoch(epoch)
        labels = torch.cat([y for _, y in workers]).tolist()
        assert len(labels) == n
        assert epoch or labels == want[14 * 64 :]


def test_workers_that_cannot_share_a_batch_are_refused(small, monkeypatch):
    info = SimpleNamespace(id=0, num_workers=2)
    monkeypatch.setattr(adapter, "get_worker_info", lambda: info)
    with pytest.raises(ValueError, match=r"multiple of the 2 workers .*, got 63"):
        iter(TorchLoader(small, batch_size=63))
    loader = TorchLoader(small)
    loader.device = torch.device("cuda", 0)
    with pytest.raises(RuntimeError, match="can't run in a worker of a DataLoader"):
        iter(loader)


# ---- by the kernels of devices ------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_resident_tensors_have_the_bytes_of_a_loader(small, dtype, channels_last):
    options = OPTIONS | {"dtype": dtype, "augment": "strong"}
    options["channels_last"] = channels_last
    resident, plain = (TorchLoader(small, resident=r, **options) for r in (True, False))
    assert resident.resident is True and plain.resident is False
    assert repr(resident).endswith("device='cpu', resident=True)")
    for (x, y), (want_x, want_y) in zip(resident, plain, strict=True):
        assert x.dtype == want_x.dtype and x.stride() == want_x.stride()
        assert bits(x) == bits(want_x) and bits(y) == bits(want_y)


def test_resident_tensors_share_the_memory_of_a_chunk(small):
    resident = TorchLoader(small, 64, resident=True, dtype="uint8")
    (x, _), (u, v), *_ = resident
    assert u.data_ptr() == x.data_ptr() + x.nbytes
    before, labels = u.clone(), v.clone()
    del x
    list(resident)
    assert torch.equal(u, before) and torch.equal(v, labels)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_copies_of_a_resident_loader_are_resident(small, copied):
    loader = TorchLoader(small, resident=True, **OPTIONS)
    twin = copied(loader)
    twin = pickle.loads(twin) if isinstance(twin, bytes) else twin
    assert twin.resident and type(twin.loader) is type(loader.loader)
    assert type(twin.loader) is not ff.Loader


@pytest.mark.parametrize("n_workers", [1, 2])
def test_resident_loaders_in_the_workers_of_a_dataloader(small, n_workers):
    options = OPTIONS | {"resident": True, "augment": "standard"}
    runs = [
        list(
            torch.utils.data.DataLoader(
                TorchLoader(small, **options | {"resident": resident}),
                batch_size=None,
                num_workers=n_workers,
            )
        )
        for resident in (True, False)
    ]
    for (x, y), (want_x, want_y) in zip(*runs, strict=True):
        assert torch.equal(x, want_x) and torch.equal(y, want_y)


def test_states_of_resident_and_pinned_loaders(small):
    device = Device()
    options = OPTIONS | {"augment": "standard"}
    resident = TorchLoader(small, resident=True, **options)
    pinned, want = torch_loader(device)(small, **options), list(resident)
    for run, other in ((resident, pinned), (pinned, resident)):
        run.set_epoch(0)
        batches = iter(run)
        for k in range(len(want)):
            other.load_state_dict(run.state_dict())
            x, y = next(iter(other))
            assert torch.equal(x, want[k][0]) and torch.equal(y, want[k][1])
            next(batches)
        batches.close()
    assert not device.faults


def test_resident_loaders_that_are_refused(small):
    for resident in (1, np.array([True, False]), torch.ones(2)):
        with pytest.raises(TypeError, match="resident must be True or False, got "):
            TorchLoader(small, resident=resident)
    with pytest.raises(
        ValueError, match=r"^resident must be True, False or 'auto', got 'yes'$"
    ):
        TorchLoader(small, resident="yes")
    with pytest.raises(
        ValueError, match=r"device 'cuda' is not available: .* finds no"
    ):
        TorchLoader(small, device="cuda", resident=True)
    with pytest.raises(ValueError, match="resident=True requires shuffle_block=None"):
        TorchLoader(small, shuffle=True, shuffle_block=8, resident=True)


@pytest.mark.parametrize(
    "device, hip, maker",
    [
        ("mps", None, r"'mps' of Apple's Metal \(MPS\)"),
        ("xpu:1", None, r"'xpu:1' of Intel \(XPU\)"),
        ("cuda", "7.1.0", r"'cuda' of AMD \(ROCm 7\.1\.0\)"),
    ],
)
def test_resident_loaders_are_for_nvidia(small, monkeypatch, device, hip, maker):
    monkeypatch.setattr(torch.version, "hip", hip)
    with pytest.raises(
        ValueError,
        match=r"^resident=True requires a CUDA device of NVIDIA, or device='cpu', got "
        rf"{maker}\.\nPass resident=False\.$",
    ):
        TorchLoader(small, device=device, resident=True)


def test_auto_is_not_resident_on_the_cpu(small):
    loader = TorchLoader(small, resident="auto", **OPTIONS)
    assert loader.resident is False and type(loader.loader) is ff.Loader


def test_fill_and_buffers_of_other_loaders(small):
    for options in ({}, {"resident": True}):
        for name in ("fill", "buffers"):
            with pytest.raises(
                AttributeError,
                match=rf"^{name} requires resident=True and fixed_buffers=True",
            ):
                getattr(TorchLoader(small, **options), name)()


def test_loader_says_who_takes_resident(small):
    with pytest.raises(
        TypeError,
        match=r"unexpected keyword argument 'resident'\.\nUse TorchLoader or "
        r"CupyLoader, which take it\.",
    ):
        ff.Loader(small, resident=True)


# ---- bad input ----------------------------------------------------------------------


def test_unknown_devices_are_refused(small):
    for wrong in ("toaster", "", "cuda:", "gpu", "meta", "mps", None, 0.5):
        with pytest.raises(
            ValueError, match=rf"device must be 'cpu', 'cuda' or .*, got {wrong!r}"
        ):
            TorchLoader(small, device=wrong)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("device", ["cuda", "cuda:0", torch.device("cuda", 1)])
def test_a_missing_cuda_device_is_refused(small, device):
    with pytest.raises(
        ValueError, match=rf"{device!s}' is not available: .* no CUDA device"
    ):
        TorchLoader(small, device=device)


def test_a_device_number_that_is_too_large_is_refused(small, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=r"'cuda:2' .* only 2 CUDA devices"):
        TorchLoader(small, device="cuda:2")


def test_options_that_exclude_each_other(small):
    with pytest.raises(ValueError, match=r"channels_last=True requires .* 'flat'"):
        TorchLoader(small, channels_last=True, layout="flat")
    with pytest.raises(ValueError, match="fixed_buffers=True requires a CUDA"):
        TorchLoader(small, fixed_buffers=True)
    with pytest.raises(ValueError, match="dtype must be one of"):
        TorchLoader(small, dtype=torch.float64)


# ---- several processes --------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun needs gloo and libuv")
def test_ranks_of_torchrun_share_the_batches_of_one_process(small, loopback):
    program = Path(__file__).with_name("helpers") / "ranks.py"
    words = "-m torch.distributed.run --standalone --nproc-per-node 4".split()
    words += [
        "--start-method",
        "fork",
        "--run-path",
    ]  # so that PyTorch is imported once
    done = subprocess.run(
        [sys.executable, *words, str(program)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"ranks agree, {1000 - 5 * 24} rows after the state\n"


# ---- a run that is killed -----------------------------------------------------------


def run_training(folder, kill_at=None):
    """Run the training program to its end, or kill it after a step."""
    program = Path(__file__).with_name("helpers") / "training.py"
    words = [sys.executable, str(program), str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if kill_at is not None and int(line) >= kill_at:
                process.kill()
                return
    assert process.returncode == 0


def test_a_killed_run_ends_in_the_weights_of_an_uninterrupted_run(small, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    run_training(whole, kill_at=1)  # the first checkpoint has a random seed
    shutil.copytree(whole, killed)
    run_training(whole)
    for step in sorted(random.sample(range(2, 84), 2)):
        run_training(killed, kill_at=step)
    run_training(killed)
    want, got = (torch.load(folder / "weights.pt") for folder in (whole, killed))
    assert want.keys() == got.keys()
    for name, weights in want.items():
        assert torch.equal(weights, got[name]), name


def test_the_sampler_sets_the_epoch(small):
    """Loops for a DistributedSampler, and Lightning, set the epoch this way."""
    for shuffle in (False, True):
        loader = TorchLoader(small, 64, shuffle=shuffle)
        loader.sampler.set_epoch(3)
        assert loader.epoch == 3 and len(loader.sampler) == 1000
        is_sequential = isinstance(loader.sampler, torch.utils.data.SequentialSampler)
        assert is_sequential != shuffle and loader.batch_sampler is None
