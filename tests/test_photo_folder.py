"""Conversion of a folder of photos to IDX files: order, skipped files, arguments."""

import os
import sys
import threading
import time
from queue import SimpleQueue

import numpy as np
import pytest
from helpers.photos import contents, draw, draw_folder

import fmnist_fast as ff
from fmnist_fast.photos import convert as photos
from fmnist_fast.photos import files as photo_files
from fmnist_fast.photos import folder as photo_folder
from fmnist_fast.photos import store as photo_store

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path):
    """Draw 24 photos in three classes, and return their folder."""
    return draw_folder(tmp_path / "photos")


def test_images_labels_and_classes(folder, tmp_path):
    done = ff.convert_folder(folder, tmp_path / "out")
    assert done == (tmp_path / "out", ("bag", "hat", "shoe"), {"train": 24}, 0, 0)
    train = ff.load("train", root=tmp_path / "out")
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
    assert sorted(contents(tmp_path / "out")) == [
        "dataset.json",
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "photos"]


@pytest.mark.skipif(os.name != "posix", reason="needs modes of files")
@pytest.mark.parametrize("umask", [0o002, 0o022, 0o027, 0o077, 0o000])
def test_the_umask_says_who_may_use_the_result(folder, tmp_path, umask):
    before = os.umask(umask)
    try:
        ff.convert_folder(folder, tmp_path / "out")
    finally:
        os.umask(before)
    out = tmp_path / "out"
    assert out.stat().st_mode & 0o777 == 0o777 & ~umask
    modes = {path.name: path.stat().st_mode & 0o777 for path in out.iterdir()}
    assert len(modes) == 3 and set(modes.values()) == {0o666 & ~umask}


def test_train_and_test_have_the_same_classes(tmp_path):
    root = tmp_path / "photos"
    draw(root / "train" / "b" / "1.png", 1)
    draw(root / "train" / "c" / "2.png", 2)
    draw(root / "test" / "a" / "3.png", 3)
    draw(root / "test" / "c" / "4.png", 4)
    done = ff.convert_folder(root, tmp_path / "out")
    assert done.n_images == {"train": 2, "test": 2}
    for split, labels in (("train", [1, 2]), ("test", [0, 2])):
        dataset = ff.load(split, root=tmp_path / "out")
        assert dataset.classes == ("a", "b", "c")
        assert dataset.labels.tolist() == labels


def test_more_than_256_classes(tmp_path):
    for i in range(258):
        (tmp_path / "photos" / f"{i:03}").mkdir(parents=True)
    draw(tmp_path / "photos" / "000" / "a.png", 0)
    draw(tmp_path / "photos" / "257" / "a.png", 1)
    ff.convert_folder(tmp_path / "photos", tmp_path / "out")
    train = ff.load("train", root=tmp_path / "out")
    assert train.labels.dtype == np.int32 and train.labels.tolist() == [0, 257]


def test_names_of_classes_fit_in_a_card_that_can_be_loaded(tmp_path, monkeypatch):
    name = "\u9774" * 80  # has 240 bytes, and 480 if JSON has only ASCII
    for i in range(2500):
        (tmp_path / "photos" / f"{i:04}{name}").mkdir(parents=True)
    draw(tmp_path / "photos" / f"0007{name}" / "a.png", 1)
    ff.convert_folder(tmp_path / "photos", tmp_path / "out")
    assert ff.load("train", root=tmp_path / "out").classes[7] == f"0007{name}"
    nbytes = (tmp_path / "out" / "dataset.json").stat().st_size
    # The mean and the standard deviation have space for the longest numbers.
    monkeypatch.setattr(photo_store, "MAX_CARD_NBYTES", nbytes + 20)
    ff.convert_folder(tmp_path / "photos", tmp_path / "largest")
    monkeypatch.setattr(photo_store, "MAX_CARD_NBYTES", nbytes - 1)
    message = rf"photos: .* 2500 classes must fit .* of {nbytes - 1} .*, got \d+ b"
    with pytest.raises(ValueError, match=message):
        ff.convert_folder(tmp_path / "photos", tmp_path / "larger")
    assert not (tmp_path / "larger.part").exists()


