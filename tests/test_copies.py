"""Copies in the cache folder: right ones are used, others are made again.

test_copies_trust.py tests copies that others wrote, and test_copies_waits.py waits and
killed processes.
"""

import errno
import json
import os
import re
import stat
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers.copies import ITEMS, check_healed, check_not_kept, link_to, names, posix

from fmnist_fast import _core
from fmnist_fast._load import copies
from fmnist_fast._load.copies import load_copy, load_or_make

# ---- good copies --------------------------------------------------------------------


def test_a_copy_is_made_once_and_mapped(copy, made, sha256):
    for _ in range(3):
        items, kept = load_or_make(copy)
        assert items.dtype == np.int16 and np.array_equal(items, ITEMS)
        assert kept == sha256 and not items.flags.writeable
        while isinstance(items, np.ndarray):
            items = items.base
        assert isinstance(getattr(items, "obj", items), _core.FileMap)
    assert made == [1] and names(copy) == ["a.bin"]


@pytest.mark.parametrize("shape", [(), (0,), (0, 28, 28)], ids=str)
def test_shapes_without_items_or_sides(copy, shape):
    save_or_load = copy._replace(make=lambda: (np.zeros(shape, np.uint8), None))
    for _ in range(2):
        assert load_or_make(save_or_load)[0].shape == shape


@pytest.mark.parametrize("n", [1, 4095, 4096, 4097, 3 << 12])
def test_the_tag_depends_on_each_piece_and_not_on_threads(monkeypatch, n):
    monkeypatch.setattr(copies, "_PIECE_NBYTES", 1024)
    flat = np.random.default_rng(0).integers(0, 256, n, np.uint8)
    tags = []
    for n_cores in (1, 3, 16):
        monkeypatch.setattr(copies, "usable_cores", lambda n_cores=n_cores: n_cores)
        tags.append(copies._tag(b"k" * 32, b"{}", flat))
    assert len(set(tags)) == 1 and len(tags[0]) == 64
    for at in range(0, n, 512):
        flat[at] ^= 1
        tags.append(copies._tag(b"k" * 32, b"{}", flat))
    tags.append(copies._tag(b"k" * 32, b"{1}", flat))
    tags.append(copies._tag(b"j" * 32, b"{}", flat))
    assert len(set(tags)) == len(tags) - 2


@posix
def test_files_and_folders_are_private_in_spite_of_the_umask(copy, made):
    before = os.umask(0o002)  # as Ubuntu sets it
    try:
        check_healed(copy, made)
    finally:
        os.umask(before)
    for path in (copy.cache, *copy.cache.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)


def test_a_copy_without_a_hash_is_made_again_if_one_is_needed(saved, made, sha256):
    copy = saved._replace(needs_sha256=True)
    assert (load_copy(copy) is None) == (sha256 is None)


def test_another_stamp_or_format_is_noticed(saved, monkeypatch):
    assert load_copy(saved._replace(stamp=lambda: {"size": 1})) is None
    monkeypatch.setattr(copies, "_FORMAT", copies._FORMAT + 1)
    assert load_copy(saved) is None


def test_what_changes_while_it_is_read_is_not_kept(copy, made):
    stamps = iter([{"size": i} for i in range(9)])
    copy = copy._replace(stamp=lambda: next(stamps))
    assert np.array_equal(load_or_make(copy)[0], ITEMS) and names(copy) == []


def test_threads_make_one_copy(copy, made):
    threads = [threading.Thread(target=load_or_make, args=[copy]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1] and names(copy) == ["a.bin"]


# ---- damage -------------------------------------------------------------------------


def test_a_change_of_any_byte_is_noticed(saved):
    content = saved.path.read_bytes()
    for at in [*range(300), *range(300, len(content) - 300, 97), *range(-300, 0)]:
        changed = bytearray(content)
        changed[at] ^= 1
        saved.path.write_bytes(changed)
        assert load_copy(saved) is None, at


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
        lambda content: b"      7200000000".ljust(72) + b"{}",
        lambda content: b"-9999999" + content[8:],
        lambda content: b"99999999" + content[8:],
        lambda content: b"    4096".ljust(72) + b"[" * 100000,
        lambda content: b"  999999".ljust(72) + b"[" * 1000000,
        lambda content: b"    4096".ljust(72) + b"[]" + content[74:],
        lambda content: content.replace(b'256": ', b'256":[').replace(b"}", b"]}"),
        lambda content: content.replace(b"<i2", b"|O8"),
        lambda content: content.replace(b"<i2", b"no,"),
        lambda content: content.replace(b"<i2", b"(2,"),
        lambda content: content.replace(b"[3, 2]", b"[-3,2]"),
    ],
)  # fmt: skip
def test_damaged_copies_are_made_again(saved, made, change):
    saved.path.write_bytes(change(saved.path.read_bytes()))
    check_healed(saved, made)


