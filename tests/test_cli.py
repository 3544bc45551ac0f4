"""Every command with its exit codes and messages, on small data of its own."""

import dataclasses
import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import _core
from fmnist_fast._cli import main as cli
from fmnist_fast._dataset.known_cards import CARDS
from fmnist_fast._registry import datasets as family
from fmnist_fast._registry import hashes as identity
from fmnist_fast._show import contact_sheet as view
from fmnist_fast.synthetic import write_synthetic

NAMES = [stem for part in family.SPLITS.values() for stem in part.stems]


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """The four files of a small synthetic set, and its card. Not to be changed."""
    folder = tmp_path_factory.mktemp("drawn")
    write_synthetic(folder, 600, 100, 0)
    return folder


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No data but what a test makes, and an empty working folder."""
    monkeypatch.delenv("FMNIST_FAST_DATA", raising=False)
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)


@pytest.fixture
def run(capsys):
    """Run a command line: its exit code, what it printed, and its errors."""

    def run(*argv):
        try:
            code = cli.main([str(word) for word in argv])
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def published(drawn, tmp_path, monkeypatch):
    """A folder whose files count as the published ones; it may be changed."""
    folder, known = tmp_path / "published", {}
    folder.mkdir()
    for name in NAMES:
        content = (drawn / name).read_bytes()
        (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1))
        known[name] = (
            identity.sha256_of(folder / f"{name}.gz"),
            identity.sha256_of(drawn / name),
        )
    member = family.DATASETS["fashion-mnist"]
    files = []
    for file in member.files:
        sha256, inside = known[file.name.removesuffix(".gz")]
        files.append(dataclasses.replace(file, sha256=sha256, idx_sha256=inside))
    member = dataclasses.replace(member, files=tuple(files))
    monkeypatch.setitem(family.DATASETS, member.name, member)
    return folder


def start(*argv, **options):
    """The program in a process of its own."""
    command = [sys.executable, "-m", "fmnist_fast", *map(str, argv)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    root = Path(ff.__file__).parents[1]
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": path}, **(pipes | options)
    )


# ---- the whole --------------------------------------------------------------------


def test_version_as_a_process():
    process = start("--version")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, f"fmnist-fast {ff.__version__}\n", "")


@pytest.mark.parametrize(
    "command",
    [None, "demo", "download", "augment", "info", "verify", "convert", "convert-idx"],
)
def test_help_has_examples(run, command):
    code, out, err = run(*filter(None, [command]), "--help")
    assert (code, err) == (0, "")
    assert f"usage: fmnist-fast {command or '[-h]'}" in out
    assert f"examples:\n  fmnist-fast {command or 'demo'}" in out


@pytest.mark.parametrize(
    "line, message",
    [
        ("", "the following arguments are required: COMMAND"),
        ("dmeo", "invalid choice: 'dmeo'"),
        ("demo --epochs 0", "--epochs: must be an integer from 1 on, got '0'"),
        ("demo --batch-size x", "--batch-size: must be an integer from 1 on, got 'x'"),
        ("demo --threads -1", "--threads: must be an integer from 1 on, got '-1'"),
        ("demo --output a.jpg", "--output: must end in .png, got 'a.jpg'"),
        ("augment --output a.jpg", "--output: must end in .png, got 'a.jpg'"),
        ("augment --count 0", "--count: must be an integer from 1 on, got '0'"),
        ("augment --count 1001", "--count: must be at most 1000, got 1001"),
        ("augment --index", "--index: expected at least one argument"),
        ("info more", "unrecognized arguments: more"),
        ("convert", "the following arguments are required: PHOTO|FOLDER"),
        ("convert a --threads 0", "--threads: must be an integer from 1 on, got '0'"),
        ("convert-idx a", "the following arguments are required: TARGET"),
    ],
)
def test_usage_errors(run, line, message):
    code, out, err = run(*line.split())
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    "error, text",
    [
        (ff.FormatError("a: bad\n file"), "a: bad file"),
        (FileNotFoundError(2, "No such file", "b"), "[Errno 2] No such file: 'b'"),
        (ValueError("c"), "c"),
        (TypeError("d"), "d"),
        (ImportError("e"), "e"),
        (RuntimeError("f"), "f"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_known_errors_are_one_line(run, monkeypatch, error, text):
    def fail():
        raise error

    monkeypatch.setattr("fmnist_fast.config.show_config", fail)
    assert run("info") == (1, "", f"fmnist-fast: error: {text}\n")


def test_errors_of_the_program_itself_keep_their_traceback(monkeypatch):
    monkeypatch.setattr("fmnist_fast.config.show_config", lambda: {}["x"])
    with pytest.raises(KeyError):
        cli.main(["info"])


def test_ctrl_c_is_130_and_quiet(run, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("fmnist_fast.config.show_config", interrupt)
    assert run("info") == (130, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
def test_ctrl_c_in_the_middle_of_a_demo(drawn):
    def unignore():  # a background job of a shell ignores it, and so would this
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = start("demo", "--root", drawn, "--epochs", 10**7, preexec_fn=unignore)
    line = process.stdout.readline()
    while line and not line.startswith("Checked"):
        line = process.stdout.readline()
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    try:
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in err and "Error" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break in another way")
def test_a_reader_that_leaves_is_no_error():
    read, write = os.pipe()
    os.close(read)
    process = start("info", stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (141, "")


# ---- demo -------------------------------------------------------------------------


def test_demo(run, drawn, monkeypatch):
    pillow = pytest.importorskip("PIL.Image")
    monkeypatch.setenv("FMNIST_FAST_DATA", str(drawn))
    code, out, err = run("demo", "--epochs", 2, "--threads", 1)
    assert code == 0
    assert "Epochs" in err and "2/2" in err and "error" not in err
    assert "SYNTHETIC (drawn garments, not the real Fashion-MNIST), 600 images" in out
    assert f"28x28 from {drawn}" in out
    assert "an epoch has all 600 images once, and numpy makes the same" in out
    assert "2.4 MB an epoch" in out and "No real data" not in out
    sheet = Path("fmnist_fast_demo.png")
    assert f"Contact sheet: {sheet.resolve()}\n" in out
    with pillow.open(sheet) as image:
        assert image.size[0] > 16 * 56 and image.size[1] > 8 * 56
    assert os.listdir() == [str(sheet)]


def test_demo_figures_agree_with_each_other(run, drawn):
    _, out, _ = run("demo", "--root", drawn, "--epochs", 3, "--threads", 2)
    rows = {line[:24].strip(): line[24:].split() for line in out.splitlines()}
    assert "2 threads" in out
    ours = [float(word.replace(",", "")) for word in rows["fmnist_fast, 2 threads"]]
    numpys = [float(word.replace(",", "")) for word in rows["numpy loop"]]
    for ms, images, gb in (ours, numpys):
        assert ms == pytest.approx(600 / images * 1e3, abs=0.006)
        assert gb == pytest.approx(images * 784 * 5 / 1e9, abs=0.006)
    ratio = float(rows["ratio"][0].removesuffix("x"))
    assert ratio == pytest.approx(ours[1] / numpys[1], abs=0.006)


def test_demo_options(run, drawn):
    words = ["--root", drawn, "--epochs", 1, "--threads", 2, "--batch-size", 7]
    code, out, _ = run("demo", *words, "--output", "seven.png")
    assert code == 0
    assert "batches of 7, normalised to float32" in out
    assert Path("seven.png").exists()


def test_demo_draws_where_there_is_nothing(run, monkeypatch):
    small = ff.synthetic(300, 10)
    monkeypatch.setattr(ff, "synthetic", lambda: small)
    code, out, _ = run("demo", "--epochs", 1)
    assert code == 0
    assert "No real data: found no train-images-idx3-ubyte[.gz]" in out
    assert "Drawing the SYNTHETIC set instead" in out
    assert "Data: SYNTHETIC (drawn garments" in out and "300 images" in out


def test_demo_takes_a_given_folder_at_its_word(run, tmp_path):
    code, out, err = run("demo", "--root", tmp_path / "none")
    assert (code, out) == (1, "")
    assert "fmnist-fast: error: root must be a folder" in err
    code, out, err = run("demo", "--root", tmp_path)
    assert (code, out) == (1, "")
    assert "fmnist-fast: error: found no train-images" in err


def test_demo_of_published_files_says_their_name(run, published):
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
    assert "No contact sheet: pictures need Pillow" in out
    assert "pip install pillow" in out
    assert os.listdir() == []


def test_demo_checks_the_loader(run, drawn, monkeypatch):
    """An order that is not the loader's stands for a loader that is wrong."""
    order = _core.order
    monkeypatch.setattr(_core, "order", lambda n, **_: order(n)[::-1].copy())
    code, out, err = run("demo", "--root", drawn, "--epochs", 1)
    assert code == 1
    assert "fmnist-fast: error: the loader's batches are not those" in err
    assert "Checked" not in out and "ratio" not in out


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
        "fmnist-fast: error: threads must be in 1..256, got 257\n",
    )
    pytest.importorskip("PIL.Image")
    words = ["--root", drawn, "--epochs", 1, "--output", "none/a.png"]
    code, _, err = run("demo", *words)
    assert code == 1
    assert "fmnist-fast: error: none" in err and "there is no folder none" in err


