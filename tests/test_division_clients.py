"""Rows divided among the clients of federated learning."""

import math
import time
import zlib

import numpy as np
import pytest
from helpers.tiny import labeled
from hypothesis import assume, given
from hypothesis import strategies as st

from fmnist_fast._dataset import division

COUNTS = st.lists(st.integers(0, 30), min_size=1, max_size=6)
SEEDS = st.integers(0, 2**64 - 1)
METHODS = ({}, {"by": "dirichlet", "alpha": 0.3}, {"by": "classes"})


@given(counts=COUNTS, n=st.integers(1, 40), seed=SEEDS, alpha=st.floats(1e-6, 1e6))
@pytest.mark.parametrize("by", ["iid", "dirichlet", "classes"])
def test_parts_cover_all_rows_and_have_some(counts, n, seed, alpha, by):
    dataset = labeled(counts)
    n_classes = int((dataset.class_counts > 0).sum())
    assume(n <= len(dataset))
    options = {"alpha": alpha} if by == "dirichlet" else {}
    if by == "classes":
        options = {"classes_per_part": min(2, n_classes)}
        places = n * options["classes_per_part"]
        assume(n_classes <= places <= np.minimum(counts, n).sum())
    parts = dataset.partition(n, by=by, seed=seed, **options)
    assert sorted(row for part in parts for row in part._rows) == [*range(len(dataset))]
    assert len(parts) == n and min(map(len, parts)) > 0
    assert all((np.diff(part._rows) > 0).all() for part in parts)
    if by == "iid":
        assert np.ptp([len(part) for part in parts]) <= 1
    if by == "classes":
        sizes = np.array([part.class_counts for part in parts])
        assert ((sizes > 0).sum(axis=1) == options["classes_per_part"]).all()
        for column in sizes.T:
            assert not column.any() or np.ptp(column[column > 0]) <= 1


def test_parts_of_classes_mix_the_classes():
    dataset = labeled([600] * 10)
    parts = dataset.partition(100, by="classes", classes_per_part=2)
    assert {len(part) for part in parts} == {60}
    pairs = {tuple(np.flatnonzero(part.class_counts)) for part in parts}
    assert len(pairs) > 15
    other = dataset.partition(100, by="classes", classes_per_part=2, seed=1)
    assert pairs != {tuple(np.flatnonzero(part.class_counts)) for part in other}


def test_large_classes_are_in_more_parts():
    parts = labeled([900, 90, 10]).partition(10, by="classes", classes_per_part=2)
    sizes = np.array([part.class_counts[:3] for part in parts])
    assert (sizes > 0).sum(axis=0).tolist() == [10, 9, 1]


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0, 10.0])
def test_shares_have_the_moments_of_a_dirichlet(alpha):
    n, n_rows = 5, 2000
    parts = [division._urn(n_rows, n, alpha, 7, label) for label in range(3000)]
    shares = np.array([np.bincount(part, minlength=n) for part in parts]) / n_rows
    variance = (1 / n) * (1 - 1 / n) / (n * alpha + 1)
    variance += (1 / n) * (1 - 1 / n) / n_rows * (1 - 1 / (n * alpha + 1))
    error = np.sqrt(variance / len(parts))
    assert np.abs(shares.mean(axis=0) - 1 / n).max() < 5 * error
    assert shares.var(axis=0) == pytest.approx(variance, rel=0.12)
    pairs = np.cov(shares.T)[np.triu_indices(n, 1)]
    assert pairs == pytest.approx(-variance / (n - 1), abs=0.15 * variance)


def test_the_urn_equals_draws_one_by_one():
    for seed, n, alpha in [(0, 4, 0.5), (2**64 - 1, 9, 3.0), (5, 1, 0.01)]:
        raw = np.random.Philox(key=seed | 3 << 64).random_raw(300)
        parts = []
        for i, bits in enumerate(raw.tolist()):
            place = (bits >> 11) * 2.0**-53 * (n * alpha + i)
            if place < n * alpha or i == 0:
                parts.append(min(int(place / alpha), n - 1))
            else:
                parts.append(parts[min(int(place - n * alpha), i - 1)])
        assert division._urn(300, n, alpha, seed, 3).tolist() == parts


