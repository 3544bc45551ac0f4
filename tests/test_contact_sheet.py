"""Contact sheets: positions of pixels, gaps between names, and bad arguments."""

import sys

import numpy as np
import pytest

from fmnist_fast._checks import one_line
from fmnist_fast._registry.datasets import CLASSES
from fmnist_fast._show.contact_sheet import _GROUND, contact_sheet, save_png

GROUND = np.array(_GROUND)


@pytest.fixture
def pillow():
    return pytest.importorskip("PIL.Image")


def images_of(n, height=28, width=28):
    return np.full((n, height, width), 128, np.uint8)


def sheet_of(labels, classes=CLASSES, height=28, width=28, **options):
    images = images_of(len(labels), height, width)
    captions = [classes[label] for label in labels]
    options = {"columns": 16, "zoom": 2} | options
    return np.asarray(contact_sheet(images, captions, **options))


def ink(pixels):
    """Return a mask of the pixels that differ from the background."""
    return (pixels != GROUND).any(axis=-1)


def runs(mask):
    """Return the number of runs of True."""
    return int(np.count_nonzero(np.diff(np.concatenate([[0], mask.astype(int)])) == 1))


def test_pixels_are_enlarged_without_smoothing(pillow):
    image = np.random.default_rng(0).integers(0, 256, (1, 5, 7), np.uint8)
    sheet = contact_sheet(image, ["a"], zoom=3)
    assert sheet.mode == "RGB"
    pixels = np.asarray(sheet)
    expected = np.repeat(image[0].repeat(3, axis=0).repeat(3, axis=1)[..., None], 3, 2)
    assert np.array_equal(pixels[8 : 8 + 15, 8 : 8 + 21], expected)


@pytest.mark.parametrize("n, columns, rows", [(1, 1, 1), (16, 16, 1), (17, 16, 2)])
def test_rows_and_columns(pillow, n, columns, rows):
    pixels = sheet_of([3] * n)
    gray = (pixels == 128).all(axis=-1)
    assert gray.sum() >= n * 56 * 56
    assert runs(gray[8 + 28]) == columns
    assert runs(gray.sum(axis=1) >= 56) == rows


