"""Rows chosen at random: parts, folds, samples, and the shares of clients."""

import math
import re
import time

import numpy as np
import pytest
from helpers.tiny import labeled
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fmnist_fast import Dataset, _core
from fmnist_fast._checks import one_line

# ---- split -------------------------------------------------------------------------


def numbered(n, side=2):
    """Return `n` images with label 0, whose first pixels are the number of the row."""
    images = np.zeros((n, side, side), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.arange(n) % 256, np.arange(n) // 256
    return Dataset.from_arrays(images, np.zeros(n, np.uint8))


def rows_of(dataset):
    return dataset.images[:, 0, 0] + 256 * dataset.images[:, 0, 1].astype(int)


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("size", [0.001, 0.1, 0.29, 0.5, 0.9, 0.999, 1, 516])
@pytest.mark.parametrize("n", [0, 1, 2, 100, 517])
def test_split_gives_each_row_to_one_part(n, size, stratify):
    dataset, n_first = numbered(n), size if isinstance(size, int) else round(size * n)
    if n_first not in range(1, n) and (n or isinstance(size, int)):
        with pytest.raises(ValueError, match=r"^fraction must (be|leave a row in)"):
            dataset.split(size, stratify=stratify)
        return
    first, second = dataset.split(size, stratify=stratify)
    assert len(first) == n_first
    rows = [rows_of(part) for part in (first, second)]
    assert sorted(np.concatenate(rows)) == list(range(n))
    assert all((np.diff(part) > 0).all() for part in rows)  # in the original order


@settings(max_examples=100)
@given(
    counts=st.lists(st.integers(0, 20), min_size=1, max_size=7),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**64 - 1),
)
def test_stratified_split_is_fair_to_within_one_row(counts, fraction, seed):
    counts = np.array(counts)[np.array(counts) != 1]
    labels = np.repeat(np.arange(len(counts)), counts)
    assume(round(fraction * len(labels)) in range(1, len(labels)) or not len(labels))
    images = np.zeros((len(labels), 1, 1), np.uint8)
    dataset = Dataset.from_arrays(images, labels, classes=list("abcdefg"))
    least = np.maximum(1, np.floor(fraction * counts))[counts > 0]
    most = np.minimum(counts - 1, np.ceil(fraction * counts))[counts > 0]
    if not least.sum() <= round(fraction * len(labels)) <= most.sum():
        with pytest.raises(ValueError, match="a row of each class in both") as raised:
            dataset.split(fraction, seed=seed, stratify=True)
        advice = r"Pass (?:a fraction from )?(\S+?)(?: to (\S+))?,"
        sizes = re.search(advice, str(raised.value))
        for size in filter(None, sizes.groups()):  # the advice works
            dataset.split(float(size), seed=seed, stratify=True)
        return
    first, second = dataset.split(fraction, seed=seed, stratify=True)
    assert len(first) == round(fraction * len(labels))
    for label, n in enumerate(counts):
        shares = [np.count_nonzero(part.labels == label) for part in (first, second)]
        assert sum(shares) == n and (n == 0 or min(shares) > 0)
        assert abs(shares[0] - fraction * n) < 1


def test_a_class_of_one_row_is_not_stratified():
    labels, images = np.array([0, 0, 0, 2, 1, 1]), np.zeros((6, 1, 1), np.uint8)
    dataset = Dataset.from_arrays(images, labels, classes=["cat", "dog", "yak"])
    message = r"at least 2 rows of each class, got 1 of class 'yak'\.\nPass strat"
    with pytest.raises(ValueError, match=message) as raised:
        dataset.split(0.5, stratify=True)
    rest = eval(str(raised.value).splitlines()[-1])
    assert set(rest.split(0.5, stratify=True)[0].labels) == {0, 1}
    assert len(dataset.split(0.5)[0]) == 3


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("n", [1, 90, 413, 516])
def test_a_count_gives_the_rows_of_the_fraction(odd, n, stratify):
    if n in (1, 516) and stratify:
        return
    first, second = odd.split(np.int64(n), seed=3, stratify=stratify)
    assert (len(first), len(second)) == (n, 517 - n)
    same, _ = odd.split(n / 517, seed=3, stratify=stratify)
    assert first.fingerprint == same.fingerprint