def test_classes_with_too_long_names_are_refused(tmp_path):
    for i in range(4400):
        (tmp_path / "photos" / f"{i:0240}").mkdir(parents=True)
    draw(tmp_path / "photos" / f"{0:0240}" / "a.png", 1)
    with pytest.raises(ValueError, match=r"of 1048576 bytes, got 1.*\n.*shorter names"):
        ff.convert_folder(tmp_path / "photos", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_the_number_of_threads_changes_nothing(folder, tmp_path):
    (folder / "bag" / "bad.jpg").write_bytes(b"bad")
    for threads in (1, 2, 7):
        ff.convert_folder(folder, tmp_path / f"{threads}", threads=threads)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert contents(tmp_path / "1") == contents(tmp_path / "7")


def test_files_that_are_no_photos_are_skipped(folder, tmp_path):
    (folder / "readme.txt").write_text("outside of the classes")
    (folder / "bag" / "notes.txt").write_text("not a photo")
    (folder / "bag" / ".hidden.png").write_text("ignored")
    (folder / ".git").mkdir()
    (folder / "bag" / "again").symlink_to(folder, target_is_directory=True)
    draw(folder / "stray.png", 98)
    draw(folder / "__MACOSX" / "bag" / "1.png", 99)
    draw(folder / "bag" / "__MACOSX" / "1.png", 99)
    done = ff.convert_folder(folder, tmp_path / "out")
    assert (done.n_images, done.n_bad, done.n_skipped) == ({"train": 24}, 0, 3)
    assert done.classes == ("bag", "hat", "shoe")


def test_photos_outside_of_class_folders_are_skipped(tmp_path):
    draw(tmp_path / "photos" / "train" / "a" / "1.png", 1)
    draw(tmp_path / "photos" / "train" / "stray.png", 2)
    draw(tmp_path / "photos" / "stray.png", 3)
    done = ff.convert_folder(tmp_path / "photos", tmp_path / "out")
    assert (done.n_images, done.n_bad, done.n_skipped) == ({"train": 1}, 0, 2)


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
    done = ff.convert_folder(folder, tmp_path / "out")
    assert done.n_images == {"train": 24} and done.n_bad == 11
    lines = (tmp_path / "out" / "bad-photos.txt").read_text().splitlines()
    reasons = dict(line.split(": ", 1) for line in lines)
    assert list(reasons) == sorted(reasons) and len(reasons) == 11
    for name, words in {
        "cut.jpg": "image file is truncated",
        "cut.png": "truncated",
        "cut.tif": "",
        "empty.jpg": "a photo must be an undamaged file in ",
        "text.png": "a photo must be an undamaged file in ",
        "eps.png": "a photo must be an undamaged file in ",
        "large.png": "at most 250,000 pixels, got 600x600",
        "blank.png": "blank: all of its 30x30 pixels",
        "wide.tif": "8 or 16 bits",
        "gone.png": "No such file",
        "pipe.png": "a photo must be a regular file",
    }.items():
        assert words in reasons[f"bag/{name}"], name


def test_pillow_keeps_its_memory_during_the_conversion(folder, tmp_path, monkeypatch):
    n_blocks, steps_of_file = [], photo_files.steps_of_file

    def record_and_convert(path):
        n_blocks.append(Image.core.get_blocks_max())
        return steps_of_file(path)

    before = Image.core.get_blocks_max()
    monkeypatch.setattr(photo_files, "steps_of_file", record_and_convert)
    ff.convert_folder(folder, tmp_path / "out", threads=3)
    assert set(n_blocks) == {max(before, 24)} and Image.core.get_blocks_max() == before


@pytest.mark.parametrize("threads", [1, 3])
def test_other_errors_of_a_thread_are_raised(folder, tmp_path, monkeypatch, threads):
    def fail(path):
        raise ZeroDivisionError("by a thread")

    monkeypatch.setattr(photo_files, "steps_of_file", fail)
    n_before = threading.active_count()
    with pytest.raises(ZeroDivisionError, match="by a thread"):
        ff.convert_folder(folder, tmp_path / "out", threads=threads)
    assert threading.active_count() <= n_before


@pytest.mark.parametrize("n_started", [0, 1])
def test_with_few_threads_the_files_are_the_same(
    folder, tmp_path, few_threads, n_started
):
    ff.convert_folder(folder, tmp_path / "want", threads=3)
    few_threads(n_started)
    with pytest.warns(RuntimeWarning, match="can't start another thread"):
        ff.convert_folder(folder, tmp_path / "out", threads=3)
    assert contents(tmp_path / "out") == contents(tmp_path / "want")


def test_other_errors_are_raised_without_threads(
    folder, tmp_path, few_threads, monkeypatch
):
    def fail(path):
        raise ZeroDivisionError

    few_threads(0)
    monkeypatch.setattr(photo_files, "steps_of_file", fail)
    with pytest.warns(RuntimeWarning), pytest.raises(ZeroDivisionError):
        ff.convert_folder(folder, tmp_path / "out")


def test_a_pillow_without_blocks_works_too(folder, tmp_path, monkeypatch):
    monkeypatch.delattr(Image.core, "set_blocks_max")
    assert ff.convert_folder(folder, tmp_path / "out").n_images == {"train": 24}


def test_a_folder_without_a_good_photo_is_refused(tmp_path):
    (tmp_path / "photos" / "a").mkdir(parents=True)
    (tmp_path / "photos" / "a" / "x.png").write_text("bad")
    for _ in range(2):  # the second run continues the first
        with pytest.raises(ValueError, match=r"(?s)none of the 1 photos .* is a/x"):
            ff.convert_folder(tmp_path / "photos", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unsuitable_folders_are_refused(folder, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    (tmp_path / "other.part").mkdir()
    (tmp_path / "other.part" / "a").touch()
    (tmp_path / "none").mkdir()
    (tmp_path / "hollow" / "a").mkdir(parents=True)
    for source, name, error, message in (
        (tmp_path / "gone", "out", FileNotFoundError, "no such folder of photos"),
        (folder, "full", FileExistsError, "full: already exists and is not an empty"),
        (folder, "other", FileExistsError, "other.part: already exists, but was"),
        (folder, "gone/out", FileNotFoundError, "out: there is no folder .*gone"),
        (folder, "photos/out", ValueError, "out must not be in .*photos"),
        (tmp_path / "none", "out", ValueError, "none: a folder of photos must have"),
        (tmp_path / "hollow", "out", ValueError, "hollow: no photos in 1 subfolders"),
    ):
        with pytest.raises(error, match=message):
            ff.convert_folder(source, tmp_path / name)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"full", "other.part", "none", "hollow", "photos"}


def test_the_output_folder_may_exist_if_it_is_empty(folder, tmp_path):
    (tmp_path / "out").mkdir()
    ff.convert_folder(folder, tmp_path / "out")
    assert len(ff.load("train", root=tmp_path / "out")) == 24


@pytest.mark.parametrize("place", ["empty", "photos", "nowhere"])
def test_the_output_folder_must_not_be_a_link(folder, tmp_path, place):
    (tmp_path / "empty").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / place, target_is_directory=True)
    with pytest.raises(FileExistsError, match="out: already exists and is a link"):
        ff.convert_folder(folder, tmp_path / "out")
    assert (tmp_path / "out").is_symlink() and not (tmp_path / "out.part").exists()


def test_splits_other_than_train_and_test_are_refused(tmp_path):
    draw(tmp_path / "photos" / "train" / "a" / "1.png", 1)
    draw(tmp_path / "photos" / "val" / "a" / "1.png", 1)
    with pytest.raises(ValueError, match="or train and test, got train, val"):
        ff.convert_folder(tmp_path / "photos", tmp_path / "out")


@pytest.mark.parametrize(
    "threads, error, message",
    [
        (0, ValueError, r"threads must be in 1\.\.1024, got 0"),
        (-1, ValueError, r"threads must be in 1\.\.1024, got -1"),
        (1.5, TypeError, r"threads must be an integer, got 1\.5"),
        (True, TypeError, "threads must be an integer, got True"),
    ],
)
def test_bad_numbers_of_threads_are_refused(folder, tmp_path, threads, error, message):
    with pytest.raises(error, match=message):
        ff.convert_folder(folder, tmp_path / "out", threads=threads)


def test_missing_pillow_says_how_to_get_it(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match=r"photos require Pillow .* install pillow"):
        ff.convert_folder(folder, tmp_path / "out")
    assert not (tmp_path / "out.part").exists()


def test_threads_end_if_ctrl_c_arrives_while_they_are_told_to(
    folder, tmp_path, monkeypatch
):
    class Interrupted(SimpleQueue):
        is_first = True

        def get_nowait(self):
            if Interrupted.is_first:
                Interrupted.is_first = False
                raise KeyboardInterrupt
            return super().get_nowait()

    monkeypatch.setattr(photo_folder, "SimpleQueue", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        ff.convert_folder(folder, tmp_path / "out", threads=2)
        time.sleep(1)  # until the interrupt arrives
    assert not Interrupted.is_first
    assert not [thread for thread in threading.enumerate() if "_convert" in thread.name]
