"""docs/augmentation.md has today's transforms, parameters and pictures."""

import ast
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import _names

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "augmentation.md").read_text("utf-8")
LISTS = TEXT.partition("\n## Differences")[0]
CODES = re.findall(r"^\| `([A-Z]\w+\([^`]*\))` \|", LISTS, re.MULTILINE)
MAX_NBYTES = 60_000  # of a picture


def parameters_of(code):
    """Return name, default and whether it is keyword-only, as a page writes them."""
    name, _, arguments = code.partition("(")
    function = ast.parse(f"def {name}({arguments}: pass").body[0].args
    required = len(function.args) - len(function.defaults)
    defaults = [None] * required + function.defaults
    both = [(*pair, False) for pair in zip(function.args, defaults)]
    both += [(*pair, True) for pair in zip(function.kwonlyargs, function.kw_defaults)]
    return [
        (
            argument.arg,
            eval(ast.unparse(default)) if default else inspect.Parameter.empty,
            is_keyword,
        )
        for argument, default, is_keyword in both
    ]


def test_the_page_has_every_transform():
    assert sorted(code.partition("(")[0] for code in CODES) == sorted(_names.MODULES)


@pytest.mark.parametrize("code", CODES)
def test_parameters_on_the_page_are_those_of_the_transform(code):
    signature = inspect.signature(getattr(ff, code.partition("(")[0]))
    want = [
        (p.name, p.default, p.kind == p.KEYWORD_ONLY)
        for p in signature.parameters.values()
    ]
    assert parameters_of(code) == want


def test_another_parameter_is_noticed():
    code = next(code for code in CODES if code.startswith("RandomCrop"))
    with pytest.raises(AssertionError):
        changed = code.replace("fill=0", "fill=1")
        test_parameters_on_the_page_are_those_of_the_transform(changed)
    with pytest.raises(AssertionError):
        changed = code.replace("padding=None, ", "")
        test_parameters_on_the_page_are_those_of_the_transform(changed)


def test_trivial_augment_makes_as_many_images_black_as_the_page_says(real_train):
    assert "makes 5 % of Fashion-MNIST's images nearly black" in " ".join(TEXT.split())
    options = {"dtype": "uint8", "normalize": None, "layout": "flat"}
    dataset = real_train.select(slice(0, 30_000))
    loader = ff.Loader(dataset, 30_000, augment=ff.TrivialAugmentWide(), **options)
    ((images, _),) = loader
    brightness = dataset.images.mean(axis=(1, 2))
    assert round((images.mean(axis=1) < 0.1 * brightness).mean() * 100) == 5


# ---- pictures -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures(real_root):
    """Return the module that draws them."""
    pytest.importorskip("PIL.Image")
    from helpers import augment_pictures

    return augment_pictures


def names():
    return [path.stem for path in sorted((DOCS / "images").glob("augment-*.png"))]


def differences(picture, path):
    """Return what differs between a file and a picture of today, except the text.

    The font depends on the version of Pillow.
    """
    from PIL import Image

    with Image.open(path) as image:
        if image.size != picture.image.size:
            return ["size"]
        kept, label = np.asarray(image), image.info["Description"]
    drawn = np.asarray(picture.image)
    found = ["label"] if label != picture.label else []
    for left, top, right, bottom in picture.boxes:
        box = np.s_[top:bottom, left:right]
        if not np.array_equal(kept[box], drawn[box]):
            found.append((left, top))
    return found


@pytest.mark.parametrize("name", names())
def test_pictures_are_those_of_today(pictures, name):
    """If one is not, run `python tests/helpers/augment_pictures.py`."""
    path = DOCS / "images" / f"{name}.png"
    picture = pictures.drawn(name.removeprefix("augment-"))
    assert differences(picture, path) == []
    assert len(picture.boxes) >= 6 and path.stat().st_size < MAX_NBYTES


def test_a_planted_change_of_a_picture_is_noticed(pictures, monkeypatch):
    path = DOCS / "images" / "augment-erase.png"
    monkeypatch.setitem(pictures.PICTURES, "erase", ["Cutout(12)", "Cutout(14)"])
    assert differences(pictures.drawn("erase"), path) == ["size"]
    rows = ["RandomErasing(p=1.0)", "RandomErasing(p=1.0, value='random')"]
    monkeypatch.setitem(pictures.PICTURES, "erase", [*rows, "Cutout(13)"])
    found = differences(pictures.drawn("erase"), path)
    assert found[0] == "label" and 1 < len(found) <= 10


def test_the_page_shows_every_picture(pictures):
    assert names() == sorted(f"augment-{name}" for name in pictures.PICTURES)
    shown = re.findall(r"\]\(images/(augment-\w+)\.png\)", TEXT)
    assert sorted(shown) == names()


def test_the_pictures_have_every_transform(pictures):
    texts = str(pictures.PICTURES)
    absent = {name for name in _names.MODULES if f"{name}(" not in texts}
    assert absent == {"Compose", "CFunction"}