SHARES = st.lists(st.integers(1, 9), min_size=2, max_size=6)


@given(n=st.integers(0, 400), parts=SHARES, seed=st.integers(0, 2**64 - 1))
@pytest.mark.parametrize("stratify", [True, False])
def test_several_shares_give_each_row_to_one_part(n, parts, seed, stratify):
    shares = [part / sum(parts) for part in parts]
    ends = [0, *(round(math.fsum(shares[:i]) * n) for i in range(1, len(parts))), n]
    sizes = np.diff(ends)
    assume(n == 0 or sizes.min() > 0)
    divided = numbered(n).split(shares, seed=seed, stratify=stratify)
    assert [len(part) for part in divided] == sizes.tolist()
    rows = [rows_of(part) for part in divided]
    assert sorted(np.concatenate(rows)) == list(range(n))
    assert all((np.diff(part) > 0).all() for part in rows)
    if n:
        counted = numbered(n).split(sizes.tolist(), seed=seed, stratify=stratify)
        assert [rows_of(part).tolist() for part in counted] == [*map(list, rows)]


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("fraction", [0.8, 0.29, 0.5, 413])
def test_two_shares_give_the_parts_of_the_first(odd, fraction, stratify):
    rest = 517 - fraction if fraction > 1 else 1 - fraction
    options = {"seed": 5, "stratify": stratify}
    for sizes in ([fraction, rest], (fraction, rest), np.array([fraction, rest])):
        both = zip(odd.split(sizes, **options), odd.split(fraction, **options))
        assert all(one._rows.tolist() == other._rows.tolist() for one, other in both)


@settings(max_examples=200)
@given(
    counts=st.lists(st.integers(20, 60), min_size=1, max_size=7),
    parts=st.lists(st.integers(2, 9), min_size=3, max_size=5),
)
def test_a_stratified_split_of_many_parts_is_fair_to_within_two_rows(counts, parts):
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.zeros((len(labels), 1, 1), np.uint8)
    dataset = Dataset.from_arrays(images, labels, classes=list("abcdefg"))
    shares = [part / sum(parts) for part in parts]
    shares_of_class = np.outer(shares, counts)
    assume(shares_of_class.min() >= 2)
    divided = dataset.split(shares, stratify=True)
    got = np.array([part.class_counts[: len(counts)] for part in divided])
    assert (got.sum(axis=0) == counts).all() and got.min() > 0
    assert np.abs(got - shares_of_class).max() < 2
    assert np.abs(got.cumsum(axis=0) - shares_of_class.cumsum(axis=0)).max() < 1


def test_many_parts_need_a_row_of_each_class():
    labels = np.repeat([0, 1, 2], [40, 40, 3])
    images = np.zeros((len(labels), 1, 1), np.uint8)
    dataset = Dataset.from_arrays(images, labels, classes=["cat", "dog", "yak"])
    message = r"at least 4 rows of each class, got 3 of class 'yak'\.\nPass strat"
    with pytest.raises(ValueError, match=message) as raised:
        dataset.split([0.25] * 4, stratify=True)
    rest = eval(str(raised.value).splitlines()[-1])
    assert len(rest.split([0.25] * 4, stratify=True)) == 4
    message = (
        r"in all parts, got parts of 80, 2 and 1 rows\.\n.* 'yak', has 3 rows\. Pa"
    )
    with pytest.raises(ValueError, match=message):
        dataset.split([80, 2, 1], stratify=True)


def test_parts_of_several_shares_can_be_told_apart(small):
    text = "synthetic/train (SYNTHETIC), part {} of split([800, 150, 50], seed=3"
    for i, part in enumerate(small.split(np.array([800, 150, 50]), seed=3), 1):
        assert f"({text.format(i)}): " in repr(part)
    part = small.split((0.5, 0.25, 0.25), stratify=True)[2].split(0.5)[0]
    call = "part 3 of split([0.5, 0.25, 0.25], seed=0, stratify=True)"
    assert f"{call}, part 1 of split(0.5, seed=0) of 250: 125 of 1,000" in repr(part)


