"""The worker threads that all loaders of a process share."""

import gc
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
    return done.stdout


def batches_of(loader):
    """Return the next epoch of a loader as bytes."""
    return [(x.tobytes(), y.tolist()) for x, y in loader]


# ---- threads ------------------------------------------------------------------------


@needs_linux
def test_a_thousand_loaders_have_the_threads_of_one():
    out = succeed(
        """
        def n_threads():
            return len(os.listdir("/proc/self/task"))

        before = n_threads()
        subset = dataset.select(range(32))
        loaders = [ff.Loader(subset, 8, threads=1 + i % 3) for i in range(1000)]
        iterators = [iter(loader) for loader in loaders]
        for _ in range(2):
            for iterator in iterators:
                next(iterator)
            print(n_threads() - before)
        for loader in loaders[1:]:
            loader.close()
        print(n_threads() - before)
        assert len(list(iterators[0])) == 2
        loaders[0].close()
        print(n_threads() - before)
        assert len(list(loaders[0])) == 4
        print(n_threads() - before)
        """
    )
    assert out.split() == ["3", "3", "3", "0", "1"]


@needs_linux
def test_a_loader_that_was_not_iterated_keeps_no_thread(small):
    gc.collect()
    before = n_threads()
    idle, used = ff.Loader(small, 10), ff.Loader(small, 10, threads=2)
    assert idle.slot_nbytes == used.slot_nbytes  # both have a pipeline now
    list(used)
    used.close()
    assert n_threads() == before


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_child_has_a_pool_of_its_own():
    succeed(
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork
        old = ff.Loader(dataset, 8, augment="standard", threads=2)
        want = [(x.tobytes(), y.tolist()) for x, y in old]
        old.set_epoch(0)
        iterator = iter(old)
        got = [next(iterator) for _ in range(3)]
        for generation in range(3):
            child = os.fork()
            if child:
                _, status = os.waitpid(child, 0)
                assert status == 0
                break
            new = ff.Loader(dataset, 8, augment="standard", threads=2)
            assert [(x.tobytes(), y.tolist()) for x, y in new] == want
            old.close()  # it belongs to the parent
            old.set_epoch(0)
            assert [(x.tobytes(), y.tolist()) for x, y in old] == want
        if generation == 0:
            got += list(iterator)
            assert [(x.tobytes(), y.tolist()) for x, y in got] == want
        else:
            os._exit(0)
        """
    )


# ---- several loaders ----------------------------------------------------------------

OPTIONS = [
    {"batch_size": 1, "dtype": "uint8", "threads": 1},
    {"batch_size": 32, "augment": "standard", "threads": 3},
    {"batch_size": 600, "threads": 2},
]


def loaders_of(dataset):
    return [ff.Loader(dataset, shuffle=True, **options) for options in OPTIONS]


def test_loaders_in_turns(small):
    wants = [batches_of(loader) for loader in loaders_of(small)]
    loaders = loaders_of(small)
    for _ in range(3):
        for loader, want in zip(loaders, wants, strict=True):
            loader.set_epoch(0)
            assert batches_of(loader) == want


def test_loaders_side_by_side(small):
    options = {"shuffle": True, "threads": 2}
    makers = [
        lambda: ff.Loader(small, 16, augment="strong", **options),
        lambda: ff.Loader(small, 16, dtype="uint8", **options),
    ]
    want_a, want_b = (batches_of(make()) for make in makers)
    got = list(zip(*(make() for make in makers), strict=True))
    assert [(x.tobytes(), y.tolist()) for (x, y), _ in got] == want_a
    assert [(x.tobytes(), y.tolist()) for _, (x, y) in got] == want_b


def test_loaders_in_threads(small):
    """They are made and closed there, so that the pool begins and ends many times."""
    wants = [batches_of(loader) for loader in loaders_of(small)]
    errors = []

    def consume(i):
        try:
            for n in range(20):
                with ff.Loader(small, shuffle=True, **OPTIONS[i]) as loader:
                    if n % 4:
                        next(iter(loader))
                    else:
                        assert batches_of(loader) == wants[i]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=consume, args=(i % 3,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)
        assert not thread.is_alive(), "a consumer waits forever"
    assert not errors, errors


class Slow:
    """A C function that takes a while, and counts its calls in workers."""

    def __init__(self, seconds):
        self.seconds, self.n_calls = seconds, 0
        self.called = threading.Event()
        self.callback = USER_FUNCTION(self.call)

    def call(self, *arguments):
        if threading.current_thread() is not threading.main_thread():
            self.n_calls += 1
            self.called.set()
            time.sleep(self.seconds)


def test_a_long_epoch_does_not_keep_the_workers(small):
    """A worker serves the other loader after a piece of the first one's work."""
    long, short = Slow(0.005), Slow(0)
    options = {"threads": 1, "prefetch": 400, "dtype": "uint8"}
    subset = small.select(range(400))
    long_loader = ff.Loader(subset, 1, augment=[ff.CFunction(long.callback)], **options)
    subset = small.select(range(8))
    loader = ff.Loader(subset, 1, augment=[ff.CFunction(short.callback)], **options)
    iterator = iter(long_loader)
    assert long.called.wait(30)
    batches = iter(loader)
    assert short.called.wait(30)
    assert long.n_calls < 300 and len(list(batches)) == 8
    long_loader.close()
    del iterator


def test_a_c_function_may_use_another_loader(small):
    """It makes, iterates and closes one, in workers and in the consumer."""
    want = batches_of(ff.Loader(small, 100, threads=2))
    callers, wrong = set(), []

    @USER_FUNCTION
    def use_another(*arguments):
        callers.add(threading.get_ident())
        other = ff.Loader(small, 100, threads=3)
        if batches_of(other) != want:
            wrong.append(arguments)
        other.close()

    augment = [ff.CFunction(use_another)]
    with ff.Loader(small.select(range(64)), 4, augment=augment, threads=2) as loader:
        while len(callers) < 2:
            list(loader)
    assert not wrong


# ---- scratch ------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3])
def test_scratch_grows_with_the_needs_of_loaders(small, threads):
    """The same workers fill with little scratch, with more, and with little again."""
    augments = [
        [ff.RandomHorizontalFlip()],
        [ff.ElasticTransform()],
        [ff.Resize(200), ff.ElasticTransform(), ff.Resize(28)],
        [ff.RandomRotation(20)],
    ]
    subset = small.select(range(64))
    options = {"batch_size": 4, "threads": threads}
    wants = [batches_of(ff.Loader(subset, augment=a, **options)) for a in augments]
    with ff.Loader(subset, 4, threads=3) as keeps_the_threads:
        next(iter(keeps_the_threads))
        for i in [0, 1, 2, 3, 2, 0]:
            loader = ff.Loader(subset, augment=augments[i], **options)
            assert batches_of(loader) == wants[i]


@needs_linux
def test_scratch_that_does_not_fit_is_an_error_and_is_asked_for_again():
    out = succeed(
        """
        import resource
        augment = [ff.Resize(2000), ff.ElasticTransform(), ff.Resize(28)]
        subset = dataset.select(range(2))
        loader = ff.Loader(subset, 1, augment=augment, threads=1, dtype="uint8")
        with ff.Loader(subset, 1, threads=1) as other:
            iterator = iter(other)
            nbytes = int(open("/proc/self/statm").read().split()[0]) * 4096
            limit = nbytes + (4 << 20)
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
            try:
                iter(loader)
            except MemoryError as error:
                print(str(error).splitlines()[0])
            print(sum(len(y) for _, y in iterator))
            resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
            print(sum(len(y) for _, y in loader))
        """
    )
    message = "there is not enough memory for another batch."
    assert out.splitlines() == [message, "2", "2"]


@needs_linux
def test_without_scratch_for_workers_the_consumer_fills_the_same():
    succeed(
        """
        import resource
        augment = [ff.Resize(2000), ff.ElasticTransform(), ff.Resize(28)]
        options = dict(augment=augment, threads=2, dtype="uint8", prefetch=1)
        subset = dataset.select(range(4))
        want = [x.tobytes() for x, _ in ff.Loader(subset, 1, **options)]
        loader = ff.Loader(subset, 1, **options)
        with ff.Loader(subset, 1, threads=2) as other:
            next(iter(other))
            nbytes = int(open("/proc/self/statm").read().split()[0]) * 4096
            limit = nbytes + (120 << 20)  # scratch for one thread
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
            assert [x.tobytes() for x, _ in loader] == want
        """
    )
