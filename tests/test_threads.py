"""Tasks in threads, also if threads can't start or Ctrl-C interrupts them."""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import pytest

from fmnist_fast._io import threads
from fmnist_fast._io.threads import in_thread, run_together

CANT_START = r"can't start another thread\. The result is the same, but takes longer\."


def test_results_come_in_order():
    events = [threading.Event() for _ in range(4)]

    def task(i):
        if i < 3:
            events[i + 1].wait(5)
        events[i].set()
        return i

    tasks = [lambda i=i: task(i) for i in range(4)]
    assert run_together(tasks) == [0, 1, 2, 3]


def test_tasks_run_at_the_same_time():
    barrier = threading.Barrier(5, timeout=5)
    assert sorted(run_together([barrier.wait] * 5)) == [0, 1, 2, 3, 4]


def test_first_task_runs_in_the_calling_thread():
    threads = run_together([threading.get_ident] * 3)
    assert threads[0] == threading.get_ident() and threads[0] not in threads[1:]


@pytest.mark.parametrize("failing, first", [((2,), 2), ((1, 2), 1), ((0, 3), 0)])
def test_the_exception_of_the_first_failing_task_is_raised(failing, first):
    finished = []

    def task(i):
        if i in failing:
            raise KeyError(i)
        finished.append(i)

    with pytest.raises(KeyError) as caught:
        run_together([lambda i=i: task(i) for i in range(4)])
    assert caught.value.args == (first,)
    assert sorted(finished) == sorted({0, 1, 2, 3} - set(failing))


def test_a_failing_task_waits_for_the_others():
    failed, finished = threading.Event(), []

    def fail():
        failed.set()
        raise ValueError("the first")

    def finish():
        failed.wait(5)
        finished.append(True)

    with pytest.raises(ValueError, match="the first"):
        run_together([fail, finish])
    assert finished == [True]


def test_interrupt_reaches_the_caller():
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_together([interrupt, int])


# ---- threads that can't start ---------------------------------------------------


@pytest.mark.parametrize("error", [RuntimeError, MemoryError])
@pytest.mark.parametrize("n_started", range(5))
def test_tasks_without_a_thread_run_in_the_calling_thread(
    few_threads, n_started, error
):
    few_threads(n_started, error)
    before = threading.active_count()
    barrier = threading.Barrier(n_started + 1, timeout=5)

    def task(i):
        if i <= n_started:
            barrier.wait()
        return i, threading.get_ident()

    with pytest.warns(RuntimeWarning, match=CANT_START) as warned:
        results = run_together([lambda i=i: task(i) for i in range(6)])
    assert len(warned) == 1
    assert [i for i, _ in results] == list(range(6))
    own = {i for i, thread in results if thread == threading.get_ident()}
    assert own == {0, *range(n_started + 1, 6)}
    assert threading.active_count() == before


@pytest.mark.filterwarnings("ignore:the system can't start")
def test_no_task_runs_in_the_calling_thread_after_a_failure(few_threads):
    few_threads(0)
    finished = []
    with pytest.raises(ZeroDivisionError):
        run_together([lambda: 1 / 0, lambda: finished.append(1)])
    assert finished == []


def test_no_warning_on_systems_without_threads(few_threads, monkeypatch):
    few_threads(0)
    monkeypatch.setattr(sys, "platform", "emscripten")
    assert run_together([lambda i=i: i for i in range(3)]) == [0, 1, 2]


@pytest.mark.parametrize("n_started", range(3))
@pytest.mark.parametrize("failing", [(0,), (1, 3), (2, 3), (3,)])
def test_the_first_exception_is_raised_with_few_threads(
    few_threads, n_started, failing
):
    def task(i):
        if i in failing:
            raise KeyError(i)

    few_threads(n_started)
    with pytest.warns(RuntimeWarning), pytest.raises(KeyError) as caught:
        run_together([lambda i=i: task(i) for i in range(4)])
    assert caught.value.args == (failing[0],)


def test_threads_are_joined_if_the_warning_is_an_error(few_threads):
    finished = []

    def finish():
        time.sleep(0.1)
        finished.append(True)

    few_threads(2)
    with pytest.raises(RuntimeWarning, match=CANT_START):
        run_together([int, finish, finish, int])
    assert finished == [True, True]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid(), reason="needs root")
