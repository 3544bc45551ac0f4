"""The differences from torchvision on docs/augmentation.md are those of today."""

import copy
import importlib.util
import json
from pathlib import Path

import pytest

import fmnist_fast as ff
from benchmarks import differences as page
from fmnist_fast import _names

torch = pytest.importorskip("torch", reason="torchvision needs torch")
if importlib.util.find_spec("torchvision") is None:
    pytest.skip("torchvision is not installed", allow_module_level=True)
from helpers import differences  # noqa: E402
from helpers.against_torchvision import augmented  # noqa: E402
from helpers.torchvision_functions import theirs  # noqa: E402

FIGURES = Path(__file__).parents[1] / "benchmarks" / "results" / "figures.json"
KEPT = json.loads(FIGURES.read_text("utf-8"))["differences"]
GROUPS = {"Compose", "RandomApply", "RandomChoice", "RandomOrder"}
ROTATION = 'RandomRotation(30, interpolation="bilinear")'


@pytest.fixture(scope="module")
def published(real_root):
    """Return the published differences, if torchvision computes as it did for them."""
    import torchvision

    versions = torch.__version__, torchvision.__version__
    versions = [version.partition("+")[0] for version in versions]
    if versions != [KEPT["torch"], KEPT["torchvision"]]:
        pytest.skip(f"the figures are not those of torch, torchvision {versions}")
    return KEPT


def test_every_transform_has_a_row():
    rows = "\n".join(differences.ROWS)
    compared = {name for name in _names.MODULES if f"{name}(" in rows}
    others = {*differences.ABSENT, *GROUPS}
    assert compared | others >= set(_names.MODULES) and not compared & others
    assert list(differences.ROWS) == [*KEPT["rows"]]


@pytest.mark.parametrize("row", KEPT["rows"])
def test_the_published_differences_are_those_of_today(published, row):
    """If they are not, run the last commands of CONTRIBUTING.md for figures."""
    if not differences.is_same_code(published["capability"], row):
        pytest.skip(f"torch has other code on {published['capability']} processors")
    assert differences.agree(row, published["rows"][row], differences.measured(row))


def test_contrast_keeps_images_of_one_gray_level():
    found = differences.flat_images()
    assert found["ours"] == 0 and found["theirs"] > 0
    assert found == KEPT["flat"]


def test_planted_differences_are_noticed():
    kept = KEPT["rows"]
    for row, part, name, value in [
        ("RandomInvert(p=1.0)", "real", "differ", 1),
        ("RandomInvert(p=1.0)", "noise", "largest", 1),
        ("Resize(32)", "real", "largest", 3),
        ("Resize(32)", "real", "by two", 21),
        (ROTATION, "noise", "differ", kept[ROTATION]["noise"]["differ"] * 11 // 10),
        (ROTATION, "noise", "largest", 80),
        (ROTATION, "real", "pixels", 28),
    ]:
        planted = copy.deepcopy(kept[row])
        planted[part][name] = value
        assert differences.agree(row, kept[row], kept[row])
        assert not differences.agree(row, kept[row], planted), (row, part, name)


def test_a_planted_fault_changes_the_differences(published, monkeypatch):
    row = "RandomPosterize(3, p=1.0)"
    monkeypatch.setattr(
        differences, "augmented", lambda x, t: augmented(x, ff.RandomPosterize(2, 1.0))
    )
    found = differences.measured(row)
    assert not differences.agree(row, published["rows"][row], found)
    assert found["noise"]["largest"] == 32


def test_the_numbers_of_the_core_are_those_of_torchvision(small):
    """Half of the images are changed, and the same half in both."""
    images, flip = small.images[:60].copy(), [ff.RandomHorizontalFlip()]
    got = augmented(images, flip)
    assert (got == theirs(images, flip)).all()
    assert 20 < (got != images).any(axis=(1, 2)).sum() < 40


def test_cells_have_two_digits():
    part = {"pixels": 10**6, "differ": 123_456, "by two": 13, "largest": 7}
    zero = dict.fromkeys(part, 0) | {"pixels": 9}
    cells = page.line({"real": part, "noise": zero})
    assert cells == ["7", "12 %", "0.0013 %", "0", "0", "0"]
