"""Cases from the field: units and owners of the statistics that normalize batches."""

import numpy as np
import pytest

import fmnist_fast as ff


def test_case_04_units(small):
    """Numbers in 0..255 are refused with the right pair; torchvision's are taken."""
    with pytest.raises(ValueError, match=r"pass normalize=\(0\.286, 0\.353\)\.$"):
        ff.Loader(small, normalize=(72.94, 90.02))
    loader = ff.Loader(small, normalize=((0.1307,), (0.3081,)))
    assert loader.normalize == (loader.mean, loader.std) == (0.1307, 0.3081)
    assert ff.Loader(small.select([0]), normalize=small).mean == small.mean


def test_case_08_statistics_of_the_training_set(real_root, real_train):
    """A test set, also of one class, is normalized by the training set's statistics."""
    test, expected = ff.load("test", real_root), (real_train.mean, real_train.std)
    sandals = test.select(test.labels == test.str2int("Sandal"))
    for loader in map(ff.Loader, (real_train, test, sandals)):
        assert loader.normalize == (loader.mean, loader.std) == expected
        assert "normalize=(0.286, 0.353) of fashion-mnist/train" in repr(loader)
    assert test.mean == pytest.approx(np.mean(test.images) / 255) != test.std


def test_case_30_parts_of_a_split_can_be_told_apart(small):
    """The repr of a part names the part, the split, and the size of the whole."""
    texts = [
        f"synthetic/train (SYNTHETIC), part {i} of split(0.5, seed=0)" for i in "12"
    ]
    for part, text in zip(small.split(0.5), texts):
        assert f"({text}: 500 of 1,000 images of 28x28" in repr(part)
        assert f"({text}: 10 of 1,000 images of" in repr(part.select(range(10)))
        assert part.title == small.title == "synthetic/train (SYNTHETIC)"
    assert repr(part.concatenate(part)).startswith(f"Dataset({part.title}: 1,000 of")
