"""Workers and consumers: crashes, refused threads, ends, leaks, and lost memory."""

import ctypes
import gc
import os
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from helpers.scripts import run_script

import fmnist_fast as ff
from fmnist_fast import _core

needs_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="needs Linux"
)
USER_FUNCTION = ctypes.CFUNCTYPE(
    None,
    ctypes.c_void_p,
    ctypes.c_int64,
    ctypes.c_int64,
    ctypes.c_void_p,
    ctypes.c_void_p,
)


def n_threads():
    """Return the number of threads of this process, with the native ones."""
    return len(os.listdir("/proc/self/task"))


def succeed(code):
    """Run a script of tests/helpers/scripts.py, and return what it prints."""
    done = run_script(code)
    assert done.returncode == 0, done.stderr + done.stdout
    return done


# ---- crashes ------------------------------------------------------------------------


@needs_linux
def test_a_crash_in_a_worker_is_reported():
    """The faulthandler prints where a C function of the user crashed."""
    done = run_script(
        """
        class Crash:
            address = 16  # a call to this address is a segmentation fault

        augment = [ff.CFunction(Crash())]
        iterator = iter(ff.Loader(dataset, threads=2, augment=augment))
        time.sleep(10)  # the workers fill the first batch, not this thread
        """
    )
    assert done.returncode == -11
    assert "Fatal Python error: Segmentation fault" in done.stderr


@needs_linux
def test_workers_block_only_the_signals_that_other_threads_can_handle():
    out = succeed(
        """
        before = set(os.listdir("/proc/self/task"))
        iterator = iter(ff.Loader(dataset, threads=1))
        time.sleep(0.2)  # a thread sets its mask when it runs
        (worker,) = set(os.listdir("/proc/self/task")) - before
        status = open(f"/proc/self/task/{worker}/status").read()
        blocked = int(status.split("SigBlk:")[1].split()[0], 16)
        names = "ABRT BUS FPE ILL SEGV TRAP INT TERM ALRM USR1 CHLD".split()
        numbers = [getattr(signal, "SIG" + name) for name in names]
        print(*(blocked >> (number - 1) & 1 for number in numbers))
        """
    ).stdout
    assert out.split() == list("00000011111")


# ---- refused threads ----------------------------------------------------------------

REFUSED = """
    import resource, warnings

    want = [(x.tobytes(), y.tolist()) for x, y in ff.Loader(dataset, 7, threads=1)]
    loader = ff.Loader(dataset, 7, threads={threads})
    {limit}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = [(x.tobytes(), y.tolist()) for x, y in loader]
        list(loader)
    assert got == want
    (warning,) = caught
    print(warning.category.__name__, warning.filename, warning.message)
    """
# The limit on processes does not hold for the superuser.
NO_THREADS = """
    if os.geteuid() == 0:
        os.setuid(65534)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
"""
FEW_THREADS = """
    nbytes = int(open("/proc/self/statm").read().split()[0]) * 4096
    limit = nbytes + (20 << 20)  # too little for 64 stacks
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
"""


@needs_linux
@pytest.mark.parametrize(
    "limit, threads, message",
    [
        (NO_THREADS, 2, "only 0 of 2 worker threads of a loader.\nBatches are the same"),
        (FEW_THREADS, 64, "of 64 worker threads of a loader.\nBatches are the same"),
    ],
    ids=["none", "few"],
)
def test_refused_threads_are_one_warning(limit, threads, message):
    """The other threads, or the consumer alone, fill the same batches."""
    code = REFUSED.format(threads=threads, limit=limit.strip())
    out = succeed(code).stdout
    assert out.startswith("RuntimeWarning <string> the system started only ")
    assert message in out


