"""Content that is not IDX is named, and the advice of the messages works."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers.idx_files import header_of

import fmnist_fast as ff
from fmnist_fast import FormatError
from fmnist_fast._io import content as kinds

IDX = header_of(0x08, 3, 2, 2) + bytes(range(12))
PAGE = b"<!DOCTYPE html>\n<html><body>404</body></html>\n"


def written(write):
    """Return the bytes that a function writes into a file."""
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def in_zip(name, content=b"0"):
    def write(file):
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(name, content)

    return written(write)


def in_tar(name, mode="w"):
    def write(file):
        with tarfile.open(fileobj=file, mode=mode) as archive:
            entry = tarfile.TarInfo(name)
            entry.size = len(IDX)
            archive.addfile(entry, io.BytesIO(IDX))

    return written(write)


ARRAY = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
SWAPPED = np.frombuffer(header_of(0x08, 60000, 28, 28), ">u4").astype("<u4").tobytes()
MANGLED = gzip.compress(IDX).decode("utf-8", "replace")
CONTENTS = [
    ("a web page", PAGE),
    ("a web page", b"<html lang=en>"),
    ("a web page", b"\xef\xbb\xbf \r\n\t<HTML>"),
    ("a web page", b"<!-- <-- --> <!-- -->\n<html>"),
    ("a web page", b"<head><title>Sign in</title>"),
    ("a web page", b"<script>"),
    ("an XML file", b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>'),
    ("a Git LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:4"),
    ("a zip archive", in_zip("train-images-idx3-ubyte", IDX)),
    ("a zip archive", written(lambda file: zipfile.ZipFile(file, "w").close())),
    ("a NumPy .npz archive", written(lambda file: np.savez(file, images=ARRAY))),
    ("a NumPy .npy file", written(lambda file: np.save(file, ARRAY))),
    ("a PyTorch file", in_zip("archive/data.pkl")),
    ("a PyTorch file", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."),
    ("a tar archive", in_tar("train-images-idx3-ubyte")),
    ("an xz file", lzma.compress(IDX)),
    ("a bzip2 file", bz2.compress(IDX)),
    ("a 7z archive", b"7z\xbc\xaf\x27\x1c\0\4"),
    ("a RAR archive", b"Rar!\x1a\x07\x01\0"),
    ("a zstd file", b"\x28\xb5\x2f\xfd\x20"),
    ("an lz4 file", b"\x04\x22\x4d\x18\x64"),
    ("a PNG image", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    ("a JPEG image", b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
    ("a GIF image", b"GIF89a\x1c\0\x1c\0"),
    ("a WebP image", b"RIFF\x24\0\0\0WEBPVP8 "),
    ("a PDF file", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
    ("a PDF file", b"%PDF-1.4\ntext only"),
    ("an HDF5 file", b"\x89HDF\r\n\x1a\n\0"),
    ("an HDF5 file", b"MATLAB 7.3 MAT-file"),
    ("a MATLAB file", b"MATLAB 5.0 MAT-file"),
    ("a Parquet file", b"PAR1\x15\4\x15"),
    ("an Arrow file", b"ARROW1\0\0"),
    ("an Arrow file", b"\xff\xff\xff\xff\xe8\2\0\0\x10\0\0\0"),
    *[("a Python pickle", pickle.dumps({b"data": ARRAY}, n)) for n in range(2, 6)],
    ("a Python pickle", pickle.dumps([1, 2])),
    ("a UTF-16 text file", "label,pixel1".encode("utf-16")),
    ("a JSON file", b'{"message": "Not Found"}'),
    ("a JSON file", b"\xef\xbb\xbf[[0, 255], [1, 2]]"),
    ("a CSV file", b"label,pixel1,pixel2\n2,0,0\n"),
    ("a CSV file", b'"5";"0";"0"\r\n'),
    ("a CSV file", b"5\t0\n"),
    ("a text file of numbers", b"0, 1, 2\n"),
    ("a text file of numbers", b"5\n0\n4\n"),
    ("a text file of numbers", written(lambda file: np.savetxt(file, ARRAY[0]))),
    ("a gzip file that a program has read as text", MANGLED.encode()),
    ("a gzip file that a program has read as text", MANGLED.encode("ascii", "replace")),
    *[("a zlib stream", zlib.compress(IDX, level)) for level in (1, 6, 9)],
    ("a text file", b"404: Not Found"),
    ("a text file", "Größe, länglich\n".encode() * 99),
    ("an empty file", b""),
    ("a file that begins with many zeros", bytes(5000)),
    ("a macOS resource file", b"\0\x05\x16\x07\0\2\0\0Mac OS X"),
    ("a little-endian file", SWAPPED + bytes(100)),
    ("a little-endian file", b"\0\0\x08\x03" + SWAPPED[4:] + bytes(100)),
    ("a little-endian file", b"\0\0\x08\x01\x05\0\0\0" + b"abcde"),
]
IDS = [f"{k}-{name}" for k, (name, _) in enumerate(CONTENTS)]


@pytest.mark.parametrize(("name", "content"), CONTENTS, ids=IDS)
def test_content_is_named(tmp_path, name, content):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    for source, start in ((content, "IDX bytes"), (path, str(path))):
        with pytest.raises(FormatError) as caught:
            ff.read_idx(source)
        first, *advice = str(caught.value).split("\n")
        assert first == f"{start}: is {name}, not an IDX file."
        assert advice and all(line.endswith(".") for line in advice)


@pytest.mark.parametrize(("name", "content"), CONTENTS, ids=IDS)
def test_content_inside_gzip_is_named(name, content):
    with pytest.raises(FormatError) as caught:
        ff.read_idx(gzip.compress(content))
    inside = "" if content.startswith(b"\0\0\x08\x01") else " inside gzip"
    text = str(caught.value)
    assert text.startswith(f"IDX bytes: is {name}{inside}, not an IDX file.\n")
    assert ("`gzip -dc FILE > NEW`" in text) == ("NEW" in text)
    assert "NEW" not in text or text.count("FILE") == 1


def test_gzip_inside_gzip_is_named():
    packed = gzip.compress(gzip.compress(gzip.compress(IDX)))
    with pytest.raises(FormatError, match="is a gzip file inside gzip, not an IDX"):
        ff.read_idx(packed)


@pytest.mark.parametrize("n", range(1, 8))
def test_a_few_bytes_are_not_named(n):
    with pytest.raises(FormatError, match=r"\(the content starts with [0-9A-F ]+\)$"):
        ff.read_idx(b"\1\xff\0\2\3\4\5"[:n])


def test_each_kind_has_a_test():
    tested = {name for name, _ in CONTENTS} | {"a gzip file"}
    assert tested == {name for _, name, _ in kinds._KINDS}


@pytest.mark.parametrize(
    "unit", [b"<!-- -->", b"a,", b" ", b"<", b"PK\3\4", b"[", b"\xc3"]
)
def test_hostile_content_takes_no_time(unit):
    begin = time.perf_counter()
    for end in (b"", b"\0", b"\xff"):
        with pytest.raises(FormatError):
            ff.read_idx(unit * 100000 + end)
    assert time.perf_counter() - begin < 0.5


@pytest.mark.parametrize("command", ["load", "load_files", "verify", "convert-idx"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_reader_names_the_content(tmp_path, run, monkeypatch, command, pack):
    path = tmp_path / f"train-images-idx3-ubyte{'.gz' * (pack is not bytes)}"
    path.write_bytes(pack(PAGE))
    ff.write_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(3, np.uint8))
    if command.startswith("load"):
        arguments = {"load": ("train", tmp_path), "load_files": (path,)}[command]
        with pytest.raises(FormatError) as caught:
            getattr(ff, command)(*arguments)
        text = str(caught.value)
    else:
        text = " ".join(
            run(command, path, *[tmp_path / "a.npy"][: command != "verify"])[1:]
        )
    assert str(path) in text and " is a web page" in text
    again = (
        "\nDelete it, then download" if command == "load" else " Delete the file and "
    )
    assert again in text and text.count("Delete") == 1


# ---- the advice -------------------------------------------------------------------


NPY = written(lambda file: np.save(file, ARRAY))
PACKED = {
    "tar": in_tar("OUT"),
    "tar, gzip": in_tar("OUT", "w:gz"),
    "zip": in_zip("OUT", IDX),
    "zip, gzip": gzip.compress(in_zip("OUT", IDX)),
    "xz": lzma.compress(IDX),
    "xz, gzip": gzip.compress(lzma.compress(IDX)),
    "bzip2": bz2.compress(IDX),
    "gzip, gzip": gzip.compress(gzip.compress(IDX)),
    "npy": NPY,
    "npy, gzip": gzip.compress(NPY),
}


@pytest.mark.skipif(sys.platform == "win32", reason="requires a POSIX shell")
@pytest.mark.parametrize("kind", PACKED)
def test_the_commands_of_the_advice_work(tmp_path, kind):
    (tmp_path / "FILE").write_bytes(PACKED[kind])
    with pytest.raises(FormatError) as caught:
        ff.read_idx(tmp_path / "FILE")
    commands = re.findall("`(.*?)`", str(caught.value))
    assert len(commands) == 1 + ("gzip" in kind)
    here = os.path.dirname(sys.executable)
    for command in commands:
        if (
            shutil.which(command.split()[0], path=f"{here}:{os.environ['PATH']}")
            is None
        ):
            pytest.skip(f"{command.split()[0]} is not installed")
        command = command.replace("fmnist-fast", "python -m fmnist_fast")
        environment = os.environ | {"PATH": f"{here}:{os.environ['PATH']}"}
        environment["PYTHONPATH"] = str(Path(ff.__file__).parents[1])
        subprocess.run(
            command, shell=True, check=True, cwd=tmp_path, env=environment, timeout=30
        )
    (out,) = tmp_path.rglob("OUT*")
    assert np.array_equal(ff.read_idx(out), np.arange(12).reshape(3, 2, 2))


def test_the_advice_for_a_csv_file_works(tmp_path):
    """The file is in the form of Kaggle's copies of MNIST."""
    rows = np.arange(2 * 785, dtype=np.uint32).reshape(2, 785) % 10
    header = ",".join(["label", *(f"pixel{k}" for k in range(784))])
    np.savetxt(tmp_path / "a.csv", rows, "%d", ",", header=header, comments="")
    with pytest.raises(FormatError, match=r"a CSV file.*\n.*numpy\.loadtxt"):
        ff.read_idx(tmp_path / "a.csv")
    read = np.loadtxt(tmp_path / "a.csv", np.uint8, delimiter=",", skiprows=1)
    images = np.ascontiguousarray(read[:, 1:]).reshape(-1, 28, 28)
    dataset = ff.Dataset.from_arrays(images, read[:, 0])
    assert dataset.labels.tolist() == [0, 5]


def test_the_advice_for_a_little_endian_file_works(tmp_path):
    (tmp_path / "a").write_bytes(np.array([0x0C01, 3, 5, 6, 7], "<u4").tobytes())
    with pytest.raises(
        FormatError, match=r"little-endian file.*\n.*\n.*numpy\.fromfile"
    ):
        ff.read_idx(tmp_path / "a")
    ff.write_idx(tmp_path / "b", np.fromfile(tmp_path / "a", "<i4", offset=8))
    assert ff.read_idx(tmp_path / "b").tolist() == [5, 6, 7]