@pytest.mark.parametrize(
    "options, crc", [*zip(METHODS, (2029095259, 2319328335, 1753795342))]
)
def test_parts_are_the_same_on_every_machine(options, crc):
    parts = labeled([300, 200, 150, 50, 1]).partition(8, seed=11, **options)
    rows = np.concatenate([part._rows for part in parts]).astype("<i8")
    assert zlib.crc32(rows.tobytes()) == crc


def test_a_thousand_clients_are_divided_quickly():
    dataset = labeled([6000] * 10)
    begin = time.perf_counter()
    for options in METHODS:
        assert len(dataset.partition(1000, **options)) == 1000
    assert time.perf_counter() - begin < 5


def test_parts_of_a_partition_can_be_told_apart(small):
    texts = (
        "partition(3, by='iid', seed=0)",
        "partition(3, by='dirichlet', alpha=0.3, seed=0)",
        "partition(3, by='classes', classes_per_part=4, seed=0)",
    )
    methods = *METHODS[:2], {"by": "classes", "classes_per_part": 4}
    for text, options in zip(texts, methods):
        parts = small.partition(3, **options)
        assert f", part 3 of {text}: {len(parts[2])} of 1,000" in repr(parts[2])


@pytest.mark.parametrize(
    "n, options, error, message",
    [
        (0, {}, ValueError, "n must be at least 1, got 0"),
        (7, {}, ValueError, "n must be at most the number of rows, 6, got 7"),
        (2.0, {}, TypeError, "n must be an integer, got 2.0"),
        (
            2,
            {"by": "lda"},
            ValueError,
            "by must be one of iid, dirichlet, classes, got",
        ),
        (2, {"by": None}, ValueError, "by must be one of .*, got None"),
        (2, {"seed": -1}, ValueError, r"seed must be in 0\.\."),
        (
            2,
            {"alpha": 1},
            ValueError,
            "alpha requires by='dirichlet', got by='iid' and",
        ),
        (
            2,
            {"alpha": 1, "by": "classes"},
            ValueError,
            "alpha requires by='dirichlet', got by='classes' and alpha=1",
        ),
        (
            2,
            {"classes_per_part": 2},
            ValueError,
            "classes_per_part requires by='classes', got by='iid' and classes_per_part",
        ),
        (
            2,
            {"classes_per_part": 2, "by": "dirichlet", "alpha": 1},
            ValueError,
            "classes_per_part requires by='classes', got by='dirichlet'",
        ),
        (
            2,
            {"by": "dirichlet"},
            ValueError,
            r"requires alpha, got None\.\nPass alpha=",
        ),
        (
            2,
            {"by": "dirichlet", "alpha": True},
            TypeError,
            "alpha must be a number, got",
        ),
        (2, {"by": "dirichlet", "alpha": 0}, ValueError, "1e-6..1e6, got 0"),
        (2, {"by": "dirichlet", "alpha": math.nan}, ValueError, "1e-6..1e6, got nan"),
        (2, {"by": "dirichlet", "alpha": 1e7}, ValueError, "1e-6..1e6, got 100"),
        (
            2,
            {"by": "classes", "classes_per_part": 0},
            ValueError,
            r"part must be in 1\.",
        ),
        (2, {"by": "classes", "classes_per_part": 4}, ValueError, r"in 1\.\.3, got 4"),
        (
            1,
            {"by": "classes"},
            ValueError,
            "1 parts of 2 classes must have a place for each of the 3 classes, and a",
        ),
        (
            6,
            {"by": "classes"},
            ValueError,
            r"a row for each place, got 12 places and 6 rows\.\nPass another n or",
        ),
    ],
)
def test_wrong_partitions_are_refused(six, n, options, error, message):
    with pytest.raises(error, match=message):
        six.partition(n, **options)
