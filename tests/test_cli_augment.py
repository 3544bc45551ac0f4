"""``fmnist-fast augment``: its options, its messages and its picture."""

import os
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from helpers.command_line import NAMES

import fmnist_fast as ff

pytestmark = pytest.mark.usefixtures("work_folder")


def test_augment(run, drawn, sheets):
    code, out, err = run("augment", "--root", drawn)
    assert (code, err) == (0, "")
    sheet = Path("fmnist_fast_augment.png")
    assert f"Contact sheet: {sheet.resolve()}\n" in out
    assert "Transforms: RandomCrop(size=(28, 28), padding=(4, 4, 4, 4)" in out
    assert sheet.read_bytes()[:4] == b"\x89PNG" and os.listdir() == [str(sheet)]
    ((images, captions, options),) = sheets
    assert captions == ["original", *(f"epoch {epoch}" for epoch in range(15))]
    train = ff.load("train", drawn)
    versions = ff.Loader(train, augment="standard").augment_preview(0, 15)
    assert np.array_equal(images, [train.images[0], *versions])
    assert (options["columns"], options["zoom"]) == (16, 4)
    mark = "SYNTHETIC (drawn garments, not the real Fashion-MNIST): standard"
    assert options["title"] == mark


def test_augment_options(run, drawn, sheets, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_DATA", str(drawn))
    text = "RandomErasing(p=1),\n Resize((40, 10))"
    words = ["--augment", text, "--split", "test", "--index", 3, -1, "--count", 2]
    code, out, _ = run("augment", *words, "--seed", 7, "-o", "two.png")
    assert code == 0 and Path("two.png").exists()
    assert (
        "Transforms: RandomErasing(p=1.0, " in out and ", Resize(size=(40, 10)" in out
    )
    ((images, captions, options),) = sheets
    assert captions == ["original", "epoch 0", "epoch 1"] * 2
    assert options["columns"] == 3 and options["zoom"] == 3
    assert options["title"].endswith(": RandomErasing(p=1), Resize((40, 10))")
    test = ff.load("test", drawn)
    transforms = [ff.RandomErasing(1), ff.Resize((40, 10))]
    loader = ff.Loader(test, augment=transforms, seed=7)
    assert np.array_equal(images[3], test.images[-1])
    assert np.array_equal(images[4:], loader.augment_preview(-1, 2))


def test_augment_without_real_files(run, sheets, monkeypatch):
    small = ff.synthetic(300, 10)
    monkeypatch.setattr(
        import_module("fmnist_fast.synthetic"), "synthetic", lambda: small
    )
    for split, images in zip(("train", "test"), (small[0].images, small[1].images)):
        code, out, _ = run("augment", "--split", split, "--index", 9, "--count", 1)
        assert code == 0
        assert "No published files: " in out and "Drawing the SYNTHETIC dataset" in out
        assert "SYNTHETIC" in sheets[-1][2]["title"]
        assert np.array_equal(sheets[-1][0][0], images[9])


def test_augment_names_transforms_that_are_not_shown(run, drawn, sheets):
    code, out, _ = run("augment", "--root", drawn, "--augment", "Pad(1), MixUp()")
    assert code == 0
    assert "Not shown: MixUp and CutMix, which need the other images" in out
    text = f"Pad({' ' * 200}1), RandomInvert({'0' * 100}.5)"
    assert run("augment", "--root", drawn, "--augment", text)[0] == 0
    title = sheets[-1][2]["title"]
    assert "): Pad( 1), RandomInvert(000" in title and title.endswith("00...")
    assert len(title.partition("): ")[2]) == 80


@pytest.mark.parametrize(
    "words, message",
    [
        (["--augment", "stong"], "got 'stong'. Did you mean 'strong'?"),
        (["--augment", "RandomCorp(28)"], "unknown transform 'RandomCorp'. Did you"),
        (["--augment", "RandomCrop(30)"], "the image's 28x28, got 30x30.\nPass a"),
        (["--index", "0", "600"], "--index must be in -600..599, got 600"),
        (["--index", "-601"], "--index must be in -600..599, got -601"),
        (["--seed", "-1"], "seed must be in 0..18446744073709551615, got -1"),
        (["--output", "none/a.png"], "there is no folder none"),
    ],
)
def test_augment_errors(run, drawn, words, message):
    pytest.importorskip("PIL.Image")
    code, _, err = run("augment", "--root", drawn, *words)
    assert code == 1 and len(err.splitlines()) <= 2
    assert err.startswith("fmnist-fast: error: ") and message in err
    assert os.listdir() == []


def test_augment_without_images_or_pillow(run, drawn, tmp_path, monkeypatch):
    ff.write_idx(tmp_path / NAMES[0], np.zeros((0, 28, 28), np.uint8))
    ff.write_idx(tmp_path / NAMES[1], np.zeros(0, np.uint8))
    code, _, err = run("augment", "--root", tmp_path)
    assert code == 1 and f"error: there are no images in {tmp_path}" in err
    for name in [name for name in sys.modules if name.partition(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)
    code, _, err = run("augment", "--root", drawn)
    assert code == 1 and "error: pictures require Pillow" in err


@pytest.mark.parametrize("command", ["show", "augment"])
def test_another_dataset_is_shown_by_its_name(run, tmp_path, command):
    (tmp_path / "mnist").mkdir()
    ff.write_idx(tmp_path / "mnist" / NAMES[2], np.zeros((4, 28, 28), np.uint8))
    ff.write_idx(tmp_path / "mnist" / NAMES[3], np.arange(4, dtype=np.uint8))
    words = [command, "--name", "mnist", "--root", tmp_path, "--output", "x.png"]
    assert run(*words, "--split", "test")[0] == 0 and Path("x.png").exists()
    code, _, err = run(command, "--name", "mnist", "--split", "all")
    assert code == 1 and "split of mnist must be 'train' or 'test', got 'all'" in err
    # Only Fashion-MNIST has a synthetic substitute.
    code, _, err = run(command, "--name", "kmnist")
    assert code == 1 and "found no train files" in err
