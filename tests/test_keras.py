"""KerasLoader meets the contract of a Keras PyDataset, on every backend."""

import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from helpers.scripts import run_script

import fmnist_fast as ff

pytest.importorskip("keras")
from fmnist_fast.frameworks.keras import KerasLoader

OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5}
# With more threads than the model needs, threads mostly wait for each other.
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "OMP_NUM_THREADS": "1"}
NUMPY_OPTIONS = OPTIONS | {"layout": "NHWC", "label_dtype": "int32"}


def same(batches, expected):
    """Return whether batches equal the expected ones bit for bit."""
    batches = list(zip(batches, expected, strict=True))
    return all(a.tobytes() == b.tobytes() for both in batches for a, b in zip(*both))


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_fit_evaluate_and_predict(backend):
    pytest.importorskip(backend)
    process = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("helpers") / "keras_fit.py")],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | QUIET | {"KERAS_BACKEND": backend},
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.split() == ["ok"]


@pytest.mark.parametrize("drop_last", [False, True, "wrap"])
@pytest.mark.parametrize("shard", [None, (1, 3)])
def test_every_pass_is_the_next_epoch(small, drop_last, shard):
    options = {"drop_last": drop_last, "shard": shard}
    keras_loader, numpy_loader = (
        KerasLoader(small, **OPTIONS, **options),
        ff.Loader(small, **NUMPY_OPTIONS, **options),
    )
    assert keras_loader.num_batches == len(keras_loader) == len(numpy_loader)
    for epoch in range(3):
        assert keras_loader.epoch == epoch
        assert same(keras_loader, numpy_loader)


def test_a_rank_with_one_batch_less_continues_with_the_next_epoch(small):
    ten, options = small.select(range(10)), {"batch_size": 2, "shard": (3, 4)}
    keras_loader = KerasLoader(ten, **OPTIONS | options)
    numpy_loader = ff.Loader(ten, **NUMPY_OPTIONS | options)
    for epoch in range(3):
        assert keras_loader.num_batches == 1
        assert same([keras_loader[0]], numpy_loader)
        assert keras_loader.epoch == numpy_loader.epoch == epoch + 1


def test_the_last_batch_may_be_short(small):
    loader = KerasLoader(small, 300)
    assert [len(labels) for _, labels in loader] == [300, 300, 300, 100]
    images, labels = loader[0]
    assert images.shape == (300, 28, 28, 1) and images.dtype == np.float32
    assert labels.dtype == np.int32


def test_reading_the_first_batches_again_loses_nothing(small):
    loader = KerasLoader(small, **OPTIONS)
    assert same([loader[0], loader[1], loader[0]], [loader[0], loader[1], loader[0]])
    loader.on_epoch_begin()
    loader.num_batches, loader[7], loader.on_epoch_end()  # a pass of one batch
    loader.on_epoch_begin()
    n = loader.num_batches
    assert same(
        [loader[i] for i in reversed(range(n))], ff.Loader(small, **NUMPY_OPTIONS)
    )


