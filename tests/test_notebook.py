"""The HTML of a dataset is complete and escaped, and has the right images."""

import base64
import html.parser
import io
import re
import sys

import numpy as np
import pytest

import fmnist_fast as ff

VOID = {"img", "br"}


class Page(html.parser.HTMLParser):
    """Text, tags and images of an HTML page whose tags match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.images, self.tags = [], [], [], set()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag == "img":
            self.images.append(dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data.strip())

    @property
    def text(self):
        return " ".join(filter(None, self.words))


def pixels(image):
    Image = pytest.importorskip("PIL.Image")
    head, _, content = image["src"].partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def dataset_of(images, labels, **options):
    return ff.Dataset.from_arrays(images, np.asarray(labels), **options)


def test_first_image_name_and_count_of_each_class(small):
    pytest.importorskip("PIL.Image")
    page = Page(small._repr_html_())
    assert "synthetic/train (SYNTHETIC)" in page.text
    assert "1,000 images of 28x28 uint8, 10 classes" in page.text
    assert len(page.images) == 10
    for number, (name, image) in enumerate(zip(small.classes, page.images)):
        first = np.flatnonzero(small.labels == number)[0]
        assert np.array_equal(pixels(image), small.images[first])
        assert f"{name} {np.count_nonzero(small.labels == number)}" in page.text
        assert "image-rendering:pixelated" in image["style"]
        assert (image["width"], image["height"]) == ("56", "56")


def test_the_folder_of_the_files(small_in_files):
    assert small_in_files.source in Page(small_in_files._repr_html_()).text


def test_only_synthetic_data_is_marked(small):
    plain = dataset_of(small.images, small.labels)._repr_html_()
    assert "SYNTHETIC" not in plain and "#f5b301" not in plain
    assert "#f5b301" in small._repr_html_()


def test_text_has_the_colors_of_the_page(small):
    """Frames are middle gray. Only the mark of synthetic data has other colors."""
    text = dataset_of(small.images, small.labels)._repr_html_()
    assert set(re.findall("#[0-9a-f]{6}", text)) == {"#808080"}
    assert "color:" not in text and "background" not in text


def test_names_are_escaped(small):
    bad = '"><script>alert(1)</script>&amp;\n'
    classes = [f"{i}{bad}" for i in range(10)]
    page = Page(dataset_of(small.images, small.labels, classes=classes)._repr_html_())
    assert "script" not in page.tags
    assert "<script>alert(1)</script>&amp;" in page.text
    page = Page(dataset_of(small.images, small.labels, name=bad)._repr_html_())
    assert "script" not in page.tags and "<script>" in page.text


def test_many_classes_are_cut():
    images = np.zeros((45, 2, 2), np.uint8)
    page = Page(dataset_of(images, np.arange(45))._repr_html_())
    assert "and 15 more classes" in page.text
    assert "29 1" in page.text and "30 1" not in page.text
    thirty = dataset_of(images[:30], np.arange(30))._repr_html_()
    assert "more classes" not in thirty


def test_classes_without_images():
    pytest.importorskip("PIL.Image")
    images = np.zeros((1, 2, 2), np.uint8)
    page = Page(dataset_of(images, [1], classes=["none", "one"])._repr_html_())
    assert "none 0 one 1" in page.text and len(page.images) == 1
    page = Page(dataset_of(images[:0], np.zeros(0, int), classes=["a"])._repr_html_())
    assert "0 images of 2x2" in page.text and page.images == []


@pytest.mark.parametrize(
    "sides, kept, shown",
    [
        ((1, 1), (1, 1), (56, 56)),
        ((20, 30), (20, 30), (20, 30)),
        ((56, 8), (56, 8), (56, 8)),
        ((300, 200), (50, 34), (50, 34)),
        ((1, 4000), (1, 56), (1, 56)),
    ],
)
def test_thumbnails_of_any_size(sides, kept, shown):
    pytest.importorskip("PIL.Image")
    image = np.random.default_rng(0).integers(0, 256, (1, *sides), np.uint8)
    (thumbnail,) = Page(dataset_of(image, [0])._repr_html_()).images
    assert pixels(thumbnail).shape == kept
    assert (int(thumbnail["height"]), int(thumbnail["width"])) == shown


def test_the_page_needs_no_pillow(small, monkeypatch):
    with_pillow = small._repr_html_()
    for name in [name for name in sys.modules if name.partition(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert small._repr_html_() == with_pillow
    page = Page(with_pillow)
    assert len(page.images) == 10
    assert "Bag" in page.text and "1,000 images" in page.text