# ---- augment ----------------------------------------------------------------------


@pytest.fixture
def sheets(monkeypatch):
    """The arguments of each contact sheet that is drawn."""
    pytest.importorskip("PIL.Image")
    calls, draw = [], view.contact_sheet

    def keep(images, captions, **options):
        calls.append((images, captions, options))
        return draw(images, captions, **options)

    monkeypatch.setattr(view, "contact_sheet", keep)
    return calls


def test_augment(run, drawn, sheets):
    code, out, err = run("augment", "--root", drawn)
    assert (code, err) == (0, "")
    sheet = Path("fmnist_fast_augment.png")
    assert f"Contact sheet: {sheet.resolve()}\n" in out
    assert "Steps: RandomCrop(size=(28, 28), padding=(4, 4, 4, 4)" in out
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
    assert "Steps: RandomErasing(p=1.0, " in out and ", Resize(size=(40, 10)" in out
    ((images, captions, options),) = sheets
    assert captions == ["original", "epoch 0", "epoch 1"] * 2
    assert options["columns"] == 3 and options["zoom"] == 3
    assert options["title"].endswith(": RandomErasing(p=1), Resize((40, 10))")
    test, steps = ff.load("test", drawn), [ff.RandomErasing(1), ff.Resize((40, 10))]
    loader = ff.Loader(test, augment=steps, seed=7)
    assert np.array_equal(images[3], test.images[-1])
    assert np.array_equal(images[4:], loader.augment_preview(-1, 2))


