"""Which rows a sheet shows, and pixels that come back out of batches of every kind."""

import re
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast._show import contact_sheet as view
from fmnist_fast._show import sheets as look

DTYPES = ["float32", "float16", "bfloat16", "uint8"]
LAYOUTS = ["NCHW", "NHWC", "NHW", "flat"]


@pytest.fixture
def sheets(monkeypatch):
    """The arguments of each contact sheet that is drawn."""
    pytest.importorskip("PIL.Image")
    calls, draw = [], view.captioned_sheet

    def keep(images, captions, **options):
        calls.append((images, captions, options))
        return draw(images, captions, **options)

    monkeypatch.setattr(view, "captioned_sheet", keep)
    return calls


@pytest.fixture
def tones():
    """256 images of 2x3, one for each grey level, in two classes by turns."""
    images = np.repeat(np.arange(256, dtype=np.uint8), 6).reshape(256, 2, 3)
    labels = np.arange(256, dtype=np.uint8) % 2
    return ff.Dataset.from_arrays(images, labels, classes=["even", "odd"])


# ---- rows -------------------------------------------------------------------------


def test_show_takes_the_first_images(sheets, small):
    sheet = small.show()
    assert sheet.mode == "RGB"
    ((images, captions, options),) = sheets
    assert np.array_equal(images, small.images[:32])
    assert captions == [small.classes[label] for label in small.labels[:32]]
    title = "synthetic/train (SYNTHETIC): 32 of 1,000 images"
    assert options == {"columns": 8, "zoom": 3, "title": title}


def test_show_passes_options_on(sheets, odd):
    odd.show([3, -1], columns=1, zoom=2, numbers=True)
    ((_, captions, options),) = sheets
    assert captions == [f"3 {odd.labels[3]}", f"516 {odd.labels[-1]}"]
    assert options == {"columns": 1, "zoom": 2, "title": "arrays: 2 of 517 images"}


@pytest.mark.parametrize("sides, zoom", [((1, 1), 84), ((28, 20), 3), ((9, 300), 1)])
def test_zoom_depends_on_the_size(sheets, sides, zoom):
    images = np.zeros((1, *sides), np.uint8)
    ff.Dataset.from_arrays(images, np.array([0])).show()
    assert sheets[0][2]["zoom"] == zoom


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
    chosen = look.chosen_rows(odd, rows)
    assert chosen.dtype == np.int64 and chosen.tolist() == list(want)
    assert look.chosen_rows(odd, rows, count=1).tolist() == [want[0]]


@pytest.mark.parametrize("classes", ["Bag", 8, ["Bag"], ("Bag", "Coat"), [8, 4]])
def test_classes_by_name_and_number(small, classes):
    wanted = [8, 4] if len(np.shape(classes)) and len(classes) == 2 else [8]
    among = [i for i, label in enumerate(small.labels) if label in wanted]
    assert look.chosen_rows(small, classes=classes, count=7).tolist() == among[:7]
    rows = slice(500, 700)
    within = [i for i in among if 500 <= i < 700]
    assert look.chosen_rows(small, rows, classes=classes).tolist() == within