def test_concurrent_threads_get_every_batch(small):
    loader, taken = KerasLoader(small, **OPTIONS), []

    def take(first):
        for index in range(first, 15, 3):
            taken.append(loader[index])

    threads = [threading.Thread(target=take, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    want = [y.tobytes() for _, y in ff.Loader(small, **NUMPY_OPTIONS)]
    assert sorted(y.tobytes() for _, y in taken) == sorted(want[:15])


def test_state_in_the_middle_of_an_epoch(small):
    run = KerasLoader(small, **OPTIONS)
    batches = iter(run)
    for _ in range(5):
        next(batches)
    assert run.state_dict() == run.state_dict(5)
    ahead, state = run.state_dict(7), run.state_dict()
    rest = list(batches)
    resumed = KerasLoader(small, **OPTIONS)
    resumed.load_state_dict(state)
    assert resumed.num_batches == 11 and len(resumed) == 16
    assert same(resumed, rest)
    assert resumed.num_batches == 16 and resumed.epoch == 1
    resumed.load_state_dict(ahead)
    assert same(resumed, rest[2:])
    assert run.state_dict(16) == run.state_dict()
    resumed.set_epoch(0)
    assert same(resumed, ff.Loader(small, **NUMPY_OPTIONS))


def test_a_copy_begins_with_the_same_pass(small):
    loader = KerasLoader(small, **OPTIONS)
    for index in (*range(16), 0, 1):
        loader[index]
    loader.on_epoch_begin()
    twin = pickle.loads(pickle.dumps(loader))
    assert twin.state_dict() == loader.state_dict() | {"position": 0}
    assert twin.num_batches == 16 and twin.workers == 1
    for _ in range(2):
        assert same(list(twin), list(loader))


def test_a_rest_without_a_batch_for_this_rank_ends_its_epoch(small):
    ten = small.select(range(10))
    loader = KerasLoader(ten, **OPTIONS | {"batch_size": 2, "shard": (3, 4)})
    loader.load_state_dict(loader.state_dict() | {"position": 8})
    with pytest.raises(IndexError, match="no batch is left for index 0: all 0 batches"):
        loader[0]
    assert (loader.state_dict()["epoch"], loader.state_dict()["position"]) == (1, 0)
    assert len(loader[0][1]) == 2 and loader.epoch == 2


def test_the_epoch_may_be_set_to_one_before_that_of_a_state(small):
    loader = KerasLoader(small, **OPTIONS)
    loader.load_state_dict(loader.state_dict() | {"epoch": 3, "position": 64})
    loader.set_epoch(0)
    assert loader.num_batches == 16 and loader.epoch == 0
    assert same(loader, ff.Loader(small, **NUMPY_OPTIONS))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs setitimer")
def test_a_signal_handler_may_read_the_state(monkeypatch):
    """It counts the batches that were returned, not the one in progress."""
    monkeypatch.setenv("KERAS_BACKEND", "numpy")  # imports fastest
    code = """
        from fmnist_fast.frameworks.keras import KerasLoader

        loader = KerasLoader(dataset, 1000, shuffle=True, threads=2)
        n_returned, n_inside, wrong = 0, 0, []

        def handler(_, frame):
            global n_inside
            codes = set()
            while frame is not None:
                codes.add(frame.f_code)
                frame = frame.f_back
            is_inside = KerasLoader.__getitem__.__code__ in codes
            n_inside += is_inside
            state = loader.state_dict()
            n = state["epoch"] * 3 + state["position"] // 1000
            if not n_returned <= n <= n_returned + (not is_inside):
                wrong.append((n_returned, n, is_inside))

        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            for index in range(3):
                loader[index]
                n_returned += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert n_inside > 50 and wrong == [], (n_inside, wrong)
        """
    done = run_script(code)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_state_does_not_wait_for_a_batch_of_another_thread(small):
    requested, can_go_on = threading.Event(), threading.Event()

    def wait(images, labels, rng):
        requested.set()
        can_go_on.wait(30)
        return images, labels

    loader = KerasLoader(small, augment=wait, **OPTIONS)
    consumer = threading.Thread(target=loader.__getitem__, args=(0,))
    consumer.start()
    assert requested.wait(30)
    states = []
    reader = threading.Thread(target=lambda: states.append(loader.state_dict()))
    reader.start()
    reader.join(5)
    seen = states.copy()
    can_go_on.set()
    consumer.join(30)
    reader.join(30)
    assert [state["position"] for state in seen] == [0]
    assert loader.state_dict()["position"] == 64


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forks_while_another_thread_takes_batches(monkeypatch):
    """Its lock may be held at the time of the fork."""
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    code = """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from fmnist_fast.frameworks.keras import KerasLoader

        loader, stop = KerasLoader(dataset, 1000, threads=1), threading.Event()

        def consume():
            while not stop.is_set():
                for index in range(3):
                    loader[index]

        thread = threading.Thread(target=consume)
        thread.start()
        for _ in range(20):
            child = os.fork()
            if child == 0:
                signal.alarm(10)
                loader.set_epoch(1)
                ok = loader.state_dict()["epoch"] == 1 and len(loader[0][1]) == 1000
                os._exit(0 if ok else 3)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if code:
                break
        stop.set()
        thread.join()
        sys.exit(code)
        """
    done = run_script(code)
    assert done.returncode == 0, done.stderr[-2000:]


def test_state_at_the_end_of_an_epoch_without_its_last_batch(small):
    loader = KerasLoader(small, drop_last=True, **OPTIONS)
    loader[0]
    assert loader.state_dict(15)["epoch"] == 1
    assert loader.state_dict(14) == loader.state_dict() | {"position": 14 * 64}


def test_keras_has_one_worker(small):
    loader = KerasLoader(small, **OPTIONS)
    with pytest.raises(
        AttributeError, match=r"(?s)workers .* must be 1, got 3\..* threads"
    ):
        loader.workers = 3
    with pytest.raises(AttributeError, match=r"use_multiprocessing .* must be False"):
        loader.use_multiprocessing = True
    assert loader.workers == 1 and not loader.use_multiprocessing
    with pytest.raises(TypeError, match="unexpected keyword argument 'workers'"):
        KerasLoader(small, workers=3)


def test_numbers_out_of_range(small):
    loader = KerasLoader(small, **OPTIONS)
    with pytest.raises(ValueError, match=r"index must be in 0\.\.15, got 16"):
        loader[16]
    with pytest.raises(ValueError, match=r"n_batches must be in 1\.\.16, got 0"):
        loader.state_dict(0)
    loader.load_state_dict(loader.state_dict(14))
    loader[0], loader[1]
    with pytest.raises(IndexError, match="no batch is left for index 2: all 2 batches"):
        loader[2]
