"""``fmnist-fast info``: versions, the data that is found, and its card."""

import numpy as np
import pytest
from helpers.command_line import NAMES
from helpers.dataset_files import N, write_published

import fmnist_fast as ff
from fmnist_fast._cli import main as cli
from fmnist_fast._dataset.known_cards import CARDS

pytestmark = pytest.mark.usefixtures("work_folder")


def test_info(run, drawn):
    code, out, err = run("info", "--root", drawn)
    assert (code, err) == (0, "")
    assert f"fmnist_fast   {ff.__version__}\n" in out and "instructions" in out
    train, test = out.split("\ntrain:\n")[1].split("\ntest:\n")
    assert "SYNTHETIC" in train and "SYNTHETIC" in test
    assert str(drawn / "train-images-idx3-ubyte") in train
    assert str(drawn / "t10k-labels-idx1-ubyte") in test
    assert "uint8 (600, 28, 28)" in train and "uint8 (100, 28, 28)" in test
    assert "T-shirt/top 60, " in train and "Ankle boot 10\n" in test
    assert "published   no\n" in train
    images = ff.load("train", drawn).images / 255
    assert f"mean        {images.mean():.6f}\n" in train
    assert f"std         {images.std():.6f}\n" in train


def test_info_of_published_files(run, published):
    code, out, _ = run("info", "--root", published)
    assert code == 0
    assert out.count("published   yes, by SHA-256") == 2
    assert out.count("name        fashion-mnist\n") == 2
    assert "SYNTHETIC" not in out


def test_info_with_one_split(run, published):
    for name in NAMES[:2]:
        (published / f"{name}.gz").unlink()
    code, out, _ = run("info", "--root", published)
    assert code == 0
    assert "train: not found" in out and "test:\n" in out


def test_info_without_data(run, tmp_path):
    code, out, err = run("info")
    assert (code, err) == (0, "")
    assert "train: not found" in out and "test: not found" in out
    assert "found no train files" in out
    code, _, err = run("info", "--root", tmp_path / "none")
    assert code == 1
    assert err.startswith("fmnist-fast: error: --root must be a folder")


def test_info_of_empty_files(run, tmp_path):
    ff.write_idx(tmp_path / NAMES[0], np.zeros((0, 28, 28), np.uint8))
    ff.write_idx(tmp_path / NAMES[1], np.zeros(0, np.uint8))
    code, out, _ = run("info", "--root", tmp_path)
    assert code == 0
    assert "uint8 (0, 28, 28)" in out and "mean" not in out


def test_card(run, drawn, published, tmp_path):
    code, out, err = run("info", "--card", "--root", drawn)
    assert (code, err) == (0, "")
    assert out.startswith("synthetic (SYNTHETIC: drawn by a program")
    (published / f"{NAMES[0]}.gz").unlink()
    (published / f"{NAMES[1]}.gz").unlink()
    code, out, _ = run("info", "--card", "--root", published)
    assert code == 0 and "license   MIT\n" in out and "@misc{xiao2017fashion," in out
    assert run("info", "--root", published)[1].endswith(out)
    code, out, _ = run("info", "--card", "--name", "emnist/letters")
    assert code == 0 and out.startswith("emnist/letters\n-")
    assert "\nsplits    train 124,800, test 20,800\n" in out
    assert "\nimage     grayscale, uint8 (28, 28)\nlabel     0..25\nclasses   " in out
    assert out.endswith(CARDS["emnist/letters"].citation + "\n")
    code, out, err = run("info", "--card", "--root", tmp_path)
    assert (code, out) == (1, "") and "found no test files" in err
    assert f"Pass --root {published}." in err


# ---- other datasets than Fashion-MNIST ---------------------------------------------


def test_info_of_another_dataset(mnist_root, capsys):
    assert cli.main(["info", "--name", "mnist", "--root", str(mnist_root)]) == 0
    out = capsys.readouterr().out
    assert "train: not found" in out and "name        mnist" in out
    assert "published   yes, by SHA-256" in out


def test_info_of_files_without_known_hashes(tmp_path, spec, capsys):
    for part in spec("emnist/digits").splits.values():
        write_published(tmp_path, part, np.ones(N, np.uint8))
    assert cli.main(["info", "--name", "emnist/digits", "--root", str(tmp_path)]) == 0
    assert "unknown, because no SHA-256 of these files" in capsys.readouterr().out
