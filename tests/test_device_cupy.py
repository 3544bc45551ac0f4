"""CupyLoader with `resident`, with stand-ins for CuPy and for the driver of CUDA.

cuda-core runs on tests/helpers/fake_driver.c, and CuPy is tests/helpers/fake_cupy.py.
All functions `check_...` run in one process with them.
"""

import copy
import gc
import itertools
import os
import pickle
import sys
import threading

import numpy as np
import pytest
from helpers import device_checks
from helpers.against_reference import dataset_of, same
from helpers.device_checks import attempt

import fmnist_fast as ff

OPTIONS = {"batch_size": 50, "shuffle": True, "seed": 6, "augment": "standard"}
FIXED = OPTIONS | {"fixed_buffers": True, "drop_last": True}
dataset = dataset_of(28, 28, 517)
small = dataset.select(range(90))


def loader(data=dataset, device=0, resident=True, **options):
    from fmnist_fast.frameworks.cupy import CupyLoader

    options = OPTIONS | options
    return CupyLoader(data, device=device, resident=resident, **options)


def epoch(number=0, data=dataset, **options):
    """Return the batches of an epoch of a Loader."""
    plain = ff.Loader(data, **OPTIONS | options)
    plain.set_epoch(number)
    return list(plain)


def arrays_of(batches):
    from helpers.fake_cupy import arrays_of

    return arrays_of(batches)


def filled(fixed, n):
    """Return copies of the next n batches."""
    return [batch for _ in range(n) for batch in arrays_of([fixed.fill()])]


@pytest.fixture(scope="module")
def outcomes(driver):
    return device_checks.outcomes_of(driver, "fake_cupy", "test_device_cupy")


def check_bytes(devices):
    dtypes = ["float32", "float16", "uint8"]
    for augment, dtype in itertools.product([None, "standard", "strong"], dtypes):
        for label_dtype, world in [("int64", 1), ("onehot", 2)]:
            options = {"augment": augment, "dtype": dtype, "label_dtype": label_dtype}
            options["shard"] = (world - 1, world)
            got = arrays_of(loader(small, **options))
            assert same(got, epoch(data=small, **options))


def check_states_move_to_other_loaders(devices):
    run, want = loader(), epoch()
    iterator = iter(run)
    for k in range(4):
        plain = ff.Loader(dataset, **OPTIONS)
        plain.load_state_dict(run.state_dict())
        pinned = loader(resident=False)
        pinned.load_state_dict(plain.state_dict())
        back = loader()
        back.load_state_dict(pinned.state_dict())
        for other in (plain, pinned, back):
            assert same(arrays_of([next(iter(other))]), want[k : k + 1])
        next(iterator)


def check_fields_of_pinned_batches(devices):
    data = dataset.select(range(500, 17, -1))
    data = data.with_columns({"width": np.arange(len(data), dtype=np.uint16)})
    fields = {"with_index": True, "columns": ["width"]}
    for options in ({}, {"steps": 13}, {"dtype": "uint8"}):
        options = options | fields
        got = arrays_of(loader(data, resident=False, **options))
        for batch, want in zip(got, epoch(data=data, **options), strict=True):
            for field, array in zip(batch, want, strict=True):
                assert field.dtype == array.dtype and np.array_equal(field, array)


def check_a_graph_goes_through_epochs(devices):
    import cupy

    fixed, want = loader(**FIXED), [*epoch(0)[:10], *epoch(1)[:10], *epoch(2)[:10]]
    stream = cupy.cuda.Stream(non_blocking=True)
    with devices.capture(stream.own) as graph:
        buffers = fixed.fill()
        assert "can't be read while the stream captures" in attempt(fixed.state_dict)
    got = []
    for _ in range(25):
        devices.replay(graph)
        got += arrays_of([buffers])
    assert same(got, want[:25])
    state = fixed.state_dict()
    assert (state["epoch"], state["position"]) == (2, 250)
    fixed.load_state_dict(state | {"epoch": 1, "position": 450})
    devices.replay(graph)
    assert same(arrays_of([buffers]), want[19:20])
    assert same([x for b in fixed for x in arrays_of([b])], want[20:])


def check_views_and_channels(devices):
    mixes = {"augment": [ff.MixUp()], "label_dtype": "onehot"}
    colors = {"channels": 3, "normalize": ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))}
    for layout, resident in itertools.product(("NCHW", "NHWC", "flat"), (True, False)):
        for views in ({}, mixes, {"augment": "strong"}):
            options = colors | views | {"views": 2, "layout": layout}
            got = arrays_of(loader(small, resident=resident, **options))
            assert same(got, epoch(data=small, **options))


def check_a_graph_makes_all_views_before_it_advances(devices):
    import cupy

    options = {"views": [None, [ff.RandomInvert()]], "channels": 3, "augment": None}
    fixed, want = loader(**FIXED | options), epoch(**options)[:10]
    stream = cupy.cuda.Stream(non_blocking=True)
    with devices.capture(stream.own) as graph:
        buffers = fixed.fill()
    got = []
    for _ in range(10):
        devices.replay(graph)
        got += arrays_of([buffers])
    assert same(got, want) and fixed.epoch == 1


