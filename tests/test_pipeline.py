"""Threads and slots: held batches, memory, endings, and several iterators at once."""

import gc
import sys
import threading
import time

import numpy as np
import pytest
from helpers.batches import wanted
from helpers.native import n_threads
from helpers.scripts import run_script

import fmnist_fast as ff
from fmnist_fast._core import Sampling

# ---- buffers -----------------------------------------------------------------------


def test_a_batch_does_not_change_while_it_is_held(small):
    options = {"batch_size": 16, "shuffle": True}
    loader = ff.Loader(small, **options)
    want = wanted(small, epoch=0, **options) + wanted(small, epoch=1, **options)
    held = list(loader) + list(loader)
    for (x, y), (want_x, want_y) in zip(held, want, strict=True):
        assert np.array_equal(x, want_x) and np.array_equal(y, want_y)


HOLDERS = {
    "images": lambda images, labels: images,
    "labels": lambda images, labels: labels,
    "view": lambda images, labels: images[3:5, 0, ::2].T,
    "memoryview": lambda images, labels: memoryview(labels),
}


@pytest.mark.parametrize("keep", HOLDERS)
def test_any_reference_holds_the_batch(small, keep):
    loader = ff.Loader(small, 16, shuffle=True)
    iterator = iter(loader)
    held = HOLDERS[keep](*next(iterator))
    before = np.array(held)
    for _ in range(5):
        for _ in iterator:
            pass
        iterator = iter(loader)
    assert np.array_equal(np.array(held), before)


def test_batches_outlive_loader_and_iterator(small):
    batches = list(ff.Loader(small, 100))
    gc.collect()
    got = np.concatenate([images for images, _ in batches])
    assert np.array_equal(
        got, np.concatenate([x for x, _ in wanted(small, batch_size=100)])
    )


def test_batches_are_writable_and_share_no_memory(small):
    first, second = list(ff.Loader(small, 500))
    first[0][:] = 7.0
    first[1][:] = -1
    assert not (second[0] == 7.0).any() and not (second[1] == -1).any()


def test_memory_is_used_again(small):
    loader = ff.Loader(small, 50, threads=2, prefetch=4)
    for _ in range(3):
        for _ in loader:
            pass
    pipeline = loader._pipeline
    # Slots of the window, two that the loop holds, and two spare ones.
    assert pipeline.slots_nbytes <= (pipeline.window + 4) * pipeline.slot_nbytes


def test_holding_batches_costs_memory_until_they_are_dropped(small):
    loader = ff.Loader(small, 10)
    held = list(loader)
    pipeline = loader._pipeline
    assert pipeline.slots_nbytes >= len(held) * pipeline.slot_nbytes
    del held
    assert pipeline.slots_nbytes <= (pipeline.window + 4) * pipeline.slot_nbytes


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_is_flat_over_1000_epochs():
    code = """
        def resident():
            pages = open("/proc/self/statm").read().split()[1]
            return int(pages) * os.sysconf("SC_PAGESIZE")

        loader = ff.Loader(dataset, 128, shuffle=True, dtype="uint8", threads=2)
        for epoch in range(1000):
            if epoch == 10:
                start = resident()
            for batch in loader:
                pass
        del batch
        growth = resident() - start
        assert growth < 1 << 20, growth
        """
    done = run_script(code)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_AS")
def test_no_memory_for_another_batch_is_an_error_and_no_batch_is_lost():
    code = """
        import resource
        loader = ff.Loader(dataset, 1500, threads=1, prefetch=1, normalize="unit")
        iterator = iter(loader)
        held = [next(iterator)]
        nbytes = int(open("/proc/self/statm").read().split()[0]) * 4096
        resource.setrlimit(resource.RLIMIT_AS, (nbytes, resource.RLIM_INFINITY))
        big = ff.Loader(dataset, 3000, normalize="unit")
        try:
            next(iter(big))
        except MemoryError as error:
            assert "not enough memory for another batch" in str(error), error
        else:
            raise SystemExit("no MemoryError")
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
        assert len(next(iter(big))[0]) == 3000
        held += list(iterator)
        assert [len(x) for x, _ in held] == [1500, 1500]
        """
    done = run_script(code)
    assert done.returncode == 0, done.stderr + done.stdout


