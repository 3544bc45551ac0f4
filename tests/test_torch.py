"""Tensors of batches: the same bytes as numpy's, on the CPU and by way of slots that a
device still reads from."""

import contextlib
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

import fmnist_fast as ff

torch = pytest.importorskip("torch")
from fmnist_fast.frameworks import torch as adapter  # noqa: E402
from fmnist_fast.frameworks._cuda import CudaFeed, CudaStreams  # noqa: E402
from fmnist_fast.frameworks.torch import TorchLoader  # noqa: E402

OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5}


def bits(tensor):
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()


# ---- on the CPU ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8"])
@pytest.mark.parametrize("label_dtype", ["int64", "int32", "uint8", "onehot"])
def test_bytes_are_the_loaders(small, dtype, label_dtype):
    options = OPTIONS | {"dtype": dtype, "label_dtype": label_dtype}
    ours, numpys = TorchLoader(small, **options), ff.Loader(small, **options)
    assert len(ours) == len(numpys)
    for _ in range(2):
        for (x, y), (want_x, want_y) in zip(ours, numpys, strict=True):
            assert x.shape == want_x.shape and y.shape == want_y.shape
            assert str(x.dtype) == f"torch.{dtype}"
            assert bits(x) == want_x.tobytes() and bits(y) == want_y.tobytes()


def test_dtypes_of_torch_are_as_good_as_names(small):
    dtypes = {"dtype": torch.bfloat16, "label_dtype": torch.int32}
    x, y = next(iter(TorchLoader(small, **dtypes)))
    assert x.dtype == torch.bfloat16 and y.dtype == torch.int32


def test_tensors_share_the_memory_of_the_batch_and_keep_it(small, monkeypatch):
    addresses = []
    from_numpy = torch.from_numpy

    def spy(array):
        addresses.append(array.ctypes.data)
        return from_numpy(array)

    monkeypatch.setattr(torch, "from_numpy", spy)
    held = list(TorchLoader(small, **OPTIONS))
    assert [tensor.data_ptr() for batch in held for tensor in batch] == addresses
    want = list(ff.Loader(small, **OPTIONS))
    for (x, y), (want_x, want_y) in zip(held, want, strict=True):
        assert bits(x) == want_x.tobytes() and bits(y) == want_y.tobytes()


def test_images_in_files(small, small_in_files):
    """In this process, and in workers, which get them by name."""
    options = OPTIONS | {"shuffle_block": 4}
    loader = TorchLoader(small_in_files, **options)
    workers = torch.utils.data.DataLoader(
        loader, batch_size=None, num_workers=2, multiprocessing_context="spawn"
    )
    wanted = list(TorchLoader(small, **options))
    for (x, y), (want_x, want_y) in zip(loader, wanted, strict=True):
        assert torch.equal(x, want_x) and torch.equal(y, want_y)
    loader.set_epoch(0)
    labels = torch.cat([y for _, y in workers])
    assert torch.equal(
        labels.sort().values, torch.cat([y for _, y in wanted]).sort().values
    )


def test_channels_last(small):
    x, _ = next(iter(TorchLoader(small, channels_last=True, **OPTIONS)))
    want, _ = next(iter(TorchLoader(small, **OPTIONS)))
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert x.shape == want.shape and torch.equal(x, want)


def test_preview_is_the_loaders(small):
    steps = {"augment": "standard", "seed": 3}
    ours, numpys = TorchLoader(small, **steps), ff.Loader(small, **steps)
    assert np.array_equal(ours.augment_preview(5, 4), numpys.augment_preview(5, 4))


def test_state_goes_on_in_another_loader(small):
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
    """Steps until `until` were made or the second epoch ends; where it stands then."""
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
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return TorchLoader(small, augment="standard", **OPTIONS), model, optimizer


