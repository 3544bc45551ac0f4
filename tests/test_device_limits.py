"""Limits of TorchLoader with `resident`: memory, packages, drivers, processes.

cuda-core runs on tests/helpers/fake_driver.c, and PyTorch's CUDA is that of
tests/helpers/fake_torch.py. All functions `check_...` run in one process with them.
"""

import copy
import gc
import os
import pickle
import re

import pytest
from helpers import device_checks, fake_driver
from helpers.against_reference import same
from helpers.device_checks import attempt
from helpers.torch_loaders import (
    FIXED,
    arrays_of,
    assert_same,
    dataset,
    epoch,
    loader,
    plain,
)

import fmnist_fast as ff


@pytest.fixture(scope="module")
def outcomes(driver):
    pytest.importorskip("torch")
    return device_checks.outcomes_of(driver, "fake_torch", "test_device_limits")


# ---- memory -------------------------------------------------------------------------


def check_no_memory_in_an_epoch(devices):
    run, want = loader(), arrays_of(plain())
    iterator = iter(run)
    got = [next(iterator) for _ in range(3)]
    for fails_after in (0, 1):
        state, devices.fails_after = run.state_dict(), fails_after
        assert attempt(next, iterator) == "OutOfMemoryError: out of memory"
        assert run.state_dict() == state
    devices.fails_after = None
    assert same(arrays_of([*got, *iterator, *run]), [*want, *epoch(1)])


def check_a_dataset_that_does_not_fit(devices):
    total, devices.nbytes = devices.nbytes, 200_000
    text = attempt(loader)
    devices.nbytes = total
    nbytes = dataset.images.nbytes + dataset.labels.nbytes
    assert text == (
        f"MemoryError: the dataset has {nbytes:,} bytes, but device cuda:0 has only "
        "200,000 of 200,000 bytes free.\nFree memory there, or pass resident=False."
    )
    assert_same(loader(), plain())


def check_auto(devices):
    images, total = dataset.images.nbytes, devices.nbytes
    assert loader(resident="auto").resident is True
    assert loader(resident="auto", **FIXED).resident is True
    for nbytes, expected in [(4 * images, False), (4 * images + 1, True)]:
        devices.nbytes = nbytes
        gc.collect()
        with loader(resident="auto") as made:
            assert made.resident is expected
        del made
    devices.nbytes = total
    assert_same(loader(resident="auto", fixed_buffers=False), plain())
    for options in ({"shuffle_block": 4}, {"augment": [ff.Resize(300)]}):
        with loader(resident="auto", **options) as made:
            assert made.resident is False
            assert_same([next(iter(made))], [next(iter(plain(**options)))])
    assert "ValueError: batch_size must be" in attempt(
        loader, resident="auto", batch_size=0
    )
    with loader(device="cpu", resident="auto") as made:
        assert made.resident is False


# ---- what can't run the kernels -----------------------------------------------------


def refused(devices, message):
    """Check that the kernels can't be loaded, and that "auto" does without them."""
    from fmnist_fast._device import cuda

    loaded = cuda._loaded.copy()
    cuda._loaded.clear()
    try:
        assert re.search(message, attempt(loader))
        with loader(resident="auto") as made:
            assert made.resident is False
            assert_same(list(made), plain())
    finally:
        cuda._loaded.update(loaded)


def check_no_cuda_core(devices):
    import sys

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cuda.core", None)
        refused(devices, r'^ImportError: resident=True .* "fmnist_fast\[cuda\]"$')


def check_no_nvrtc(devices):
    from cuda.bindings import nvrtc

    def missing():
        raise RuntimeError("Failed to dlopen libnvrtc.so.13")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nvrtc, "nvrtcVersion", missing)
        refused(devices, r"^ImportError: resident=True .*NVRTC was not found")


def check_a_driver_that_is_too_old(devices):
    for name, value, message in [
        ("CUDA", "11080", "NVRTC must not be newer than the driver"),
        ("REFUSES", "209", "can't load the kernels for CUDA device 0"),
    ]:
        os.environ[f"FAKE_DRIVER_{name}"] = value
        try:
            refused(devices, f"^RuntimeError: .*{message}")
        finally:
            del os.environ[f"FAKE_DRIVER_{name}"]


def check_other_makers(devices):
    import torch

    assert "got 'mps' of Apple" in attempt(loader, device="mps")
    torch.version.hip = "6.4"
    try:
        assert "got 'cuda' of AMD (ROCm 6.4)" in attempt(loader)
        with loader(resident="auto") as made:
            assert made.resident is False
    finally:
        torch.version.hip = None


def check_arguments(devices):
    assert attempt(loader, resident="yes") == (
        "ValueError: resident must be True, False or 'auto', got 'yes'"
    )
    assert "TypeError: resident must be" in attempt(loader, resident=2)
    assert "only 2 CUDA devices" in attempt(loader, device="cuda:2")
    assert "not a multiple of 50" in attempt(loader, fixed_buffers=True)
    assert "fill requires resident=True and" in attempt(loader().fill)


# ---- processes ----------------------------------------------------------------------


def check_copies(devices):
    for options in ({}, FIXED):
        run = loader(**options)
        next(iter(run))
        for twin in (copy.copy(run), pickle.loads(pickle.dumps(run))):
            assert twin.resident and twin.epoch == 1
            got = [x for batch in twin for x in arrays_of([batch])]
            assert same(got, epoch(1)[: len(got)]) and len(got) >= 10


def check_a_forked_child(devices):
    run, fixed = loader(), loader(**FIXED)
    iterator = iter(run)
    next(iterator)
    read, write = os.pipe()
    if os.fork() == 0:
        texts = [attempt(next, iterator), attempt(list, run), attempt(fixed.fill)]
        os.write(write, "\n".join(map(str, [*texts, attempt(loader)])).encode())
        os._exit(0)
    os.wait()
    text = os.read(read, 10000).decode()
    assert "this iterator was made before a fork" in text
    assert text.count("a forked process can't use CUDA") == 3
    assert len(list(iterator)) == 10


def check_workers_of_a_data_loader(devices):
    from torch.utils.data import DataLoader

    workers = DataLoader(loader(), batch_size=None, num_workers=1)
    assert "can't run in a worker of a DataLoader" in attempt(next, iter(workers))


@pytest.mark.parametrize("name", device_checks.names_of(dict(globals())))
def test_on_devices_of_the_stand_in(outcomes, name):
    device_checks.assert_passed(outcomes[name])


def test_a_spawned_process_gets_a_loader(driver, tmp_path):
    pytest.importorskip("torch")
    program = """
import pickle, sys
from helpers.against_reference import same
from helpers import fake_torch
devices = fake_torch.install()
import helpers.torch_loaders as t
run = t.loader()
next(iter(run))
"""
    there, back = tmp_path / "loader", tmp_path / "back"
    dump = "open(sys.argv[1], 'wb').write(pickle.dumps(run))"
    done = fake_driver.run(driver, program + dump, there)
    assert done.returncode == 0, done.stderr
    load = "run = pickle.load(open(sys.argv[1], 'rb'))\n"
    load += "assert same(t.arrays_of(run), t.epoch(1)) and not devices.faults"
    done = fake_driver.run(driver, program + load, there, back)
    assert done.returncode == 0, done.stderr


def test_pytorch_without_cuda():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    for resident in (True, "auto"):
        with pytest.raises(
            ValueError, match=r"'cuda' is not available: .* no CUDA dev"
        ):
            loader(resident=resident)
    with loader(device="cpu", resident="auto") as made:
        assert made.resident is False
