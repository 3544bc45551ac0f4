"""Batches for a CUDA device, with a stand-in for its streams.

They have the same bytes as on the CPU. Slots wait until the device has read them.
"""

import contextlib

import pytest

import fmnist_fast as ff

torch = pytest.importorskip("torch")
from fmnist_fast.frameworks import torch as adapter  # noqa: E402
from fmnist_fast.frameworks.cuda import CudaFeed, CudaStreams  # noqa: E402
from fmnist_fast.frameworks.torch import TorchLoader  # noqa: E402

OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5}


def bits(tensor):
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()


class SlowStreams:
    """A stand-in whose copies end late, and notice slots that change before."""

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
def test_a_device_gets_the_same_bytes_as_the_cpu(small, dtype, delay):
    streams = SlowStreams(delay)
    feed = feed_of(small, streams, dtype=dtype, label_dtype="onehot")
    want = TorchLoader(small, dtype=dtype, label_dtype="onehot", **OPTIONS)
    for _ in range(2):
        for (x, y), (want_x, want_y) in zip(feed, want, strict=True):
            assert bits(x) == bits(want_x) and bits(y) == bits(want_y)
    assert streams.n_sent == 2 * len(want) and streams.n_spoiled == 0


class HastyFeed(CudaFeed):
    """A feed that returns slots at once, without waiting for their copies."""

    def _give_back(self, n_kept):
        while self._copies:
            event, _ = self._copies.popleft()
            self.unread = [*getattr(self, "unread", []), event]


def test_slots_that_are_returned_too_early_are_noticed(small):
    """Without events, the same check must fail."""
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
    with pytest.raises(RuntimeError, match="ended by a newer iterator"):
        next(before)


def test_the_traceback_of_a_failed_loop_keeps_no_slot(small):
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
    """A batch of one row would be broadcast to the whole buffer."""
    feed = feed_of(small, SlowStreams(), fixed_buffers=True, batch_size=100)
    feed.loader.load_state_dict(feed.loader.state_dict() | {"position": position})
    with pytest.raises(
        RuntimeError, match=r"hold 100 rows, but this batch has (99|64)"
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
    """Another default device has no effect. The real call requires a CUDA device."""
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


def test_python_functions_do_not_run_on_a_device(small, monkeypatch):
    monkeypatch.setattr(adapter, "_checked_device", lambda _: torch.device("cuda", 0))
    with pytest.raises(ValueError, match=r"Python functions .* on the CPU"):
        TorchLoader(small, device="cuda", augment=[lambda x, y, rng: (x, y)])


def test_fixed_buffers_need_batches_of_one_size(small, monkeypatch):
    monkeypatch.setattr(adapter, "_checked_device", lambda _: torch.device("cuda", 0))
    with pytest.raises(ValueError, match="1000 images are not a multiple of 64"):
        TorchLoader(small, fixed_buffers=True, device="cuda", **OPTIONS)
