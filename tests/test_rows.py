"""Choice of rows: to keep and to show."""

import numpy as np
import pytest
from helpers.tiny import IMAGES, LABELS

from fmnist_fast import Dataset
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
