"""write_idx: supported arrays, whole files or none, and reproducible bytes."""

import os

import numpy as np
import pytest
from helpers import shorter_files
from helpers.idx_files import UINT32_MAX, assert_same, header_of, random_array

from fmnist_fast import read_idx, write_idx


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
def test_writes_big_endian_arrays(tmp_path, dtype):
    array = random_array(dtype, (4, 5))
    write_idx(tmp_path / "a", array.astype(array.dtype.newbyteorder(">")))
    assert_same(read_idx(tmp_path / "a"), array)


@pytest.mark.parametrize(
    "rearrange",
    [lambda a: a.T, lambda a: a[::2, ::-1], lambda a: a[:, 1:3], np.asfortranarray],
    ids=["transposed", "strided", "inner", "fortran"],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_writes_non_contiguous_arrays(tmp_path, rearrange, suffix):
    array = rearrange(random_array("int16", (6, 5)))
    write_idx(tmp_path / f"a{suffix}", array)
    assert_same(read_idx(tmp_path / f"a{suffix}"), array)


@pytest.mark.parametrize(
    "array, got",
    [
        (np.zeros(3, bool), "bool"),
        (np.zeros(3, np.int64), "int64"),
        (np.zeros(3, np.uint16), "uint16"),
        (np.zeros(3, np.uint32), "uint32"),
        (np.zeros(3, np.uint64), "uint64"),
        (np.zeros(3, np.float16), "float16"),
        (np.zeros(3, complex), "complex128"),
        (np.array([None]), "object"),
        (np.array(["a"]), "<U1"),
        (np.zeros(3, "M8[s]"), "datetime64"),
        (np.zeros(3, "u1,u1"), "f0"),
        ([1.5, None], "object"),
    ],
)
def test_unsupported_dtype(tmp_path, array, got):
    message = f"a.idx: .* uint8, int8, int16, int32, float32, float64, got .*{got}"
    with pytest.raises(TypeError, match=message):
        write_idx(tmp_path / "a.idx", array)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(2**32, 0), (0, 2**32 + 5)])
def test_side_too_long(tmp_path, shape):
    with pytest.raises(ValueError, match=rf"below 2\*\*32, got {max(shape)}"):
        write_idx(tmp_path / "a", np.empty(shape, np.uint8))
    assert not list(tmp_path.iterdir())


def test_longest_side(tmp_path):
    write_idx(tmp_path / "a", np.empty((UINT32_MAX, 0), np.uint8))
    assert read_idx(tmp_path / "a").shape == (UINT32_MAX, 0)


def test_scalars_and_lists_are_arrays(tmp_path):
    write_idx(tmp_path / "a", np.float32(1.5))
    assert read_idx(tmp_path / "a") == 1.5
    write_idx(tmp_path / "a", [np.int16(1), np.int16(2)])
    assert read_idx(tmp_path / "a").tolist() == [1, 2]


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_failure_keeps_the_old_file(tmp_path, monkeypatch, suffix, function):
    def fail(*args):
        raise OSError("disk full")

    path = tmp_path / f"a{suffix}"
    write_idx(path, np.arange(3, dtype=np.uint8))
    monkeypatch.setattr(os, function, fail)
    with pytest.raises(OSError, match="disk full"):
        write_idx(path, np.zeros(100, np.uint8))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert read_idx(path).tolist() == [0, 1, 2]


def test_failure_of_the_compressor_leaves_no_file(tmp_path, monkeypatch):
    def fail(*args):
        raise MemoryError

    monkeypatch.setattr("deflate.gzip_compress", fail)
    with pytest.raises(MemoryError):
        write_idx(tmp_path / "a.gz", np.zeros(100, np.uint8))
    assert not list(tmp_path.iterdir())


def test_existing_file_is_replaced(tmp_path):
    path = tmp_path / "a"
    write_idx(path, np.zeros(1000, np.float64))
    write_idx(path, np.arange(3, dtype=np.uint8))
    assert path.read_bytes() == header_of(0x08, 3) + b"\0\1\2"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_is_not_replaced(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError):
        write_idx(tmp_path / "a", np.zeros(3, np.uint8))
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_idx(tmp_path / "nowhere" / "a", np.zeros(3, np.uint8))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_same_array_gives_the_same_bytes(tmp_path, suffix):
    array = random_array("int16", (100, 30))
    for name in ("a", "another-name"):
        write_idx(tmp_path / f"{name}{suffix}", array)
    first, second = (path.read_bytes() for path in tmp_path.iterdir())
    assert first == second


def test_gzip_contains_no_name_and_no_time(tmp_path):
    write_idx(tmp_path / "a.gz", np.zeros(3, np.uint8))
    packed = (tmp_path / "a.gz").read_bytes()
    assert packed[:4] == b"\x1f\x8b\x08\0" and packed[4:8] == bytes(4)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_equal_other_new_files(tmp_path, mask):
    before = os.umask(mask)
    try:
        (tmp_path / "any").touch()
        write_idx(tmp_path / "a", np.zeros(3, np.uint8))
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "any").stat().st_mode


def test_the_error_for_a_missing_folder_has_the_path(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_idx(tmp_path / "no" / "images", np.zeros(3, np.uint8))
    assert caught.value.filename == str(tmp_path / "no" / "images")


def test_a_path_in_bytes(tmp_path):
    path = os.fsencode(tmp_path / "items")
    write_idx(path, np.arange(3, dtype=np.uint8))
    (entry,) = os.scandir(os.fsencode(tmp_path))
    assert read_idx(entry).tolist() == [0, 1, 2]


WRITE_SHORTER = """
path = write(0)
images = load().images.parts[0]
items = [images, images[:, ::2], images.astype("i4"), images[:3]]
os.truncate(path, 4096)

def write_all():
    for array in items[:2]:
        for target in ("out", "out.gz"):
            expect(lambda: ff.write_idx(folder / target, array), path)
            assert not (folder / target).exists() and not list(folder.glob(".out*"))

write_all()
thread = threading.Thread(target=write_all)
failed = []
threading.excepthook = failed.append
thread.start()
thread.join()
assert not failed, failed
ff.write_idx(folder / "out", items[2])
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGBUS")
def test_the_file_of_the_array_becomes_shorter(tmp_path):
    """The array's file is named, and not the new one."""
    shorter_files.check(tmp_path, WRITE_SHORTER)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="requires named pipes")
def test_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "a.idx")
    with pytest.raises(OSError, match=r"is a pipe, a socket or a device: '.*a.idx'"):
        write_idx(tmp_path / "a.idx", np.zeros(3, np.uint8))
    assert not (tmp_path / "a.idx").is_file()