def test_augment_without_real_files(run, sheets, monkeypatch):
    small = ff.synthetic(300, 10)
    monkeypatch.setattr(ff, "synthetic", lambda: small)
    for split, images in zip(("train", "test"), (small[0].images, small[1].images)):
        code, out, _ = run("augment", "--split", split, "--index", 9, "--count", 1)
        assert code == 0
        assert "No real data: " in out and "Drawing the SYNTHETIC set" in out
        assert "SYNTHETIC" in sheets[-1][2]["title"]
        assert np.array_equal(sheets[-1][0][0], images[9])


def test_augment_says_what_is_not_shown(run, drawn, sheets):
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
        (["--augment", "stong"], "got 'stong'; did you mean 'strong'?"),
        (["--augment", "RandomCorp(28)"], "unknown step 'RandomCorp'; did you mean"),
        (["--augment", "RandomCrop(30)"], "a crop of 30x30 is larger than the image"),
        (["--index", "0", "600"], "--index must be in -600..599, got 600"),
        (["--index", "-601"], "--index must be in -600..599, got -601"),
        (["--seed", "-1"], "seed must be in 0..18446744073709551615, got -1"),
        (["--output", "none/a.png"], "there is no folder none"),
    ],
)
def test_augment_errors(run, drawn, words, message):
    pytest.importorskip("PIL.Image")
    code, _, err = run("augment", "--root", drawn, *words)
    assert code == 1 and len(err.splitlines()) == 1
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
    assert code == 1 and "error: pictures need Pillow" in err


