"""read_idx agrees with a slow parser, for any source and with `out=`."""

import gzip
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from helpers.idx_files import (
    DTYPES,
    assert_same,
    header_of,
    members,
    random_array,
    slow_parse,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from fmnist_fast import FormatError, _core, read_idx, write_idx
from fmnist_fast._io import files

SHAPES = [(), (7,), (0,), (3, 5), (3, 0), (2, 3, 4), (0, 3, 4), (2, 1, 3, 2),
          (2, 0, 3, 2), (2, 3, 1, 2, 2), (1, 2, 0, 2, 0)]  # fmt: skip


# ---- round trips -------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_written_arrays_are_read_back(tmp_path, monkeypatch, dtype, shape, suffix):
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # saves time for 132 files
    array, path = random_array(dtype, shape), tmp_path / f"a{suffix}"
    write_idx(path, array)
    assert_same(read_idx(path), array)
    stored = path.read_bytes()
    assert_same(array, slow_parse(gzip.decompress(stored) if suffix else stored))


@pytest.mark.parametrize("suffix", ["", ".gz"])
@settings(max_examples=60)
@given(
    array=st.sampled_from(DTYPES).flatmap(
        lambda dtype: st_numpy.arrays(
            np.dtype(dtype), st_numpy.array_shapes(min_dims=0, min_side=0, max_side=6)
        )
    )
)
def test_any_small_array_is_read_back(tmp_path, suffix, array):
    path = tmp_path / f"a{suffix}"
    write_idx(path, array)
    assert_same(read_idx(path), array)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("kind", [str, Path, bytes, bytearray, memoryview])
def test_kinds_of_source(tmp_path, content, pack, kind):
    source = pack(content)
    if kind in (str, Path):
        (tmp_path / "a").write_bytes(source)
        source = tmp_path / "a"
    assert_same(read_idx(kind(source)), slow_parse(content))


def test_a_memoryview_is_read_as_bytes():
    content = header_of(0x08, 8) + bytes(8)
    view = memoryview(np.frombuffer(content, np.uint32).reshape(2, 2).copy()[:1])
    with pytest.raises(FormatError, match=r"truncated: the data must have .*, got 0$"):
        read_idx(view)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("source", ["file", "bytes", "gzip"])
def test_result_is_native_aligned_and_writable(tmp_path, dtype, source):
    array, path = random_array(dtype, (3, 5, 7)), tmp_path / "a.idx"
    write_idx(path, array)
    content = path.read_bytes()
    given = {"file": path, "bytes": content, "gzip": gzip.compress(content)}[source]
    read = read_idx(given)
    assert read.dtype.isnative and read.dtype == dtype
    assert read.flags.aligned and read.flags.writeable and read.flags.c_contiguous


def test_result_is_a_copy_of_the_source():
    content = bytearray(header_of(0x08, 4) + b"abcd")
    read = read_idx(content)
    content[-1] = 0
    assert read.tobytes() == b"abcd"


def test_64_dimensions_are_read():
    assert read_idx(header_of(0x08, *[1] * 64) + b"\7").shape == (1,) * 64


def test_several_threads_read_a_plain_file_in_parts(tmp_path, monkeypatch):
    array = random_array("int32", (1237, 11))
    write_idx(tmp_path / "a", array)
    threads = set()

    def read(task):
        threads.add(threading.get_ident())
        barrier.wait(5)
        return task()

    barrier = threading.Barrier(3)
    monkeypatch.setattr(files, "_PART_NBYTES", 1000)
    monkeypatch.setattr(files, "usable_cores", lambda: 3)
    together = files.run_together
    monkeypatch.setattr(
        files,
        "run_together",
        lambda tasks: together([lambda task=task: read(task) for task in tasks]),
    )
    assert_same(read_idx(tmp_path / "a"), array)
    assert len(threads) == 3


if hasattr(os, "mkfifo"):

    @pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
    def test_a_pipe_is_read_to_its_end(tmp_path, content, pack):
        os.mkfifo(tmp_path / "pipe")
        feed = (tmp_path / "pipe").write_bytes
        thread = threading.Thread(target=feed, args=(pack(content),))
        thread.start()
        assert_same(read_idx(tmp_path / "pipe"), slow_parse(content))
        thread.join()


# ---- out= --------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["file", "bytes", "gzip", "members"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_out_is_filled_and_returned(tmp_path, dtype, source):
    array, path = random_array(dtype, (3, 5, 7)), tmp_path / "a.idx"
    write_idx(path, array)
    content = path.read_bytes()
    given = {
        "file": path,
        "bytes": content,
        "gzip": gzip.compress(content),
        "members": members(content[:9], content[9:]),
    }[source]
    out = np.zeros_like(array)
    assert read_idx(given, out=out) is out
    assert_same(out, array)


def test_unaligned_out_is_filled():
    array = random_array("float64", (3, 2))
    content = header_of(0x0E, 3, 2) + array.astype(">f8").tobytes()
    out = np.zeros(49, np.uint8)[1:].view(np.float64).reshape(3, 2)
    read_idx(content, out=out)
    assert out.tobytes() == array.tobytes()


def readonly(shape, dtype):
    """Return an array of zeros that is read-only."""
    out = np.zeros(shape, dtype)
    out.flags.writeable = False
    return out


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "out, got",
    [
        (np.zeros((3, 2), np.int16), r"int16 \(3, 2\)"),
        (np.zeros(6, np.int16), r"int16 \(6,\)"),
        (np.zeros((2, 3), np.uint16), r"uint16 \(2, 3\)"),
        (np.zeros((2, 3), ">i2"), r">i2 \(2, 3\)"),
        (readonly((2, 3), np.int16), r"int16 \(2, 3\) that is read-only or"),
        (np.zeros((3, 2), np.int16).T, r"int16 \(2, 3\) that is read-only or"),
        (np.zeros((2, 6), np.int16)[:, ::2], r"int16 \(2, 3\) that is read-only or"),
        (bytearray(12), "bytearray"),
        ([[0] * 3] * 2, "list"),
    ],
)
def test_out_that_does_not_fit(pack, out, got):
    content = pack(header_of(0x0B, 2, 3) + bytes(range(12)))
    message = (
        r"out must be a C-contiguous, writable int16 array of shape \(2, 3\), got "
    )
    with pytest.raises(ValueError, match=message + got) as caught:
        read_idx(content, out=out)
    assert not isinstance(caught.value, FormatError)
    assert not np.any(np.frombuffer(out, np.uint8) if type(out) is bytearray else out)


# ---- the system's errors -----------------------------------------------------------


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")


def test_a_folder_raises_the_systems_error(tmp_path):
    with pytest.raises(IsADirectoryError):
        read_idx(tmp_path)


def test_a_path_through_a_file_raises_the_systems_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        read_idx(tmp_path / "file" / "a")


@pytest.mark.parametrize("source", [None, 3, np.zeros(3, np.uint8)])
def test_source_of_another_type(source):
    with pytest.raises(TypeError, match="PathLike"):
        read_idx(source)


def test_idx_swap_requires_contiguous_items():
    with pytest.raises(ValueError, match="items must be C-contiguous and writable"):
        _core.idx_swap(np.zeros((4, 4), np.int16)[:, ::2])
