"""Decoded copies: they are used while their files are the same."""

import gzip
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import _core, idx
from fmnist_fast._io import lock
from fmnist_fast._io.paths import File
from fmnist_fast._load import cache
from fmnist_fast._load.cache import decoded_copy, stamp_of
from fmnist_fast._load.copies import load_copy
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
    def fail(path, source):
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(cache, "read_content", fail)


def idx_bytes(items):
    return idx.header_of(items.dtype, items.shape) + items.tobytes()


def has_copy(folder, path):
    """Return whether the cache folder has a valid copy of a file."""
    return load_copy(decoded_copy(folder, File(path))) is not None


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


def test_a_file_with_a_long_name_has_a_copy(folder, tmp_path):
    name = "é" * 110 + "-{}-ubyte.gz"
    for kind in ("images-idx3", "labels-idx1"):
        items = np.ones((5, 3, 3) if "images" in kind else 5, np.uint8)
        (tmp_path / name.format(kind)).write_bytes(gzip.compress(idx_bytes(items)))
    images = ff.load_files(tmp_path / name.format("images-idx3")).images
    assert is_mapped(images.parts[0])


def test_file_with_another_time_is_read_again(folder, root):
    ff.load("train", root)
    path = next(root.glob("*images*"))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert not has_copy(folder, path)
    ff.load("train", root)
    assert has_copy(folder, path)


def test_file_that_changes_while_it_is_read_is_read_again(folder, root, monkeypatch):
    def read(path, source):
        content = idx.read_content(path, source)
        if "images" in path.name:
            write_split(root, seed=1)
        return content

    with monkeypatch.context() as patch:
        patch.setattr(cache, "read_content", read)
        ff.load("train", root)
    assert not list(folder.glob("decoded/*images*"))
    images = ff.load("train", root).images
    assert np.array_equal(images, ff.read_idx(next(root.glob("*images*"))))


def test_damaged_copies_are_replaced(folder, root):
    expected = ff.load("train", root, cache=False)
    ff.load("train", root)
    good = [copy.read_bytes() for copy in copies(folder)]
    for copy in copies(folder):
        copy.write_bytes(copy.read_bytes()[:-1] + b"\xff")
    assert same(ff.load("train", root), expected)
    assert [copy.read_bytes() for copy in copies(folder)] == good


def test_a_linked_file_shares_the_copy(folder, root, tmp_path):
    ff.load("train", root)
    (path,) = root.glob("*images*")
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / path.name
    link.symlink_to(path)
    assert has_copy(folder, link)


def test_the_copy_of_a_deleted_file_is_not_used(folder, root):
    ff.load("train", root)
    (path,) = root.glob("*images*")
    path.unlink()
    assert not has_copy(folder, path)


# ---- other content of the same size and time -----------------------------------------


def write_in_place(path, content):
    with path.open("r+b") as file:
        file.write(content)


def write_by_rename(path, content):
    path.with_suffix(".new").write_bytes(content)
    path.with_suffix(".new").replace(path)


@pytest.mark.parametrize("write", [write_in_place, write_by_rename])
@pytest.mark.parametrize("name", ["images", "labels"])
def test_other_content_of_the_same_size_and_time_is_read(folder, root, write, name):
    (path,) = root.glob(f"*{name}*")
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content, 0))
    before, status = ff.load("train", root), path.stat()
    rotated = content[:-N_IMAGES] + content[-1:] + content[-N_IMAGES:-1]
    write(path, gzip.compress(rotated, 0))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert not same(ff.load("train", root), before)
    assert same(ff.load("train", root), ff.load("train", root, cache=False))


@pytest.mark.parametrize("nbytes", [1, 4096, 4097, 10000])
@pytest.mark.parametrize("at", [0, -1])
def test_the_stamp_has_both_ends_of_a_file(tmp_path, nbytes, at):
    content, path = bytearray(nbytes), tmp_path / "file"
    path.write_bytes(content)
    before = stamp_of(path)["ends"]
    assert stamp_of(path)["inode"] == path.stat().st_ino
    content[at] = 1
    path.write_bytes(content)
    assert stamp_of(path)["ends"] != before


def test_transposed_images_have_a_copy_of_their_own(folder, root):
    (path,) = root.glob("*images*")
    upright = cache.read_items(File(path), True, verify=False, transposed=True)[0]
    stored = cache.read_items(File(path), True, verify=False)[0]
    assert np.array_equal(upright.transpose(0, 2, 1), stored)
    assert len(copies(folder)) == 2


# ---- folders that can't be written, and no cache -------------------------------------


def test_array_stays_intact_when_its_copy_is_replaced(folder, root):
    first = ff.load("train", root)
    images = first.images.copy()
    write_split(root, seed=1)
    ff.load("train", root)
    assert np.array_equal(first.images, images)


def test_a_folder_that_cannot_be_written_gives_a_warning(folder, root):
    folder.touch()  # a file where the folder should be
    expected = ff.load("train", root, cache=False)
    with pytest.warns(
        UserWarning, match="could not keep a decoded copy of /"
    ) as warned:
        assert same(ff.load("train", root), expected)
    assert [warning.filename for warning in warned] == [__file__] * 2


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


def test_copies_are_made_without_file_locks(root, folder, monkeypatch):
    def refuse(file):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(lock, "try_lock", refuse)
    assert is_mapped(ff.load("train", root).images)
    assert len(list(folder.glob("decoded/*.bin"))) == 2
