"""Cases from the field: transforms, and names and arguments of other libraries."""

import re
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff


def test_case_09_names_of_data_loader(small):
    """Keywords of torch's DataLoader are refused with what to write here."""
    wanted = {
        "num_workers": "Native threads fill the batches: pass threads=2",
        "pin_memory": "It isn't needed. TorchLoader",
        "collate_fn": "It isn't needed. Batches are arrays already.",
        "sampler": "dataset.select(rows)",
        "generator": "\nPass seed=123.",
    }
    for name, text in wanted.items():
        with pytest.raises(TypeError, match=re.escape(text)):
            ff.Loader(small, **{name: np.random.default_rng(123)})


def test_case_11_transforms_of_torchvision(small):
    """Names, objects and functions that don't fit are refused at once, with a way."""
    with pytest.raises(AttributeError, match=r"'ToTensor'\.\nIt isn't needed\."):
        _ = ff.ToTensor
    words = (
        r"functions must be callable as function\(images, labels, rng\), got .*\(x\)"
    )
    with pytest.raises(TypeError, match=words):
        ff.Loader(small, augment=[lambda x: x])
    kind = type("RandomCrop", (), {"__module__": "torchvision.transforms"})
    with pytest.raises(TypeError, match=r"got torchvision's .*\nPass ff\.RandomCrop"):
        ff.Loader(small, augment=[kind()])


def test_case_28_no_black_frames_of_the_recipe_strong(real_train):
    """Fewer than 1 image in 1,000 is nearly black or flat after the recipe "strong"."""
    dataset = real_train.select(slice(0, 30_000))
    brightness = dataset.images.mean(axis=(1, 2))
    options = {"dtype": "uint8", "layout": "flat", "augment": "strong"}
    ((images, _),) = ff.Loader(dataset, 30_000, **options)
    assert (images.mean(axis=1) < 0.1 * brightness).sum() < 30
    assert (images.std(axis=1) < 8).sum() < 30


def test_case_33_bilinear_warps_are_within_two_levels():
    """Bilinear warps differ from torchvision's by at most two gray levels."""
    docs = Path(__file__).parents[1] / "docs" / "augmentation.md"
    bound = "differ from torchvision's by at most two gray levels"
    assert bound in " ".join(docs.read_text("utf-8").split())
    image = np.array([[[255, 0], [255, 255]]], np.uint8)
    dataset = ff.Dataset.from_arrays(image, np.zeros(1, np.uint8))
    warp = ff.RandomRotation((26, 26), "bilinear")
    ((warped, _),) = ff.Loader(dataset, dtype="uint8", layout="NHW", augment=warp)
    torchvisions = [[155, 57], [212, 212]]
    assert abs(warped[0].astype(int) - torchvisions).max() == 2


def test_case_37_contrast_keeps_images_of_one_level():
    """Contrast changes no image that has one gray level."""
    images = np.repeat(np.arange(256, dtype=np.uint8), 20).reshape(256, 4, 5)
    dataset = ff.Dataset.from_arrays(images, np.zeros(256, np.uint8))
    options = {"dtype": "uint8", "layout": "NHW"}
    for factor in (0.0, 0.1, 0.3, 0.7, 0.9, 1.1, 1.9, 50.0):
        jitter = ff.ColorJitter(contrast=(factor, factor))
        ((got, _),) = ff.Loader(dataset, augment=jitter, **options)
        assert np.array_equal(got, images)


def test_case_38_spellings_of_torchvision():
    """Arguments that mean the same as ours are taken, and others name what there is."""
    wanted = ff.RandomRotation(10, "bilinear", fill=1)
    assert ff.RandomRotation([-10, 10], 2, fill=[1]) == wanted
    assert ff.RandomRotation(np.array([-10, 10]), 2, fill=(1.0,)) == wanted
    assert ff.RandomRotation(10, 0) == ff.RandomRotation(10)
    with pytest.raises(ValueError, match="nearest, bilinear, got 'bicubic'"):
        ff.Resize(28, 3)
    with pytest.raises(ValueError, match=r"got 'nearest-exact'\.\nPass 'nearest'\."):
        ff.Resize(28, "nearest-exact")
