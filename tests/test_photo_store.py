"""A folder of photos, interrupted: the same bytes in the end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.photos import contents, draw, draw_folder

import fmnist_fast as ff
from fmnist_fast._io.lock import locked
from fmnist_fast.photos import folder as photo_folder
from fmnist_fast.photos import store as photo_store

pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path):
    """24 photos in three classes."""
    return draw_folder(tmp_path / "photos")


class Stop(BaseException):
    """Not to be caught: as a kill, it leaves no time for a last checkpoint."""


def stop_after(monkeypatch, n, error):
    """Let the n-th photo fail and a checkpoint be made after every third."""
    append, counted = photo_store.PhotoStore.append, []

    def counting(self, photo, result):
        if len(counted) == n:
            raise error
        counted.append(photo)
        append(self, photo, result)
        if len(counted) % 3 == 0:
            self.save()

    monkeypatch.setattr(photo_store.PhotoStore, "append", counting)
    return counted


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stop, OSError(28, "No space")])
@pytest.mark.parametrize("n", [0, 1, 3, 7, 24])
def test_interrupted_runs_give_the_same_bytes(folder, tmp_path, monkeypatch, error, n):
    (folder / "bag" / "bad.jpg").write_bytes(b"bad")
    ff.convert_folder(folder, tmp_path / "want")
    with monkeypatch.context() as patch:
        stop_after(patch, n, error)
        with pytest.raises(error if isinstance(error, type) else OSError):
            ff.convert_folder(folder, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
    with monkeypatch.context() as patch:
        again = stop_after(patch, None, None)
        ff.convert_folder(folder, tmp_path / "mine")
    n_kept = n if error is KeyboardInterrupt else n - n % 3
    assert len(again) == 25 - n_kept  # no more than after the last checkpoint
    assert contents(tmp_path / "mine") == contents(tmp_path / "want")
    assert not (tmp_path / "mine.part").exists()


@pytest.mark.parametrize("change", ["added", "removed", "changed"])
def test_another_list_starts_again(folder, tmp_path, monkeypatch, change):
    with monkeypatch.context() as patch:
        stop_after(patch, 9, Stop)
        with pytest.raises(Stop):
            ff.convert_folder(folder, tmp_path / "mine")
    if change == "removed":
        (folder / "bag" / "1.bmp").unlink()
    else:
        draw(
            folder / "bag" / ("1.bmp" if change == "changed" else "a.bmp"), 77, (60, 60)
        )
    ff.convert_folder(folder, tmp_path / "mine")
    ff.convert_folder(folder, tmp_path / "want")
    assert contents(tmp_path / "mine") == contents(tmp_path / "want")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_killed_processes_give_the_same_bytes(tmp_path, kill):
    """Killed three times at any moment after a checkpoint, by the command line."""
    for i in range(300):
        draw(tmp_path / "photos" / f"{i % 4}" / f"{i}.png", i)
    ff.convert_folder(tmp_path / "photos", tmp_path / "want")
    code = (
        "from fmnist_fast._cli import main as cli\n"
        "from fmnist_fast.photos import folder as photo_folder\n"
        "photo_folder._CHECKPOINT_SECONDS = 0.01\n"
        "raise SystemExit(cli.main(['convert', 'photos', '-o', 'mine']))"
    )
    root = str(Path(ff.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": root}
    state = tmp_path / "mine.part" / ".progress" / "state.json"
    n_killed = 0
    while not (tmp_path / "mine").exists():
        before = state.read_bytes() if state.exists() else b""
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        with process:
            while process.poll() is None and n_killed < 3:
                time.sleep(0.002)
                if state.exists() and state.read_bytes() != before:
                    process.send_signal(kill)
                    break
            errors = process.stderr.read().decode()
        n_killed += process.returncode != 0
        assert process.returncode in (0, -kill, 130), errors
        if process.returncode == 130:
            assert errors.endswith("Stopped; the same command goes on from here.\n")
    assert n_killed == 3
    assert contents(tmp_path / "mine") == contents(tmp_path / "want")


def test_two_processes_at_once(folder, tmp_path):
    lock = tmp_path / "mine.part" / ".progress" / "lock"
    with locked(lock, pytest.fail):
        with pytest.raises(RuntimeError, match="another process is converting photos"):
            ff.convert_folder(folder, tmp_path / "mine")


def test_killed_between_the_last_two_steps(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(photo_folder.shutil, "rmtree", lambda *_, **__: None)
    ff.convert_folder(folder, tmp_path / "mine")
    monkeypatch.undo()
    assert (tmp_path / "mine" / ".progress").exists()
    assert len(ff.load("train", root=tmp_path / "mine")) == 24
    with pytest.raises(FileExistsError, match="mine is there already"):
        ff.convert_folder(folder, tmp_path / "mine")
    assert not (tmp_path / "mine" / ".progress").exists()


def test_the_card_is_json(folder, tmp_path):
    ff.convert_folder(folder, tmp_path / "mine")
    card = json.loads((tmp_path / "mine" / "dataset.json").read_text())
    assert card == {"name": "photos", "classes": ["bag", "hat", "shoe"]}
