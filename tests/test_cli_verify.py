"""``fmnist-fast verify``: its verdict on each file."""

import gzip
import json
import os
import re
import shlex
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers.command_line import NAMES
from helpers.dataset_files import N, write_published

import fmnist_fast as ff
from fmnist_fast._cli import main as cli
from fmnist_fast._registry import datasets
from fmnist_fast._registry.hashes import sha256_of

pytestmark = pytest.mark.usefixtures("work_folder")


def verdicts(out):
    """Return the first word of each file's line, by the name of the file."""
    lines = re.findall("^(?:ok|DIFFERS|DAMAGED|MISSING) .*", out, re.M)
    words = [line.split(maxsplit=2) for line in lines]
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
    shutil.copy(drawn / NAMES[0], published)  # uncompressed files come first
    path = published / f"{NAMES[1]}.gz"
    path.write_bytes(gzip.compress((drawn / NAMES[1]).read_bytes(), 9, mtime=1))
    code, out, _ = run("verify", published)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].endswith("; the published Fashion-MNIST file")
    assert lines[1].endswith("Fashion-MNIST file, compressed differently")


def test_verify_gives_the_hashes_of_a_file_that_differs(run, published, drawn):
    labels = ff.read_idx(drawn / NAMES[1])
    ff.write_idx(published / f"{NAMES[1]}.gz", labels[::-1])
    code, out, err = run("verify", published)
    assert (code, err) == (1, "")
    assert list(verdicts(out).values()) == ["ok", "DIFFERS", "ok", "ok"]
    digest = sha256_of((published / f"{NAMES[1]}.gz").read_bytes())
    expected = datasets.DATASETS["fashion-mnist"].sha256_of(NAMES[1])[0]
    assert f"SHA-256 must be {expected}, got {digest}\n" in out


def test_verify_recognizes_synthetic_files(run, drawn):
    code, out, err = run("verify", drawn)
    assert (code, err) == (1, "")
    assert set(verdicts(out).values()) == {"DIFFERS"}
    assert out.count("SYNTHETIC according to its dataset.json") == 4
    assert datasets.DATASETS["fashion-mnist"].sha256_of(NAMES[0])[1] in out


@pytest.mark.parametrize("name", NAMES)
def test_verify_damaged_files(run, published, name):
    path = published / f"{name}.gz"
    path.write_bytes(path.read_bytes()[:-9])
    code, out, _ = run("verify", published)
    assert code == 1
    how, command = out.splitlines()[4:]
    words = verdicts(out)
    assert words.pop(path.name) == "DAMAGED"
    assert set(words.values()) == {"ok"}
    assert f"DAMAGED  {path}: truncated: the gzip data ends early" in out
    assert how.endswith("published files, delete them, then download them:")
    assert command == f'  fmnist-fast download fashion-mnist --to "{published}"'


@pytest.mark.parametrize("way", ["path", "root", "data"])
@pytest.mark.parametrize("folder", ["", "fashion-mnist"])
def test_damaged_files_are_replaced_as_verify_says(
    run, small_fashion, tmp_path, monkeypatch, way, folder
):
    root = tmp_path / "data"
    ff.load("train", root, name="fashion-mnist", download=True)
    ff.load("test", root, name="fashion-mnist", download=True)
    for path in (root / "fashion-mnist").glob("*"):
        path.rename(root / folder / path.name)
    monkeypatch.setenv("FMNIST_FAST_DATA", str(root))
    here = sorted((root / folder).glob("*.gz"))
    words = {"path": here, "root": ["--root", root], "data": []}[way]
    assert run("verify", *words)[0] == 0
    for path in here[:2]:
        path.write_bytes(path.read_bytes()[:-9])
    code, out, _ = run("verify", *words)
    assert (code, out.count("DAMAGED "), out.count("fmnist-fast download")) == (1, 2, 1)
    for path in here[:2]:
        path.unlink()
    assert run(*shlex.split(out.splitlines()[-1])[1:])[0] == 0
    assert run("verify", *(words if way != "path" else ["--root", root]))[0] == 0


def test_verify_says_how_to_replace_only_published_files(run, mnist_root, tmp_path):
    labels, images = (tmp_path / f"{NAMES[i]}.gz" for i in (3, 2))
    shutil.copy(mnist_root / labels.name, labels)
    images.write_bytes(b"\x1f\x8b")
    command = f'  fmnist-fast download mnist --to "{tmp_path}"\n'
    assert run("verify", images, labels)[1].endswith(command)
    (tmp_path / "dataset.json").write_text('{"name": "mine"}')
    (tmp_path / "mine.idx").touch()
    assert "fmnist-fast" not in run("verify", images, labels, tmp_path / "mine.idx")[1]