# ---- info -------------------------------------------------------------------------


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
    assert "found no train-images" in out
    code, _, err = run("info", "--root", tmp_path / "none")
    assert code == 1
    assert err.startswith("fmnist-fast: error: root must be a folder")


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
    assert code == 0 and "licence   MIT\n" in out and "@misc{xiao2017fashion," in out
    assert run("info", "--root", published)[1].endswith(out)
    code, out, _ = run("info", "--card", "--name", "emnist/letters")
    assert code == 0 and out.startswith("emnist/letters\n-")
    assert "\nsplits    train 124,800, test 20,800\n" in out
    assert "\nimage     grayscale, uint8 (28, 28)\nlabel     0..25\nclasses   " in out
    assert out.endswith(CARDS["emnist/letters"].citation + "\n")
    code, out, err = run("info", "--card", "--root", tmp_path)
    assert (code, out) == (1, "") and "found no train-images" in err


def test_what_to_fetch_by_hand_keeps_its_lines(run, monkeypatch, tmp_path):
    monkeypatch.setenv("FMNIST_FAST_OFFLINE", "1")
    code, out, err = run("download", "mnist", "--to", tmp_path)
    assert (code, out) == (1, "")
    first, *files = err.splitlines()
    assert first.startswith("fmnist-fast: error: FMNIST_FAST_OFFLINE is set")
    assert len(files) == 4 and all("SHA-256" in line for line in files)


# ---- verify -----------------------------------------------------------------------


def verdicts(out):
    """The first word of each line, by the name of the file."""
    words = [line.split(maxsplit=2) for line in out.splitlines()]
    return {Path(name.removesuffix(":")).name: word for word, name, _ in words}


def test_verify_published_files(run, published, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_DATA", str(published))
    for words in ([], ["--root", published], [published]):
        code, out, err = run("verify", *words)
        assert (code, err) == (0, "")
        assert verdicts(out) == {f"{name}.gz": "ok" for name in NAMES}
    assert out.count("; the published Fashion-MNIST file\n") == 4
    assert "uint8 (600, 28, 28)" in out and "labels 0 to 9" in out


def test_verify_the_real_files(run, real_root):
    code, out, _ = run("verify", real_root)
    assert code == 0
    assert out.count("; the published Fashion-MNIST file\n") == 4


def test_verify_other_compressions(run, published, drawn):
    shutil.copy(drawn / NAMES[0], published)  # plain, and found first
    path = published / f"{NAMES[1]}.gz"
    path.write_bytes(gzip.compress((drawn / NAMES[1]).read_bytes(), 9, mtime=1))
    code, out, _ = run("verify", published)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].endswith("; the published Fashion-MNIST file")
    assert lines[1].endswith("Fashion-MNIST file, in another compression")


def test_verify_says_what_differs(run, published, drawn):
    labels = ff.read_idx(drawn / NAMES[1])
    ff.write_idx(published / f"{NAMES[1]}.gz", labels[::-1])
    code, out, err = run("verify", published)
    assert (code, err) == (1, "")
    assert list(verdicts(out).values()) == ["ok", "DIFFERS", "ok", "ok"]
    digest = identity.sha256_of(published / f"{NAMES[1]}.gz")
    wanted = family.DATASETS["fashion-mnist"].sha256_of(NAMES[1])[0]
    assert f"SHA-256 is {digest}, published is {wanted}\n" in out


def test_verify_says_what_is_synthetic(run, drawn):
    code, out, err = run("verify", drawn)
    assert (code, err) == (1, "")
    assert set(verdicts(out).values()) == {"DIFFERS"}
    assert out.count("SYNTHETIC by its dataset.json") == 4
    assert family.DATASETS["fashion-mnist"].sha256_of(NAMES[0])[1] in out


@pytest.mark.parametrize("name", NAMES)
def test_verify_damaged_files(run, published, name):
    path = published / f"{name}.gz"
    path.write_bytes(path.read_bytes()[:-9])
    code, out, _ = run("verify", published)
    assert code == 1
    found = verdicts(out)
    assert found.pop(path.name) == "DAMAGED"
    assert set(found.values()) == {"ok"}
    assert f"DAMAGED  {path}: truncated: the gzip data ends early" in out


