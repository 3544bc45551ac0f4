"""Batches for a CUDA device as PyTorch tensors, with a stand-in for the device.

test_in_flight.py tests how the feed uses the memory of slots and of the device.
"""

import contextlib
import inspect
import operator

import pytest
from helpers.late_device import Device, torch_loader

torch = pytest.importorskip("torch")
import fmnist_fast as ff  # noqa: E402
from fmnist_fast.frameworks import cuda  # noqa: E402
from fmnist_fast.frameworks import torch as adapter  # noqa: E402
from fmnist_fast.frameworks.torch import TorchLoader  # noqa: E402

OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5}


def assert_same(batches, expected):
    for (x, y), (want_x, want_y) in zip(batches, expected, strict=True):
        assert x.dtype == want_x.dtype and x.stride() == want_x.stride()
        assert torch.equal(x, want_x) and torch.equal(y, want_y)


@pytest.fixture
def make():
    """Return a function that makes a TorchLoader for a device that works late."""
    device = Device()
    yield torch_loader(device)
    assert not device.faults


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_device_gets_the_same_batches_as_the_cpu(small, make, dtype, channels_last):
    options = OPTIONS | {"dtype": dtype, "channels_last": channels_last}
    assert_same(make(small, **options), TorchLoader(small, **options))


def test_options_and_states_of_a_device_are_those_of_its_batches(small, make):
    loader = make(small, 500, dtype="float16")
    assert (loader.dtype, loader.normalize) == ("float16", (small.mean, small.std))
    batches = iter(loader)
    assert operator.length_hint(batches) == 2
    next(batches), next(batches)
    state = loader.state_dict()
    assert (state["epoch"], state["position"]) == (0, 1000)
    assert list(batches) == [] and loader.epoch == 1
    loader.load_state_dict(state)
    assert list(loader) == [] and loader.epoch == 1


def test_a_device_gets_mixed_images_as_the_cpu_does(small, make):
    mix = {"augment": [ff.RandomHorizontalFlip(), ff.MixUp()], "label_dtype": "onehot"}
    assert_same(make(small, **OPTIONS | mix), TorchLoader(small, **OPTIONS | mix))


@pytest.mark.parametrize("drop_last", [True, "wrap"])
def test_fixed_buffers_are_the_same_tensors(small, make, drop_last):
    loader = make(small, fixed_buffers=True, drop_last=drop_last, **OPTIONS)
    want = TorchLoader(small, drop_last=drop_last, **OPTIONS)
    seen = set()
    for batch, expected in zip(loader, want, strict=True):
        assert_same([batch], [expected])
        seen.add(tuple(tensor.data_ptr() for tensor in batch))
    assert len(seen) == 1


@pytest.mark.parametrize("position", [1, 936])
def test_fixed_buffers_refuse_a_short_batch_of_a_resumed_epoch(small, make, position):
    """A batch of one row would be broadcast to the whole buffer."""
    loader = make(small, fixed_buffers=True, **OPTIONS | {"batch_size": 100})
    loader.load_state_dict(loader.state_dict() | {"position": position})
    with pytest.raises(
        RuntimeError, match=r"hold 100 rows, but this batch has (99|64)"
    ):
        list(loader)


def test_fixed_buffers_need_batches_of_one_size(small, monkeypatch):
    monkeypatch.setattr(adapter, "_checked_device", lambda *_: torch.device("cuda", 0))
    with pytest.raises(ValueError, match="1000 images are not a multiple of 64"):
        TorchLoader(small, fixed_buffers=True, device="cuda", **OPTIONS)


def test_a_loader_that_was_used_in_inference_mode_serves_training(small, make):
    with torch.inference_mode():
        loader = make(small, fixed_buffers=True, drop_last=True, **OPTIONS)
        next(iter(loader))
    weights = torch.zeros(784, 10, requires_grad=True)
    images, labels = next(iter(loader))
    logits = images.flatten(1) @ weights
    torch.nn.functional.cross_entropy(logits, labels).backward()
    assert weights.grad.any()


def test_memory_is_allocated_where_it_belongs(monkeypatch):
    """Another default device has no effect. The real calls require a CUDA device."""
    made = []
    monkeypatch.setattr(torch.cuda, "stream", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(torch, "empty", lambda n, **options: made.append(options))
    feed = object.__new__(cuda.CudaFeed)
    feed._device, feed._stream = torch.device("cuda", 1), None
    feed._new_slot(100)
    feed._new_memory(100)
    pinned = {"dtype": torch.uint8, "device": "cpu", "pin_memory": True}
    assert made == [pinned, {"dtype": torch.uint8, "device": feed._device}]


def test_pytorch_has_the_names_of_the_stand_in():
    for name in ("current_stream", "device", "stream"):
        assert callable(getattr(torch.cuda, name))
    assert "blocking" in inspect.signature(torch.cuda.Event.__new__).parameters
    for name in ("record_event", "synchronize", "wait_event"):
        assert hasattr(torch.cuda.Stream, name)
