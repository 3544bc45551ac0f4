"""Extraction from a zip file: only the requested files, whole or not at all."""

import zipfile

import pytest

from fmnist_fast import FormatError
from fmnist_fast._download.archive import extract


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