def check_two_devices_and_their_streams(devices):
    """Another device is current, and streams change within a chunk."""
    import cupy

    want = epoch()
    for device in (0, 1):
        run, fixed = loader(device=device), loader(device=device, **FIXED)
        n = len(devices.driver.launches())
        with cupy.cuda.Device(device):
            stream = cupy.cuda.Stream()
        iterator, got = iter(run), []
        for k in range(11):
            with cupy.cuda.Device(device):
                if k % 3 == 1:
                    stream.__enter__()
                with cupy.cuda.Device(1 - device):
                    got.append(next(iterator))
                    if k < 10:
                        assert same(filled(fixed, 1), want[k : k + 1])
                if k % 3 == 1:
                    stream.__exit__(None, None, None)
        assert same(arrays_of(got), want)
        assert {x.device for x in devices.driver.launches()[n:]} == {device}
        assert fixed.state_dict()["epoch"] == 1


def check_loaders_of_a_device_share_the_pixels(devices):
    runs = [loader() for _ in range(3)]
    pixels = {id(run.loader._pipeline.filler._pixels) for run in runs}
    assert len(pixels) == 1 and devices.used[0] < 2 * dataset.images.nbytes
    batch = next(iter(runs[0]))
    runs.clear()
    gc.collect()
    assert devices.used[0] == 150 * (784 * 4 + 8)
    assert same(arrays_of([batch]), epoch()[:1])


def check_other_threads(devices):
    run, fixed, got = loader(), loader(**FIXED), []

    def use():
        got.append(filled(fixed, 10))
        got.append(arrays_of(run))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert same(got[0], epoch()[:10]) and same(got[1], epoch())


def check_captures(devices):
    import cupy

    iterator, stream = iter(loader()), cupy.cuda.Stream()
    got = [next(iterator) for _ in range(3)]
    with devices.capture(stream.own):
        texts = [attempt(next, iterator), attempt(loader)]
    assert "a batch can't be requested while the stream captures" in texts[0]
    assert "a resident loader can't get memory while the stream captures" in texts[1]
    assert same(arrays_of([*got, *iterator]), epoch())


def check_memory(devices):
    iterator = iter(loader())
    got = [next(iterator) for _ in range(3)]
    devices.fails_after = 1
    assert attempt(next, iterator) == "OutOfMemoryError: out of memory"
    devices.fails_after = None
    assert same(arrays_of([*got, *iterator]), epoch())
    del got, iterator
    gc.collect()
    devices.nbytes = 200_000
    nbytes = dataset.images.nbytes + dataset.labels.nbytes
    text = f"MemoryError: the dataset has {nbytes:,} bytes, but device cuda:0 has only "
    assert attempt(loader).startswith(f"{text}200,000 of 200,000 bytes free")
    with loader(resident="auto") as made:
        assert made.resident is False


def check_auto(devices):
    assert loader(resident="auto").resident is True
    with loader(resident="auto", shuffle_block=4) as made:
        assert made.resident is False
    with pytest.MonkeyPatch.context() as patch:
        from fmnist_fast._device import cuda

        patch.setattr(cuda, "_loaded", {})
        patch.setitem(sys.modules, "cuda.core", None)
        assert attempt(loader).endswith('Run: pip install "fmnist_fast[cuda]"')
        with loader(resident="auto") as made:
            assert made.resident is False
            assert same(arrays_of(made), epoch())
    text = "ValueError: resident must be True, False or 'auto', got 'yes'"
    assert attempt(loader, resident="yes") == text


def check_copies_and_a_forked_child(devices):
    run, fixed = loader(), loader(**FIXED)
    iterator = iter(run)
    next(iterator)
    for twin in (copy.copy(run), pickle.loads(pickle.dumps(run))):
        assert twin.resident and same(arrays_of(twin), epoch(1))
    read, write = os.pipe()
    if os.fork() == 0:
        texts = [attempt(next, iterator), attempt(list, run), attempt(fixed.fill)]
        os.write(write, "\n".join(map(str, [*texts, attempt(loader)])).encode())
        os._exit(0)
    os.wait()
    text = os.read(read, 10000).decode()
    assert "this iterator was made before a fork" in text
    assert text.count("a forked process can't use CUDA") == 3


@pytest.mark.parametrize("name", device_checks.names_of(dict(globals())))
def test_on_devices_of_the_stand_in(outcomes, name):
    device_checks.assert_passed(outcomes[name])


def test_cupy_has_the_names_of_the_stand_in():
    cupy = pytest.importorskip("cupy")
    for name in ("is_capturing", "record", "wait_event", "synchronize", "__enter__"):
        assert hasattr(cupy.cuda.Stream, name)
    for name in ("getDeviceCount", "memGetInfo", "CUDARuntimeError"):
        assert hasattr(cupy.cuda.runtime, name)
    assert issubclass(cupy.cuda.memory.OutOfMemoryError, MemoryError)
    assert issubclass(cupy.cuda.runtime.CUDARuntimeError, RuntimeError)
