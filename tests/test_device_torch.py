"""TorchLoader with `resident` on a CUDA device, with stand-ins for it.

cuda-core runs on tests/helpers/fake_driver.c, and PyTorch's CUDA is that of
tests/helpers/fake_torch.py. All functions `check_...` run in one process with them.
"""

import gc
import itertools
import threading
import weakref

import pytest
from helpers import device_checks
from helpers.against_reference import same
from helpers.device_checks import attempt
from helpers.torch_loaders import (
    FIXED,
    arrays_of,
    assert_same,
    dataset,
    filled,
    loader,
    plain,
    small,
)

import fmnist_fast as ff

DTYPES = ["float32", "float16", "bfloat16", "uint8"]


@pytest.fixture(scope="module")
def outcomes(driver):
    pytest.importorskip("torch")
    return device_checks.outcomes_of(driver, "fake_torch", "test_device_torch")


# ---- bytes --------------------------------------------------------------------------


def check_recipes_and_data_types(devices):
    turns = itertools.cycle([False, True])
    for augment, dtype in itertools.product(ff.augment.RECIPES, DTYPES):
        options = {"augment": augment, "dtype": dtype, "channels_last": next(turns)}
        assert_same(loader(small, **options), plain(small, **options))
    turned = {"channels_last": True, "augment": None}
    assert_same(loader(small, **turned), plain(small, **turned))


def check_labels_last_batches_and_shards(devices):
    for labels in ("int64", "int32", "uint8", "onehot"):
        assert_same(loader(label_dtype=labels), plain(label_dtype=labels))
    for drop_last, world in itertools.product((False, True, "wrap"), (2, 3)):
        for rank in range(world):
            options = {"drop_last": drop_last, "shard": (rank, world)}
            options["augment"] = None
            assert_same(loader(**options), plain(**options))
    for layout in ("NHWC", "NHW", "flat"):
        assert_same(loader(layout=layout), plain(layout=layout))


def check_views_and_channels(devices):
    flips = {"views": [None, [ff.RandomHorizontalFlip(p=1.0)], "strong"]}
    mixes = {"views": 2, "augment": [ff.MixUp()], "label_dtype": "onehot"}
    colors = {"channels": 3, "normalize": ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))}
    turns = itertools.cycle([False, True])
    for views, dtype in itertools.product(({"views": 2}, flips, mixes), DTYPES):
        normal = {"normalize": None} if dtype == "uint8" else {}
        options = {"augment": None, **colors, **views, **normal}
        options |= {"dtype": dtype, "channels_last": next(turns)}
        assert_same(loader(small, **options), plain(small, **options))
    for layout in ("NHWC", "flat"):
        options = colors | {"layout": layout, "views": 2}
        assert_same(loader(**options), plain(**options))


def check_fixed_buffers_of_views(devices):
    options = {"views": 2, "channels": 3, "channels_last": True, "drop_last": True}
    fixed, run = loader(fixed_buffers=True, **options), plain(**options)
    want, first = list(run), fixed.buffers
    assert first[0].stride() == want[0][0].stride()
    got = filled(fixed, 10)
    assert same(got, arrays_of(want)) and fixed.fill()[0] is first[0]
    with_auto = loader(resident="auto", **options)
    assert with_auto.resident
    assert_same(with_auto, want)


def check_states_move_at_every_batch(devices):
    kinds = loader, plain, lambda **options: loader(device="cpu", **options)
    want = arrays_of(plain())
    for first, second in itertools.permutations(kinds, 2):
        run = first()
        iterator = iter(run)
        for k in range(len(want)):
            other = second(seed=0)
            other.load_state_dict(run.state_dict())
            assert other.state_dict() == run.state_dict()
            assert same(arrays_of([next(iter(other))]), want[k : k + 1])
            next(iterator)


def check_held_batches_keep_their_chunk(devices):
    run, want = loader(), arrays_of(plain())
    held = list(run)
    assert same(arrays_of(held), want)
    held, before = held[4:5], devices.used[0]
    gc.collect()
    chunk = 150 * (784 * 4 + 8)
    assert devices.used[0] < before and same(arrays_of(held), want[4:5])
    del run
    gc.collect()
    assert devices.used[0] == chunk


def check_two_epochs_at_once(devices):
    pairs = []
    for run in (loader(), plain()):
        iterators = iter(run), iter(run)
        pairs.append([batch for both in zip(*iterators) for batch in both])
    assert_same(*pairs)


def check_inference_mode(devices):
    import torch

    with torch.inference_mode():
        batch = next(iter(loader()))
        fixed = loader(**FIXED)
        fixed.fill()
    assert not any(x.is_inference() for x in (*batch, *fixed.fill()))


# ---- fixed buffers ------------------------------------------------------------------


def check_fill_and_loops(devices):
    fixed, run = loader(**FIXED, channels_last=True), plain(drop_last=True)
    want, first = arrays_of([*run, *run, *run]), fixed.buffers
    assert first[0].stride() == next(iter(plain(channels_last=True)))[0].stride()
    assert same(filled(fixed, 13), want[:13])
    assert fixed.fill()[0] is first[0] and fixed.epoch == 1
    fixed.set_epoch(2)
    assert same([x for batch in fixed for x in arrays_of([batch])], want[20:])


