"""Choice of rows: to keep, to split off, and to show."""

import re
import time

import numpy as np
import pytest
from helpers.tiny import IMAGES, LABELS
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fmnist_fast import Dataset, _core
from fmnist_fast._checks import one_line
from fmnist_fast._dataset.classes import selected_labels
from fmnist_fast._dataset.rows import shown_rows

# ---- filter ------------------------------------------------------------------------


def test_filter_by_row(six):
    kept = six.filter(lambda row: row["label"] == 2 and row["image"][0, 0] > 0)
    assert np.array_equal(kept.images, IMAGES[[3, 5]])
    assert kept.labels.tolist() == [2, 2]
    assert (kept.classes, kept.name) == (six.classes, "six")


@pytest.mark.parametrize("batch_size", [1, 4, 6, 1000])
def test_filter_by_batches(six, batch_size):
    sizes = []

    def dark(rows):
        sizes.append(len(rows["image"]))
        return rows["image"].mean(axis=(1, 2)) < 40

    kept = six.filter(dark, batched=True, batch_size=batch_size)
    assert np.array_equal(kept.images, IMAGES[IMAGES.mean(axis=(1, 2)) < 40])
    assert 0 < len(kept) < 6
    assert sum(sizes) == 6 and max(sizes) == min(6, batch_size)


def test_filter_accepts_lists_of_bools_and_uses_the_format(six, pictures):
    kept = six.filter(lambda rows: [True] * len(rows["label"]), batched=True)
    assert len(kept) == 6
    assert len(pictures.filter(lambda row: row["image"].size == (3, 4))) == 6
    assert len(six.filter(lambda row: False)) == 0
    assert len(six.select([]).filter(lambda row: 1 / 0)) == 0


@pytest.mark.parametrize("batch_size", [None, 1, 4])
def test_filter_with_indices(six, batch_size):
    seen = []

    def even(rows, i):
        seen.append((np.ravel(rows["label"]).tolist(), np.ravel(i).tolist()))
        return i % 2 == 0

    batched = batch_size is not None
    kept = six.filter(even, with_indices=True, batched=batched, batch_size=batch_size)
    assert np.array_equal(kept.images, IMAGES[::2])
    assert [i for _, indices in seen for i in indices] == list(range(6))
    assert all(LABELS[indices].tolist() == labels for labels, indices in seen)


@pytest.mark.parametrize("answer", [None, 1, "yes", np.array([True])], ids=repr)
def test_filters_that_return_no_bool_are_refused(six, answer):
    message = r"must return True or False, got .* for row 2$"
    if np.ndim(answer):
        message = message[:-1] + r"\.\nReduce it with \.any\(\)"
    with pytest.raises(TypeError, match=message):
        six.filter(lambda row: True if row["label"] != 1 else answer)


def test_messages_shorten_long_answers_of_filters(six):
    message = r"got array\(\[\[.{,30}\.\.\. for row 0\.\n.* \.any\(\) or \.all\(\)\.$"
    with pytest.raises(TypeError, match=message):
        six.filter(lambda row: np.zeros((28, 28)))


@pytest.mark.parametrize(
    "answer, got",
    [
        (True, r"bool \(\)"),
        ([1, 0], r"int64 \(2,\)"),
        ([True], r"bool \(1,\)"),
        (None, r"object \(\)"),
    ],
)
def test_batched_filters_that_return_no_bools_are_refused(six, answer, got):
    message = f"must return 2 booleans for rows 4 to 5, got {got}"
    with pytest.raises(TypeError, match=message):
        six.filter(
            lambda rows: answer if len(rows["label"]) == 2 else [True] * 4,
            batched=True,
            batch_size=4,
        )


