"""What the tests share: small data, the real data, and a cache folder of their own."""

import os
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import _core


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep the user's cache folder out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("FMNIST_FAST_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def real_root():
    """The folder of the published files, where $FMNIST_FAST_DATA names one."""
    root = os.environ.get("FMNIST_FAST_DATA")
    if not root:
        pytest.skip("FMNIST_FAST_DATA does not name the published Fashion-MNIST files")
    return Path(root)


@pytest.fixture(scope="session")
def real_train(real_root):
    return ff.load("train", real_root)


@pytest.fixture(scope="session")
def small():
    """1000 synthetic images in ten classes."""
    return ff.synthetic(1000, 100)[0]


@pytest.fixture(scope="session")
def odd():
    """517 images of 5x7 random pixels in three classes: no round number anywhere."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (517, 5, 7), dtype=np.uint8)
    return ff.Dataset.from_arrays(images, rng.integers(0, 3, 517, dtype=np.uint8))


@pytest.fixture(params=_core.cpu_levels())
def cpu_level(request):
    """Run the test with the kernels of each instruction set that is there."""
    before = _core.get_cpu_level()
    _core.set_cpu_level(request.param)
    yield request.param
    _core.set_cpu_level(before)