def test_verify_images_and_labels_of_different_number(run, published, drawn):
    labels = ff.read_idx(drawn / NAMES[1])
    ff.write_idx(published / f"{NAMES[1]}.gz", labels[:-1])
    code, out, _ = run("verify", published)
    assert code == 1
    assert list(verdicts(out).values()) == ["DAMAGED", "DAMAGED", "ok", "ok"]
    assert out.count("must have 600 labels, one for each image of ") == 2


def test_verify_labels_out_of_range(run, drawn, tmp_path):
    labels = ff.read_idx(drawn / NAMES[1]).astype(np.int8)
    labels[5] = -3
    shutil.copy(drawn / NAMES[0], tmp_path)
    ff.write_idx(tmp_path / NAMES[1], labels)
    code, out, _ = run("verify", tmp_path / NAMES[0], tmp_path / NAMES[1])
    assert code == 1
    assert list(verdicts(out).values()) == ["DIFFERS", "DAMAGED"]
    assert "labels must not be negative, got -3" in out


def test_verify_labels_under_the_name_of_images(run, drawn, tmp_path):
    shutil.copy(drawn / NAMES[1], tmp_path)
    shutil.copy(drawn / NAMES[1], tmp_path / NAMES[0])
    code, out, _ = run("verify", tmp_path / NAMES[0], tmp_path / NAMES[1])
    assert code == 1
    assert list(verdicts(out).values()) == ["DAMAGED", "DIFFERS"]
    assert "images must be uint8 with 3 dimensions, got uint8 (600,)" in out


def test_verify_named_files(run, tmp_path):
    good, bad = tmp_path / "good.idx", tmp_path / "bad.idx"
    ff.write_idx(good, np.arange(6, dtype=np.int32).reshape(2, 3))
    bad.write_bytes(good.read_bytes() + b"x")
    code, out, _ = run("verify", good)
    only = "int32 (2, 3); only the format was checked: no published file has this name"
    assert (code, out) == (0, f"ok       {good}: {only}\n")
    code, out, _ = run("verify", good, bad, tmp_path / "none")
    assert code == 1
    assert list(verdicts(out).values()) == ["ok", "DAMAGED", "MISSING"]
    assert f"{bad}: trailing bytes: the data must have 24 bytes for the" in out
    assert "none: no such file" in out
    bad.write_bytes(b"\x93NUMPY")
    _, out, _ = run("verify", bad)
    assert f"DAMAGED  {bad}: is a NumPy .npy file, not an IDX file. Convert it" in out


def test_verify_files_that_cannot_be_read(run, tmp_path, monkeypatch):
    path = tmp_path / "a.idx"
    path.touch()

    def refuse(path, source):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("fmnist_fast.idx.read_content", refuse)
    code, out, err = run("verify", path)
    assert (code, err) == (1, "")
    assert out == f"DAMAGED  {path}: can't be read: Permission denied\n"


def test_verify_missing_splits(run, published, tmp_path):
    (published / f"{NAMES[3]}.gz").unlink()
    code, out, _ = run("verify", published)
    assert code == 1
    assert out.splitlines()[2].startswith(f"ok       {published / NAMES[2]}.gz: ")
    missing = f"MISSING  {published / NAMES[3]}: no such file, plain or .gz."
    assert out.splitlines()[3:] == [missing]
    (published / f"{NAMES[2]}.gz").unlink()
    code, out, err = run("verify", published)
    missing = f"MISSING  test: found no test files in {published}"
    assert (code, err, out.splitlines()[2:]) == (1, "", [missing])
    (published / f"{NAMES[0]}.gz").unlink()
    code, out, err = run("verify", published)
    assert (code, err) == (1, "")
    assert [line.split()[0] for line in out.splitlines()] == [
        "ok",
        "MISSING",
        "MISSING",
    ]


def test_verify_where_no_split_is(run, mnist_root, tmp_path):
    (tmp_path / "empty").mkdir()
    for words in ([tmp_path / "empty"], ["--root", tmp_path / "empty"], []):
        code, out, err = run("verify", *words)
        first, second, *advice = out.splitlines()
        assert (code, err) == (1, "")
        assert first.startswith("MISSING  train: found no train files")
        assert second.startswith("MISSING  test: found no test files")
        assert sum(line.startswith("Download the files (") for line in advice) == 1
    code, out, err = run("verify", "--root", mnist_root, "--name", "fashion-mnist")
    assert (code, err, out.count("MISSING "), out.count("Download")) == (1, "", 2, 1)
    assert "t10k-labels-idx1-ubyte.gz is a file of MNIST. Pass --name mnist." in out
    code, out, err = run("verify", "--root", tmp_path / "none")
    assert (code, out) == (1, "")
    assert err.startswith("fmnist-fast: error: --root must be a folder, got")