def test_the_longest_names_do_not_touch(pillow):
    """Each name stays apart from its neighbors, from the image and from the edge."""
    cells = 16
    pixels = ink(sheet_of([0, 9] * (cells // 2)))
    names = pixels[8 + 56 :]
    columns = np.flatnonzero(names.any(axis=0))
    gaps = np.diff(columns)
    # With the space in "Ankle boot", letters are at most 7 pixels apart.
    assert np.count_nonzero(gaps >= 8) == cells - 1
    assert columns[0] >= 4 and columns[-1] < pixels.shape[1] - 4
    rows = np.flatnonzero(names.any(axis=1))
    assert rows[0] >= 1 and rows[-1] < len(names) - 1
    assert 8 <= rows[-1] - rows[0] + 1 <= 16


def test_each_image_has_the_name_of_its_label(pillow):
    names = [sheet_of([label])[8 + 56 :] for label in range(10)]
    for i, name in enumerate(names):
        assert ink(name).any()
        for other in names[:i]:
            assert name.shape != other.shape or not np.array_equal(name, other)


def test_title_is_on_a_separate_line(pillow):
    plain, titled = sheet_of([0]), sheet_of([0], title="SYNTHETIC " * 8)
    more = titled.shape[0] - plain.shape[0]
    assert more > 0
    assert np.array_equal(titled[more:, : plain.shape[1]], plain)
    top = ink(titled[:more])
    assert top.any()
    assert not top[:, -4:].any()  # the sheet is widened, and the title is whole


def test_very_long_names_are_cut_and_line_ends_removed(pillow):
    assert one_line("Ankle boot", 40) == "Ankle boot"
    assert one_line("two\n lines", 40) == "two lines"
    assert one_line("x" * 50, 40) == "x" * 37 + "..."
    assert np.array_equal(sheet_of([0], ["a\nb"]), sheet_of([0], ["a b"]))
    assert sheet_of([0], classes=["x" * 1000]).shape[1] < 400


def test_small_and_oblong_images(pillow):
    assert sheet_of([0], ["a"], height=1, width=1).shape[:2] > (8, 8)
    pixels = sheet_of([0, 0], ["a"], height=3, width=50, zoom=1)
    assert runs((pixels == 128).all(axis=-1)[8 + 1]) == 2


def test_images_of_several_sizes_are_centered_in_cells_of_the_largest(pillow):
    images = [np.full((4, 10), 100, np.uint8), np.full((20, 30), 200, np.uint8)]
    sheet = contact_sheet(images, ["a", "b"], zoom=2)
    pixels = np.asarray(sheet)[..., 0]
    assert (pixels[8 + 16 : 8 + 24, 8 + 20 : 8 + 40] == 100).all()
    assert (pixels[: 8 + 40] == 100).sum() == 8 * 20
    assert (pixels[8 : 8 + 40, 8 + 60 + 8 : 8 + 60 + 8 + 60] == 200).all()


def test_a_list_of_images_gives_the_same_sheet_as_an_array(pillow):
    images, names = images_of(3), [CLASSES[label] for label in (0, 9, 5)]
    options = {"columns": 2, "zoom": 3, "title": "x"}
    want, sheet = (
        contact_sheet(sequence, names, **options) for sequence in (images, list(images))
    )
    assert np.array_equal(np.asarray(sheet), np.asarray(want))


@pytest.mark.parametrize(
    "sides, zoom", [((1, 1), 84), ((28, 20), 3), ((9, 300), 1), ((84, 168), 1)]
)
def test_zoom_depends_on_the_size(pillow, sides, zoom):
    """Names are not black, so all pixels of value 0 belong to images."""
    sheet = contact_sheet(np.zeros((2, *sides), np.uint8), ["a", "b"])
    n_black = (np.asarray(sheet) == 0).all(axis=-1).sum()
    assert n_black == 2 * sides[0] * sides[1] * zoom**2


def test_png_holds_the_sheet(pillow, tmp_path):
    sheet = contact_sheet(images_of(2), CLASSES[:2])
    path = save_png(sheet, tmp_path / "a.png")
    assert path == (tmp_path / "a.png").resolve()
    with pillow.open(path) as read:
        assert read.format == "PNG"
        assert np.array_equal(np.asarray(read), np.asarray(sheet))
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_png_requires_an_existing_folder(pillow, tmp_path):
    sheet = contact_sheet(images_of(1), CLASSES[:1])
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*missing"):
        save_png(sheet, tmp_path / "missing" / "a.png")
    with pytest.raises(IsADirectoryError, match="must be a file, got a folder"):
        save_png(sheet, tmp_path)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"columns": 0}, ValueError, "columns must be at least 1, got 0"),
        ({"zoom": -1}, ValueError, "zoom must be at least 1, got -1"),
        ({"zoom": 1.5}, TypeError, "zoom must be an integer, got 1.5"),
        ({"columns": True}, TypeError, "columns must be an integer, got True"),
    ],
)
def test_bad_arguments(pillow, options, error, message):
    with pytest.raises(error, match=message):
        contact_sheet(images_of(2), ["a", "b"], **options)


def test_missing_pillow_says_how_to_get_it(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        contact_sheet(images_of(1), CLASSES[:1])


def test_default_font_of_a_pillow_without_freetype(pillow, monkeypatch):
    from PIL import ImageFont

    if not hasattr(ImageFont, "load_default_imagefont"):
        pytest.skip("this Pillow has no function that returns its bitmap font")
    load_default = ImageFont.load_default_imagefont

    def without_freetype(size=None):
        if size is not None:
            raise ImportError("The _imagingft C module is not installed")
        return load_default()

    monkeypatch.setattr(ImageFont, "load_default", without_freetype)
    assert ink(sheet_of([0, 9], title="title")[-12:]).any()


def test_a_sheet_that_is_too_large_for_memory_is_refused():
    images = np.zeros((4, 28, 28), np.uint8)
    with pytest.raises(ValueError, match=r"4 images with zoom=9999\.\nPass a smaller"):
        contact_sheet(images, ["a"] * 4, zoom=9999)


def test_letters_that_pillows_font_lacks_are_drawn_with_matplotlibs():
    pytest.importorskip("matplotlib")
    images = np.zeros((2, 28, 28), np.uint8)

    def text_of(caption):
        sheet = np.asarray(contact_sheet(images, [caption, caption], zoom=3))
        return sheet[-20:].tobytes()

    assert len({text_of(caption) for caption in ("Ü", "Ω", "ж", "\ufffe")}) == 4


def test_pillows_font_is_used_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    sheet = contact_sheet(np.zeros((1, 28, 28), np.uint8), ["Ü"])
    assert sheet.width > 28
