"""``fmnist-fast demo``: its figures, its checks and its picture."""

import os
import shutil
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from helpers.command_line import NAMES

import fmnist_fast as ff
from fmnist_fast import _core

pytestmark = pytest.mark.usefixtures("work_folder")


def test_demo(run, drawn, monkeypatch):
    pillow = pytest.importorskip("PIL.Image")
    monkeypatch.setenv("FMNIST_FAST_DATA", str(drawn))
    code, out, err = run("demo", "--epochs", 2, "--threads", 1)
    assert code == 0
    assert "Epochs" in err and "2/2" in err and "error" not in err
    assert "SYNTHETIC (drawn garments, not the real Fashion-MNIST), 600 images" in out
    assert f"28x28 from {drawn}" in out
    assert "an epoch has all 600 images once, and is equal to numpy's" in out
    assert "The loop waited " in out and " of 5 were ready. " in out
    assert "2.4 MB per epoch" in out and "No published files" not in out
    sheet = Path("fmnist_fast_demo.png")
    assert f"Contact sheet: {sheet.resolve()}\n" in out
    with pillow.open(sheet) as image:
        assert image.size[0] > 16 * 56 and image.size[1] > 8 * 56
    assert os.listdir() == [str(sheet)]


def test_demo_figures_agree_with_each_other(run, drawn):
    _, out, _ = run("demo", "--root", drawn, "--epochs", 3, "--threads", 2)
    rows = {line[:24].strip(): line[24:].split() for line in out.splitlines()}
    assert "2 threads" in out
    loader = [float(word.replace(",", "")) for word in rows["fmnist_fast, 2 threads"]]
    numpy_loop = [float(word.replace(",", "")) for word in rows["numpy loop"]]
    for ms, images, gb in (loader, numpy_loop):
        assert ms == pytest.approx(600 / images * 1e3, abs=0.006)
        assert gb == pytest.approx(images * 784 * 5 / 1e9, abs=0.006)
    ratio = float(out.partition("fmnist_fast is ")[2].partition(" times ")[0])
    rates = loader[1], numpy_loop[1]
    assert ratio == pytest.approx(max(rates) / min(rates), abs=0.06)


def test_demo_options(run, drawn):
    words = ["--root", drawn, "--epochs", 1, "--threads", 2, "--batch-size", 7]
    code, out, _ = run("demo", *words, "--output", "seven.png")
    assert code == 0
    assert "Batches have 7 images, normalized to float32" in out
    assert Path("seven.png").exists()


def test_demo_without_data_draws_synthetic_images(run, monkeypatch):
    small = ff.synthetic(300, 10)
    monkeypatch.setattr(
        import_module("fmnist_fast.synthetic"), "synthetic", lambda: small
    )
    code, out, _ = run("demo", "--epochs", 1)
    assert code == 0
    assert "No published files: found no train files of Fashion-MNIST" in out
    assert "Drawing the SYNTHETIC dataset instead" in out
    assert "Data: SYNTHETIC (drawn garments" in out and "300 images" in out


def test_demo_requires_data_in_a_given_folder(run, tmp_path):
    code, out, err = run("demo", "--root", tmp_path / "none")
    assert (code, out) == (1, "")
    assert "fmnist-fast: error: --root must be a folder" in err
    code, out, err = run("demo", "--root", tmp_path)
    assert (code, out) == (1, "")
    assert "fmnist-fast: error: found no train files" in err


def test_demo_names_the_dataset_of_published_files(run, published):
    code, out, _ = run("demo", "--root", published, "--epochs", 1)
    assert code == 0
    assert f"Data: fashion-mnist, 600 images of 28x28 from {published}" in out
    assert "SYNTHETIC" not in out


def test_demo_of_other_files_warns_in_one_line(run, drawn, tmp_path):
    for name in NAMES:
        shutil.copy(drawn / name, tmp_path)
    code, out, err = run("demo", "--root", tmp_path, "--epochs", 1)
    assert code == 0
    assert "a dataset without a name" in out
    warning = err.splitlines()[0]
    assert warning.startswith(f"fmnist-fast: warning: {tmp_path}")
    assert "not the published Fashion-MNIST file" in warning
    assert ".py:" not in err


def test_demo_without_pillow(run, drawn, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)
    code, out, _ = run("demo", "--root", drawn, "--epochs", 1)
    assert code == 0
    assert "No contact sheet: pictures require Pillow" in out
    assert "pip install pillow" in out
    assert os.listdir() == []


def test_demo_checks_the_loader(run, drawn, monkeypatch):
    """A wrong order in the check has the same effect as a wrong loader."""
    order = _core.order
    monkeypatch.setattr(_core, "order", lambda n, **_: order(n)[::-1].copy())
    code, out, err = run("demo", "--root", drawn, "--epochs", 1)
    assert code == 1
    assert "fmnist-fast: error: the loader's batches differ" in err
    assert "Checked" not in out and "times" not in out


def test_demo_without_images(run, tmp_path):
    ff.write_idx(tmp_path / NAMES[0], np.zeros((0, 28, 28), np.uint8))
    ff.write_idx(tmp_path / NAMES[1], np.zeros(0, np.uint8))
    code, _, err = run("demo", "--root", tmp_path)
    assert code == 1
    assert f"fmnist-fast: error: there are no images in {tmp_path}" in err


def test_demo_errors_of_the_loader_and_the_sheet(run, drawn):
    code, _, err = run("demo", "--root", drawn, "--threads", 257)
    assert (code, err) == (
        1,
        "fmnist-fast: error: --threads must be in 1..256, got 257\n",
    )
    pytest.importorskip("PIL.Image")
    words = ["--root", drawn, "--epochs", 1, "--output", "none/a.png"]
    code, _, err = run("demo", *words)
    assert code == 1
    assert "fmnist-fast: error: none" in err and "there is no folder none" in err
