"""A folder of photos to IDX files: order, bad files, interruptions, memory."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast._io.lock import locked
from fmnist_fast.photos import convert as photos
from fmnist_fast.photos import files as photo_files
from fmnist_fast.photos import folder as photo_folder
from fmnist_fast.photos import store as photo_store

Image = pytest.importorskip("PIL.Image")


def draw(path, seed, size=(40, 50)):
    """A picture that no other seed gives, in the format that the name says."""
    rng = np.random.default_rng(seed)
    pixels = np.full((size[1], size[0], 3), 253, np.uint8)
    pixels[5:-5, 5:-5] = rng.integers(0, 200, (size[1] - 10, size[0] - 10, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """24 photos in classes bag, hat and shoe, some in folders further down."""
    root = tmp_path / "photos"
    for i in range(24):
        name = ("shoe", "bag", "hat")[i % 3]
        below = "" if i % 2 else "more/"
        draw(root / name / f"{below}{i}.{('png', 'bmp')[i % 2]}", i)
    return root


def contents(folder):
    """All files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# ---- what comes out ---------------------------------------------------------------


def test_images_labels_and_classes(folder, tmp_path):
    done = ff.convert_folder(folder, tmp_path / "mine")
    assert done == (tmp_path / "mine", ("bag", "hat", "shoe"), {"train": 24}, 0, 0)
    train = ff.load("train", root=tmp_path / "mine")
    assert train.classes == ("bag", "hat", "shoe") and train.name == "photos"
    paths = sorted(
        (path for path in folder.rglob("*") if path.is_file()),
        key=lambda path: path.relative_to(folder).parts,
    )
    assert len(train) == len(paths) == 24
    for path, row in zip(paths, train):
        with Image.open(path) as image:
            assert np.array_equal(row["image"], ff.convert(image)), path
        assert train.classes[row["label"]] == path.relative_to(folder).parts[0]
    assert sorted(contents(tmp_path / "mine")) == [
        "dataset.json",
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "photos"]


def test_train_and_test_have_the_same_classes(tmp_path):
    root = tmp_path / "photos"
    draw(root / "train" / "b" / "1.png", 1)
    draw(root / "train" / "c" / "2.png", 2)
    draw(root / "test" / "a" / "3.png", 3)
    draw(root / "test" / "c" / "4.png", 4)
    done = ff.convert_folder(root, tmp_path / "mine")
    assert done.n_images == {"train": 2, "test": 2}
    for split, labels in (("train", [1, 2]), ("test", [0, 2])):
        dataset = ff.load(split, root=tmp_path / "mine")
        assert dataset.classes == ("a", "b", "c")
        assert dataset.labels.tolist() == labels


def test_more_than_256_classes(tmp_path):
    for i in range(258):
        (tmp_path / "photos" / f"{i:03}").mkdir(parents=True)
    draw(tmp_path / "photos" / "000" / "a.png", 0)
    draw(tmp_path / "photos" / "257" / "a.png", 1)
    ff.convert_folder(tmp_path / "photos", tmp_path / "mine")
    train = ff.load("train", root=tmp_path / "mine")
    assert train.labels.dtype == np.int32 and train.labels.tolist() == [0, 257]


def test_threads_change_nothing(folder, tmp_path):
    (folder / "bag" / "bad.jpg").write_bytes(b"bad")
    for threads in (1, 2, 7):
        ff.convert_folder(folder, tmp_path / f"{threads}", threads=threads)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert contents(tmp_path / "1") == contents(tmp_path / "7")


def test_what_is_no_photo_is_left_out(folder, tmp_path):
    (folder / "readme.txt").write_text("beside the classes")
    (folder / "bag" / "notes.txt").write_text("no photo")
    (folder / "bag" / ".hidden.png").write_text("not looked at")
    (folder / ".git").mkdir()
    (folder / "bag" / "again").symlink_to(folder, target_is_directory=True)
    draw(folder / "stray.png", 98)
    draw(folder / "__MACOSX" / "bag" / "1.png", 99)
    draw(folder / "bag" / "__MACOSX" / "1.png", 99)
    done = ff.convert_folder(folder, tmp_path / "mine")
    assert (done.n_images, done.n_bad, done.n_skipped) == ({"train": 24}, 0, 3)
    assert done.classes == ("bag", "hat", "shoe")


def test_what_is_beside_classes_and_splits_is_left_out(tmp_path):
    draw(tmp_path / "photos" / "train" / "a" / "1.png", 1)
    draw(tmp_path / "photos" / "train" / "stray.png", 2)
    draw(tmp_path / "photos" / "stray.png", 3)
    done = ff.convert_folder(tmp_path / "photos", tmp_path / "mine")
    assert (done.n_images, done.n_bad, done.n_skipped) == ({"train": 1}, 0, 2)


# ---- bad files --------------------------------------------------------------------


def bad_jpeg(path, *, cut):
    draw(path, 5, (200, 200))
    path.write_bytes(path.read_bytes()[:cut])


