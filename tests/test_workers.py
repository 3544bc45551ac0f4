"""Workers and consumers: crashes, refused threads, ends, and calls from a worker."""

import sys
import threading
import time

import pytest
from helpers.native import USER_FUNCTION, n_threads, needs_linux
from helpers.scripts import run_script

import fmnist_fast as ff


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
        iterator = iter(ff.Loader(dataset, threads=1, augment=augment))
        time.sleep(10)  # the worker fills the first batch, not this thread
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
        (NO_THREADS, 2, "only 0 of 2 worker threads of a loader.\nBatches are"),
        (FEW_THREADS, 64, "of 64 worker threads of a loader.\nBatches are"),
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
        f"""
    import resource, warnings
    warnings.simplefilter("ignore")
    before = len(os.listdir("/proc/self/task"))
    loader = ff.Loader(dataset, 7, threads=64)
    {FEW_THREADS.strip()}
    list(loader)
    print(len(os.listdir("/proc/self/task")) - before < 64)
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
    list(loader)
    print(len(os.listdir("/proc/self/task")) - before)
    """
    ).stdout
    assert out.split() == ["True", "64"]


@needs_linux
def test_a_warning_as_an_error_leaves_a_usable_loader():
    """The epoch that could not begin is begun by the next iterator."""
    succeed(
        f"""
    import resource, warnings
    loader = ff.Loader(dataset, 7, threads=64)
    {FEW_THREADS.strip()}
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
        classes = [str(i) for i in range(96)]
        subset = ff.Dataset.from_arrays(images, np.arange(96), classes=classes)
        augment = [ff.RandomAffine(30), ff.ElasticTransform()]
        loader = ff.Loader(subset, 8, shuffle=True, augment=augment, threads=2)
        want = {}
        for epoch in range(4):
            loader.set_epoch(epoch)
            want[epoch] = [(x.tobytes(), y.tolist()) for x, y in loader]
        pipeline, errors = loader._pipeline, []
        order = loader._positions.sampling(0, 0)
        options = dict(sampling=order, seed=0, augment_seed=0, last=False, owner=None)
        options |= dict(begin=0, batches=0, batch_size=8, rank=0, world=1)

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
@pytest.mark.parametrize("by_signal", [False, True], ids=["function", "signal"])
def test_a_consumer_that_fills_can_not_wait_for_itself(by_signal):
    """The consumer fills a batch that is not ready, and calls the function too."""
    out = succeed(
        OWN_WORKER
        + f"""
    def close(*_):
        try:
            loader.close()
        except RuntimeError as error:
            messages.add(str(error).splitlines()[0])

    def touch(*_):
        if threading.current_thread() is not threading.main_thread():
            time.sleep(0.002)  # so that the consumer fills
        elif {by_signal}:
            signal.raise_signal(signal.SIGUSR1)
        else:
            close()

    messages = set()
    signal.signal(signal.SIGUSR1, close)
    options = dict(threads=2, prefetch=2, normalize="unit")
    loader = ff.Loader(dataset, 64, augment=transform(touch), **options)
    end = time.monotonic() + 20
    while not messages and time.monotonic() < end:
        list(loader)
    print(*messages)
    loader.close()
    """
    ).stdout
    assert out == "a C function in augment= can't wait for the loader that calls it.\n"


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


@needs_linux
def test_a_worker_may_collect_an_older_iterator_of_its_own():
    """The pipeline of that iterator stops, and its memory stays."""
    succeed(
        OWN_WORKER
        + """
    def collect(*_):
        if not workers:
            workers.append(threading.get_ident())
            if dropped.wait(30):
                gc.collect()
                collected.set()

    gc.disable()
    workers, dropped, collected = [], threading.Event(), threading.Event()
    loader = ff.Loader(dataset, 2, augment=transform(collect), threads=1)
    older = [iter(loader)]
    while not workers:
        time.sleep(0.001)
    assert workers[0] != threading.get_ident()
    newer = iter(loader)  # with a pipeline of its own
    older.append(older)
    alive = weakref.ref(older[0])
    del older
    dropped.set()
    assert collected.wait(30) and alive() is None
    assert sum(len(y) for _, y in newer) == 3000
    """
    )


def test_a_new_iterator_waits_until_close_has_stopped_the_workers():
    """Otherwise two pipelines would write to the same slots."""
    succeed(
        OWN_WORKER
        + """
    is_old, started = True, threading.Event()

    def fill(pixels, *_):
        value = 1 if is_old else 2
        if is_old:
            started.set()
            time.sleep(0.3)
        ctypes.memset(pixels, value, 784)

    memory = np.zeros(3 * 4096, np.uint8)
    skip = -memory.ctypes.data % 64
    slots = [memory[skip + 4096 * i :][:4096] for i in range(2)]
    options = dict(dtype="uint8", prefetch=1, threads=1, slots=slots)
    loader = ff.Loader(
        dataset.select(range(4)), 4, augment=transform(fill), **options
    )
    iterator = iter(loader)
    assert started.wait(30)
    closing = threading.Thread(target=loader.close)
    closing.start()
    while not loader._pipeline.closed:
        time.sleep(0.001)
    is_old = False
    images, _ = next(iter(loader))
    closing.join()
    time.sleep(0.5)
    assert (images == 2).all()
    """
    )
