"""Decoded copies: good ones are used, others are replaced, and none cause errors."""

import contextlib
import gzip
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import _core
from fmnist_fast._io import files
from fmnist_fast._load import cache
from fmnist_fast._load.cache import load_copy, save_copy, stamp_of
from fmnist_fast._registry import datasets

N_IMAGES = 30


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the path of the cache folder, which does not exist yet."""
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path):
    """Return a folder with a compressed training split."""
    (tmp_path / "root").mkdir()
    write_split(tmp_path / "root")
    return tmp_path / "root"


def write_split(root, seed=0):
    rng = np.random.default_rng(seed)
    images_name, labels_name = datasets.SPLITS["train"].stems
    images = rng.integers(0, 256, (N_IMAGES, 8, 6), np.uint8)
    ff.write_idx(root / f"{images_name}.gz", images)
    ff.write_idx(root / f"{labels_name}.gz", rng.integers(0, 10, N_IMAGES, np.uint8))
    (root / "dataset.json").write_text(json.dumps({"classes": list("0123456789")}))
    return images


def copies(folder):
    return sorted((folder / "decoded").iterdir())


def is_mapped(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(getattr(array, "obj", array), _core.FileMap)


def forbid_reading(monkeypatch):
    def fail(path):
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(cache, "read_whole", fail)


def same(a, b):
    return np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels)


def test_second_load_reads_the_copy(folder, root, monkeypatch):
    first = ff.load("train", root)
    forbid_reading(monkeypatch)
    second = ff.load("train", root)
    assert same(first, second)
    assert second.images.dtype == np.uint8 and second.images.flags.c_contiguous


def test_copies_are_mapped_and_read_only(folder, root):
    for _ in range(2):
        dataset = ff.load("train", root)
        for array in (dataset.images, dataset.labels):
            assert is_mapped(array) and not array.flags.writeable
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0


def test_plain_files_need_no_copy(folder, root):
    for path in root.glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    dataset = ff.load("train", root)
    assert not folder.exists()
    assert not dataset.images.flags.writeable and not dataset.labels.flags.writeable


def test_files_of_the_same_name_have_their_own_copies(folder, root, tmp_path):
    (tmp_path / "other").mkdir()
    images = write_split(tmp_path / "other", seed=1)
    ff.load("train", root)
    assert np.array_equal(ff.load("train", tmp_path / "other").images, images)
    assert len(copies(folder)) == 4


def test_changed_content_is_read_again(folder, root):
    ff.load("train", root)
    images = write_split(root, seed=1)
    assert np.array_equal(ff.load("train", root).images, images)
    assert len(copies(folder)) == 2


def test_file_with_another_time_is_read_again(folder, root):
    ff.load("train", root)
    path = next(root.glob("*images*"))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert load_copy(folder, path) is None
    ff.load("train", root)
    assert load_copy(folder, path) is not None


def test_changed_size_is_noticed_although_the_time_is_the_same(tmp_path, saved):
    path, time = saved[0], saved[0].stat().st_mtime_ns
    path.write_bytes(b"the original, longer")
    os.utime(path, ns=(time, time))
    assert load_copy(tmp_path / "cache", path) is None


def test_file_that_changes_while_it_is_read_is_read_again(folder, root, monkeypatch):
    def read(path):
        content = files.read_whole(path)
        if "images" in path.name:
            write_split(root, seed=1)
        return content

    with monkeypatch.context() as patch:
        patch.setattr(cache, "read_whole", read)
        ff.load("train", root)
    images = ff.load("train", root).images
    assert np.array_equal(images, ff.read_idx(next(root.glob("*images*"))))


@pytest.fixture
def saved(tmp_path):
    """Save a copy of int16 items; return its original, the items and its path."""
    path = tmp_path / "a.gz"
    path.write_bytes(b"the original")
    items = np.array([[1, -2], [300, 4], [5, 6]], np.int16)
    save_copy(tmp_path / "cache", path, stamp_of(path), items, {"published": True})
    return path, items, copies(tmp_path / "cache")[0]


def test_items_and_facts_are_kept(tmp_path, saved):
    items, facts = load_copy(tmp_path / "cache", saved[0])
    assert items.dtype == np.int16 and np.array_equal(items, saved[1])
    assert facts == {"published": True}


@pytest.mark.parametrize("shape", [(), (0,), (0, 28, 28)], ids=str)
def test_shapes_without_items_or_sides(tmp_path, shape):
    path = tmp_path / "a.gz"
    path.touch()
    save_copy(tmp_path / "cache", path, stamp_of(path), np.zeros(shape, np.uint8), {})
    assert load_copy(tmp_path / "cache", path)[0].shape == shape


def test_a_change_of_any_byte_is_noticed(tmp_path, saved):
    path, _, copy = saved
    content = copy.read_bytes()
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 1
        copy.write_bytes(changed)
        assert load_copy(tmp_path / "cache", path) is None, at


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"",
        lambda content: content[:7],
        lambda content: content[:100],
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[:4096],
        lambda content: b"\0" * len(content),
        lambda content: b"\xff" * 10000,
        lambda content: b"      1600000000{}",
        lambda content: b"-9999999" + content[8:],
        lambda content: b"99999999" + content[8:],
        lambda content: b"[" * 100000,
        lambda content: content.replace(b"int16", b"no"),
    ],
)
def test_damaged_copies_are_not_used(tmp_path, saved, change):
    path, _, copy = saved
    damaged = change(copy.read_bytes())
    copy.write_bytes(damaged + b"." if damaged == copy.read_bytes() else damaged)
    assert load_copy(tmp_path / "cache", path) is None


def test_damaged_copies_are_replaced(folder, root):
    expected = ff.load("train", root, cache=False)
    ff.load("train", root)
    good = [copy.read_bytes() for copy in copies(folder)]
    for copy in copies(folder):
        copy.write_bytes(copy.read_bytes()[:-1] + b"\xff")
    assert same(ff.load("train", root), expected)
    assert [copy.read_bytes() for copy in copies(folder)] == good


def test_copy_of_another_format_version_is_not_used(tmp_path, saved, monkeypatch):
    monkeypatch.setattr(cache, "_FORMAT", cache._FORMAT + 1)
    assert load_copy(tmp_path / "cache", saved[0]) is None


def test_copy_of_a_deleted_file_is_not_used(tmp_path, saved):
    saved[0].unlink()
    assert load_copy(tmp_path / "cache", saved[0]) is None


def test_linked_file_shares_the_copy(tmp_path, saved):
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a.gz").symlink_to(saved[0])
    assert load_copy(tmp_path / "cache", tmp_path / "links" / "a.gz") is not None


def test_array_stays_intact_when_its_copy_is_replaced(folder, root):
    first = ff.load("train", root)
    images = first.images.copy()
    write_split(root, seed=1)
    ff.load("train", root)
    assert np.array_equal(first.images, images)


@pytest.mark.parametrize("place", ["", "decoded"])
def test_folder_that_cannot_be_written_gives_a_warning(folder, root, place):
    if place:
        folder.mkdir()
    (folder / place).touch()  # a file where the folder should be
    expected = ff.load("train", root, cache=False)
    with pytest.warns(
        UserWarning, match="could not keep .*\nSet FMNIST_FAST_CA"
    ) as warned:
        assert same(ff.load("train", root), expected)
    assert len(warned) == 2  # one for the images, one for the labels


def test_full_disk_gives_a_warning_and_leaves_nothing(folder, root, monkeypatch):
    def fail(*names):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.warns(UserWarning, match="could not keep .* No space left"):
        dataset = ff.load("train", root)
    assert len(dataset) == N_IMAGES and copies(folder) == []


def test_disabled_cache_writes_nothing(tmp_path, root, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    ff.load("train", root)
    assert list(tmp_path.iterdir()) == [root]


def test_cache_false_writes_nothing(folder, root):
    ff.load("train", root, cache=False)
    assert not folder.exists()


def test_cache_false_reads_no_copy(folder, root, monkeypatch):
    ff.load("train", root)
    forbid_reading(monkeypatch)
    with pytest.raises(AssertionError, match="was read"):
        ff.load("train", root, cache=False)


LOAD_OFTEN = """
import hashlib, pathlib, sys
import fmnist_fast as ff