def test_verify_images_and_labels_of_different_number(run, published, drawn):
    labels = ff.read_idx(drawn / NAMES[1])
    ff.write_idx(published / f"{NAMES[1]}.gz", labels[:-1])
    code, out, _ = run("verify", published)
    assert code == 1
    assert list(verdicts(out).values()) == ["DAMAGED", "DAMAGED", "ok", "ok"]
    assert out.count("has 600 images, but ") == 2


def test_verify_labels_out_of_range(run, drawn, tmp_path):
    labels = ff.read_idx(drawn / NAMES[1]).astype(np.int8)
    labels[5] = -3
    shutil.copy(drawn / NAMES[0], tmp_path)
    ff.write_idx(tmp_path / NAMES[1], labels)
    code, out, _ = run("verify", tmp_path / NAMES[0], tmp_path / NAMES[1])
    assert code == 1
    assert list(verdicts(out).values()) == ["DIFFERS", "DAMAGED"]
    assert "labels must not be negative, got -3" in out


def test_verify_images_that_are_none(run, drawn, tmp_path):
    shutil.copy(drawn / NAMES[1], tmp_path)
    shutil.copy(drawn / NAMES[1], tmp_path / NAMES[0])
    code, out, _ = run("verify", tmp_path / NAMES[0], tmp_path / NAMES[1])
    assert code == 1
    assert list(verdicts(out).values()) == ["DAMAGED", "DIFFERS"]
    assert "images must be uint8 with 3 dimensions, found uint8 (600,)" in out


def test_verify_named_files(run, tmp_path):
    good, bad = tmp_path / "good.idx", tmp_path / "bad.idx"
    ff.write_idx(good, np.arange(6, dtype=np.int32).reshape(2, 3))
    bad.write_bytes(good.read_bytes() + b"x")
    code, out, _ = run("verify", good)
    only = "int32 (2, 3); only the format, the name isn't a published one"
    assert (code, out) == (0, f"ok       {good}: {only}\n")
    code, out, _ = run("verify", good, bad, tmp_path / "none")
    assert code == 1
    assert list(verdicts(out).values()) == ["ok", "DAMAGED", "MISSING"]
    assert f"{bad}: trailing bytes: the header says int32 (2, 3)" in out
    assert "none: no such file" in out
    bad.write_bytes(b"\x93NUMPY")
    _, out, _ = run("verify", bad)
    assert f"DAMAGED  {bad}: (starts with 93" in out


def test_verify_files_that_can_not_be_read(run, tmp_path, monkeypatch):
    path = tmp_path / "a.idx"

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("fmnist_fast.idx.read_idx", refuse)
    code, out, err = run("verify", path)
    assert (code, err) == (1, "")
    assert out == f"DAMAGED  {path}: can't be read: Permission denied\n"


def test_verify_missing_splits(run, published, tmp_path):
    (published / f"{NAMES[3]}.gz").unlink()
    code, out, _ = run("verify", published)
    assert code == 1
    assert verdicts(out)["test"] == "MISSING"
    assert f"{NAMES[3]} or {NAMES[3]}.gz is not beside it" in out
    (tmp_path / "empty").mkdir()
    code, out, err = run("verify", tmp_path / "empty")
    assert (code, out) == (1, "")
    assert err.startswith("fmnist-fast: error: found no train-images")
    code, out, err = run("verify")
    assert (code, out) == (1, "")
    assert "found no train-images" in err


# ---- convert-idx ------------------------------------------------------------------


@pytest.fixture
def items():
    return np.random.default_rng(0).normal(size=(4, 3, 5)).astype(np.float32)