@pytest.mark.parametrize(
    "sizes, error, message",
    [
        ([5], TypeError, r"must have at least two numbers, got \[5\]$"),
        ([], TypeError, r"must have at least two numbers, got \[\]$"),
        ((0.5, "a"), TypeError, r"must have only numbers, got \(0.5, 'a'\)$"),
        ([True, False], TypeError, "must have only numbers, got"),
        ([[1], [5]], TypeError, "must have only numbers, got"),
        (
            [3.0, 3.0],
            ValueError,
            r".* the sum 6\.\nFor numbers of rows, pass integers\.$",
        ),
        ([0.5, 2.5], ValueError, ".* the sum 3$"),
        ([0.5, 0.4], ValueError, r".* the sum 1, got \[0.5, 0.4\] with the sum 0.9$"),
        ([0.7, 0.3, 0.0], ValueError, "must have shares above 0 with the sum 1, got"),
        ([3, 4], ValueError, r".* rows above 0 with the sum 6, got .* the sum 7$"),
        ([7, -1], ValueError, r"must have numbers of rows above 0 with the sum 6, got"),
        ([3, 3.0], ValueError, r"must have shares above 0 with .* got \[3, 3.0\]"),
        ([float("nan"), 1], ValueError, ".* with the sum nan$"),
        ([0.98, 0.01, 0.01], ValueError, r"must leave a row in each part, got"),
    ],
    ids=str,
)
def test_wrong_lists_of_sizes_are_refused(six, sizes, error, message):
    with pytest.raises(error, match=f"^fraction {message}"):
        six.split(sizes)


def test_a_sum_of_shares_may_be_rounded(six):
    assert [len(part) for part in six.split([1 / 3 + 3e-7, 1 / 3, 1 / 3])] == [2, 2, 2]
    with pytest.raises(ValueError, match=r"the sum 1, .* with the sum 1\.000002$"):
        six.split([1 / 3 + 2e-6, 1 / 3, 1 / 3])


@pytest.mark.parametrize("stratify", [True, False])
def test_split_depends_on_the_seed_alone(odd, stratify):
    def part(seed):
        return np.asarray(odd.split(0.5, seed=seed, stratify=stratify)[0].images)

    assert np.array_equal(part(3), part(3))
    parts = [part(seed) for seed in (0, 1, 2, 3, 2**64 - 1)]
    assert len({images.tobytes() for images in parts}) == 5


@pytest.mark.parametrize("stratify", [True, False])
def test_split_takes_rows_from_everywhere(stratify):
    first, _ = numbered(1000).split(0.5, stratify=stratify)
    counts = np.histogram(rows_of(first), 10, (0, 1000))[0]
    assert counts.sum() == 500 and counts.min() > 25 and counts.max() < 75


def test_stratified_split_draws_separately_for_each_class():
    images, labels = np.zeros((500, 1, 1), np.uint8), np.arange(500) % 5
    images[:, 0, 0] = np.arange(500) // 5  # the number in the class
    first, _ = Dataset.from_arrays(images, labels).split(0.5, stratify=True)
    places = [first.images[first.labels == label].tobytes() for label in range(5)]
    assert len(set(places)) == 5


def test_split_differs_from_the_first_epoch():
    first, _ = numbered(1000).split(0.5)
    assert set(rows_of(first)) != set(_core.order(1000, end=500))


def test_split_keeps_the_card(six):
    for part in six.split(0.5):
        assert (part.classes, part.name) == (six.classes, "six")


@pytest.mark.parametrize(
    "size", [0, 0.0, 1.0, -1, -0.1, 1.5, float("nan"), float("inf"), 6, 100, 10**400]
)
def test_sizes_out_of_range_are_refused(six, size):
    message = rf"between 0 and 1, or a number of rows in 1\.\.5, got {size}$"
    with pytest.raises(ValueError, match=message):
        six.split(size)