def test_a_resumed_run_ends_in_the_same_weights(small):
    whole = train(*parts(small), until=None)
    stopped = pickle.loads(pickle.dumps(train(*parts(small), until=21)))
    again = parts(small)
    for part, state in zip(again, stopped):
        part.load_state_dict(state)
    resumed = train(*again, until=None)
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


def test_workers_that_can_not_share_a_batch_are_an_error(small, monkeypatch):
    info = SimpleNamespace(id=0, num_workers=2)
    monkeypatch.setattr(adapter, "get_worker_info", lambda: info)
    with pytest.raises(ValueError, match=r"multiple of the 2 workers .*, got 63"):
        iter(TorchLoader(small, batch_size=63))
    loader = TorchLoader(small)
    loader.device = torch.device("cuda", 0)
    with pytest.raises(RuntimeError, match="can't run in a worker of a DataLoader"):
        iter(loader)


# ---- by way of pinned slots ---------------------------------------------------------


class SlowStreams:
    """Copies whose events come late, and which notice slots that change before."""

    def __init__(self, delay=3):
        self.delay, self.n_sent, self.events = delay, 0, []

    def slot(self, nbytes):
        return torch.empty(nbytes, dtype=torch.uint8)

    def send(self, slot):
        self.n_sent += 1
        self.events.append(SlowCopy(self, slot))
        return self.events[-1].sent.clone(), self.events[-1]

    @property
    def n_spoiled(self):
        return sum(event.is_spoiled for event in self.events)


class SlowCopy:
    def __init__(self, streams, slot):
        self.streams, self.number, self.slot = streams, streams.n_sent, slot
        self.sent, self.is_done, self.is_spoiled = slot.clone(), False, False

    def query(self):
        if self.streams.n_sent >= self.number + self.streams.delay:
            self.synchronize()
        return self.is_done

    def synchronize(self):
        if not self.is_done:
            self.is_spoiled = not torch.equal(self.slot, self.sent)
            self.is_done = True


def feed_of(dataset, streams, feed=CudaFeed, *, fixed_buffers=False, **options):
    options = OPTIONS | {"prefetch": 2, "threads": 2} | options
    plain, device = ff.Loader(dataset, **options), torch.device("cpu")
    return feed(plain, device, fixed_buffers, streams)