@pytest.mark.parametrize("source", ["a.npy", "a.idx", "a.idx.gz"])
@pytest.mark.parametrize("target", ["b.npy", "b", "b.gz"])
def test_convert(run, items, source, target):
    np.save(source, items) if source == "a.npy" else ff.write_idx(source, items)
    code, out, err = run("convert-idx", source, target)
    assert (code, err) == (0, "")
    nbytes = os.path.getsize(target)
    assert out == f"{target}: float32 (4, 3, 5), {nbytes:,} bytes, from {source}\n"
    head = Path(target).read_bytes()[:2]
    assert head == {"b.npy": b"\x93N", "b": b"\0\0", "b.gz": b"\x1f\x8b"}[target]
    read = np.load(target) if target == "b.npy" else ff.read_idx(target)
    assert read.dtype == np.float32 and np.array_equal(read, items)
    assert sorted(os.listdir()) == sorted([source, target])


def test_convert_does_not_overwrite_unless_told(run, items):
    np.save("a.npy", items)
    for target in ("b.npy", "b.idx"):
        Path(target).write_text("mine")
        code, out, err = run("convert-idx", "a.npy", target)
        assert (code, out) == (1, "")
        assert err == (
            f"fmnist-fast: error: {target} is there already; --force replaces it\n"
        )
        assert Path(target).read_text() == "mine"
        assert run("convert-idx", "--force", "a.npy", target)[0] == 0
        assert Path(target).read_bytes()[:4] != b"mine"


def test_convert_onto_itself(run, items):
    np.save("a.npy", items)
    assert run("convert-idx", "--force", "a.npy", "a.npy")[0] == 0
    assert np.array_equal(np.load("a.npy"), items)


def test_convert_error_leaves_the_target(run, monkeypatch, items):
    np.save("a.npy", items)
    shutil.copy("a.npy", "b.npy")

    def fail(file, *_, **__):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", fail)
    code, _, err = run("convert-idx", "--force", "a.npy", "b.npy")
    assert code == 1
    assert "error: [Errno 28] No space left on device" in err
    assert sorted(os.listdir()) == ["a.npy", "b.npy"]
    assert np.array_equal(np.load("b.npy"), items)


def test_convert_bad_targets(run, items):
    np.save("a.npy", items)
    os.mkdir("folder")
    _, _, err = run("convert-idx", "--force", "a.npy", "folder")
    assert err == "fmnist-fast: error: folder is a folder; name the file to write\n"
    code, _, err = run("convert-idx", "a.npy", "none/b")
    assert code == 1
    assert err == "fmnist-fast: error: there is no folder none for b\n"


@pytest.mark.parametrize(
    "target, suffix",
    [("b.png", ".png"), ("b.npz", ".npz"), ("b.npy.gz", ".npy"), ("b.NPY", ".NPY")],
)
def test_convert_to_a_format_that_it_does_not_know(run, items, target, suffix):
    ff.write_idx("a.idx", items)
    code, out, err = run("convert-idx", "a.idx", target)
    assert (code, out) == (1, "")
    assert err == (
        f"fmnist-fast: error: {target}: TARGET must end in .npy, or for IDX in .idx, "
        "in ubyte or without a suffix, and then in .gz to compress it; got "
        f"{suffix!r}\n"
    )
    assert os.listdir() == ["a.idx"]


@pytest.mark.parametrize(
    "target",
    ["b-images-idx3-ubyte", "b.idx3-ubyte.gz", "v1.0-ubyte", "b.idx", "b.idx.gz"],
)
def test_convert_to_names_that_idx_files_have(run, items, target):
    np.save("a.npy", items)
    assert run("convert-idx", "a.npy", target)[0] == 0
    assert np.array_equal(ff.read_idx(target), items)


def test_convert_bad_sources(run):
    np.save("object.npy", np.array([{}], object), allow_pickle=True)
    np.save("int64.npy", np.arange(5))
    whole = Path("int64.npy").read_bytes()
    Path("short.npy").write_bytes(whole[:-1])
    Path("head.npy").write_bytes(whole[:7])
    Path("text").write_text("hello, world")
    for source, message in {
        "object.npy": "error: object.npy: Object arrays cannot be loaded",
        "int64.npy": "error: b: an IDX file holds uint8, .*, got int64",
        "short.npy": "error: short.npy: ",
        "head.npy": "error: head.npy: ",
        "text": r"error: text \(starts with 68 65 6C 6C\)",
        "none": "error: .*No such file or directory: 'none'",
        ".": "error: .*'.'",
    }.items():
        code, out, err = run("convert-idx", source, "b")
        assert (code, out) == (1, "")
        assert len(err.splitlines()) == 1
        assert re.search(message, err), err
        assert not os.path.lexists("b")