def test_a_full_disk_gives_a_warning_and_leaves_nothing(copy, made, monkeypatch):
    def fail(*names):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", fail)
    check_not_kept(copy, made, "No space left")
    assert names(copy) == []


# ---- other things in place of files -------------------------------------------------


def device(path):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero


THINGS = {
    "FIFO": os.mkfifo if hasattr(os, "mkfifo") else None,
    "link to a file": link_to("thesis"),
    "link to nothing": link_to("missing"),
    "link to itself": link_to("a.bin"),
    "device": device,
    "unreadable": lambda path: path.touch(0),
}


@posix
@pytest.mark.parametrize("thing", THINGS)
def test_other_things_in_place_of_a_copy_are_replaced(saved, made, thing):
    thesis = saved.path.parent / "thesis"
    thesis.write_bytes(saved.path.read_bytes())
    saved.path.unlink()
    THINGS[thing](saved.path)
    before = thesis.stat()
    assert np.array_equal(load_or_make(saved)[0], ITEMS) and made == [1]
    assert names(saved) == ["a.bin", "thesis"]
    assert stat.S_ISREG(saved.path.lstat().st_mode)
    assert (thesis.stat().st_ino, thesis.stat().st_mtime_ns) == (
        *(before.st_ino, before.st_mtime_ns),
    )
    load_or_make(saved)
    assert made == [1]


def test_a_folder_in_place_of_a_copy_is_set_aside(saved, made):
    saved.path.unlink()
    saved.path.mkdir()
    (saved.path / "thesis").touch()
    assert np.array_equal(load_or_make(saved)[0], ITEMS)
    assert load_copy(saved) is not None and made == [1]
    aside, copy = names(saved)
    assert copy == "a.bin" and re.fullmatch(r"\.a\.bin\.[0-9a-f]{12}\.old", aside)
    assert os.listdir(saved.path.parent / aside) == ["thesis"]


@posix
@pytest.mark.parametrize("thing", [*THINGS, "folder", "text"])
def test_other_things_in_place_of_the_lock_stay(saved, made, thing):
    if thing == "unreadable" and os.geteuid() == 0:
        pytest.skip("root can read it, and an empty file is a lock")
    folder = saved.path.parent
    (folder / "thesis").write_text("My thesis")
    saved.path.unlink()
    lock = folder / "a.lock"
    more = {"folder": os.mkdir, "text": lambda path: path.write_text("My thesis")}
    (THINGS | more)[thing](lock)
    before = lock.lstat()
    check_not_kept(saved, made, "a.lock'")
    assert names(saved) == ["a.lock", "thesis"]
    assert (folder / "thesis").read_text() == "My thesis"
    assert (lock.lstat().st_ino, lock.lstat().st_size) == (
        before.st_ino,
        before.st_size,
    )


@posix
@pytest.mark.parametrize(
    "make",
    [os.mkfifo, Path.touch, link_to("thesis"), link_to("missing"), link_to("decoded")],
)
def test_other_things_in_place_of_the_folder_stay(copy, made, make):
    copy.cache.mkdir(0o700)
    (copy.cache / "thesis").mkdir()
    make(copy.cache / "decoded")
    check_not_kept(copy, made, "decoded'")
    assert sorted(os.listdir(copy.cache)) == ["decoded", "thesis"]
    assert not os.listdir(copy.cache / "thesis")


def test_the_cache_folder_may_be_a_file(copy, made):
    copy.cache.write_text("My thesis")
    check_not_kept(copy, made, "Not a directory|exists")
    assert copy.cache.read_text() == "My thesis"


def test_a_valid_copy_gives_no_warning(saved):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_or_make(saved)


def test_the_header_is_json_in_whole_pages(saved, sha256):
    content = saved.path.read_bytes()
    assert int(content[:8]) == 4096 and len(content) == 4096 + ITEMS.nbytes
    header = json.loads(content[72:4096])
    assert header["sha256"] == sha256 and header["shape"] == [3, 2]
    assert len(content[8:72].rstrip()) == (64 if sha256 else 8)
