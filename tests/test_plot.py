"""Plots: their numbers, compared with slow numpy, and their texts."""

import io
import sys

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import plot


@pytest.fixture
def matplotlib():
    return pytest.importorskip("matplotlib")


def dataset_of(images, labels, **options):
    return ff.Dataset.from_arrays(images, np.asarray(labels), **options)


def drawn(figure):
    """Draw a plot, and return its pixels."""
    from PIL import Image

    file = io.BytesIO()
    figure.savefig(file, format="png")
    return np.asarray(Image.open(file))


# ---- numbers ----------------------------------------------------------------------


@pytest.mark.parametrize("part_nbytes", [1, 35 * 100, 1 << 20])
def test_mean_images_equal_numpy(odd, monkeypatch, part_nbytes):
    monkeypatch.setattr(plot, "_PART_NBYTES", part_nbytes)
    means = plot.mean_images(odd)
    assert means.shape == (3, 5, 7) and means.dtype == np.float64
    for number, image in enumerate(means):
        want = odd.images[odd.labels == number].mean(axis=0)
        np.testing.assert_allclose(image, want, rtol=1e-14)


def test_mean_images_of_empty_classes_are_nan():
    images = np.full((2, 1, 3), 255, np.uint8)
    means = plot.mean_images(dataset_of(images, [1, 1], classes=list("abc")))
    assert np.isnan(means[[0, 2]]).all() and (means[1] == 255).all()
    empty = dataset_of(images[:0], np.zeros(0, int), classes=["a"])
    assert np.isnan(plot.mean_images(empty)).all()


def test_mean_images_need_little_memory():
    tracemalloc = pytest.importorskip("tracemalloc")
    images = np.zeros((100_000, 28, 28), np.uint8)
    dataset = dataset_of(images, np.arange(100_000) % 10)
    tracemalloc.start()
    try:
        plot.mean_images(dataset)
        plot.pixel_counts(dataset)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 << 20 < images.nbytes // 6


@pytest.mark.parametrize("part_nbytes", [1, 35 * 100, 1 << 20])
def test_pixel_counts_equal_numpy(odd, monkeypatch, part_nbytes):
    monkeypatch.setattr(plot, "_PART_NBYTES", part_nbytes)
    want = [np.count_nonzero(odd.images == level) for level in range(256)]
    assert plot.pixel_counts(odd).tolist() == want


def test_means_of_the_published_files(real_train):
    means = plot.mean_images(real_train)
    assert means.mean() / 255 == pytest.approx(0.2860405969887955, rel=1e-12)
    assert plot.pixel_counts(real_train).sum() == 60000 * 784


# ---- plots ------------------------------------------------------------------------


def test_counts(matplotlib):
    labels = np.repeat([0, 2], [3, 1200])
    images = np.zeros((1203, 1, 1), np.uint8)
    dataset = dataset_of(images, labels, classes=["a", "b", "c"])
    figure = plot.counts(dataset)
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [3, 0, 1200]
    assert [text.get_text() for text in axes.texts] == ["3", "0", "1,200"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b", "c"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first class is on top
    assert axes.get_title() == "arrays: 1,203 images"
    assert drawn(figure).std() > 10


def test_classes_of_equal_names_have_separate_bars(matplotlib):
    classes = ["a" * 30 + "b", "a" * 30 + "c"]  # equal when shortened
    dataset = dataset_of(np.zeros((3, 1, 1), np.uint8), [0, 1, 1], classes=classes)
    (axes,) = plot.counts(dataset).axes
    assert [bar.get_width() for bar in axes.patches] == [1, 2]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [
        "a" * 21 + "..."
    ] * 2


def test_means(matplotlib, small):
    figure = plot.means(small)
    assert len(figure.axes) == 10
    for axes, image, name in zip(figure.axes, plot.mean_images(small), small.classes):
        (shown,) = axes.images
        assert axes.get_title() == name
        assert np.array_equal(shown.get_array(), image)
        assert shown.get_clim() == (0, 255) and shown.get_cmap().name == "gray"
        assert shown.get_interpolation() == "nearest"
    assert figure.get_suptitle() == "synthetic/train (SYNTHETIC): mean images"
    assert drawn(figure).std() > 10


def test_means_say_which_classes_are_empty(matplotlib):
    dataset = dataset_of(np.zeros((1, 2, 2), np.uint8), [0], classes=["a", "b"])
    figure = plot.means(dataset)
    words = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert words == [[], ["no images"]]
    drawn(figure)


def test_histogram(matplotlib, small):
    figure = plot.histogram(small)
    (axes,) = figure.axes
    ((values, edges, _),) = [patch.get_data() for patch in axes.patches]
    np.testing.assert_allclose(values.sum(), 100)
    assert np.array_equal(values > 0, plot.pixel_counts(small) > 0)
    assert (edges[0], edges[-1]) == (-0.5, 255.5) and axes.get_yscale() == "log"
    mean = 255 * small.mean
    assert f"synthetic/train (SYNTHETIC): mean {mean:.1f}, standard" in axes.get_title()
    assert drawn(figure).std() > 10


def test_plots_of_few_and_of_many_classes(matplotlib):
    """Labels without room would cause warnings, which are errors here."""
    one = dataset_of(np.full((2, 1, 90), 7, np.uint8), [0, 0], classes=["x" * 500])
    many = dataset_of(np.zeros((26, 9, 2), np.uint8), np.arange(26))
    for dataset in (one, many):
        for draw in (plot.counts, plot.means):
            assert drawn(draw(dataset)).std() > 10
    (axes,) = plot.histogram(one).axes
    low, high = axes.get_ylim()
    assert low < 10 < 100 < high
    assert plot.means(one).axes[0].get_title() == "x" * 21 + "..."
    places = [axes.get_subplotspec().colspan.start for axes in plot.means(many).axes]
    assert max(places) == 9


def test_pyplot_and_its_settings_are_not_changed(matplotlib, small, monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    before = matplotlib.rcParams.copy()  # dict() of them chooses a backend
    for draw in (plot.counts, plot.means, plot.histogram):
        drawn(draw(small))
    assert "matplotlib.pyplot" not in sys.modules
    assert matplotlib.rcParams.copy() == before


def test_names_are_not_parsed_as_formulas(matplotlib):
    classes = ["$x^{$", "two\nlines", r"$\bad$"]
    dataset = dataset_of(
        np.zeros((3, 2, 2), np.uint8), [0, 1, 2], classes=classes, name="$_$"
    )
    for draw in (plot.counts, plot.means, plot.histogram):
        drawn(draw(dataset))
    assert plot.means(dataset).axes[1].get_title() == "two lines"


def test_too_many_classes_are_refused():
    dataset = dataset_of(np.zeros((101, 1, 1), np.uint8), np.arange(101))
    for draw in (plot.counts, plot.means):
        with pytest.raises(ValueError, match=r"at most 100 classes, got 101"):
            draw(dataset)


def test_plots_of_no_images_are_refused():
    dataset = dataset_of(np.zeros((0, 2, 2), np.uint8), np.zeros(0, int))
    with pytest.raises(ValueError, match="at least one image, got 0"):
        plot.histogram(dataset)
    for draw in (plot.counts, plot.means):
        with pytest.raises(ValueError, match="at least one image, got 0"):
            draw(dataset)


def test_missing_matplotlib_says_how_to_get_it(small, monkeypatch):
    for name in [n for n in sys.modules if n.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (plot.counts, plot.means, plot.histogram):
        with pytest.raises(ImportError, match="pip install matplotlib"):
            draw(small)