@pytest.mark.parametrize("delay", [1, 3, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8"])
def test_what_a_device_gets_is_what_the_cpu_gets(small, dtype, delay):
    streams = SlowStreams(delay)
    feed = feed_of(small, streams, dtype=dtype, label_dtype="onehot")
    want = TorchLoader(small, dtype=dtype, label_dtype="onehot", **OPTIONS)
    for _ in range(2):
        for (x, y), (want_x, want_y) in zip(feed, want, strict=True):
            assert bits(x) == bits(want_x) and bits(y) == bits(want_y)
    assert streams.n_sent == 2 * len(want) and streams.n_spoiled == 0


class HastyFeed(CudaFeed):
    """Gives slots back at once, without waiting for what reads from them."""

    def _give_back(self, n_kept):
        while self._copies:
            event, _ = self._copies.popleft()
            self.unread = [*getattr(self, "unread", []), event]


def test_slots_that_are_given_back_too_early_are_noticed(small):
    """The control: without events, the same check must fail."""
    streams = SlowStreams()
    feed = feed_of(small, streams, HastyFeed)
    for _ in range(3):
        for _ in feed:
            pass
    for event in feed.unread:
        event.synchronize()
    assert streams.n_spoiled > 0


@pytest.mark.parametrize("drop_last", [True, "wrap"])
def test_fixed_buffers_are_the_same_tensors(small, drop_last):
    feed = feed_of(small, SlowStreams(), fixed_buffers=True, drop_last=drop_last)
    want = TorchLoader(small, drop_last=drop_last, **OPTIONS)
    seen = set()
    for (x, y), (want_x, want_y) in zip(feed, want, strict=True):
        seen.add((x.data_ptr(), y.data_ptr()))
        assert torch.equal(x, want_x) and torch.equal(y, want_y)
    assert len(seen) == 1


def test_an_epoch_is_taken_when_the_iterator_is_made(small):
    feed = feed_of(small, SlowStreams())
    batches = iter(feed)
    feed.loader.set_epoch(5)
    assert feed.loader.epoch == 5
    want = TorchLoader(small, **OPTIONS)
    assert all(torch.equal(x, y) for (x, _), (y, _) in zip(batches, want, strict=True))
    want.set_epoch(5)
    assert torch.equal(next(iter(feed))[0], next(iter(want))[0])


def test_a_newer_iterator_ends_the_one_before(small):
    feed, want = feed_of(small, SlowStreams(1000)), TorchLoader(small, **OPTIONS)
    before = iter(feed)
    for _ in range(3):
        next(before)
    want.set_epoch(1)
    for (x, y), (want_x, want_y) in zip(feed, want, strict=True):
        assert torch.equal(x, want_x) and torch.equal(y, want_y)
    with pytest.raises(RuntimeError, match="ended by a newer one"):
        next(before)


def test_the_traceback_of_a_loop_that_failed_is_in_no_ones_way(small):
    feed, held = feed_of(small, SlowStreams(1000)), []
    for _ in range(4):
        try:
            for _ in feed:
                raise KeyError("in the training step")
        except KeyError as error:
            held.append(error)
    assert len(list(feed)) == len(feed.loader)


def test_copies_that_fail_keep_no_slot(small):
    class FailingStreams(SlowStreams):
        def send(self, slot):
            if self.n_sent % 7 == 4:
                self.n_sent += 1
                raise RuntimeError("out of memory")
            return super().send(slot)

    feed, held = feed_of(small, FailingStreams(1000)), []
    for _ in range(9):
        with pytest.raises(RuntimeError, match="out of memory") as caught:
            list(feed)
        held.append(caught.value)


def test_an_epoch_after_close(small):
    streams = SlowStreams(1000)
    feed, want = feed_of(small, streams), TorchLoader(small, **OPTIONS)
    batches = iter(feed)
    for _ in range(5):
        next(batches)
    feed.loader.close()
    with pytest.raises(RuntimeError, match="closed"):
        next(batches)
    feed.loader.set_epoch(0)
    for (x, _), (want_x, _) in zip(feed, want, strict=True):
        assert torch.equal(x, want_x)
    assert streams.n_spoiled == 0


@pytest.mark.parametrize("position", [1, 936])
def test_fixed_buffers_refuse_a_short_batch_of_a_resumed_epoch(small, position):
    """A row alone would be spread over the whole buffer."""
    feed = feed_of(small, SlowStreams(), fixed_buffers=True, batch_size=100)
    feed.loader.load_state_dict(feed.loader.state_dict() | {"position": position})
    with pytest.raises(
        RuntimeError, match=r"hold 100 rows, and this batch has (99|64)"
    ):
        list(feed)


def test_fixed_buffers_that_were_made_in_inference_mode_serve_training(small):
    feed = feed_of(small, SlowStreams(), fixed_buffers=True, drop_last=True)
    with torch.inference_mode():
        next(iter(feed))
    weights = torch.zeros(784, 10, requires_grad=True)
    images, labels = next(iter(feed))
    logits = images.flatten(1) @ weights
    torch.nn.functional.cross_entropy(logits, labels).backward()
    assert weights.grad.any()


def test_a_device_gets_mixed_images_as_the_cpu_does(small):
    mix = {"augment": [ff.RandomHorizontalFlip(), ff.MixUp()], "label_dtype": "onehot"}
    feed, want = (
        feed_of(small, SlowStreams(), **mix),
        TorchLoader(small, **OPTIONS | mix),
    )
    for (x, y), (want_x, want_y) in zip(feed, want, strict=True):
        assert torch.equal(x, want_x) and torch.equal(y, want_y)


def test_slots_are_pinned_memory_of_the_cpu_in_the_devices_context(monkeypatch):
    """Whatever device new tensors have by default; the real call needs a device."""
    entered, made = [], []
    empty = torch.empty

    def spy(*arguments, **options):
        made.append(options)
        return empty(*arguments, **options | {"pin_memory": False})

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: None)
    monkeypatch.setattr(torch.cuda, "device", entering(entered))
    monkeypatch.setattr(torch, "empty", spy)
    streams = CudaStreams(torch.device("cuda", 1))
    with torch.device("meta"):
        slot = streams.slot(100)
    assert slot.device.type == "cpu" and slot.numpy().nbytes == 100
    assert made[0]["pin_memory"] is True
    assert entered == [torch.device("cuda", 1)]


def entering(entered):
    @contextlib.contextmanager
    def device(which):
        entered.append(which)
        yield

    return device


# ---- bad input ----------------------------------------------------------------------


def test_devices_that_there_are_not(small):
    for wrong in ("toaster", "", "cuda:", "gpu", "meta", "mps", None, 0.5):
        with pytest.raises(
            ValueError, match=rf"device must be 'cpu' or 'cuda.*, got {wrong!r}"
        ):
            TorchLoader(small, device=wrong)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("device", ["cuda", "cuda:0", torch.device("cuda", 1)])
def test_a_cuda_device_where_there_is_none(small, device):
    with pytest.raises(
        ValueError, match=rf"{device!s}' was asked for, .* no CUDA device"
    ):
        TorchLoader(small, device=device)


def test_a_device_beyond_the_last(small, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=r"'cuda:2' .* only 2 CUDA devices"):
        TorchLoader(small, device="cuda:2")


def test_options_that_do_not_go_together(small):
    with pytest.raises(ValueError, match=r"channels_last goes with .*, got 'flat'"):
        TorchLoader(small, channels_last=True, layout="flat")
    with pytest.raises(ValueError, match="fixed_buffers are for CUDA devices"):
        TorchLoader(small, fixed_buffers=True)
    with pytest.raises(ValueError, match="dtype must be one of"):
        TorchLoader(small, dtype=torch.float64)


def test_python_functions_do_not_run_on_a_device(small, monkeypatch):
    monkeypatch.setattr(adapter, "_checked_device", lambda _: torch.device("cuda", 0))
    with pytest.raises(ValueError, match=r"Python functions, .* on the CPU"):
        TorchLoader(small, device="cuda", augment=[lambda x, y, rng: (x, y)])


def test_fixed_buffers_need_batches_of_one_size(small, monkeypatch):
    monkeypatch.setattr(adapter, "_checked_device", lambda _: torch.device("cuda", 0))
    with pytest.raises(ValueError, match="1000 images are no multiple of 64"):
        TorchLoader(small, fixed_buffers=True, device="cuda", **OPTIONS)


# ---- several processes --------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun needs gloo and libuv")
def test_ranks_of_torchrun_share_the_batches_of_one_process(small):
    program = Path(__file__).with_name("helpers") / "ranks.py"
    words = "-m torch.distributed.run --standalone --nproc-per-node 4".split()
    words += ["--start-method", "fork", "--run-path"]  # PyTorch is imported once
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
    program = Path(__file__).with_name("helpers") / "training.py"
    words = [sys.executable, str(program), str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if kill_at is not None and int(line) >= kill_at:
                process.kill()
                return
    assert process.returncode == 0


def test_a_killed_run_ends_in_the_weights_of_one_that_was_not(small, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    run_training(whole, kill_at=1)  # leaves a seed of its own in the first checkpoint
    shutil.copytree(whole, killed)
    run_training(whole)
    for step in sorted(random.sample(range(2, 84), 2)):
        run_training(killed, kill_at=step)
    run_training(killed)
    want, got = (torch.load(folder / "weights.pt") for folder in (whole, killed))
    assert want.keys() == got.keys()
    for name, weights in want.items():
        assert torch.equal(weights, got[name]), name