@needs_linux
def test_threads_that_were_refused_start_in_a_later_epoch():
    out = succeed(
        """
        import resource, warnings
        warnings.simplefilter("ignore")
        before = len(os.listdir("/proc/self/task"))
        loader = ff.Loader(dataset, 7, threads=64)
        nbytes = int(open("/proc/self/statm").read().split()[0]) * 4096
        limit = nbytes + (20 << 20), resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_AS, limit)
        list(loader)
        print(len(os.listdir("/proc/self/task")) - before < 64)
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
        list(loader)
        print(len(os.listdir("/proc/self/task")) - before)
        """
    ).stdout
    assert out.split() == ["True", "64"]


def test_a_warning_as_an_error_leaves_a_usable_loader():
    """The epoch that could not begin is begun by the next iterator."""
    succeed(
        """
        import resource, warnings
        loader = ff.Loader(dataset, 7, threads=64)
        nbytes = int(open("/proc/self/statm").read().split()[0]) * 4096
        limit = nbytes + (20 << 20), resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_AS, limit)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                iter(loader)
            except RuntimeWarning:
                pass
            else:
                raise SystemExit("no warning")
        assert loader.state_dict()["epoch"] == 0
        assert sum(len(y) for _, y in loader) == 3000 and loader.epoch == 1
        """
    )


@needs_linux
def test_threads_take_little_address_space():
    """A process may have hundreds of loaders, for example one for each client."""
    out = succeed(
        """
        def address_space():
            return int(open("/proc/self/statm").read().split()[0]) * 4096

        next(iter(ff.Loader(dataset, 7, threads=4)))
        before = address_space()
        loaders = [ff.Loader(dataset, 7, threads=4) for _ in range(25)]
        batches = [next(iter(loader)) for loader in loaders]
        print(address_space() - before)
        """
    ).stdout
    # 25 * 4 stacks of 512 KiB with their guard pages, and slots of less than 3 MiB.
    assert int(out) < (25 * 4 * (516 << 10)) + 25 * (3 << 20)


# ---- several consumers --------------------------------------------------------------