def test_a_whole_float_as_size_is_refused(six):
    with pytest.raises(ValueError, match=r"got 3\.0\.\nPass 3 for a number of rows\.$"):
        six.split(3.0)


@pytest.mark.parametrize("n", [0, 1])
def test_a_dataset_too_small_for_a_number_of_rows(n):
    message = rf"^fraction must be between 0 and 1, got 1 for a dataset of {n} rows$"
    with pytest.raises(ValueError, match=message):
        numbered(n).split(1)


@pytest.mark.parametrize("half", [np.float16(0.5), np.array(0.5), np.array(50_000)])
def test_sizes_in_numpy(half):
    images = np.zeros((150_000 if half == 0.5 else 100_000, 1, 1), np.uint8)
    parts = Dataset.from_arrays(images, np.zeros(len(images), np.uint8)).split(half)
    assert [len(part) for part in parts] == [len(images) // 2] * 2


def test_a_stratified_split_of_many_classes_is_quick():
    labels = np.arange(300_000) % 100_000
    images = np.zeros((len(labels), 1, 1), np.uint8)
    begin = time.perf_counter()
    first, _ = Dataset.from_arrays(images, labels).split(2 / 3, stratify=True)
    assert time.perf_counter() - begin < 8 and (first.class_counts == 2).all()


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_out_of_range_are_refused(six, seed):
    message = rf"seed must be in 0\.\.{2**64 - 1}, got {seed}"
    with pytest.raises(ValueError, match=message):
        six.split(0.5, seed=seed)


@pytest.mark.parametrize("seed", [1.5, "1", None, True])
def test_seeds_of_another_type_are_refused(six, seed):
    with pytest.raises(TypeError, match=f"seed must be an integer, got {seed!r}"):
        six.split(0.5, seed=seed)


@pytest.mark.parametrize("stratify", ["label", 1, None, "labels " * 9])
def test_stratify_must_be_a_bool(six, stratify):
    message = f"stratify must be True or False, got {one_line(repr(stratify), 40)}$"
    with pytest.raises(TypeError, match=message):
        six.split(0.5, stratify=stratify)


@pytest.mark.parametrize("size", ["0.5", None, True, np.True_, {1: 2}], ids=repr)
def test_sizes_of_another_type_are_refused(six, size):
    message = f"fraction must be a number, got {re.escape(repr(size))}"
    with pytest.raises(TypeError, match=message):
        six.split(size)


# ---- kfold -------------------------------------------------------------------------


COUNTS = st.lists(st.integers(0, 30), min_size=1, max_size=6)
SEEDS = st.integers(0, 2**64 - 1)


@given(counts=COUNTS, k=st.integers(2, 9), seed=SEEDS, stratify=st.booleans())
def test_folds_cover_all_rows(counts, k, seed, stratify):
    counts = [count for count in counts if count == 0 or count >= k]
    assume(sum(counts) >= k)
    dataset = labeled(counts)
    folds = dataset.kfold(k, seed=seed, stratify=stratify)
    assert len(folds) == k
    validation = [part._rows for _, part in folds]
    assert sorted(np.concatenate(validation)) == list(range(len(dataset)))
    assert np.ptp([len(rows) for rows in validation]) <= 1
    for train, part in folds:
        assert sorted([*train._rows, *part._rows]) == list(range(len(dataset)))
        assert all((np.diff(rows) > 0).all() for rows in (train._rows, part._rows))
    if stratify:
        shares = np.array([part.class_counts for _, part in folds])
        assert np.ptp(shares, axis=0).max() <= 1


def test_folds_depend_on_the_seed_and_have_names(odd):
    folds = odd.kfold(3, seed=2)
    again = odd.kfold(np.int64(3), seed=2)
    assert [b._rows.tolist() for _, b in folds] == [b._rows.tolist() for _, b in again]
    assert set(odd.kfold(3)[0][1]._rows) != set(folds[0][1]._rows)
    train, validation = odd.kfold(3, stratify=True)[1]
    call = "part 2 of kfold(3, seed=0, stratify=True): "
    assert f"(arrays, training {call}345 of 517 images" in repr(train)
    assert f"(arrays, validation {call}172 of 517 images" in repr(validation)


@pytest.mark.parametrize(
    "k, error, message",
    [
        (1, ValueError, "k must be at least 2, got 1"),
        (7, ValueError, "k must be at most the number of rows, 6, got 7"),
        (2.0, TypeError, "k must be an integer, got 2.0"),
        (True, TypeError, "k must be an integer, got True"),
    ],
)
def test_wrong_numbers_of_folds_are_refused(six, k, error, message):
    with pytest.raises(error, match=message):
        six.kfold(k)


def test_other_wrong_arguments_of_kfold_are_refused(six):
    with pytest.raises(ValueError, match="seed must be in"):
        six.kfold(2, seed=-1)
    with pytest.raises(TypeError, match="stratify must be True or False, got 1"):
        six.kfold(2, stratify=1)
    with pytest.raises(ValueError, match="at least 2 rows of each class, got 1 of cla"):
        six.kfold(2, stratify=True)


# ---- sample ------------------------------------------------------------------------


@given(n=st.integers(1, 100), seed=SEEDS)
def test_a_sample_has_the_rows_of_a_split(n, seed):
    dataset = numbered(101)
    rows = dataset.sample(n, seed=seed)._rows
    assert rows.tolist() == dataset.split(n, seed=seed)[0]._rows.tolist()
    assert sorted(dataset.sample(101, seed=seed)._rows) == list(range(101))


@given(counts=COUNTS, k=st.integers(1, 5), seed=SEEDS)
def test_a_sample_has_k_rows_of_each_class(counts, k, seed):
    counts = [count for count in counts if count == 0 or count >= k]
    part = labeled(counts).sample(per_class=k, seed=seed)
    assert part.class_counts[: len(counts)].tolist() == [k * (n > 0) for n in counts]
    assert (np.diff(part._rows) > 0).all()


def test_samples_differ_by_the_seed_and_between_classes():
    rows = [
        labeled([50, 50]).sample(10, seed=seed)._rows.tolist() for seed in (0, 0, 1)
    ]
    assert rows[0] == rows[1] != rows[2]
    dataset = labeled([60] * 2)
    part = dataset.sample(per_class=20)
    places = [np.flatnonzero(dataset.labels == label) for label in (0, 1)]
    drawn = [np.isin(rows, part._rows) for rows in places]
    assert not np.array_equal(*drawn)
    assert "(arrays, sample(per_class=20, seed=0): 40 of 120 images" in repr(part)
    assert "(arrays, sample(7, seed=1): 7 of 120" in repr(dataset.sample(7, seed=1))


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({}, ValueError, "either n or per_class, got n=None and per_class=None"),
        ({"n": 2, "per_class": 1}, ValueError, "either n or .* n=2 and per_class=1"),
        ({"n": 7}, ValueError, "n must be at most the number of rows, 6, got 7"),
        ({"n": 0}, ValueError, "n must be at least 1, got 0"),
        ({"n": 0.5}, TypeError, "n must be an integer, got 0.5"),
        ({"per_class": 0}, ValueError, "per_class must be at least 1, got 0"),
        ({"per_class": "1"}, TypeError, "per_class must be an integer, got '1'"),
        ({"per_class": 2}, ValueError, "got 2 for 1 rows of class 'b'"),
        ({"n": 2, "seed": None}, TypeError, "seed must be an integer, got None"),
    ],
)
def test_wrong_samples_are_refused(six, options, error, message):
    with pytest.raises(error, match=message):
        six.sample(**options)


@pytest.mark.parametrize("stratify", [[0, 1], np.zeros(20, int)])
def test_stratify_takes_no_labels(stratify):
    message = (
        r"^stratify must be True or False, got .*\.\nPass stratify=True\. The classes"
    )
    for divide in (numbered(20).split, numbered(20).kfold):
        with pytest.raises(TypeError, match=message):
            divide(2, stratify=stratify)
