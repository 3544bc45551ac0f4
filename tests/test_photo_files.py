"""One file of a folder of photos: damaged, dangerous, and not to be read."""

import numpy as np
import pytest
from helpers.photos import draw, draw_folder

import fmnist_fast as ff
from fmnist_fast.photos import files as photo_files

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path):
    """24 photos in three classes."""
    return draw_folder(tmp_path / "photos")


def test_decompression_bomb(tmp_path):
    """A PNG of a few hundred KB that says it has four billion pixels."""
    import zlib

    def chunk(kind, content):
        code = zlib.crc32(kind + content)
        return (
            len(content).to_bytes(4, "big") + kind + content + code.to_bytes(4, "big")
        )

    header = (65000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100_000_000), 9))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(ff.FormatError, match=r"bomb.png: .* at most 67,108,864 pixels"):
        photo_files.steps_of_file(path)


def test_wrong_checksum_of_a_png(tmp_path):
    """Pillow decodes what has one in IDAT without a word."""
    path = draw(tmp_path / "a.png", 1)
    content = bytearray(path.read_bytes())
    content[-13] ^= 1  # IEND is the 12 bytes behind
    path.write_bytes(content)
    with Image.open(path) as image:
        image.load()
    with pytest.raises(ff.FormatError, match=r"a\.png: .*checksum"):
        photo_files.steps_of_file(path)


def test_whatever_a_decoder_raises_names_the_file(tmp_path, monkeypatch):
    path = draw(tmp_path / "a.png", 1)

    def fail(image):
        raise RecursionError

    monkeypatch.setattr(photo_files, "convert_in_steps", fail)
    with pytest.raises(ff.FormatError, match=r"a\.png: RecursionError$"):
        photo_files.steps_of_file(path)


def test_errors_of_the_system_are_not_the_files_fault(folder, tmp_path, monkeypatch):
    def fail(image):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(photo_files, "convert_in_steps", fail)
    with pytest.raises(OSError, match="Input/output error"):
        photo_files.steps_of_file(folder / "bag" / "1.bmp")
    with pytest.raises(
        ValueError, match=r"the first is bag/1\.bmp: Input/output error$"
    ):
        ff.convert_folder(folder, tmp_path / "mine")


def test_random_damage_never_escapes(tmp_path):
    """Bytes changed anywhere give an image or a FormatError."""
    rng = np.random.default_rng(3)
    good = 0
    for suffix in ("png", "jpg", "gif", "tif", "bmp", "webp"):
        content = np.frombuffer(
            draw(tmp_path / f"a.{suffix}", 1).read_bytes(), np.uint8
        )
        for k in range(25):
            damaged = content.copy()
            where = rng.integers(0, len(content) if k % 2 else 60, 1 + k % 4)
            damaged[where] = rng.integers(0, 256, len(where))
            path = tmp_path / f"b.{suffix}"
            path.write_bytes(damaged.tobytes())
            try:
                image = photo_files.steps_of_file(path)[-1][1]
            except ff.FormatError:
                continue
            assert image.shape == (28, 28)
            good += 1
    assert 10 < good < 140


def test_a_line_of_the_list_holds_any_path():
    photo = photo_files.Photo("train", 3, "a\n\udc80/ü.png", -1, 0)
    line = photo.to_line()
    assert line.count(b"\n") == 1
    assert photo_files.Photo.from_line(line) == photo


def test_image_or_reason(tmp_path):
    path = draw(tmp_path / "a.png", 1)
    with Image.open(path) as image:
        assert np.array_equal(photo_files.image_or_reason(path), ff.convert(image))
    path.write_text("bad")
    assert photo_files.image_or_reason(path).startswith("not a photo in ")
    assert photo_files.image_or_reason(str(path)).startswith("not a photo in ")
    reason = photo_files.image_or_reason(tmp_path / "none.png")
    assert reason == "No such file or directory"


def test_a_folder_of_photos_tells_its_splits_and_classes(tmp_path):
    draw(tmp_path / "test" / "b" / "1.png", 1)
    draw(tmp_path / "train" / "a" / "2.png", 2)
    (tmp_path / "train" / "a" / "notes.txt").touch()
    found = photo_files.PhotoFolder(tmp_path)
    assert found.splits == {"train": tmp_path / "train", "test": tmp_path / "test"}
    assert found.classes == ["a", "b"]
    for _ in range(2):  # counted anew each time
        photos = [(photo.split, photo.label, photo.path) for photo in found.photos()]
        assert photos == [("train", 0, "train/a/2.png"), ("test", 1, "test/b/1.png")]
        assert found.n_skipped == 1
    with pytest.raises(FileNotFoundError, match="none: there is no such folder of pho"):
        photo_files.PhotoFolder(tmp_path / "none")
