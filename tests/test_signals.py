"""The process forks, exits or gets a signal while loaders are at work."""

import os
import signal
import subprocess
import sys
import time

import pytest
from helpers.scripts import run_script, script

on_posix = os.name == "posix"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_in_the_middle_of_an_epoch():
    code = """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork
        loader = ff.Loader(dataset, 7, shuffle=True, threads=3)
        iterator = iter(loader)
        held = [next(iterator) for _ in range(5)]
        child = os.fork()
        if child == 0:
            try:
                next(iterator)
            except RuntimeError as error:
                assert "made before a fork" in str(error)
            else:
                os._exit(2)
            del held
            fresh = [labels for _, labels in loader]  # starts new threads
            ok = sum(map(len, fresh)) == 3000
            loader.close()
            sys.exit(0 if ok else 3)  # a normal exit, which runs atexit functions
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        rest = list(iterator)
        assert sum(len(y) for _, y in held + rest) == 3000
        """
    done = run_script(code)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forks_while_other_threads_take_batches():
    """A lock may be held by another thread at the time of the fork."""
    code = """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        loader = ff.Loader(dataset, 3, shuffle=True, threads=2)
        stop = threading.Event()

        def consume():
            while not stop.is_set():
                for _ in loader:
                    if stop.is_set():
                        break

        threads = [threading.Thread(target=consume) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                ok = sum(len(y) for _, y in loader) == 3000
                os._exit(0 if ok else 3)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        stop.set()
        for thread in threads:
            thread.join()
        """
    done = run_script(code)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs setitimer")
def test_signals_are_handled_within_100_ms_while_waiting_for_a_batch():
    """The batch has 1.1 GB, so that filling it takes much longer than 100 ms."""
    code = """
        many = np.broadcast_to(dataset.images, (120, 3000, 28, 28)).reshape(-1, 28, 28)
        big = ff.Dataset.from_arrays(many, np.zeros(len(many), np.uint8))

        def handler(*_):
            raise KeyboardInterrupt

        signal.signal(signal.SIGALRM, handler)
        loader = ff.Loader(big, len(big), normalize=None, threads=THREADS, prefetch=1)
        iterator = iter(loader)
        signal.setitimer(signal.ITIMER_REAL, 0.03)
        start = time.monotonic()
        try:
            next(iterator)
        except KeyboardInterrupt:
            now = time.monotonic()
        else:
            raise SystemExit("the batch was ready before the signal")
        assert now - start < 0.03 + 0.1, now - start
        images, labels = next(iterator)  # the batch is not lost
        assert np.array_equal(images[-3000:, 0], many[-3000:])
        """
    for threads in ("1", "2"):
        for _ in range(3):  # a busy machine may be late now and then
            done = run_script(code.replace("THREADS", threads))
            if done.returncode == 0:
                break
        assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not on_posix, reason="needs SIGINT")
def test_ctrl_c_ends_a_training_loop_immediately():
    code = """
        # A background job of a shell would ignore SIGINT.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        loader = ff.Loader(dataset, 7, shuffle=True, threads=2)
        print("ready", flush=True)
        while True:
            for batch in loader:
                pass
        """
    words = [sys.executable, "-c", script(code)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        process.stdout.readline()
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=10)
        finally:
            process.kill()
    assert b"KeyboardInterrupt" in errors and process.returncode != 0


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs setitimer")
def test_a_signal_handler_may_read_the_state():
    """A handler of SIGTERM may save a checkpoint at any point of the training loop."""
    code = """
        loader = ff.Loader(dataset, 1000, shuffle=True, threads=2)
        states = []
        signal.signal(signal.SIGALRM, lambda *_: states.append(loader.state_dict()))
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            for batch in loader:
                loader.state_dict()
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert len(states) > 50
        places = [(state["epoch"], state["position"]) for state in states]
        assert places == sorted(places)
        """
    done = run_script(code)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not on_posix, reason="needs setitimer")