root, folder = sys.argv[1], pathlib.Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(30):
    for copy in folder.glob("decoded/*.bin"):
        copy.unlink(missing_ok=True)
    dataset = ff.load("train", root)
    content = dataset.images.tobytes() + dataset.labels.tobytes()
    print(hashlib.sha256(content).hexdigest())
"""


def test_two_processes_at_once(folder, root):
    dataset = ff.load("train", root)
    program = [sys.executable, "-c", LOAD_OFTEN, root, folder]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(program, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    seen = [process.communicate(timeout=20)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert [len(hashes) for hashes in seen] == [30, 30]
    assert len({*seen[0], *seen[1]}) == 1
    assert same(ff.load("train", root), dataset)
    assert [copy.suffix for copy in copies(folder)] == [".bin", ".bin"]


# ---- several processes at once, simulated; test_processes.py starts real ones --------


def test_a_copy_is_made_without_file_locks(root, folder, monkeypatch):
    def refuse(path, waiting):
        raise OSError(37, "No locks available", str(path))

    monkeypatch.setattr(cache, "locked", refuse)
    assert is_mapped(ff.load("train", root).images)
    assert len(copies(folder)) == 2


def test_a_process_that_waited_uses_the_copy_of_another(root, folder, monkeypatch):
    want = write_split(root)
    lock, calls = cache._making_copy, []

    @contextlib.contextmanager
    def after_another(*paths):
        if not calls:
            calls.append(paths)
            assert len(ff.load("train", root)) == N_IMAGES  # the other process
            forbid_reading(monkeypatch)
        with lock(*paths):
            yield

    monkeypatch.setattr(cache, "_making_copy", after_another)
    monkeypatch.setattr(cache, "run_together", lambda tasks: [task() for task in tasks])
    assert np.array_equal(ff.load("train", root).images, want)
