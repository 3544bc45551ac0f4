"""Files that others replace or cut between any two steps of a function that reads them.

Each test runs a function many times. The file is damaged before the first call of the
system, then before the second one, and so on.
"""

import itertools
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs FIFOs and links")

DAMAGES = ["FIFO", "device", "empty", "cut"]
SCRIPT = """
import contextlib, io, os, signal, sys, threading, warnings
from pathlib import Path
import numpy as np
import fmnist_fast as ff
from fmnist_fast._cli.main import main

folder, action, damage_name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
warnings.simplefilter("ignore")
os.environ.update(FMNIST_FAST_DATA=str(folder), FMNIST_FAST_CACHE="off")
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
N = 40
if action.startswith("cached"):
    os.environ["FMNIST_FAST_CACHE"] = str(folder / "cache")
    IMAGES, LABELS = f"{IMAGES}.gz", f"{LABELS}.gz"
NAMES = [IMAGES, LABELS, "dataset.json"]
TARGETS = {"cached_load": NAMES[:1], "verify": NAMES[:1], "info": NAMES[1:2],
           "convert-idx": NAMES[:1], "read_idx": NAMES[:2]}


class HangError(BaseException):
    pass


def stop(*_):
    raise HangError


def no_thread(thread):
    raise RuntimeError  # so that all steps are in this thread


def write_all():
    for name, content in CONTENTS.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(content)


def replace_by(make):
    def damage(path):
        make(folder / "new")
        os.replace(folder / "new", path)
    return damage


DAMAGES = {
    "FIFO": replace_by(os.mkfifo),
    "device": replace_by(lambda path: path.symlink_to("/dev/ptmx")),
    "empty": lambda path: os.truncate(path, 0),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
}


def command(*words):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        with contextlib.redirect_stderr(io.StringIO()) as err:
            code = main([str(word) for word in words])
    if code:
        raise OSError(out.getvalue() + err.getvalue())


ACTIONS = {
    "load": lambda: ff.load("train"),
    "load_root": lambda: ff.load("train", folder),
    "cached_load": lambda: ff.load("train", folder),
    "load_files": lambda: ff.load_files([folder / IMAGES]),
    "read_idx": lambda: [ff.read_idx(folder / name) for name in (IMAGES, LABELS)],
    "verify": lambda: command("verify", folder / IMAGES, folder / LABELS),
    "info": lambda: command("info", "--root", folder),
    "convert-idx": lambda: command(
        "convert-idx", "--force", folder / IMAGES, folder / "out.npy"
    ),
}


def asks_system(function):
    owner = getattr(function, "__self__", None)
    name = getattr(function, "__name__", "")
    return isinstance(owner, io.FileIO) or (
        getattr(function, "__module__", None) in ("posix", "_io") and name != "fspath"
    )


def run(target, step):
    "Run the action, damage the target before a step, and return if it came to this."
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        if event == "c_call" and asks_system(argument):
            if count == step:
                DAMAGES[damage_name](target)
            count += 1

    signal.alarm(10)
    sys.setprofile(profile)
    try:
        ACTIONS[action]()
    except (ff.FormatError, OSError) as error:
        sys.setprofile(None)
        text = str(error)
        if str(target) not in text:
            raise SystemExit(f"step {step}: no file is named: {error!r}")
        if damage_name in ("empty", "cut") and not isinstance(error, ff.FormatError):
            raise SystemExit(f"step {step}: no FormatError: {error!r}")
        outcomes.add(type(error).__name__)
    finally:
        sys.setprofile(None)
        signal.alarm(0)
    return count > step


ff.write_idx(folder / IMAGES, np.ones((N, 28, 28), np.uint8))
ff.write_idx(folder / LABELS, np.ones(N, np.uint8))
(folder / "dataset.json").write_text('{"classes": ["a", "b"]}')
CONTENTS = {name: (folder / name).read_bytes() for name in NAMES}
ACTIONS[action]()
signal.signal(signal.SIGALRM, stop)
threading.Thread.start = no_thread
for name in TARGETS.get(action, NAMES):
    outcomes, n_steps = set(), 0
    while run(folder / name, n_steps):
        n_steps += 1
        for leftover in folder.glob("cache/decoded/*"):
            leftover.unlink()
        write_all()
    assert n_steps > 10 and outcomes, name
"""


def cases():
    yield from itertools.product(["load", "load_root", "load_files"], DAMAGES)
    yield from itertools.product(["read_idx"], DAMAGES[1:])  # it waits at a FIFO
    yield from itertools.product(["cached_load"], ["FIFO", "cut"])
    yield from itertools.product(["verify", "info", "convert-idx"], ["FIFO"])


@pytest.mark.parametrize("action, damage", list(cases()))
def test_a_file_damaged_at_any_step(tmp_path, action, damage):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), action, damage]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