def test_bad_files_are_listed_and_the_others_converted(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(photos, "MAX_PIXELS", 250_000)
    bag = folder / "bag"
    bad_jpeg(bag / "cut.jpg", cut=3000)
    bad_jpeg(bag / "cut.png", cut=3000)
    bad_jpeg(bag / "cut.tif", cut=100)
    (bag / "empty.jpg").touch()
    (bag / "text.png").write_text("text")
    (bag / "eps.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    Image.new("RGB", (600, 600)).save(bag / "large.png")
    Image.new("RGB", (30, 30), "red").save(bag / "blank.png")
    Image.new("F", (30, 30)).save(bag / "wide.tif")
    (bag / "gone.png").symlink_to(bag / "nothing")
    os.mkfifo(bag / "pipe.png")
    done = ff.convert_folder(folder, tmp_path / "mine")
    assert done.n_images == {"train": 24} and done.n_bad == 11
    lines = (tmp_path / "mine" / "bad-photos.txt").read_text().splitlines()
    reasons = dict(line.split(": ", 1) for line in lines)
    assert list(reasons) == sorted(reasons) and len(reasons) == 11
    for name, words in {
        "cut.jpg": "image file is truncated",
        "cut.png": "truncated",
        "cut.tif": "",
        "empty.jpg": "not a photo in ",
        "text.png": "not a photo in ",
        "eps.png": "not a photo in ",
        "large.png": "at most 250,000 pixels, got 600x600",
        "blank.png": "blank: all of its 30x30 pixels",
        "wide.tif": "8 or 16 bits",
        "gone.png": "No such file",
        "pipe.png": "not a regular file",
    }.items():
        assert words in reasons[f"bag/{name}"], name


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


def test_memory_of_pillow_is_kept_meanwhile(folder, tmp_path, monkeypatch):
    seen, convert = [], photo_files.steps_of_file

    def look(path):
        seen.append(Image.core.get_blocks_max())
        return convert(path)

    before = Image.core.get_blocks_max()
    monkeypatch.setattr(photo_files, "steps_of_file", look)
    ff.convert_folder(folder, tmp_path / "mine", threads=3)
    assert set(seen) == {max(before, 24)} and Image.core.get_blocks_max() == before


def test_a_pillow_that_has_no_blocks(folder, tmp_path, monkeypatch):
    monkeypatch.delattr(Image.core, "set_blocks_max")
    assert ff.convert_folder(folder, tmp_path / "mine").n_images == {"train": 24}


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


def test_no_good_photo_at_all(tmp_path):
    (tmp_path / "photos" / "a").mkdir(parents=True)
    (tmp_path / "photos" / "a" / "x.png").write_text("bad")
    for _ in range(2):  # the second goes on from the first
        with pytest.raises(ValueError, match=r"none of 1 photos .* the first is a/x"):
            ff.convert_folder(tmp_path / "photos", tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


# ---- interruptions ----------------------------------------------------------------


class Stop(BaseException):
    """Not to be caught: as a kill, it leaves no time for a last checkpoint."""


def stop_after(monkeypatch, n, error):
    """Let the n-th photo fail and a checkpoint be made after every third."""
    append, counted = photo_store.PhotoStore.append, []

    def counting(self, photo, result):
        if len(counted) == n:
            raise error
        counted.append(photo)
        append(self, photo, result)
        if len(counted) % 3 == 0:
            self.save()

    monkeypatch.setattr(photo_store.PhotoStore, "append", counting)
    return counted


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stop, OSError(28, "No space")])
@pytest.mark.parametrize("n", [0, 1, 3, 7, 24])
def test_interrupted_runs_give_the_same_bytes(folder, tmp_path, monkeypatch, error, n):
    (folder / "bag" / "bad.jpg").write_bytes(b"bad")
    ff.convert_folder(folder, tmp_path / "want")
    with monkeypatch.context() as patch:
        stop_after(patch, n, error)
        with pytest.raises(error if isinstance(error, type) else OSError):
            ff.convert_folder(folder, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
    with monkeypatch.context() as patch:
        again = stop_after(patch, None, None)
        ff.convert_folder(folder, tmp_path / "mine")
    n_kept = n if error is KeyboardInterrupt else n - n % 3
    assert len(again) == 25 - n_kept  # no more than after the last checkpoint
    assert contents(tmp_path / "mine") == contents(tmp_path / "want")
    assert not (tmp_path / "mine.part").exists()


@pytest.mark.parametrize("change", ["added", "removed", "changed"])
def test_another_list_starts_again(folder, tmp_path, monkeypatch, change):
    with monkeypatch.context() as patch:
        stop_after(patch, 9, Stop)
        with pytest.raises(Stop):
            ff.convert_folder(folder, tmp_path / "mine")
    if change == "removed":
        (folder / "bag" / "1.bmp").unlink()
    else:
        draw(
            folder / "bag" / ("1.bmp" if change == "changed" else "a.bmp"), 77, (60, 60)
        )
    ff.convert_folder(folder, tmp_path / "mine")
    ff.convert_folder(folder, tmp_path / "want")
    assert contents(tmp_path / "mine") == contents(tmp_path / "want")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_killed_processes_give_the_same_bytes(tmp_path, kill):
    """Killed three times at any moment after a checkpoint, by the command line."""
    for i in range(300):
        draw(tmp_path / "photos" / f"{i % 4}" / f"{i}.png", i)
    ff.convert_folder(tmp_path / "photos", tmp_path / "want")
    code = (
        "from fmnist_fast._cli import main as cli\n"
        "from fmnist_fast.photos import folder as photo_folder\n"
        "photo_folder._CHECKPOINT_SECONDS = 0.01\n"
        "raise SystemExit(cli.main(['convert', 'photos', '-o', 'mine']))"
    )
    root = str(Path(ff.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": root}
    state = tmp_path / "mine.part" / ".progress" / "state.json"
    n_killed = 0
    while not (tmp_path / "mine").exists():
        before = state.read_bytes() if state.exists() else b""
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        with process:
            while process.poll() is None and n_killed < 3:
                time.sleep(0.002)
                if state.exists() and state.read_bytes() != before:
                    process.send_signal(kill)
                    break
            errors = process.stderr.read().decode()
        n_killed += process.returncode != 0
        assert process.returncode in (0, -kill, 130), errors
        if process.returncode == 130:
            assert errors.endswith("Stopped; the same command goes on from here.\n")
    assert n_killed == 3
    assert contents(tmp_path / "mine") == contents(tmp_path / "want")


def test_two_processes_at_once(folder, tmp_path):
    lock = tmp_path / "mine.part" / ".progress" / "lock"
    with locked(lock, pytest.fail):
        with pytest.raises(RuntimeError, match="another process is converting photos"):
            ff.convert_folder(folder, tmp_path / "mine")


def test_killed_between_the_last_two_steps(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(photo_folder.shutil, "rmtree", lambda *_, **__: None)
    ff.convert_folder(folder, tmp_path / "mine")
    monkeypatch.undo()
    assert (tmp_path / "mine" / ".progress").exists()
    assert len(ff.load("train", root=tmp_path / "mine")) == 24
    with pytest.raises(FileExistsError, match="mine is there already"):
        ff.convert_folder(folder, tmp_path / "mine")
    assert not (tmp_path / "mine" / ".progress").exists()


# ---- arguments --------------------------------------------------------------------


def test_places_that_will_not_do(folder, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    (tmp_path / "theirs.part").mkdir()
    (tmp_path / "none").mkdir()
    (tmp_path / "hollow" / "a").mkdir(parents=True)
    for source, out, error, message in (
        (tmp_path / "gone", "mine", FileNotFoundError, "no such folder of photos"),
        (folder, "full", FileExistsError, "full is there already: name another"),
        (folder, "theirs", FileExistsError, "theirs.part is there, and is not from"),
        (folder, "gone/mine", FileNotFoundError, "there is no folder .*gone for mine"),
        (folder, "photos/mine", ValueError, "mine must not be in .*photos"),
        (tmp_path / "none", "mine", ValueError, "none: wanted a subfolder for each"),
        (tmp_path / "hollow", "mine", ValueError, "hollow: no photos in 1 subfolders"),
    ):
        with pytest.raises(error, match=message):
            ff.convert_folder(source, tmp_path / out)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"full", "theirs.part", "none", "hollow", "photos"}


def test_an_empty_folder_may_be_there(folder, tmp_path):
    (tmp_path / "mine").mkdir()
    ff.convert_folder(folder, tmp_path / "mine")
    assert len(ff.load("train", root=tmp_path / "mine")) == 24


def test_splits_that_files_have_no_names_for(tmp_path):
    draw(tmp_path / "photos" / "train" / "a" / "1.png", 1)
    draw(tmp_path / "photos" / "val" / "a" / "1.png", 1)
    with pytest.raises(ValueError, match="or train and test, found train, val"):
        ff.convert_folder(tmp_path / "photos", tmp_path / "mine")


@pytest.mark.parametrize(
    "threads, error, message",
    [
        (0, ValueError, r"threads must be in 1\.\.1024, got 0"),
        (-1, ValueError, r"threads must be in 1\.\.1024, got -1"),
        (1.5, TypeError, r"threads must be an integer, got 1\.5"),
        (True, TypeError, "threads must be an integer, got True"),
    ],
)
def test_bad_threads(folder, tmp_path, threads, error, message):
    with pytest.raises(error, match=message):
        ff.convert_folder(folder, tmp_path / "mine", threads=threads)


def test_missing_pillow_says_how_to_get_it(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match=r"photos need Pillow .* pip install pillow"):
        ff.convert_folder(folder, tmp_path / "mine")
    assert not (tmp_path / "mine.part").exists()


def test_a_line_of_the_list_holds_any_path():
    photo = photo_files.Photo("train", 3, "a\n\udc80/ü.png", -1, 0)
    line = photo.to_line()
    assert line.count(b"\n") == 1
    assert photo_files.Photo.from_line(line) == photo


def test_the_card_is_json(folder, tmp_path):
    ff.convert_folder(folder, tmp_path / "mine")
    card = json.loads((tmp_path / "mine" / "dataset.json").read_text())
    assert card == {"name": "photos", "classes": ["bag", "hat", "shoe"]}