# ---- endings -----------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("end", ["close", "del", "with", "break", "exception", "held"])
def test_threads_are_joined(small, end):
    gc.collect()
    before = n_threads()
    loader = ff.Loader(small, 4, threads=3)
    iterator = iter(loader)
    held = next(iterator)
    time.sleep(0.05)
    if end == "close":
        loader.close()
        loader.close()
    elif end == "with":
        with loader:
            pass
    elif end == "break":
        for _ in loader:
            break
    elif end == "exception":
        with pytest.raises(ZeroDivisionError):
            for _ in loader:
                raise ZeroDivisionError
    if end != "held":
        del held
    del iterator, loader
    gc.collect()
    assert n_threads() == before


def test_threads_start_at_the_first_iteration(small):
    before = n_threads() if sys.platform.startswith("linux") else 0
    loader = ff.Loader(small, 10, threads=3)
    if before:
        assert n_threads() == before
    assert len(list(loader)) == 100


def test_a_loader_without_a_name_lives_while_it_is_iterated(small):
    assert sum(len(labels) for _, labels in ff.Loader(small, 10)) == 1000


def test_closed_loader_ends_its_iterators_but_starts_again(small):
    loader = ff.Loader(small, 10)
    iterator = iter(loader)
    images, _ = next(iterator)
    copy = images.copy()
    loader.close()
    with pytest.raises(RuntimeError, match="the loader was closed while this iterator"):
        next(iterator)
    assert np.array_equal(images, copy)
    assert len(list(loader)) == 100


def test_an_exhausted_iterator_stays_exhausted(small):
    loader = ff.Loader(small, 500)
    iterator = iter(loader)
    assert len(list(iterator)) == 2
    list(loader)
    assert next(iterator, None) is None


def test_breaking_out_of_the_loop_at_many_batches(small):
    loader = ff.Loader(small, 8, shuffle=True, threads=2)
    for stop in range(0, 125, 7):
        for k, _ in enumerate(loader):
            if k == stop:
                break
    want = wanted(small, batch_size=8, shuffle=True, epoch=18)
    assert np.array_equal(next(iter(loader))[0], want[0][0])


def test_exit_while_workers_are_busy():
    """No way of ending the program hangs or crashes."""
    for ending in ("", "sys.exit(3)", "1 / 0", "loader.close()", "os._exit(3)"):
        code = f"""
            loader = ff.Loader(dataset, 7, shuffle=True, threads=3)
            iterator = iter(loader)
            held = [next(iterator) for _ in range(5)]
            {ending}
            """
        done = run_script(code)
        expected_code = {"": 0, "loader.close()": 0, "1 / 0": 1}.get(ending, 3)
        assert done.returncode == expected_code, (ending, done.stderr)
        assert "Fatal" not in done.stderr


# ---- several iterators at once -----------------------------------------------------


def test_two_loaders_at_once(small):
    first = ff.Loader(small, 20, shuffle=True, seed=1, threads=2)
    second = ff.Loader(small, 20, shuffle=True, seed=2, threads=2, dtype="float16")
    got = list(zip(first, second, strict=True))
    for k, options in enumerate(({"seed": 1}, {"seed": 2, "dtype": "float16"})):
        want = wanted(small, batch_size=20, shuffle=True, **options)
        for batches, (x, _) in zip(got, want, strict=True):
            assert np.array_equal(batches[k][0], x)


def test_two_iterators_of_one_loader_have_an_epoch_each(small):
    loader = ff.Loader(small, 20, shuffle=True)
    got = list(zip(iter(loader), iter(loader), strict=True))
    for epoch in range(2):
        want = wanted(small, batch_size=20, shuffle=True, epoch=epoch)
        for batches, (x, _) in zip(got, want, strict=True):
            assert np.array_equal(batches[epoch][0], x)
    assert loader.epoch == 2