@pytest.mark.parametrize("dataset", ["six", "empty"])
def test_filters_with_other_arguments_are_refused_when_given(six, dataset):
    dataset = six if dataset == "six" else six.select([])
    gets = r"\(row\), got <lambda>\({}\)\.\nIt gets a row: use row.image and row.label"
    for function, shown in [
        (lambda row, i: True, "row, i"),
        (lambda image, label: True, "image, label"),
    ]:
        with pytest.raises(TypeError, match=f"{gets.format(shown)}.*\n.*Pass with_ind"):
            dataset.filter(function)
    with pytest.raises(TypeError, match=rf"{gets.format('')}\.$"):
        dataset.filter(lambda: True)
    with pytest.raises(TypeError, match=r"\(rows, i\).*\nIt gets rows: .*label\.$"):
        dataset.filter(lambda rows: True, batched=True, with_indices=True)
    with pytest.raises(TypeError, match=r"\nPass the mask to select: dataset"):
        dataset.filter(dataset.labels == 0)


def test_bad_arguments_of_filter_are_refused(six):
    with pytest.raises(TypeError, match="function must be callable, got array"):
        six.filter(LABELS == 0)
    with pytest.raises(ValueError, match="requires batched=True, got batch_size=3"):
        six.filter(lambda row: True, batch_size=3)
    for flag in ("with_indices", "batched"):
        with pytest.raises(TypeError, match=f"{flag} must be True or False, got 1"):
            six.filter(lambda row, i: True, **{flag: 1})
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        six.filter(len, batched=True, batch_size=0)


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


@pytest.mark.parametrize("sizes", [[4, 2], (0.5, 0.5), [3, 2, 1], [0.5, 0.25, 0.25]])
def test_lists_of_sizes_are_refused_with_the_calls_to_make(six, sizes):
    with pytest.raises(TypeError, match="fraction must be one number, got") as raised:
        six.split(sizes)
    _, what, *calls = str(raised.value).split("\n")
    if not calls:
        assert what == f"Pass {sizes[0]}. The second part has all other rows."
        return
    names = {"dataset": Dataset.from_arrays(np.repeat(IMAGES, 2, 0), LABELS.repeat(2))}
    if isinstance(sizes[0], int):
        sizes = [2 * size for size in sizes]
        calls = [
            re.sub(r"\d\)", lambda n: f"{2 * int(n[0][0])})", call) for call in calls
        ]
    exec("\n".join(calls), names)
    parts = [len(names[f"part{i}"]) for i in (1, 2, 3)]
    assert parts == (sizes if isinstance(sizes[0], int) else [6, 3, 3])


@pytest.mark.parametrize(
    "sizes", [[5], [], ["a", "b"], (0.5,), [0.7, 0.2, 0.1, 0.0], [0, 0, 0], [1, -1]]
)
def test_other_lists_as_sizes_are_refused(six, sizes):
    with pytest.raises(TypeError, match=r"fraction must be one number, got .*[\])]$"):
        six.split(sizes)


@pytest.mark.parametrize("stratify", [True, False])
def test_split_depends_on_the_seed_alone(odd, stratify):
    def part(seed):
        return odd.split(0.5, seed=seed, stratify=stratify)[0].images

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


# ---- show --------------------------------------------------------------------------


def chosen(dataset, rows=None, classes=None, count=None, seed=None):
    """Return the rows that `show` draws."""
    if classes is not None:
        classes = selected_labels(dataset.classes, classes)
    return shown_rows(
        dataset.labels, rows, classes, count=count, seed=seed, most=10_000
    )


def test_show_takes_the_first_images(sheets, small):
    sheet = small.show()
    assert sheet.mode == "RGB"
    ((images, captions, options),) = sheets
    assert np.array_equal(images, small.images[:32])
    assert captions == [small.classes[label] for label in small.labels[:32]]
    title = "synthetic/train (SYNTHETIC): 32 of 1,000 images"
    assert options == {"columns": 8, "zoom": None, "title": title}


def test_show_passes_options_on(sheets, odd):
    odd.show([3, -1], columns=1, zoom=2, numbers=True)
    ((_, captions, options),) = sheets
    assert captions == [f"3 {odd.labels[3]}", f"516 {odd.labels[-1]}"]
    assert options == {"columns": 1, "zoom": 2, "title": "arrays: 2 of 517 images"}