# ---- convert ----------------------------------------------------------------------


@pytest.fixture
def photo():
    """photo.png, a dark square on a light ground."""
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
    code, text, _ = run("convert", "photo.png", "--steps")
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
    assert run("convert", "thin.png", "--steps", "-o", "strip.png")[0] == 0
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
        "Left out, files that aren't called as photos or are in no class's folder: 1\n"
    ) in out
    lines = err.splitlines()
    assert lines[0] == "Photos that could not be converted: 22"
    assert lines[1].startswith("  b/bad00.png: not a photo in ")
    assert lines[-1] == f"  and 2 more, in {Path('other/bad-photos.txt').resolve()}"
    assert len(lines) == 22
    assert len(ff.load("train", root="other")) == 2


def test_convert_says_that_it_goes_on(run, photo, monkeypatch):
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
        for text in ("", "Going on after 3 of 4 photos.\n"):
            err = run("convert", "photos", "-o", "mine")[2]
            assert err == f"{text}Stopped; the same command goes on from here.\n"
    os.remove("photos/a/0.png")
    err = run("convert", "photos", "-o", "mine")[2]
    assert err == "Photos have changed since the interrupted run: starting anew.\n"


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
        "bad.jpg": "bad.jpg: not a photo in ",
        "blank.png": "blank.png: the image is blank: all of its 9x9 pixels are within "
        "5 % of the colour of a corner",
        "none.jpg": "[Errno 2] No such file or directory: 'none.jpg'",
        "photo.png -o a.jpg": "the output for a photo must end in .png, got a.jpg",
        "photo.png -o folder": "the output for a photo must be a file, and folder is",
        "folder -o x.png": "the output for a folder is a folder, and x.png is called",
        "photo.png -o none/a.png": "none/a.png: there is no folder none",
        "folder": "say which folder to make of folder: -o OUT",
        "folder -o x": "folder: wanted a subfolder for each class, found none",
        "folder --steps": "--steps is for one photo, and folder is a folder",
    }.items():
        code, out, err = run("convert", *line.split())
        assert (code, out) == (1, ""), line
        assert err.startswith(f"fmnist-fast: error: {message}"), line
    os.mkfifo("pipe.png")
    assert "pipe.png: not a regular file" in run("convert", "pipe.png")[2]


def test_verify_ones_own_dataset(run, tmp_path):
    ff.write_idx(tmp_path / NAMES[0], np.zeros((4, 3, 3), np.uint8))
    ff.write_idx(tmp_path / NAMES[1], np.arange(4, dtype=np.uint8) % 2)
    (tmp_path / "dataset.json").write_text('{"name": "mine", "classes": ["a", "b"]}')
    code, out, _ = run("verify", tmp_path)
    assert code == 0 and "MISSING" not in out
    assert out.count("of mine by its dataset.json") == 2
    ff.write_idx(tmp_path / NAMES[1], np.arange(4, dtype=np.uint8))
    code, out, _ = run("verify", tmp_path)
    assert code == 1 and "DAMAGED" in out


@pytest.mark.parametrize("command", ["show", "augment"])
def test_another_dataset_is_shown_by_its_name(run, tmp_path, command):
    (tmp_path / "mnist").mkdir()
    ff.write_idx(tmp_path / "mnist" / NAMES[2], np.zeros((4, 28, 28), np.uint8))
    ff.write_idx(tmp_path / "mnist" / NAMES[3], np.arange(4, dtype=np.uint8))
    words = [command, "--name", "mnist", "--root", tmp_path, "--output", "x.png"]
    assert run(*words, "--split", "test")[0] == 0 and Path("x.png").exists()
    code, _, err = run(command, "--name", "mnist", "--split", "all")
    assert code == 1 and "split of mnist must be 'train' or 'test', got 'all'" in err
    code, _, err = run(command, "--name", "kmnist")  # no stand-in for another dataset
    assert code == 1 and "found no train-images" in err
