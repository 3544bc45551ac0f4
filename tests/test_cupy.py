"""Batches for a CUDA device as CuPy arrays, with a stand-in for CuPy.

test_in_flight.py tests how the feed uses the memory of slots and of the device.
"""

import subprocess
import sys

import pytest
from helpers.late_device import Device, cupy_loader, cupy_stand_in

import fmnist_fast as ff

OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5}


@pytest.fixture
def device():
    """Return a device that works late."""
    device = Device()
    yield device
    assert not device.faults


@pytest.fixture
def make(device):
    """Return the class CupyLoader for the device."""
    return cupy_loader(device)


def test_a_batch_can_be_shown(small, make):
    loader = make(small, layout="flat", **OPTIONS)
    plain = ff.Loader(small, layout="flat", **OPTIONS)
    want = plain.show(next(iter(plain)), count=3)
    assert loader.show(next(iter(loader)), count=3) == want


def test_bad_arguments(small, device, make):
    with pytest.raises(ValueError, match=r"device 2 is not available: .* only 2 CUDA"):
        make(small, device=2)
    with pytest.raises(TypeError, match="device must be an integer, got 'cuda'"):
        make(small, device="cuda")
    with pytest.raises(
        ValueError, match="dtype must be one of float32, float16, uint8"
    ):
        make(small, dtype="bfloat16")
    with pytest.raises(ValueError, match="batch_size must be in"):
        make(small, 0)
    with pytest.raises(
        ValueError, match=r"^fixed_buffers=True requires resident=True, got False$"
    ):
        make(small, fixed_buffers=True)
    with pytest.raises(TypeError, match=r"^CupyLoader\(\) got .* mean 'batch_size'"):
        make(small, batchsize=64)
    with pytest.raises(ValueError, match=r"(?s)have Python functions .* training"):
        make(small, augment=[lambda images, labels, rng: (images + 1, labels)])

    def fail():
        raise ZeroDivisionError("cudaErrorInsufficientDriver")

    device.cupy.cuda.runtime.getDeviceCount = fail
    with pytest.raises(ValueError, match=r"finds no CUDA device \(cudaErrorInsuff"):
        make(small)


def test_cupy_itself_without_a_device():
    """CuPy has all names of the stand-in."""
    cupy = pytest.importorskip("cupy")
    for name in cupy_stand_in(Device()).cuda.__dict__:
        assert hasattr(cupy.cuda, name)
    for name in ("__enter__", "record", "synchronize", "wait_event"):
        assert hasattr(cupy.cuda.Stream, name)
    assert hasattr(cupy.cuda.Event, "synchronize") and hasattr(cupy.ndarray, "set")
    program = (
        "import fmnist_fast as ff; from fmnist_fast.frameworks.cupy import CupyLoader\n"
        "CupyLoader(ff.synthetic(100, 10)[0])"
    )
    try:
        n_devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        n_devices = 0
    if n_devices:
        pytest.skip("there is a CUDA device")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert b"device 0 is not available: CuPy finds no CUDA device" in done.stderr
