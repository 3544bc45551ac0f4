"""``fmnist-fast convert-idx``: it writes whole IDX and .npy files, or none."""

import io
import os
import random
import re
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff

pytestmark = pytest.mark.usefixtures("work_folder")


@pytest.fixture
def items():
    return np.random.default_rng(0).normal(size=(4, 3, 5)).astype(np.float32)


@pytest.mark.parametrize("source", ["a.npy", "a.idx", "a.idx.gz"])
@pytest.mark.parametrize("target", ["b.npy", "b", "b.gz"])
def test_convert(run, items, source, target):
    np.save(source, items) if source == "a.npy" else ff.write_idx(source, items)
    code, out, err = run("convert-idx", source, target)
    assert (code, err) == (0, "")
    nbytes = os.path.getsize(target)
    assert out == f"{target}: float32 (4, 3, 5), {nbytes:,} bytes, from {source}\n"
    head = Path(target).read_bytes()[:2]
    assert head == {"b.npy": b"\x93N", "b": b"\0\0", "b.gz": b"\x1f\x8b"}[target]
    read = np.load(target) if target == "b.npy" else ff.read_idx(target)
    assert read.dtype == np.float32 and np.array_equal(read, items)
    assert sorted(os.listdir()) == sorted([source, target])


def test_convert_overwrites_only_with_force(run, items):
    np.save("a.npy", items)
    for target in ("b.npy", "b.idx"):
        Path(target).write_text("mine")
        code, out, err = run("convert-idx", "a.npy", target)
        assert (code, out) == (1, "")
        assert err == (
            f"fmnist-fast: error: {target} already exists. "
            "Pass --force to replace it.\n"
        )
        assert Path(target).read_text() == "mine"
        assert run("convert-idx", "--force", "a.npy", target)[0] == 0
        assert Path(target).read_bytes()[:4] != b"mine"


def test_convert_onto_itself(run, items):
    np.save("a.npy", items)
    assert run("convert-idx", "--force", "a.npy", "a.npy")[0] == 0
    assert np.array_equal(np.load("a.npy"), items)


def test_convert_error_keeps_the_target(run, monkeypatch, items):
    np.save("a.npy", items)
    shutil.copy("a.npy", "b.npy")

    def fail(file, *_, **__):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", fail)
    code, _, err = run("convert-idx", "--force", "a.npy", "b.npy")
    assert code == 1
    assert "error: b.npy: no space left on device" in err
    assert sorted(os.listdir()) == ["a.npy", "b.npy"]
    assert np.array_equal(np.load("b.npy"), items)


def test_convert_bad_targets(run, items):
    np.save("a.npy", items)
    os.mkdir("folder")
    _, _, err = run("convert-idx", "--force", "a.npy", "folder")
    assert err == "fmnist-fast: error: TARGET must be a file, got folder folder\n"
    code, _, err = run("convert-idx", "a.npy", "none/b")
    assert code == 1
    assert err == "fmnist-fast: error: none/b: there is no folder none\n"


@pytest.mark.parametrize(
    "target, suffix",
    [("b.png", ".png"), ("b.npz", ".npz"), ("b.npy.gz", ".npy"), ("b.NPY", ".NPY")],
)
def test_convert_to_an_unknown_format(run, items, target, suffix):
    ff.write_idx("a.idx", items)
    code, out, err = run("convert-idx", "a.idx", target)
    assert (code, out) == (1, "")
    assert err == (
        "fmnist-fast: error: TARGET must end in .npy, .idx or ubyte, or have no "
        f"suffix, got {suffix!r} in {target}.\n"
        "Only the name of an IDX file may have .gz after it.\n"
    )
    assert os.listdir() == ["a.idx"]


@pytest.mark.parametrize(
    "target",
    ["b-images-idx3-ubyte", "b.idx3-ubyte.gz", "v1.0-ubyte", "b.idx", "b.idx.gz"],
)
def test_convert_to_names_that_idx_files_have(run, items, target):
    np.save("a.npy", items)
    assert run("convert-idx", "a.npy", target)[0] == 0
    assert np.array_equal(ff.read_idx(target), items)


def test_convert_bad_sources(run):
    np.save("object.npy", np.array([{}], object), allow_pickle=True)
    np.save("int64.npy", np.arange(5))
    whole = Path("int64.npy").read_bytes()
    Path("short.npy").write_bytes(whole[:-1])
    Path("head.npy").write_bytes(whole[:7])
    Path("text").write_text("hello, world")
    for source, message in {
        "object.npy": "error: object.npy: the .npy file .* Object arrays cannot be",
        "int64.npy": "error: b: the array's dtype must be one of uint8, .*, got int64",
        "short.npy": "error: short.npy: ",
        "head.npy": "error: head.npy: ",
        "text": r"error: text: is a text file, not an IDX file\.",
        "none": "error: none: no such file or directory",
        ".": "error: .: must be a file, got a folder",
    }.items():
        code, out, err = run("convert-idx", source, "b")
        assert (code, out) == (1, "")
        assert "Traceback" not in err
        assert re.search(message, err), err
        assert not os.path.lexists("b")


def test_convert_npy_files_with_damaged_headers(run):
    """numpy's parser raises SyntaxError, TokenError and others."""
    file, rng = io.BytesIO(), random.Random(0)
    np.save(file, np.zeros((2, 3), np.uint8))
    whole = file.getvalue()
    shapes = "(10**30,)", "(99999999999999,)", "(-1,)", "(", "((2,)", "'2'", "(2.0,)"
    head = "{'descr': '|u1', 'fortran_order': False, 'shape': %s}"
    headers = [head % shape for shape in shapes] + ["(" * 110, "9" * 110, "", "\0"]
    contents = [whole[:10] + text.encode().ljust(118) for text in headers]
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            content[rng.randrange(6, 128)] = rng.choice(b"(){}[]'\",:019 \n\\\xff|<>Oi")
        contents.append(bytes(content))
    n_bad = 0
    for content in contents:
        Path("a.npy").write_bytes(content)
        code, _, err = run("convert-idx", "--force", "a.npy", "b")
        assert (code, err) == (0, "") or re.match(
            r"fmnist-fast: error: (a\.npy|b): \S", err.splitlines()[-1]
        )
        n_bad += code
    assert n_bad > 100


def test_convert_a_npy_file_without_memory(run, monkeypatch, items):
    def fail(*_, **__):
        raise MemoryError

    np.save("a.npy", items)
    monkeypatch.setattr(np, "load", fail)
    code, _, err = run("convert-idx", "a.npy", "b")
    assert (code, err) == (1, "fmnist-fast: error: a.npy: Cannot allocate memory\n")


def test_convert_holds_a_plain_file_in_memory_once(run):
    items = np.zeros(8 << 20, np.uint8)
    ff.write_idx("a", items)
    tracemalloc.start()
    try:
        assert run("convert-idx", "a", "b.npy")[0] == 0
        assert tracemalloc.get_traced_memory()[1] < 1.5 * items.nbytes
    finally:
        tracemalloc.stop()