@pytest.mark.parametrize(
    "rows, want",
    [
        (5, [5]),
        (np.int8(-1), [516]),
        (slice(510, None), range(510, 517)),
        (slice(None, None, -200), [516, 316, 116]),
        (range(3, 9, 2), [3, 5, 7]),
        ((7, -2, 7), [7, 515, 7]),
        (np.array([516], np.uint16), [516]),
        (np.arange(517) % 100 == 1, range(1, 517, 100)),
    ],
)
def test_rows_of_every_kind(odd, rows, want):
    shown = chosen(odd, rows)
    assert shown.dtype == np.int64 and shown.tolist() == list(want)
    assert chosen(odd, rows, count=1).tolist() == [want[0]]


@pytest.mark.parametrize("classes", ["Bag", 8, ["Bag"], ("Bag", "Coat"), [8, 4]])
def test_classes_by_name_and_number(small, classes):
    labels = [8, 4] if len(np.shape(classes)) and len(classes) == 2 else [8]
    want = [i for i, label in enumerate(small.labels) if label in labels]
    assert chosen(small, classes=classes, count=7).tolist() == want[:7]
    rows = slice(500, 700)
    want = [i for i in want if 500 <= i < 700]
    assert chosen(small, rows, classes=classes).tolist() == want


def test_seed_draws_without_repetition(odd):
    draws = [chosen(odd, seed=seed).tolist() for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert all(len(set(draw)) == 32 for draw in draws)
    everything = chosen(odd, seed=2, count=1000)
    assert sorted(everything.tolist()) == list(range(517))
    ones = chosen(odd, range(400), classes="1", seed=3, count=9)
    assert (odd.labels[ones] == 1).all() and ones.max() < 400
    assert ones.tolist() != sorted(ones.tolist())


@pytest.mark.parametrize(
    "rows, options, error, message",
    [
        (True, {}, TypeError, "the number of a row must be an integer, got True"),
        ([True, 1], {}, TypeError, "the number of a row must be an integer, got True"),
        (517, {}, IndexError, r"row 517 is out of range: .* in -517\.\.516"),
        ("image", {}, TypeError, "rows must be a slice"),
        ([], {}, ValueError, "rows and classes .* one of the 517 images, got none"),
        (None, {"classes": []}, ValueError, "at least one of the 517 images, got none"),
        (
            None,
            {"classes": "3"},
            ValueError,
            r"named '3'\.\nThe classes are '0', '1', '2'\.$",
        ),
        (None, {"classes": 3}, ValueError, r"classes must be in 0\.\.2, got 3"),
        (None, {"classes": 1.5}, TypeError, "classes must be an integer, got 1.5"),
        (None, {"count": 0}, ValueError, r"count must be in 1\.\.10000, got 0"),
        (None, {"seed": -1}, ValueError, r"seed must be in 0\.\..*, got -1"),
        (None, {"seed": "a"}, TypeError, "seed must be an integer, got 'a'"),
        (None, {"numbers": 1}, TypeError, "numbers must be True or False, got 1"),
        (None, {"columns": 0}, ValueError, "columns must be at least 1, got 0"),
    ],
)
def test_bad_choices_are_refused(sheets, odd, rows, options, error, message):
    with pytest.raises(error, match=message):
        odd.show(rows, **options)


def test_a_misspelled_class_gets_a_hint(small):
    with pytest.raises(ValueError, match=r"named 'bag'. Did you mean 'Bag'\?"):
        small.show(classes="bag")
    many = Dataset.from_arrays(small.images, np.arange(1000))
    with pytest.raises(ValueError, match=r"\nThe classes are '0', .* '11', \.\.\.$"):
        many.show(classes="x")


def test_a_sheet_has_at_most_ten_thousand_images():
    many = Dataset.from_arrays(
        np.zeros((10001, 1, 1), np.uint8), np.zeros(10001, np.uint8)
    )
    with pytest.raises(ValueError, match="at most 10,000 images, got 10,001"):
        many.show(range(10001))
    with pytest.raises(ValueError, match=r"count must be in 1\.\.10000, got 10001"):
        many.show(count=10001)
    assert len(chosen(many, range(1, 10001))) == 10000