def check_a_graph_goes_through_epochs(devices):
    import torch

    fixed, run = loader(**FIXED), plain(drop_last=True)
    want = arrays_of([*run, *run, *run])
    stream = torch.cuda.Stream("cuda:0")
    with torch.cuda.stream(stream):
        got = filled(fixed, 1)  # as a warm-up does
    torch.cuda.current_stream().wait_stream(stream)
    with devices.capture(stream.own) as graph:
        buffers = fixed.fill()
    for k in range(1, 25):
        if k == 12:
            state = fixed.state_dict()
            assert (state["epoch"], state["position"]) == (1, 100)
        devices.replay(graph)
        got += arrays_of([buffers])
    assert same(got, want[:25])
    fixed.load_state_dict(state)
    devices.replay(graph)
    assert same(arrays_of([buffers]), want[12:13])
    resumed = plain(drop_last=True, seed=0)
    resumed.load_state_dict(fixed.state_dict())
    assert same(arrays_of(resumed), want[13:20])


# ---- devices, streams and threads ---------------------------------------------------


def check_two_devices(devices):
    import torch

    runs = [loader(device=f"cuda:{k}") for k in (0, 1)]
    fixed = [loader(device=f"cuda:{k}", **FIXED) for k in (0, 1)]
    want, n = arrays_of(plain()), len(devices.driver.launches())
    assert devices.used[0] == devices.used[1] > 0
    for k in (0, 1):
        with torch.cuda.device(1 - k):
            assert same(arrays_of(runs[k]), want)
            assert same(filled(fixed[k], 10), want[:10])
            assert fixed[k].epoch == 1
            assert torch.cuda.current_device() == 1 - k
        made = {launch.device for launch in devices.driver.launches()[n:]}
        assert made == {k}
        n = len(devices.driver.launches())


def check_loaders_of_a_device_share_the_pixels(devices):
    first = loader()
    with_one = devices.used[0]
    second, part = loader(), loader(small)
    assert devices.used[0] - with_one < dataset.images.nbytes
    pixels = weakref.ref(first.loader._pipeline.filler._pixels)
    assert pixels() is second.loader._pipeline.filler._pixels
    assert pixels() is not part.loader._pipeline.filler._pixels
    batch = next(iter(first))
    del first
    assert pixels() is not None
    del second
    gc.collect()
    assert pixels() is None and same(arrays_of([batch]), arrays_of(plain())[:1])


def check_streams_wait_for_the_one_before(devices):
    import torch

    streams = [torch.cuda.Stream("cuda:0") for _ in range(2)]
    with torch.cuda.stream(streams[0]):
        runs = loader(), loader(**FIXED)  # used by other streams
    got, iterator = [], iter(runs[0])
    for k in range(11):
        with torch.cuda.stream(streams[k * 7 % 3 % 2]):
            batch = next(iterator)
            [devices.use_tensor(x, True) for x in batch]
            got.append(batch)
            if k < 10:
                assert same(filled(runs[1], 1), arrays_of(plain())[k : k + 1])
    assert same(arrays_of(got), arrays_of(plain()))
    second = loader()  # its pixels are those of another stream
    with torch.cuda.stream(streams[1]):
        assert same(arrays_of([next(iter(second))]), arrays_of(plain())[:1])


def check_memory_is_freed_after_its_use_by_another_stream(devices):
    import torch

    runs = loader(), loader(**FIXED)
    with torch.cuda.stream(torch.cuda.Stream("cuda:0")):
        next(iter(runs[0])), runs[1].fill()


def check_other_threads(devices):
    """A new thread has no context, and the default stream."""
    run, fixed, want, got = loader(), loader(**FIXED), arrays_of(plain()), []

    def use():
        got.append(filled(fixed, 10))
        got.append(arrays_of(run))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert same(got[0], want[:10]) and same(got[1], want)


def check_threads_share_an_iterator(devices):
    import torch

    streams = [torch.cuda.Stream("cuda:0") for _ in range(4)]
    iterator = iter(loader(batch_size=3))
    got = [next(iterator)]

    def take(stream):
        with torch.cuda.stream(stream):
            got.extend(iterator)

    threads = [threading.Thread(target=take, args=[stream]) for stream in streams]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    wanted = sorted(x.tobytes() for x, _ in arrays_of(plain(batch_size=3)))
    assert sorted(x.tobytes() for x, _ in arrays_of(got)) == wanted


def check_captures(devices):
    import torch

    run, want = loader(), arrays_of(plain())
    iterator = iter(run)
    got, stream = [next(iterator)], torch.cuda.Stream("cuda:0")
    with devices.capture(stream.own) as graph:
        got += [next(iterator), next(iterator)]
        refused = [attempt(next, iterator), attempt(loader), attempt(next, iter(run))]
    memory = (
        "RuntimeError: a resident loader can't get memory while the stream captures"
    )
    assert "a batch can't be requested while the stream captures" in refused[0]
    assert all(text.startswith(memory) for text in refused[1:]) and not graph
    with devices.capture(stream.own):
        thread = threading.Thread(
            target=lambda: refused.append(attempt(next, iterator))
        )
        thread.start()
        thread.join()
    assert "not permitted when stream is capturing" in refused[-1]  # PyTorch's error
    assert devices.faults == ["memory was allocated in a capture"]
    devices.faults.clear()
    assert same(arrays_of([*got, *iterator]), want)


@pytest.mark.parametrize("name", device_checks.names_of(dict(globals())))
def test_on_devices_of_the_stand_in(outcomes, name):
    device_checks.assert_passed(outcomes[name])


def test_pytorch_has_the_names_of_the_stand_in():
    torch = pytest.importorskip("torch")
    for name in ("device", "stream", "synchronize", "mem_get_info", "Event"):
        assert callable(getattr(torch.cuda, name))
    assert callable(torch.cuda.is_current_stream_capturing)
    assert issubclass(torch.OutOfMemoryError, RuntimeError)
    for name in ("wait_stream", "record_event", "wait_event", "synchronize"):
        assert hasattr(torch.cuda.Stream, name)
    for name in ("record_stream", "copy_", "cpu"):
        assert callable(getattr(torch.Tensor, name))
