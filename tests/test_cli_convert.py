"""``fmnist-fast convert``: a photo, its film strip, and a folder of photos."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff

pytestmark = pytest.mark.usefixtures("work_folder")


@pytest.fixture
def photo():
    """Save photo.png, a dark square on a light background; return its pixels."""
    from PIL import Image

    pixels = np.full((90, 60, 3), 253, np.uint8)
    pixels[20:60, 10:50] = np.arange(40, dtype=np.uint8)[:, None, None]
    Image.fromarray(pixels).save("photo.png")
    return pixels


def test_convert_a_photo(run, photo):
    from PIL import Image

    out = Path("photo-28x28.png")
    assert run("convert", "photo.png") == (0, f"Image: {out.resolve()}\n", "")
    with Image.open(out) as image:
        assert image.mode == "L"
        assert np.array_equal(np.asarray(image), ff.convert(photo))


def test_convert_draws_the_steps(run, photo):
    from PIL import Image

    out = Path("photo-steps.png")
    code, text, _ = run("convert", "photo.png", "--show-steps")
    assert (code, text) == (0, f"Film strip: {out.resolve()}\n")
    with Image.open(out) as image:
        pixels = np.asarray(image)
    for i, x in enumerate(range(12, pixels.shape[1], 224 + 12)):
        frame = pixels[12 : 12 + 224, x : x + 224]
        assert len(np.unique(frame)) > 10, i
        gap = pixels[12:-12, x - 12 : x]
        assert (gap == gap[0, 0]).all()  # names stay in their columns
    last = pixels[12 : 12 + 224, -12 - 224 : -12]
    want = ff.convert(photo).repeat(8, axis=0).repeat(8, axis=1)
    assert np.array_equal(last, np.repeat(want[..., None], 3, axis=2))


def test_convert_steps_of_a_large_and_a_flat_photo(run):
    from PIL import Image

    pixels = np.full((1000, 3, 3), 255, np.uint8)
    pixels[1:-1, 1:] = np.arange(998, dtype=np.uint16).astype(np.uint8)[:, None, None]
    Image.fromarray(pixels).save("thin.png")
    assert run("convert", "thin.png", "--show-steps", "-o", "strip.png")[0] == 0
    with Image.open("strip.png") as image:
        assert image.size == (12 + 7 * 236, 12 + 224 + 52)


def test_convert_a_folder(run, photo):
    for name in ("a", "b"):
        os.makedirs(f"photos/{name}")
        shutil.copy("photo.png", f"photos/{name}/1.png")
    assert run("convert", "photos", "-o", "mine") == (
        0,
        f"train: 2 images in 2 classes\nWritten to {Path('mine').resolve()}\n",
        "",
    )
    Path("photos/a/notes.txt").touch()
    for i in range(22):
        Path(f"photos/b/bad{i:02}.png").touch()
    code, out, err = run("convert", "photos", "-o", "other", "--threads", 1)
    assert code == 1
    assert (
        "Skipped files without a photo suffix, or outside of the class folders: 1\n"
    ) in out
    lines = err.splitlines()
    assert lines[0] == "Photos that could not be converted: 22"
    assert lines[1].startswith("  b/bad00.png: a photo must be an undamaged file in ")
    assert lines[-1] == f"  and 2 more, in {Path('other/bad-photos.txt').resolve()}"
    assert len(lines) == 22
    assert len(ff.load("train", root="other")) == 2


def test_convert_says_that_it_resumes(run, photo, monkeypatch):
    from fmnist_fast.photos.store import PhotoStore

    os.makedirs("photos/a")
    for i in range(4):
        shutil.copy("photo.png", f"photos/a/{i}.png")
    append = PhotoStore.append

    def stop(self, photo, result):
        if self.state.n_done == 3:
            raise KeyboardInterrupt
        append(self, photo, result)

    with monkeypatch.context() as patch:
        patch.setattr(PhotoStore, "append", stop)
        for text in ("", "Resuming after 3 of 4 photos.\n"):
            err = run("convert", "photos", "-o", "mine")[2]
            assert err == f"{text}Stopped. Run the same command again to continue.\n"
    os.remove("photos/a/0.png")
    err = run("convert", "photos", "-o", "mine")[2]
    assert err == (
        "The photos or the files in mine.part have changed since the interrupted run. "
        "Starting again.\n"
    )


def test_convert_a_photo_that_pillow_warns_of(run, photo, monkeypatch):
    from PIL import Image

    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60 * 90 - 1)
    assert run("convert", "photo.png")[::2] == (0, "")


def test_convert_shows_progress_on_a_terminal(run, photo, monkeypatch):
    os.makedirs("photos/a")
    shutil.copy("photo.png", "photos/a/1.png")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert "1/1" in run("convert", "photos", "-o", "mine")[2]


def test_convert_errors(run, photo):
    from PIL import Image

    Path("bad.jpg").write_text("bad")
    Image.new("RGB", (9, 9)).save("blank.png")
    os.mkdir("folder")
    for line, message in {
        "bad.jpg": "bad.jpg: a photo must be an undamaged file in ",
        "blank.png": "blank.png: the image is blank: all of its 9x9 pixels are within "
        "5 % of the color of a corner",
        "none.jpg": "none.jpg: no such file or directory",
        "photo.png -o a.jpg": "the output for a photo must end in .png, got a.jpg",
        "photo.png -o folder": "the output for a photo must be a file, got folder",
        "folder -o x.png": "the output for a folder of photos must be a folder, got "
        "image file x.png",
        "photo.png -o none/a.png": "none/a.png: there is no folder none",
        "folder": "a folder of photos requires -o OUT, got only folder",
        "folder -o x": "folder: a folder of photos must have a subfolder for each",
        "folder --show-steps": "--show-steps requires a photo, got folder folder",
    }.items():
        code, out, err = run("convert", *line.split())
        assert (code, out) == (1, ""), line
        assert err.startswith(f"fmnist-fast: error: {message}"), line
    os.mkfifo("pipe.png")
    assert "pipe.png: a photo must be a regular file" in run("convert", "pipe.png")[2]
