"""The parts of benchmarks/gpu: calls of CUDA, the checksum and the networks."""

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from benchmarks.gpu import safety, training  # noqa: E402
from benchmarks.gpu.bench import Bench  # noqa: E402
from benchmarks.gpu.checksum import Checksum  # noqa: E402
from benchmarks.gpu.networks import resnet18  # noqa: E402
from fmnist_fast.frameworks.torch import TorchLoader  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    """Restrict PyTorch to one thread; with more, threads mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def bench():
    return Bench(is_dry=True, n_images=60)


# ---- calls of CUDA, to a stand-in ---------------------------------------------------


class Cuda:
    """A stand-in for torch.cuda that records calls. Its events are 1 ms apart."""

    def __init__(self):
        self.calls, self.n_events, self.n_bytes, self.most = [], 0, 0, 1.0
        self.Event = lambda enable_timing: SimpleNamespace(
            record=lambda: self.calls.append("record"),
            synchronize=lambda: self.calls.append("wait"),
            elapsed_time=lambda end: 1.0,
        )
        stream = SimpleNamespace(wait_stream=lambda other: self.calls.append("follow"))
        self.Stream = self.current_stream = lambda: stream
        self.stream = lambda stream: contextlib.nullcontext()
        self.CUDAGraph = lambda: SimpleNamespace(replay="replay")

    @contextlib.contextmanager
    def graph(self, graph):
        self.calls.append("capture")
        yield
        self.calls.append("end")

    def memory_allocated(self):
        return self.n_bytes

    def memory_reserved(self):
        return 2**28

    def get_device_properties(self, device):
        return SimpleNamespace(total_memory=2**30)

    def set_per_process_memory_fraction(self, most):
        self.calls.append(most)

    def __getattr__(self, name):
        return lambda *_: self.calls.append(name)


def test_calls_of_cuda(bench, monkeypatch):
    cuda, bench.is_dry = Cuda(), False
    monkeypatch.setattr(torch, "cuda", cuda)
    assert bench.seconds(lambda: cuda.calls.append("work")) == 0.001
    assert cuda.calls == ["record", "work", "record", "wait"]
    cuda.calls.clear()
    bench.seconds(lambda: cuda.calls.append("work"), is_behind=True)
    assert cuda.calls == ["_sleep", "record", "work", "record", "wait"]
    cuda.calls.clear()
    assert bench.median(lambda: None) == 0.001 and cuda.calls.count("wait") == 9
    cuda.calls.clear()
    assert bench.graph(lambda: cuda.calls.append("work")) == "replay"
    warm = ["follow", "work", "work", "work", "follow"]
    assert cuda.calls == [*warm, "capture", "work", "end"]
    cuda.calls.clear()
    with bench.stream():
        bench.stall()
    with safety.little_memory(bench):
        bench.synchronize()
    assert cuda.calls == ["_sleep", "empty_cache", 0.5, "synchronize", 1.0]
    monkeypatch.setattr(bench, "loader", lambda *_, **__: setattr(cuda, "n_bytes", 9))
    with pytest.raises(TypeError, match="NoneType"):  # no loader
        safety.freed(bench)
    assert safety.allocated(bench) == 9


# ---- the checksum and the networks --------------------------------------------------


def total_of(images, labels, batch_size=64):
    """Return the checksum of samples in batches."""
    checksum = Checksum("cpu", 784)
    for begin in range(0, len(images), batch_size):
        rows = slice(begin, begin + batch_size)
        checksum.add(torch.from_numpy(images[rows]), torch.from_numpy(labels[rows]))
    return checksum.total()


def swap_pixels(images, labels):
    images[3, 5, 5], images[4, 5, 5] = images[4, 5, 5] ^ 1, images[3, 5, 5] ^ 1


def swap_halves(images, labels):
    images[[3, 4], :14] = images[[4, 3], :14]


def swap_labels(images, labels):
    i, j = 0, int(np.flatnonzero(labels != labels[0])[0])
    labels[[i, j]] = labels[[j, i]]


def repeat_a_row(images, labels):
    images[3], labels[3] = images[4], labels[4]


def change_a_bit(images, labels):
    images[999, 27, 27] ^= 1


@pytest.mark.parametrize(
    "spoil", [swap_pixels, swap_halves, swap_labels, repeat_a_row, change_a_bit]
)
def test_the_checksum_detects_a_changed_sample_in_any_order(small, spoil):
    images, labels = small.images.copy(), small.labels.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(small))
    assert total_of(images[order], labels[order], 37) == Checksum.of_dataset(small)
    spoil(images, labels)
    assert total_of(images, labels) != Checksum.of_dataset(small)


def test_resnet18_has_the_parameters_of_the_paper():
    """Ten classes and a 3x3 stem for one channel give 11.17 million parameters."""
    n = sum(weights.numel() for weights in resnet18().parameters())
    first, last = 64 * 9, 512 * 10 + 10
    stages = 4 * 64 * 64 * 9
    for n_in, n_out in ((64, 128), (128, 256), (256, 512)):
        stages += n_in * n_out * 9 + 3 * n_out * n_out * 9 + n_in * n_out
    norms = 2 * (64 + 4 * 64 + 5 * (128 + 256 + 512))
    assert n == first + stages + last + norms


@pytest.mark.parametrize("name", ["cnn", "resnet18"])
def test_networks_learn_a_batch(small, name):
    task = training.Training(name, torch.device("cpu"))
    images, labels = next(iter(TorchLoader(small, 4)))
    before = [weights.clone() for weights in task.model.parameters()]
    task.step(images, labels)
    assert task.model(images).shape == (4, 10)
    for old, new in zip(before, task.model.parameters()):
        assert not torch.equal(old, new)
