"""Python functions in `augment=`, which get finished batches."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from helpers.against_reference import same, wanted

import fmnist_fast as ff

RAW = {"dtype": "uint8", "normalize": None, "layout": "NHW"}
CROP_FLIP = [ff.RandomCrop((5, 7), padding=2), ff.RandomHorizontalFlip()]


@pytest.fixture(scope="module")
def few(odd):
    """Return 53 small images."""
    return odd.select(range(53))


def negative(images, labels, rng):
    return -images, labels


def draws(images, labels, rng):
    """Return random numbers in place of the images."""
    return rng.integers(0, 2**62, 3), labels


def test_functions_run_in_order(few):
    options = {"batch_size": 10, "shuffle": True}
    plain = wanted(few, CROP_FLIP, **options)

    def doubled(images, labels, rng):
        images *= 2  # in place: functions own the batch
        return images, labels + 100

    augment = [*CROP_FLIP, negative, doubled]
    for _ in range(2):
        got = list(ff.Loader(few, augment=augment, **options))
        want = [(-2 * images, labels + 100) for images, labels in plain]
        assert same(got, want)
    (batch,) = ff.Loader(few, 60, augment=negative, **RAW)
    assert np.array_equal(batch[0], -few.images)


def test_has_functions(few):
    flip = ff.RandomHorizontalFlip()
    for augment, want in [(None, False), (flip, False), ([flip, keep], True)]:
        assert ff.Loader(few, augment=augment).has_functions is want


def keep(images, labels, rng):
    return images, labels


def test_functions_run_in_the_iterating_thread(few):
    seen = set()

    def note(images, labels, rng):
        seen.add(threading.get_ident())
        return images, labels

    assert len(list(ff.Loader(few, 10, threads=3, augment=[note]))) == 6
    assert seen == {threading.get_ident()}


def test_random_numbers_depend_on_seed_epoch_position_and_rank(few):
    numbers_at = {}
    for seed in (0, 1, 2**64 - 1):
        for rank in range(2):
            loader = ff.Loader(few, 5, seed=seed, shard=(rank, 2), augment=[draws])
            for epoch in range(2):
                for k, (numbers, _) in enumerate(loader):
                    numbers_at[seed, rank, epoch, k] = tuple(numbers.tolist())
    assert len(numbers_at) == len(set(numbers_at.values())) == 3 * 2 * 2 * 6
    loader = ff.Loader(few, 5, seed=1, shard=(1, 2), threads=1, augment=[draws])
    loader.set_epoch(1)
    for k, (numbers, _) in enumerate(loader):
        assert tuple(numbers.tolist()) == numbers_at[1, 1, 1, k]


def test_functions_share_the_random_numbers_of_a_batch(few):
    def draw(images, labels, rng):
        drawn.append(rng.random())
        return images, labels

    drawn = []
    list(ff.Loader(few, 60, augment=[draw, draw]))
    first, second = drawn
    assert first != second


@pytest.mark.parametrize(
    "returned, got",
    [
        (None, "<class 'NoneType'>"),
        ((1, 2, 3), "3 values"),
        ([1, 2], "<class 'list'>"),
        (np.zeros((2, 3)), "<class 'numpy.ndarray'>"),
    ],
)
def test_functions_must_return_a_pair(few, returned, got):
    def wrong(images, labels, rng):
        return returned

    loader = ff.Loader(few, augment=[wrong])
    message = (
        rf"augment: <function .*wrong.*> must return \(images, labels\), got {got}"
    )
    with pytest.raises(TypeError, match=message):
        next(iter(loader))


def test_an_exception_reaches_the_user_and_the_loader_continues(few):
    class Own(Exception):
        pass

    def fail(images, labels, rng):
        if fails:
            raise Own("third")
        return images, labels

    fails = []
    loader = ff.Loader(few, 10, augment=[fail])
    iterator = iter(loader)
    held = [next(iterator), next(iterator)]
    fails.append(1)
    with pytest.raises(Own, match="third"):
        next(iterator)
    fails.clear()
    held += iterator  # only the batch that failed is lost
    want = list(ff.Loader(few, 10))
    assert same(held, [*want[:2], *want[3:]])
    fails.append(1)
    with pytest.raises(Own):
        list(loader)
    fails.clear()
    assert same(list(loader), want)
    assert loader.epoch == 3


def test_closing_with_functions(few):
    loader = ff.Loader(few, 10, augment=[negative])
    iterator = iter(loader)
    assert iter(iterator) is iterator and not iterator.closed
    held = next(iterator)
    iterator.close()
    assert iterator.closed and list(iterator) == []
    iterator = iter(loader)
    loader.close()
    with pytest.raises(RuntimeError, match="the loader was closed"):
        next(iterator)
    assert len(list(loader)) == 6
    assert np.array_equal(held[0], next(iter(ff.Loader(few, 10, augment=negative)))[0])


def test_a_break_reuses_the_memory(small):
    loader = ff.Loader(small, 10, augment=[negative])
    for _ in range(30):
        for _ in loader:
            break
    pipeline = loader._pipeline
    list(zip(range(3), loader))
    assert loader._pipeline is pipeline


def test_threads_may_share_an_iterator_with_functions(small):
    """Each batch goes to one thread, with the random numbers of its position."""
    loader = ff.Loader(
        small, 7, augment=[lambda x, y, rng: (x[:, 0, 0, 0], rng.random())]
    )
    want = {draw: x.tobytes() for x, draw in loader}
    assert len(want) == 143
    loader.set_epoch(0)
    got, iterator = [], iter(loader)

    def take():
        got.extend((draw, x.tobytes()) for x, draw in iterator)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(got) == 143 and dict(got) == want


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forks_with_augmentation():
    """Iterators of the parent raise an error in the child."""
    code = """
        import os, signal, warnings
        import fmnist_fast as ff
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork
        dataset = ff.synthetic(3000, 10)[0]
        augment = [ff.RandomErasing(), ff.Cutout(4), lambda x, y, rng: (x, y)]
        loader = ff.Loader(dataset, 7, shuffle=True, threads=2, augment=augment)
        iterator = iter(loader)
        held = [next(iterator) for _ in range(5)]
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            try:
                next(iterator)
            except RuntimeError as error:
                assert "made before a fork" in str(error)
            else:
                os._exit(2)
            os._exit(0 if sum(len(y) for _, y in loader) == 3000 else 3)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert sum(len(y) for _, y in held + list(iterator)) == 3000
        """
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == 0, process.stderr


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs setitimer")
def test_a_signal_handler_may_take_a_batch(small):
    loader = ff.Loader(small, 10, augment=[negative])
    iterator, taken = iter(loader), []
    before = signal.signal(signal.SIGALRM, lambda *_: taken.extend(zip([0], iterator)))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        n = sum(1 for _ in iterator)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert n + len(taken) == 100
