"""Files of a folder of photos: damaged, dangerous and unreadable ones."""

import numpy as np
import pytest
from helpers.photos import draw, draw_folder

import fmnist_fast as ff
from fmnist_fast.photos import files as photo_files

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path):
    """Draw 24 photos in three classes, and return their folder."""
    return draw_folder(tmp_path / "photos")


def test_decompression_bomb(tmp_path):
    """A PNG of 100 KB is refused because its header says four billion pixels."""
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
    """Pillow decodes an IDAT chunk with a wrong checksum without an error."""
    path = draw(tmp_path / "a.png", 1)
    content = bytearray(path.read_bytes())
    content[-13] ^= 1  # the last byte of IDAT; IEND has the last 12 bytes
    path.write_bytes(content)
    with Image.open(path) as image:
        image.load()
    with pytest.raises(ff.FormatError, match=r"a\.png: .*checksum"):
        photo_files.steps_of_file(path)


def test_any_exception_of_a_decoder_names_the_file(tmp_path, monkeypatch):
    path = draw(tmp_path / "a.png", 1)

    def fail(image):
        raise RecursionError

    monkeypatch.setattr(photo_files, "convert_in_steps", fail)
    with pytest.raises(ff.FormatError, match=r"a\.png: RecursionError$"):
        photo_files.steps_of_file(path)


def test_errors_of_the_system_are_not_format_errors(folder, tmp_path, monkeypatch):
    def fail(image):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(photo_files, "convert_in_steps", fail)
    with pytest.raises(OSError, match="Input/output error"):
        photo_files.steps_of_file(folder / "bag" / "1.bmp")
    with pytest.raises(
        ValueError, match=r"The first one is bag/1\.bmp: Input/output error$"
    ):
        ff.convert_folder(folder, tmp_path / "out")


def test_random_damage_never_raises_another_error(tmp_path):
    """A file with changed bytes gives an image or a FormatError."""
    rng = np.random.default_rng(3)
    n_good = 0
    for suffix in ("png", "jpg", "gif", "tif", "bmp", "webp"):
        content = np.frombuffer(
            draw(tmp_path / f"a.{suffix}", 1).read_bytes(), np.uint8
        )
        for k in range(25):
            damaged = content.copy()
            places = rng.integers(0, len(content) if k % 2 else 60, 1 + k % 4)
            damaged[places] = rng.integers(0, 256, len(places))
            path = tmp_path / f"b.{suffix}"
            path.write_bytes(damaged.tobytes())
            try:
                image = photo_files.steps_of_file(path)[-1][1]
            except ff.FormatError:
                continue
            assert image.shape == (28, 28)
            n_good += 1
    assert 10 < n_good < 140


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
    assert photo_files.image_or_reason(path).startswith("a photo must be ")
    assert photo_files.image_or_reason(str(path)).startswith("a photo must be ")
    reason = photo_files.image_or_reason(tmp_path / "none.png")
    assert reason == "No such file or directory"


def test_a_folder_of_photos_tells_its_splits_and_classes(tmp_path):
    draw(tmp_path / "test" / "b" / "1.png", 1)
    draw(tmp_path / "train" / "a" / "2.png", 2)
    (tmp_path / "train" / "a" / "notes.txt").touch()
    source = photo_files.PhotoFolder(tmp_path)
    assert source.splits == {
        "train": tmp_path / "train",
        "test": tmp_path / "test",
    }
    assert source.classes == ["a", "b"]
    for _ in range(2):  # n_skipped is counted from zero each time
        photos = [(photo.split, photo.label, photo.path) for photo in source.photos()]
        assert photos == [("train", 0, "train/a/2.png"), ("test", 1, "test/b/1.png")]
        assert source.n_skipped == 1
    with pytest.raises(FileNotFoundError, match="none: there is no such folder of pho"):
        photo_files.PhotoFolder(tmp_path / "none")


@pytest.mark.parametrize(
    "names",
    [
        [str(number) for number in range(12)],
        ["1", "2", "03", "10", "100"],
        ["1", "01", "2"],
        ["-1", "0", "1", "10", "2"],  # not all of them are digits
        ["0", "1", "10", "2", "none"],
        ["class1", "class10", "class2"],
        ["1.0", "10.0", "2.0"],
        ["1", "10", "2", "\u0663"],
    ],
)
def test_class_folders_are_sorted_by_value_if_all_are_integers(tmp_path, names):
    for name in reversed(names):
        (tmp_path / name).mkdir()
    if names[1] == "01":
        names = ["01", "1", "2"]
    assert photo_files.PhotoFolder(tmp_path).classes == names
    for split in ("train", "test"):
        for name in names:
            (tmp_path / "splits" / split / name).mkdir(parents=True)
    assert photo_files.PhotoFolder(tmp_path / "splits").classes == names
