"""A copy in a cache folder, which tests make, damage and forge."""

import os
import signal
import sys

import numpy as np
import pytest

from fmnist_fast._load import copies
from fmnist_fast._load.copies import Copy, load_copy, load_or_make, save_copy
from fmnist_fast._registry.datasets import DATASETS

ITEMS = np.array([[1, -2], [300, 4], [5, 6]], np.int16)
OTHER = ITEMS + 1
PUBLISHED = DATASETS["fashion-mnist"].sha256_of("t10k-labels-idx1-ubyte")[0]
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root"
)


@pytest.fixture(params=[None, PUBLISHED], ids=["any", "published"])
def sha256(request):
    """Return the hash that copies have: none, or that of a published file."""
    return request.param


@pytest.fixture
def no_hang():
    """Fail after 20 seconds, for example at a FIFO that nobody writes to."""

    def fail(number, frame):
        pytest.fail("the test hangs")  # no OSError, which would be caught

    if not hasattr(signal, "alarm"):
        yield
        return
    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def made():
    """Return a list that gets an element for each time that a copy is made."""
    return []


@pytest.fixture
def copy(tmp_path, sha256, made, no_hang):
    """Return a copy of `ITEMS` that doesn't exist yet."""

    def make():
        made.append(1)
        return ITEMS, sha256

    return Copy(tmp_path / "cache", "decoded", "a", "a copy", dict, make)


@pytest.fixture
def saved(copy, made):
    """Return a copy of `ITEMS` that exists."""
    load_or_make(copy)
    made.clear()
    return copy


def check_healed(copy, made):
    """Check that a copy is made again, and then used."""
    for _ in range(2):
        assert np.array_equal(load_or_make(copy)[0], ITEMS)
    assert made == [1] and names(copy) == ["a.bin"]


def check_not_kept(copy, made, reason):
    """Check that each call makes the items, and warns."""
    for _ in range(2):
        with pytest.warns(UserWarning, match=reason) as caught:
            assert np.array_equal(load_or_make(copy)[0], ITEMS)
        (warning,) = caught
        assert str(warning.message).startswith(
            f"could not keep a copy in {copy.cache}: "
        )
        assert str(warning.message).endswith(
            "\nSet FMNIST_FAST_CACHE to another folder, which only you can write, or "
            "to 'off'."
        )
    assert made == [1, 1]


def names(copy):
    return sorted(os.listdir(copy.path.parent))


def forge(copy, items, sha256):
    """Write a copy with a right CRC-32, as somebody without the key can."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copies, "owner_of", lambda sha256: None)
        save_copy(copy, {}, (items, sha256))
        assert load_copy(copy) is not None


def link_to(target):
    def make(path):
        path.symlink_to(path.parent / target)

    return make
