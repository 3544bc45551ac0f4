"""Extraction from a zip file: only the requested files, whole or not at all."""

import errno
import os
import zipfile

import pytest

from fmnist_fast import FormatError
from fmnist_fast._io.archive import extract


def write_zip(path, **contents):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(f"gzip/{name}", content)
    return path


def test_only_requested_files_are_extracted(tmp_path):
    archive = write_zip(tmp_path / "x.zip", a=b"first", b=b"second", c=b"third")
    paths = extract(archive, tmp_path / ".", {"gzip/c": 5, "gzip/a": 5})
    assert [path.read_bytes() for path in paths] == [b"third", b"first"]
    assert {path.name for path in tmp_path.iterdir()} == {"x.zip", "a", "c"}


def test_existing_files_are_kept(tmp_path):
    archive = write_zip(tmp_path / "x.zip", a=b"first")
    (tmp_path / "a").write_bytes(b"mine")
    assert extract(archive, tmp_path, {"gzip/a": 5})[0].read_bytes() == b"mine"


def test_file_that_is_too_long(tmp_path):
    archive = write_zip(tmp_path / "x.zip", a=bytes(5_000_000))
    message = "x.zip: gzip/a must have at most 4999999 bytes, got 5000000 or more"
    with pytest.raises(FormatError, match=message):
        extract(archive, tmp_path, {"gzip/a": 4_999_999})
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_missing_file(tmp_path):
    archive = write_zip(tmp_path / "x.zip", a=b"first")
    with pytest.raises(FormatError, match=r"x\.zip: .* does not contain gzip/b"):
        extract(archive, tmp_path, {"gzip/b": 5})


@pytest.mark.parametrize("cut", [0, 1, 10, 60, -1])
def test_truncated_zip_file(tmp_path, cut):
    archive = write_zip(tmp_path / "x.zip", a=b"first")
    archive.write_bytes(archive.read_bytes()[:cut])
    with pytest.raises(FormatError, match=r"x\.zip: damaged zip file: "):
        extract(archive, tmp_path, {"gzip/a": 5})


def test_every_changed_byte_of_the_data_is_noticed(tmp_path):
    content = bytes(range(256)) * 8
    archive = write_zip(tmp_path / "x.zip", a=content)
    good = archive.read_bytes()
    with zipfile.ZipFile(archive) as opened:
        info = opened.getinfo("gzip/a")
    begin = 30 + len("gzip/a")
    for i in range(begin, begin + info.compress_size):
        archive.write_bytes(good[:i] + bytes([good[i] ^ 0x55]) + good[i + 1 :])
        try:
            (path,) = extract(archive, tmp_path, {"gzip/a": len(content)})
        except FormatError:
            assert not (tmp_path / "a").exists()
        else:  # only padding bits have changed
            assert path.read_bytes() == content
            path.unlink()


# ---- what else a zip file, a target or a disk may be ------------------------------


def damaged_lzma(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("gzip/a", bytes(range(256)) * 8)
    content = bytearray(path.read_bytes())
    content[50:60] = bytes(10)
    path.write_bytes(content)


def damaged_bz2(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("gzip/a", bytes(range(256)) * 8)
    content = bytearray(path.read_bytes())
    content[50:60] = bytes(10)
    path.write_bytes(content)


def name_that_is_no_text(path):
    """Say that a name is UTF-8, which it is not."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("gzip/é", b"a")
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))


def encrypted(path):
    write_zip(path, a=b"first")
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)


def offset_of_directory(path, value):
    content = bytearray(write_zip(path, a=b"first").read_bytes())
    content[-6:-2] = value.to_bytes(4, "little")
    path.write_bytes(content)


def directory_far_behind_the_end(path):
    offset_of_directory(path, 0xFFFFFFF0)


def directory_before_the_beginning(path):
    offset_of_directory(path, 90)


def offset_of_member(path):
    content = bytearray(write_zip(path, a=b"first").read_bytes())
    begin = content.index(b"PK\1\2") + 42
    content[begin : begin + 4] = (0xFFFFFF00).to_bytes(4, "little")
    path.write_bytes(content)


@pytest.mark.parametrize(
    "make",
    [
        *(damaged_lzma, damaged_bz2, name_that_is_no_text, encrypted, offset_of_member),
        *(directory_far_behind_the_end, directory_before_the_beginning),
    ],
)
def test_other_damage(tmp_path, make):
    make(tmp_path / "x.zip")
    with pytest.raises(FormatError, match=r"x\.zip: damaged zip file: "):
        extract(tmp_path / "x.zip", tmp_path, {"gzip/a": 5000})
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_any_flipped_byte(tmp_path):
    archive = write_zip(tmp_path / "x.zip", a=b"first")
    good = archive.read_bytes()
    for i in range(len(good)):
        for mask in (0x01, 0x80, 0xFF):
            archive.write_bytes(good[:i] + bytes([good[i] ^ mask]) + good[i + 1 :])
            try:
                (path,) = extract(archive, tmp_path, {"gzip/a": 5})
            except FormatError as error:
                assert str(archive) in str(error)
            else:
                assert path.read_bytes() == b"first"
                path.unlink()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
@pytest.mark.parametrize("kind", ["FIFO", "folder", "link to nothing"])
@pytest.mark.parametrize("name", ["a", "x.zip"])
def test_special_files(tmp_path, kind, name):
    write_zip(tmp_path / "x.zip", a=b"first")
    path = tmp_path / name
    path.unlink(missing_ok=True)
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    error, message = FormatError, rf"{name}: must be a file, got a {kind}"
    if (kind, name) == ("link to nothing", "x.zip"):
        error, message = FileNotFoundError, name
    with pytest.raises(error, match=message):
        extract(tmp_path / "x.zip", tmp_path, {"gzip/a": 5})


def test_an_archive_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"x\.zip"):
        extract(tmp_path / "x.zip", tmp_path, {"gzip/a": 5})


def test_a_broken_disk_is_reported_as_such(tmp_path, monkeypatch):
    archive = write_zip(tmp_path / "x.zip", a=b"first")

    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(zipfile.ZipExtFile, "read", fail)
    with pytest.raises(OSError, match=r"error: '.*x\.zip'"):
        extract(archive, tmp_path, {"gzip/a": 5})
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]