def test_a_user_without_threads_reads_and_sums_the_same():
    """The limit of processes counts threads, and does not apply to root."""
    code = """
import gzip, os, resource, warnings
import numpy as np
import fmnist_fast as ff
from fmnist_fast._dataset import columns
from fmnist_fast.idx import decode_idx

columns.usable_cores = lambda: 3
images = np.arange(3000 * 784, dtype=np.uint32).astype(np.uint8).reshape(-1, 28, 28)
packed = memoryview(gzip.compress(b"\\0\\0\\x08\\x01\\0\\0\\0\\x03abc"))

def results():
    dataset = ff.Dataset.from_arrays(images, np.arange(3000) % 10)
    rows = dataset.to_sklearn()[0].tobytes()
    return decode_idx(packed, "a").tobytes(), dataset.mean, dataset.std, rows

with_threads = results()
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
os.setuid(65534)
assert results() == results() == with_threads
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("can't start another thread") == 1


# ---- Ctrl-C ---------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="requires POSIX")
def test_ctrl_c_while_waiting_is_raised_when_all_threads_have_ended():
    # A background job of a shell would ignore SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main, finished = threading.main_thread().ident, []

    def press_and_finish():
        time.sleep(0.1)
        signal.pthread_kill(main, signal.SIGINT)
        time.sleep(0.1)
        finished.append(True)

    try:
        with pytest.raises(KeyboardInterrupt):
            run_together([int, press_and_finish])
    finally:
        signal.signal(signal.SIGINT, before)
    assert finished == [True]


def wait_for_ctrl_c(ended):
    """Wait until Ctrl-C interrupts the thread that waits for this one."""
    end = time.monotonic() + 5
    while not threads.is_interrupted() and time.monotonic() < end:
        time.sleep(0.01)
    ended.append(time.monotonic() < end)


def interrupt():
    raise KeyboardInterrupt


def press():
    time.sleep(0.1)
    signal.raise_signal(signal.SIGINT)
    time.sleep(5)


@pytest.mark.parametrize("own_task", [interrupt, press])
@pytest.mark.parametrize("depth", [1, 2])
def test_tasks_are_told_of_ctrl_c_in_the_first_task(own_task, depth):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    ended = []
    task = functools.partial(wait_for_ctrl_c, ended)
    for _ in range(depth - 1):
        task = functools.partial(run_together, [int, task])
    try:
        with pytest.raises(KeyboardInterrupt):
            run_together([own_task, task])
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended == [True]
    assert not threads.is_interrupted()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="requires POSIX")
def test_tasks_are_told_of_ctrl_c_while_they_are_waited_for():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main, ended = threading.main_thread().ident, []
    timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_together([int, lambda: wait_for_ctrl_c(ended)])
    finally:
        signal.signal(signal.SIGINT, before)
        timer.join()
    assert ended == [True]


def test_a_task_never_begins_after_ctrl_c_in_the_start_of_its_thread(monkeypatch):
    started, begun = [], []
    start = threading.Thread.start

    def start_late(thread):  # as if the system were slow to run the new thread
        started.append(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(threads.TaskThread, "start", start_late)
        run_together([int, lambda: begun.append(1)])
    start(started[0])
    started[0].join(5)
    assert begun == [] and not started[0].is_alive()


def test_ctrl_c_is_no_failure_to_start(monkeypatch):
    def start(thread):  # as Thread.start may, if Ctrl-C comes in its Condition
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("release unlocked lock")

    monkeypatch.setattr(threads.TaskThread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        run_together([int, int])


@pytest.mark.parametrize("i", [0, 1])
def test_an_exception_keeps_nothing_when_it_is_gone(i):
    class Thing:
        pass

    def fail():
        thing = Thing()
        things.append(weakref.ref(thing))
        raise ValueError

    things = []
    with contextlib.suppress(ValueError):
        run_together([fail, int] if i == 0 else [int, fail])
    assert things[0]() is None


# ---- a generator in a thread ------------------------------------------------------


def endless(closed):
    try:
        yield from iter(int, 1)
    finally:
        closed.set()


def test_items_come_in_order_and_exceptions_pass():
    def items():
        yield from range(20)
        raise KeyError("x")

    running = in_thread(items(), 5)
    assert [next(running) for _ in range(20)] == list(range(20))
    with pytest.raises(KeyError, match="x"):
        next(running)
    assert list(in_thread(iter_of(range(3)), 5)) == [0, 1, 2]


def test_nothing_is_made_ahead_of_the_first_item():
    made = []

    def items():
        for i in range(20):
            made.append(i)
            yield i

    running = in_thread(items(), 5)
    assert next(running) == 0
    time.sleep(0.05)
    assert made == [0]
    assert next(running) == 1
    running.close()


def iter_of(items):
    yield from items


def test_a_generator_is_closed_in_its_thread():
    closed = threading.Event()
    running = in_thread(endless(closed), 5)
    assert next(running) == 0
    running.close()
    assert closed.wait(5)


def test_a_thread_that_takes_too_long_is_ended():
    """It ends although it never waits and never yields."""
    ended = threading.Event()

    def items():
        try:
            while True:
                time.sleep(0.001)
        finally:
            ended.set()
        yield

    with pytest.raises(TimeoutError):
        next(in_thread(items(), 0.05))
    assert ended.wait(5)


def test_without_threads_the_calling_thread_makes_the_items(few_threads):
    few_threads(0)
    with pytest.warns(RuntimeWarning, match="can't start another thread"):
        assert list(in_thread(iter_of(range(3)), 5)) == [0, 1, 2]


def test_a_long_wait_for_an_item_is_reported(monkeypatch):
    monkeypatch.setattr(threads, "_SILENT_SECONDS", 0.05)
    reports = []

    def items():
        yield 0
        time.sleep(0.2)
        yield 1

    assert list(in_thread(items(), 5, lambda: reports.append(1))) == [0, 1]
    assert reports == [1]


def test_ctrl_c_in_the_start_of_the_thread_ends_it(monkeypatch):
    started, start = [], threading.Thread.start

    def start_and_interrupt(thread):
        start(thread)
        started.append(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(threading.Thread, "start", start_and_interrupt)
        next(in_thread(iter_of(range(3)), 5))
    started[0].join(5)
    assert not started[0].is_alive()


def test_ctrl_c_at_the_end_ends_the_thread(monkeypatch):
    class Interrupted(contextlib.suppress):
        def __exit__(self, *exception):
            raise KeyboardInterrupt

    closed = threading.Event()
    running = in_thread(endless(closed), 5)
    next(running)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(contextlib, "suppress", Interrupted)
        running.close()
    assert closed.wait(5)