def test_one_iterator_shared_by_threads_gives_each_batch_once(small):
    loader = ff.Loader(small, 5, shuffle=True, threads=2)
    for epoch in range(5):
        iterator, got = iter(loader), []

        def consume(iterator=iterator, got=got):
            for images, _ in iterator:
                got.append(images.tobytes())

        threads = [threading.Thread(target=consume) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        want = wanted(small, batch_size=5, shuffle=True, epoch=epoch)
        assert sorted(got) == sorted(x.tobytes() for x, _ in want)


def test_threads_with_an_epoch_each(small):
    """Several threads use one loader. Each epoch is complete and comes once."""
    loader, sums = ff.Loader(small, 30, shuffle=True, threads=2), []

    def consume():
        for _ in range(5):
            sums.append(sum(int(labels.sum()) for _, labels in loader))

    threads = [threading.Thread(target=consume) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert sums == [int(small.labels.sum())] * 20
    assert loader.epoch == 20


def test_slow_consumer_gets_the_same_batches(small):
    """Workers fill the window, sleep, and are woken later."""
    loader = ff.Loader(small, 100, shuffle=True, threads=2, prefetch=2)
    got = []
    for images, _ in loader:
        time.sleep(0.003)
        got.append(images)
    want = wanted(small, batch_size=100, shuffle=True)
    assert np.array_equal(np.concatenate(got), np.concatenate([x for x, _ in want]))


@pytest.mark.parametrize("threads", [1, 2])
def test_no_wake_up_is_missed(threads):
    """A consumer that misses a wake-up gets its batch only after 50 ms."""
    # Filling a row takes longer than the consumer polls before it sleeps.
    images = np.zeros((32, 700, 700), np.uint8)
    dataset = ff.Dataset.from_arrays(images, np.zeros(32, np.uint8))
    loader = ff.Loader(dataset, 4, normalize="unit", threads=threads)

    def n_slow():
        n = 0
        for _ in range(50):
            loader.close()  # new threads
            before = time.perf_counter()
            for _ in loader:
                now = time.perf_counter()
                n += now - before > 0.045
                before = now
        return n

    # A busy machine makes some tries slow, a missed wake-up makes all tries slow.
    assert any(n_slow() <= 3 for _ in range(3))


def test_closing_in_one_thread_and_starting_in_another(small):
    """Closing an iterator must not wait for the workers of the next epoch."""
    loader = ff.Loader(small, 16, shuffle=True, threads=2)
    stop, n_rows = threading.Event(), []

    def abandon():
        while not stop.is_set():
            iterator = iter(loader)
            next(iterator, None)
            iterator.close()

    def consume():
        for _ in range(300):
            n_rows.append(sum(len(labels) for _, labels in loader))
        stop.set()

    threads = [threading.Thread(target=f, daemon=True) for f in (abandon, consume)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert n_rows == [1000] * 300


def test_a_shared_iterator_of_a_loader_without_a_name(small):
    """The thread that reaches the end must not close the loader of the others."""
    for _ in range(100):
        iterator, errors = iter(ff.Loader(small, 50, threads=1)), []

        def consume(iterator=iterator, errors=errors):
            try:
                for _ in iterator:
                    pass
            except RuntimeError as error:
                errors.append(error)

        threads = [threading.Thread(target=consume) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not errors


def test_small_images_with_large_labels_keep_the_window_small():
    labels = np.zeros(5000, np.uint8)
    classes = [str(i) for i in range(1000)]
    dataset = ff.Dataset.from_arrays(
        np.zeros((5000, 8, 8), np.uint8), labels, classes=classes
    )
    loader = ff.Loader(dataset, 256, dtype="uint8", label_dtype="onehot", threads=2)
    for _ in loader:
        pass
    assert loader._pipeline.window == 4
    assert loader._pipeline.slots_nbytes < 10 << 20


def test_more_rows_than_the_slots_hold_are_refused(small):
    loader = ff.Loader(small, 10)
    next(iter(loader))
    options = {"sampling": Sampling("plain", 1000), "seed": 0, "augment_seed": 0}
    options |= {"epoch": 0, "begin": 0, "batches": 0, "rank": 0, "world": 1}
    options |= {"last": False, "owner": None}
    with pytest.raises(ValueError, match=r"batch_size must be at most 10, .* got 11"):
        loader._pipeline.start(batch_size=11, **options)
