"""``fmnist-fast show``: its options, its messages, and what it writes."""

import functools
import os
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from helpers.dataset_files import write_synthetic

import fmnist_fast as ff
from fmnist_fast._show import contact_sheet

pytestmark = pytest.mark.usefixtures("work_folder")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Write the files of a small synthetic dataset; return their folder."""
    folder = tmp_path_factory.mktemp("drawn")
    write_synthetic(folder, 300, 100)
    return folder


@pytest.fixture
def run(run):
    """Return a function that runs ``show``: it returns exit code, output and errors."""
    return functools.partial(run, "show")


@pytest.fixture
def pillow():
    return pytest.importorskip("PIL.Image")


def pixels(pillow, path):
    with pillow.open(path) as image:
        assert image.mode == "RGB" and image.format == "PNG"
        return np.asarray(image)


def test_help_has_examples(run):
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    assert "examples:\n  fmnist-fast show\n" in out


def test_the_first_images(run, drawn, pillow):
    code, out, err = run("--root", drawn)
    sheet = Path("fmnist_fast_show.png")
    assert (code, out, err) == (0, f"Contact sheet: {sheet.resolve()}\n", "")
    assert os.listdir() == [str(sheet)]
    want = np.asarray(ff.load("train", drawn).show())
    assert np.array_equal(pixels(pillow, sheet), want)


@pytest.mark.parametrize(
    "words, rows, options",
    [
        ("--class Bag", None, {"classes": ["Bag"]}),
        ("--index 5 0 -1", [5, 0, -1], {}),
        ("--count 3 --seed 0 --columns 2", None, {"count": 3, "seed": 0, "columns": 2}),
        ("--zoom 1 --numbers", None, {"zoom": 1, "numbers": True}),
    ],
)
def test_options(run, drawn, pillow, words, rows, options):
    code, _, err = run(
        "--root", drawn, "--split", "test", *words.split(), "-o", "a.png"
    )
    assert (code, err) == (0, "")
    want = np.asarray(ff.load("test", drawn).show(rows, **options))
    assert np.array_equal(pixels(pillow, "a.png"), want)


@pytest.mark.parametrize(
    "words",
    [("Bag", "Ankle boot"), ("BAG", "ankle boot"), ("8", "9"), ("8", "bag", "9")],
)
def test_classes_by_name_in_any_case_and_by_number(run, drawn, pillow, words):
    assert run("--root", drawn, "--class", *words, "-o", "a.png")[0] == 0
    want = np.asarray(ff.load("train", drawn).show(classes=["Bag", "Ankle boot"]))
    assert np.array_equal(pixels(pillow, "a.png"), want)


@pytest.mark.parametrize("name", ["counts", "means", "histogram"])
def test_figures(run, drawn, pillow, name):
    pytest.importorskip("matplotlib")
    code, out, err = run("--root", drawn, "--plot", name, "-o", "a.png")
    assert (code, out, err) == (0, f"Plot: {Path('a.png').resolve()}\n", "")
    assert os.listdir() == ["a.png"]
    figure = pixels(pillow, "a.png")
    assert figure.shape[1] >= 700 and figure.std() > 10


def test_without_real_files(run, pillow, monkeypatch):
    small, titles, draw = ff.synthetic(300, 10), [], contact_sheet.contact_sheet
    monkeypatch.setattr(
        import_module("fmnist_fast.synthetic"), "synthetic", lambda: small
    )

    def keep(*arguments, title, **options):
        titles.append(title)
        return draw(*arguments, title=title, **options)

    monkeypatch.setattr(contact_sheet, "contact_sheet", keep)
    code, out, _ = run("--split", "test")
    assert code == 0
    assert "No published files: " in out and "Drawing the SYNTHETIC dataset" in out
    assert titles == ["synthetic/test (SYNTHETIC): 10 of 10 images"]


@pytest.mark.parametrize(
    "words, message",
    [
        ("--class bga", "no class is named 'bga'. Did you mean 'Bag'?"),
        ("--class 10", "--class must be in 0..9, got 10"),
        ("--class -1", "--class must be in 0..9, got -1"),
        ("--index 300", "--index must be in -300..299, got 300"),
        ("--seed -1", "--seed must be in 0..18446744073709551615, got -1"),
        ("--count 10001", "--count must be in 1..10000, got 10001"),
        (
            "--index 0 --class x",
            "no class is named 'x'.\nThe classes are 'T-shirt/top', 'Trouser'",
        ),
        ("-o none/a.png", "there is no folder none"),
        ("--plot means --class Bag", "--plot draws a whole split. Leave out --class."),
        ("--plot means --seed 0", "--plot draws a whole split. Leave out --seed."),
    ],
)
def test_errors(run, drawn, pillow, words, message):
    code, _, err = run("--root", drawn, *words.split())
    assert code == 1 and "Traceback" not in err
    assert err.startswith("fmnist-fast: error: ") and message in err
    assert os.listdir() == []


@pytest.mark.parametrize(
    "words, message",
    [
        ("--count 0", "--count: must be a positive integer, got '0'"),
        ("--zoom x", "--zoom: must be a positive integer, got 'x'"),
        ("--columns -1", "--columns: must be a positive integer, got '-1'"),
        ("--output a.jpg", "--output: must end in .png, got 'a.jpg'"),
        ("--plot pixels", "--plot: invalid choice: 'pixels'"),
        ("--class", "--class: expected at least one argument"),
    ],
)
def test_usage_errors(run, words, message):
    code, out, err = run(*words.split())
    assert (code, out) == (2, "") and message in err


def test_a_class_whose_name_differs_only_in_case_from_another(run, tmp_path, pillow):
    """Exact names come first, and numbers last."""
    ff.write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros((6, 3, 3), "u1"))
    ff.write_idx(tmp_path / "train-labels-idx1-ubyte", np.arange(6, dtype="u1") % 3)
    (tmp_path / "dataset.json").write_text('{"name": "x", "classes": ["a", "A", "0"]}')
    for word, classes in {"a": "a", "A": "A", "0": "0", "1": 1}.items():
        assert run("--root", tmp_path, "--class", word, "-o", "a.png")[0] == 0
        want = np.asarray(ff.load("train", tmp_path).show(classes=classes))
        assert np.array_equal(pixels(pillow, "a.png"), want)
    (tmp_path / "dataset.json").write_text(
        '{"name": "x", "classes": ["Xy", "xY", "b"]}'
    )
    code, _, err = run("--root", tmp_path, "--class", "XY")
    assert code == 1 and "--class must be one of Xy, xY, got 'XY'\n" in err


@pytest.mark.parametrize("words", ["Bag,Sandal", "8, 5"])
def test_classes_with_commas_between(run, drawn, words):
    code, out, err = run("--root", drawn, "--class", words)
    message = f"--class must be words with spaces between, got {words!r}"
    assert (code, out, err) == (1, "", f"fmnist-fast: error: {message}\n")


def test_a_folder_in_place_of_the_split(run):
    code, out, err = run("--split", "../my data")
    assert (code, out) == (1, "")
    assert err.endswith(".\nPass --split train --root '../my data'.\n")