def test_signal_handlers_begin_iterators_of_their_own():
    code = """
        loader = ff.Loader(dataset.select(range(40)), 20, threads=1)
        kept, counts, is_busy = [], [], False

        def handler(*_):
            global is_busy
            if not is_busy:
                is_busy = True
                kept.append(iter(loader))
                next(kept[-1])
                is_busy = False

        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            counts.append(len(list(loader)))
            is_busy = True
            counts += [1 + len(list(iterator)) for iterator in kept]
            kept.clear()
            is_busy = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert set(counts) == {2}, counts.count(2) / len(counts)
        """
    done = run_script(code)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not on_posix, reason="needs setitimer")
@pytest.mark.parametrize("drop", ["del loader", "loader._cycle = loader; del loader"])
def test_an_interrupt_while_a_loader_is_dropped_is_not_lost(drop):
    code = """
        import gc

        def handler(*_):
            global n_sent
            n_sent += 1
            raise KeyboardInterrupt

        signal.signal(signal.SIGALRM, handler)
        n_sent = n_arrived = 0
        for n in range(1, 201):
            loader = ff.Loader(dataset, 256, shuffle=True, threads=2)
            next(iter(loader))
            try:
                signal.setitimer(signal.ITIMER_REAL, n * 1e-6)
                DROP
                gc.collect(0)
                end = time.monotonic() + 10
                while n_sent < n and time.monotonic() < end:
                    time.sleep(0)
                time.sleep(0)
            except KeyboardInterrupt:
                n_arrived += 1
        assert n_arrived == n_sent == 200, (n_arrived, n_sent)
        """
    done = run_script(code.replace("DROP", drop))
    assert done.returncode == 0 and not done.stderr, done.stderr


DAEMON_THREADS = """
    def consume():
        loader = ff.Loader(dataset, BATCH_SIZE, threads=2, augment=AUGMENT)
        while True:
            for _ in loader:
                started.release()

    def same(images, labels, rng):
        return images, labels

    started = threading.Semaphore(0)
    for _ in range(3):
        threading.Thread(target=consume, daemon=True).start()
    for _ in range(3):
        started.acquire()
    """


@pytest.mark.parametrize("batch_size", ["2", "256", "3000"])
@pytest.mark.parametrize("augment", ["None", "ff.RandomRotation(9)", "same"])
def test_daemon_threads_end_quietly_at_exit(batch_size, augment):
    """The threads wait for batches, fill batches, or are between two epochs."""
    code = DAEMON_THREADS.replace("BATCH_SIZE", batch_size).replace("AUGMENT", augment)
    done = run_script(code)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_the_exit_waits_until_daemon_threads_ask_for_a_batch():
    code = """
        import atexit
        atexit.unregister(ff._loader.pipelines._close_all)
        atexit.register(lambda: print(thread.is_alive()))
        atexit.register(ff._loader.pipelines._close_all)
        ff._loader.pipelines._GRACE_SECONDS = 20  # the machine may be busy

        def train():
            for _ in ff.Loader(dataset, 2):
                started.set()
                time.sleep(0.02)

        started = threading.Event()
        thread = threading.Thread(target=train, daemon=True)
        thread.start()
        started.wait()
        """
    done = run_script(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")


def test_the_main_thread_gets_an_error_during_the_exit():
    """Functions that atexit calls later than ours run in it."""
    code = """
        import atexit
        atexit.unregister(ff._loader.pipelines._close_all)

        def later():
            try:
                next(iterator)
            except RuntimeError as error:
                print(str(error).splitlines()[0])
            print(len(list(loader)))

        atexit.register(later)
        atexit.register(ff._loader.pipelines._close_all)
        loader = ff.Loader(dataset, 1000)
        iterator = iter(loader)
        next(iterator)
        """
    done = run_script(code)
    assert done.returncode == 0 and not done.stderr, done.stderr
    message = "the loader was closed while this iterator was in use."
    assert done.stdout.splitlines() == [message, "3"]
