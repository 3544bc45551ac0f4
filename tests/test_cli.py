"""The command line as a whole: help, exit codes, errors and signals."""

import os
import signal
import sys
import time

import numpy as np
import pytest
from helpers.command_line import start

import fmnist_fast as ff
from fmnist_fast._cli import main as cli
from fmnist_fast._cli.messages import in_options

pytestmark = pytest.mark.usefixtures("work_folder")


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
        ("dmeo", "invalid choice: 'dmeo'"),
        ("demo --epochs 0", "--epochs: must be a positive integer, got '0'"),
        ("demo --batch-size x", "--batch-size: must be a positive integer, got 'x'"),
        ("demo --threads -1", "--threads: must be a positive integer, got '-1'"),
        ("demo --output a.jpg", "--output: must end in .png, got 'a.jpg'"),
        ("augment --output a.jpg", "--output: must end in .png, got 'a.jpg'"),
        ("augment --count 0", "--count: must be a positive integer, got '0'"),
        ("augment --count 1001", "--count: must be at most 1000, got 1001"),
        ("augment --index", "--index: expected at least one argument"),
        ("info more", "unrecognized arguments: more"),
        ("convert", "the following arguments are required: PHOTO|FOLDER"),
        ("convert a --threads 0", "--threads: must be a positive integer, got '0'"),
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
        (ff.FormatError("a: bad\n  file"), "a: bad\n  file"),
        (ff.FormatError("a\r\x1b[2J\t\x85\u2028b"), "a [2J b"),
        (FileNotFoundError(2, "No such file", "b"), "b: no such file"),
        (PermissionError(13, "Not allowed", b"b"), "b: not allowed"),
        (OSError(28, "No space left on device"), "no space left on device"),
        (OSError("[Errno 5] g"), "g"),
        (
            ff.DownloadError("h: [Errno 111] Connection refused"),
            "h: Connection refused",
        ),
        (ValueError("c"), "c"),
        (TypeError("d"), "d"),
        (ImportError("e"), "e"),
        (RuntimeError("f"), "f"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_known_errors_keep_line_breaks_only(run, monkeypatch, error, text):
    def fail():
        raise error

    monkeypatch.setattr("fmnist_fast.config.show_config", fail)
    assert run("info") == (1, "", f"fmnist-fast: error: {text}\n")


def test_errors_of_arguments_have_no_control_characters(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["show", "x\x1b[2Jy"])
    err = capsys.readouterr().err
    assert caught.value.code == 2 and "unrecognized arguments: x [2Jy" in err


def test_unexpected_errors_keep_their_traceback(monkeypatch):
    monkeypatch.setattr("fmnist_fast.config.show_config", lambda: {}["x"])
    with pytest.raises(KeyError):
        cli.main(["info"])


def test_ctrl_c_is_130_and_quiet(run, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("fmnist_fast.config.show_config", interrupt)
    assert run("info") == (130, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a single process")
def test_ctrl_c_in_the_middle_of_a_demo(drawn):
    # Background jobs of a shell ignore SIGINT, and this process would inherit that.
    def unignore():
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


@pytest.mark.skipif(sys.platform == "win32", reason="closed pipes raise other errors")
def test_a_closed_pipe_is_no_error():
    read, write = os.pipe()
    os.close(read)
    process = start("info", stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (141, "")


def test_list_of_files_to_fetch_keeps_its_lines(run, monkeypatch, tmp_path):
    monkeypatch.setenv("FMNIST_FAST_OFFLINE", "1")
    code, out, err = run("download", "mnist", "--to", tmp_path)
    assert (code, out) == (1, "")
    first, advice, *files = err.splitlines()
    assert first.startswith("fmnist-fast: error: FMNIST_FAST_OFFLINE is set")
    assert advice.startswith("Put these files into ")
    assert len(files) == 4 and all("SHA-256" in line for line in files)


def test_without_a_command_the_help_is_printed(run):
    assert run() == (0, run("--help")[1], "")


def test_a_missing_file_with_another_spelling_is_named(run, tmp_path):
    ff.write_idx(tmp_path / "a-images.idx3-ubyte", np.zeros((1, 2, 2), np.uint8))
    code, _, err = run("convert-idx", tmp_path / "a-images-idx3-ubyte.gz", "a.npy")
    text = f"{tmp_path / 'a-images-idx3-ubyte.gz'}: no such file or directory"
    hint = f"There is {tmp_path / 'a-images.idx3-ubyte'}."
    assert (code, err) == (1, f"fmnist-fast: error: {text}\n{hint}\n")


@pytest.mark.parametrize("name", ["фото", "---", "photo.jpg", "idx", "a" * 300])
def test_a_missing_file_without_another_spelling(run, tmp_path, name):
    (tmp_path / "other photo (1).jpg").touch()
    code, _, err = run("convert", tmp_path / name)
    assert code == 1 and len(err.splitlines()) == 1
    assert err.startswith(f"fmnist-fast: error: {tmp_path / name}: ")


@pytest.mark.parametrize(
    "text, want",
    [
        ("Pass root='/a b', name='mnist'.", "Pass --root '/a b' --name mnist."),
        ("split of x must be 'a', got 'b'", "--split of x must be 'a', got 'b'"),
        ("pass root=FOLDER or set X=Y.", "pass --root FOLDER or set X=Y."),
        ("  in Python: ff.load(root='a')", "  in Python: ff.load(root='a')"),
        ("roots must be even", "roots must be even"),
        ("a\nroot must be odd", "a\nroot must be odd"),
    ],
)
def test_messages_name_options(text, want):
    options = {"root": "--root", "name": "--name", "split": "--split"}
    assert in_options(text, options) == want and in_options(text, {}) == text