def test_seed_draws_without_repetition(odd):
    draws = [look.chosen_rows(odd, seed=seed).tolist() for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert all(len(set(draw)) == 32 for draw in draws)
    everything = look.chosen_rows(odd, seed=2, count=1000)
    assert sorted(everything.tolist()) == list(range(517))
    ones = look.chosen_rows(odd, range(400), classes="1", seed=3, count=9)
    assert (odd.labels[ones] == 1).all() and ones.max() < 400
    assert ones.tolist() != sorted(ones.tolist())


@pytest.mark.parametrize(
    "rows, options, error, message",
    [
        (517, {}, IndexError, "row 517 is out of range: .* dataset of 517"),
        ("image", {}, TypeError, "rows must be a slice"),
        ([], {}, ValueError, "nothing to show: of 517 images, none is among the rows"),
        (None, {"classes": []}, ValueError, "nothing to show"),
        (None, {"classes": "3"}, ValueError, "among 0, 1, 2, got '3'"),
        (None, {"classes": 3}, ValueError, r"classes must be in 0\.\.2, got 3"),
        (None, {"classes": 1.5}, TypeError, "classes must be an integer, got 1.5"),
        (None, {"count": 0}, ValueError, r"count must be in 1\.\.10000, got 0"),
        (None, {"seed": -1}, ValueError, r"seed must be in 0\.\..*, got -1"),
        (None, {"seed": "a"}, TypeError, "seed must be an integer, got 'a'"),
        (None, {"numbers": 1}, TypeError, "numbers must be True or False, got 1"),
        (None, {"columns": 0}, ValueError, "columns must be at least 1, got 0"),
    ],
)
def test_bad_choices(sheets, odd, rows, options, error, message):
    with pytest.raises(error, match=message):
        odd.show(rows, **options)


def test_a_class_with_a_slip_is_guessed(small):
    with pytest.raises(ValueError, match=r"got 'bag'; did you mean 'Bag'\?"):
        small.show(classes="bag")
    many = ff.Dataset.from_arrays(small.images, np.arange(1000))
    with pytest.raises(ValueError, match=r"18, 19, \.\.\., got 'x'$"):
        many.show(classes="x")


def test_a_sheet_has_room_for_ten_thousand():
    many = ff.Dataset.from_arrays(
        np.zeros((10001, 1, 1), np.uint8), np.zeros(10001, np.uint8)
    )
    with pytest.raises(ValueError, match="room for 10,000 images, got 10,001"):
        many.show(range(10001))
    with pytest.raises(ValueError, match=r"count must be in 1\.\.10000, got 10001"):
        many.show(count=10001)
    assert len(look.chosen_rows(many, range(1, 10001))) == 10000


def test_title():
    images, labels = np.zeros((1, 1, 1), np.uint8), np.array([0])
    assert ff.Dataset.from_arrays(images, labels).title == "arrays"
    assert ff.Dataset.from_arrays(images, labels, name="mine").title == "mine"


# ---- batches ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_grey_level_comes_back(sheets, tones, dtype, layout):
    loader = ff.Loader(tones, 256, dtype=dtype, layout=layout, threads=1)
    loader.show(next(iter(loader)), count=256)
    ((images, captions, options),) = sheets
    assert images.dtype == np.uint8 and images.shape == tones.images.shape
    # bfloat16 has 8 bits, of values that the mean has moved: up to half a level off
    # near zero, and one where they are largest.
    near = 1 if dtype == "bfloat16" else 0
    assert np.abs(images.astype(int) - tones.images).max() <= near
    assert captions == ["even", "odd"] * 128
    assert options["title"] == "arrays: 256 of a batch of 256"


@pytest.mark.parametrize("normalize", ["unit", None, (0.3, 0.01), (-5, 20)])
def test_every_normalisation_is_undone(sheets, tones, normalize):
    loader = ff.Loader(tones, 256, normalize=normalize, threads=1)
    loader.show(next(iter(loader)), count=256)
    assert np.array_equal(sheets[0][0], tones.images)


def test_bits_of_bfloat16_without_ml_dtypes(sheets, tones):
    loader = ff.Loader(tones, 256, dtype="bfloat16", normalize=None, threads=1)
    images, labels = next(iter(loader))
    loader.show((images.view(np.uint16), labels), count=256)
    assert np.array_equal(sheets[0][0], tones.images)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_resized_batches_are_known_by_their_new_size(sheets, small, layout):
    loader = ff.Loader(small, 40, layout=layout, augment=ff.Resize((14, 20)), threads=1)
    assert loader.image_sides == (14, 20)
    assert ff.Loader(small).image_sides == (28, 28)
    loader.show(next(iter(loader)), columns=5, zoom=1)
    ((images, _, options),) = sheets
    assert images.shape == (32, 14, 20)
    assert (options["columns"], options["zoom"]) == (5, 1)
    with ff.Loader(small, augment=ff.Resize((14, 20)), dtype="uint8") as plain:
        want = next(iter(plain))[0][:32, 0]
    assert np.array_equal(images, want)


def test_values_beyond_black_and_white_are_cut(sheets, tones):
    loader = ff.Loader(tones, normalize="unit", threads=1)
    images = np.array([-7, 0, 0.5, 1, 9e9], np.float32).reshape(5, 1, 1, 1)
    loader.show((images, np.zeros(5, int)))
    assert sheets[0][0].ravel().tolist() == [0, 0, 128, 255, 255]


def test_mixed_labels_are_shares(sheets, small):
    loader = ff.Loader(small, 4, label_dtype="onehot", threads=1)
    images, labels = next(iter(loader))
    labels[:] = 0
    labels[0, 8], labels[0, 4] = 0.7, 0.3
    labels[1, 9] = 1
    labels[2, [1, 2, 3]] = 0.2, 0.5, 0.3
    loader.show((images, labels))
    captions = sheets[0][1]
    assert captions[:2] == ["Bag 70%, Coat 30%", "Ankle boot"]
    assert captions[2] == "Pullover 50%, Dress 30%"


@pytest.mark.parametrize(
    "batch, error, message",
    [
        (None, TypeError, r"a pair \(images, labels\) .* got NoneType"),
        ([1, 2, 3], TypeError, "a pair .* got list"),
        ((1, 2), ValueError, r"images of shape \(\) and labels of shape \(\)"),
        (
            (np.zeros((2, 1, 2, 3)), np.zeros(3, int)),
            ValueError,
            r"one label for each image, .* \(2, 1, 2, 3\) and labels of shape \(3,\)",
        ),
        (
            (np.zeros((2, 2, 3)), np.zeros(2, int)),
            ValueError,
            r"the loader's layout, NCHW of 2x3, got shape \(2, 2, 3\)",
        ),
        (
            (np.zeros((2, 3, 2, 3)), np.zeros(2, int)),
            ValueError,
            r"NCHW of 2x3, got shape \(2, 3, 2, 3\)",
        ),
        (
            (np.full((2, 1, 2, 3), np.nan), np.zeros(2, int)),
            ValueError,
            "images of a batch must be finite, found nan or inf",
        ),
        (
            (np.zeros((2, 1, 2, 3)), np.array([0, 2])),
            ValueError,
            r"labels of a batch must be in 0\.\.1, got 0 to 2",
        ),
        (
            (np.zeros((2, 1, 2, 3)), np.zeros((2, 3))),
            ValueError,
            r"integers or of shape \(n, 2\), got float64 \(2, 3\)",
        ),
        (
            (np.zeros((2, 1, 2, 3)), np.zeros(2)),
            ValueError,
            r"integers or of shape \(n, 2\), got float64 \(2,\)",
        ),
        (
            (np.zeros((0, 1, 2, 3)), np.zeros(0, int)),
            ValueError,
            "one caption for each image, got 0 for 0 images",
        ),
    ],
)
def test_bad_batches(sheets, tones, batch, error, message):
    with pytest.raises(error, match=message):
        ff.Loader(tones).show(batch)


def test_bad_count_of_a_batch(tones):
    loader = ff.Loader(tones, threads=1)
    with pytest.raises(ValueError, match=r"count must be in 1\.\.10000, got 0"):
        loader.show(next(iter(loader)), count=0)


# ---- the documentation ------------------------------------------------------------


def test_the_examples_of_the_documentation_run(tmp_path, monkeypatch, small):
    pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    text = Path(__file__).parents[1].joinpath("docs/look.md").read_text("utf-8")
    monkeypatch.setattr(ff, "load", lambda split: small)
    monkeypatch.chdir(tmp_path)
    names = {}
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for code in examples:
        exec(compile(code, "docs/look.md", "exec"), names)
    assert len(examples) >= 3
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == sorted(set(re.findall(r'"(\w+\.png)"', "".join(examples))))