def test_verify_an_own_dataset(run, tmp_path):
    ff.write_idx(tmp_path / NAMES[0], np.zeros((4, 3, 3), np.uint8))
    ff.write_idx(tmp_path / NAMES[1], np.arange(4, dtype=np.uint8) % 2)
    (tmp_path / "dataset.json").write_text('{"name": "mine", "classes": ["a", "b"]}')
    code, out, _ = run("verify", tmp_path)
    assert code == 0 and "MISSING" not in out
    assert out.count("of mine according to its dataset.json") == 2
    ff.write_idx(tmp_path / NAMES[1], np.arange(4, dtype=np.uint8))
    code, out, _ = run("verify", tmp_path)
    assert code == 1 and "DAMAGED" in out


HOSTILE = "a\x1b[31m\x9b2J\u202eb\r\nok       evil: fine"


@pytest.mark.parametrize("command", [["verify"], ["info"], ["info", "--card"]])
def test_names_in_a_card_only_show_on_a_terminal(run, tmp_path, command):
    ff.write_idx(tmp_path / NAMES[0], np.zeros((2, 3, 3), np.uint8))
    ff.write_idx(tmp_path / NAMES[1], np.arange(2, dtype=np.uint8))
    card = {"name": HOSTILE, "classes": [HOSTILE, "c"], "license": HOSTILE}
    (tmp_path / "dataset.json").write_text(json.dumps(card))
    code, out, err = run(*command, "--root", tmp_path)
    assert (code, err) == (0, "") and "a [31m 2J b" in out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out)
    if command == ["verify"]:
        assert len(out.splitlines()) == 2


def test_the_name_of_a_file_only_shows_on_a_terminal(run, tmp_path):
    for name in ("x\x1b[2J", "x\nok       y", os.fsdecode(b"x\xe9")):
        path = tmp_path / name
        ff.write_idx(path, np.zeros(3, np.uint8))
        code, out, err = run("verify", path)
        assert (code, err) == (0, "") and out.startswith("ok")
        assert len(out.splitlines()) == 1 and "\x1b" not in out
        out.encode("utf-8")


@pytest.mark.parametrize("command", ["verify", "info"])
def test_a_bad_card_is_named(run, tmp_path, command):
    ff.write_idx(tmp_path / NAMES[0], np.zeros((2, 3, 3), np.uint8))
    ff.write_idx(tmp_path / NAMES[1], np.arange(2, dtype=np.uint8))
    (tmp_path / "dataset.json").write_text('{"name": "\\ud800"}')
    code, out, err = run(command, "--root", tmp_path)
    text = {"verify": out, "info": err}[command]
    assert code == 1 and f"{tmp_path / 'dataset.json'}: not a dataset card" in text


# ---- other datasets than Fashion-MNIST ---------------------------------------------


@pytest.mark.parametrize("options", [[], ["--name", "mnist"]])
def test_verify_recognizes_mnist(mnist_root, capsys, options):
    paths = [str(mnist_root / f"{stem}.gz") for stem in datasets.SPLITS["test"].stems]
    assert cli.main(["verify", *paths, *options]) == 0
    out = capsys.readouterr().out
    assert out.count("the published MNIST file, compressed differently") == 2


def test_verify_of_one_dataset_only(mnist_root, capsys):
    path = str(mnist_root / "t10k-labels-idx1-ubyte.gz")
    assert cli.main(["verify", path, "--name", "kmnist"]) == 1
    assert capsys.readouterr().out.startswith("DIFFERS ")


def test_verify_files_without_known_hashes(tmp_path, spec, capsys):
    for part in spec("emnist/digits").splits.values():
        write_published(tmp_path, part, np.ones(N, np.uint8))
    with warnings.catch_warnings():
        code = cli.main(["verify", "--name", "emnist/digits", "--root", str(tmp_path)])
    assert code == 0
    assert capsys.readouterr().out.count("format was checked: its SHA-256 is") == 4


def test_verify_a_folder_with_a_damaged_card(run, drawn, published):
    (published / "dataset.json").write_text("{")
    code, out, err = run("verify", published, drawn)
    assert (code, err, out.count("ok       ")) == (1, "", 4)
    assert f"DAMAGED  {published / 'dataset.json'}: not a dataset card: Exp" in out


@pytest.mark.parametrize("words", [["verify"], ["convert-idx", "a.npy"]])
def test_a_url_is_not_a_path(run, words):
    code, out, err = run(*words, "https://me:secret@example.com/a")
    assert (code, out) == (2, "")
    assert err.endswith(": must be a path, got URL https://***@example.com/a\n")