@pytest.fixture
def eager_switches():
    """Switch threads as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("n_consumers", [2, 8])
def test_an_epoch_ends_with_several_consumers(small, n_consumers, eager_switches):
    """The consumer that is told of the end may overtake the one with the last batch."""
    subset = small.select(range(33))  # rank 3 of 4 has no row of the last global batch
    loader = ff.Loader(subset, 4, shard=(3, 4), dtype="uint8", threads=1)
    barrier = threading.Barrier(n_consumers + 1)
    iterators, taken, n_epochs = [], [], 3000 // n_consumers

    def consume():
        for epoch in range(n_epochs):
            barrier.wait(30)
            for batch in iterators[epoch]:
                taken.append((epoch, batch[1].tolist()))
            barrier.wait(30)

    threads = [threading.Thread(target=consume) for _ in range(n_consumers)]
    for thread in threads:
        thread.start()
    places = []
    for _ in range(n_epochs):
        iterators.append(iter(loader))
        barrier.wait(30)
        barrier.wait(30)
        state = loader.state_dict()
        places.append((state["epoch"], state["position"]))
    for thread in threads:
        thread.join(30)
    assert places == [(epoch + 1, 0) for epoch in range(n_epochs)]
    want = [(epoch, y.tolist()) for epoch in range(n_epochs) for _, y in loader]
    assert sorted(taken) == sorted(want)


def test_concurrent_starts_give_each_consumer_its_own_epoch(small):
    """The core allows it, although a Loader starts one iterator at a time."""
    succeed(
        """
        images = dataset.images[:96]
        subset = ff.Dataset.from_arrays(images, np.arange(96), classes=[*map(str, range(96))])
        augment = [ff.RandomAffine(30), ff.ElasticTransform()]
        loader = ff.Loader(subset, 8, shuffle=True, augment=augment, threads=2)
        want = {}
        for epoch in range(4):
            loader.set_epoch(epoch)
            want[epoch] = [(x.tobytes(), y.tolist()) for x, y in loader]
        pipeline, errors = loader._pipeline, []
        options = dict(shuffle=True, block=0, seed=0, begin=0, batch_size=8, rank=0)
        options |= dict(world=1, drop_last=False, owner=None)

        def start(epoch):
            try:
                for _ in range(250):
                    batches = pipeline.start(epoch=epoch, **options)
                    got = [(x.tobytes(), y.tolist()) for x, y in batches]
                    assert got == want[epoch][: len(got)]
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=start, args=(e,)) for e in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(50)
            assert not thread.is_alive(), "a consumer waits forever"
        assert not errors, errors
        assert pipeline.n_lent == 0
        assert pipeline.slots_nbytes <= (pipeline.window + 8) * pipeline.slot_nbytes
        """
    )


@needs_linux
def test_every_close_returns_after_the_threads_are_joined(small):
    started = threading.Event()

    @USER_FUNCTION
    def wait(*arguments):
        started.set()
        time.sleep(0.3)

    before = n_threads()
    augment = [ff.CFunction(wait)]
    loader = ff.Loader(small.select(range(2)), 1, augment=augment, threads=2)
    iterator = iter(loader)
    assert started.wait(30)
    first = threading.Thread(target=loader.close)
    first.start()
    while loader._pipeline.closed is False:
        time.sleep(0.001)
    loader.close()
    assert n_threads() <= before + 1  # the thread `first` may still be ending
    first.join()
    with pytest.raises(RuntimeError, match="closed while this iterator was in use"):
        next(iterator)


OWN_WORKER = """
    import ctypes, gc, weakref

    def transform(function):
        types = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
        pointer = ctypes.CFUNCTYPE(None, *types, ctypes.c_void_p, ctypes.c_void_p)
        return ff.CFunction(pointer(function))
    """


@needs_linux
def test_a_worker_can_not_wait_for_itself():
    out = succeed(
        OWN_WORKER
        + """
    def call(function, *arguments):
        try:
            function(*arguments)
        except RuntimeError as error:
            messages.add(f"{function.__name__}: {error}")

    def misuse(*_):
        if threading.current_thread() is not threading.main_thread():
            started.wait(30)
            call(next, iterator)
            iterator.close()
            call(iter, loader)
            call(loader.close)
            called.set()

    started, called, messages = threading.Event(), threading.Event(), set()
    loader = ff.Loader(dataset, 2, augment=transform(misuse), threads=1)
    iterator = iter(loader)
    started.set()
    assert called.wait(30)
    print(*sorted(messages), sep="\\n")
    assert list(iterator) == []
    loader.close()
    """
    ).stdout
    why = "a C function in augment= can't wait for the loader that calls it."
    advice = "Use another loader there, or close this one in another thread."
    names = ["close", "iter", "next"]
    assert out == "".join(f"{name}: {why}\n{advice}\n" for name in names)


@needs_linux
def test_a_worker_may_collect_its_own_loader():
    """Another thread joins it after this function, and then frees the loader."""
    succeed(
        OWN_WORKER
        + """
    def collect(*_):
        if threading.current_thread() is not threading.main_thread():
            if dropped.wait(30):
                gc.collect()
                collected.set()

    gc.disable()
    before = len(os.listdir("/proc/self/task"))
    for _ in range(5):
        dropped, collected = threading.Event(), threading.Event()
        loader = ff.Loader(dataset, 2, augment=transform(collect), threads=1)
        loader._cycle, alive = (loader, iter(loader)), weakref.ref(loader)
        del loader
        dropped.set()
        assert collected.wait(30)
        end = time.time() + 30
        while len(os.listdir("/proc/self/task")) > before and time.time() < end:
            time.sleep(0.01)
        assert len(os.listdir("/proc/self/task")) <= before
        gc.collect()
        assert alive() is None
    """
    )


# ---- leaks --------------------------------------------------------------------------


class Trainer:
    """A trainer that keeps its newest batch, and augments by a method of its own."""

    def __init__(self, dataset, as_c_function, **options):
        self.callback = USER_FUNCTION(self.touch)
        c_function = ff.CFunction(self.callback)
        functions = [c_function] if as_c_function else [self.change]
        augment = [ff.RandomCrop(28, padding=2), *functions]
        self.loader = ff.Loader(dataset, 4, augment=augment, threads=2, **options)

    def touch(self, *arguments):
        """Leave an image as it is."""

    def change(self, images, labels, rng):
        return images, labels

    def train(self):
        for batch in self.loader:
            self.batch = batch
            break


@needs_linux
@pytest.mark.parametrize("as_c_function", [False, True], ids=["python", "c"])
@pytest.mark.parametrize("has_slots", [False, True], ids=["own", "slots"])
def test_trainers_that_keep_a_batch_are_freed(small, as_c_function, has_slots):
    before, trainers = n_threads(), weakref.WeakSet()
    options = {}
    for _ in range(20):
        if has_slots:
            memory = np.zeros((20, 1 << 16), np.uint8)
            skip = -memory.ctypes.data % 64
            options["slots"] = [row[skip : skip + (1 << 15)] for row in memory]
        trainer = Trainer(small.select(range(8)), as_c_function, **options)
        trainers.add(trainer)
        trainer.train()
        del trainer
        gc.collect()
    assert len(trainers) == 0 and n_threads() <= before


def test_a_batch_outlives_its_pipeline(small):
    loader = ff.Loader(small, 50, dtype="uint8")
    batches = list(loader)
    pipeline = weakref.ref(loader._pipeline)
    del loader
    gc.collect()
    assert pipeline() is None
    for i, (images, _) in enumerate(batches):
        np.testing.assert_array_equal(
            images[:, 0], small.images[i * 50 : (i + 1) * 50], strict=True
        )
    while batches:
        del batches[0]  # the last one frees what is left of the pipeline


def test_a_memory_error_does_not_lose_a_slot(small):
    """A slot belongs to a lease from the moment at which it is lent."""
    testcapi = pytest.importorskip("_testcapi")
    loader = ff.Loader(small, 10, dtype="uint8", threads=1)
    n_errors, held = 0, []
    for n_allocations in range(40):
        iterator = iter(loader)
        held = [next(iterator) for _ in range(20)]  # uses up the leases that are kept
        try:
            testcapi.set_nomemory(n_allocations, n_allocations + 1)
            try:
                held.append(next(iterator))
            finally:
                testcapi.remove_mem_hooks()
        except MemoryError:
            n_errors += 1
        held.clear()
        iterator.close()
        assert loader._pipeline.n_lent == 0
    assert 0 < n_errors < 40


# ---- functions ----------------------------------------------------------------------


def test_a_function_holds_no_batch_of_its_own(small):
    """One slot more than `prefetch` is enough for a loop that holds one batch."""
    rows = ff.Loader(small, 10, dtype="uint8")
    memory = np.zeros((5, rows.slot_nbytes + 64), np.uint8)
    slots = [row[-row.ctypes.data % 64 :][: rows.slot_nbytes] for row in memory]
    augment = [lambda images, labels, rng: (images, labels)]
    loader = ff.Loader(small, 10, dtype="uint8", augment=augment, slots=slots)
    n_rows = 0
    iterator = iter(loader)
    while (batch := next(iterator, None)) is not None:
        n_rows += len(batch[1])
        del batch
    assert n_rows == len(small)


def test_batches_are_numbered_from_the_start_of_the_iterator(small):
    loader = ff.Loader(small, 300)
    iterator = iter(loader)
    numbers = [iterator.take()[0] for _ in range(3)]
    loader.load_state_dict(loader.state_dict())
    assert numbers == [0, 1, 2] and iter(loader).take()[0] == 0
    assert isinstance(iterator, _core.Batches)


def test_batches_of_no_pipeline_are_empty():
    batches = _core.Batches()
    assert batches.closed and list(batches) == []
    batches.close()
    with pytest.raises(StopIteration):
        batches.take()
