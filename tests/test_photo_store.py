"""Interrupted conversions of a folder of photos, which end with the same bytes."""

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
from fmnist_fast.photos import store as photo_store

pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path):
    """Draw 24 photos in three classes, and return their folder."""
    return draw_folder(tmp_path / "photos")


class Stop(BaseException):
    """An exception that no code catches. Like a kill, it prevents a last checkpoint."""


def stop_after(monkeypatch, n, error):
    """Raise the error after n photos, and save a checkpoint after every third."""
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
    ff.convert_folder(folder, tmp_path / "expected")
    with monkeypatch.context() as patch:
        stop_after(patch, n, error)
        with pytest.raises(error if isinstance(error, type) else OSError):
            ff.convert_folder(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with monkeypatch.context() as patch:
        converted = stop_after(patch, None, None)
        ff.convert_folder(folder, tmp_path / "out")
    n_kept = n if error is KeyboardInterrupt else n - n % 3
    assert len(converted) == 25 - n_kept  # only photos after the last checkpoint
    assert contents(tmp_path / "out") == contents(tmp_path / "expected")
    assert not (tmp_path / "out.part").exists()


@pytest.mark.parametrize("change", ["added", "removed", "changed"])
def test_a_changed_list_of_photos_starts_again(folder, tmp_path, monkeypatch, change):
    with monkeypatch.context() as patch:
        stop_after(patch, 9, Stop)
        with pytest.raises(Stop):
            ff.convert_folder(folder, tmp_path / "out")
    if change == "removed":
        (folder / "bag" / "1.bmp").unlink()
    else:
        draw(
            folder / "bag" / ("1.bmp" if change == "changed" else "a.bmp"), 77, (60, 60)
        )
    ff.convert_folder(folder, tmp_path / "out")
    ff.convert_folder(folder, tmp_path / "expected")
    assert contents(tmp_path / "out") == contents(tmp_path / "expected")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_killed_processes_give_the_same_bytes(tmp_path, kill):
    """A run of the command line is killed three times, just after a checkpoint."""
    for i in range(300):
        draw(tmp_path / "photos" / f"{i % 4}" / f"{i}.png", i)
    ff.convert_folder(tmp_path / "photos", tmp_path / "expected")
    code = (
        "from fmnist_fast._cli import main as cli\n"
        "from fmnist_fast.photos import folder as photo_folder\n"
        "photo_folder._CHECKPOINT_SECONDS = 0.01\n"
        "raise SystemExit(cli.main(['convert', 'photos', '-o', 'out']))"
    )
    root = str(Path(ff.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": root}
    state = tmp_path / "out.part" / ".progress" / "state.json"
    n_killed = 0
    while not (tmp_path / "out").exists():
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
            assert errors.endswith("Stopped. Run the same command again to continue.\n")
    assert n_killed == 3
    assert contents(tmp_path / "out") == contents(tmp_path / "expected")


def test_a_second_process_is_refused(folder, tmp_path):
    lock = tmp_path / "out.part" / ".progress" / "lock"
    with locked(lock, "test"):
        with pytest.raises(RuntimeError, match="another process is converting photos"):
            ff.convert_folder(folder, tmp_path / "out")


@pytest.mark.skipif(sys.platform == "win32", reason="an open folder can't be moved")
@pytest.mark.parametrize("step", ["files", "make_subfolder", "lock", "_has_name"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_second_run_that_begins_as_the_first_ends(
    folder, tmp_path, monkeypatch, step, moment
):
    """The first run ends at a step of the second, in which nothing is left of it."""
    publish, second_steps = photo_store.PhotoStore.publish, []

    def begin_second(store, target):
        real = getattr(photo_store.OwnFolder, step)

        def end_first(second, *arguments):
            if second is store.folder or second_steps:
                return real(second, *arguments)
            second_steps.append(step)
            result = real(second, *arguments) if moment == "after" else None
            publish(store, target)
            return result if moment == "after" else real(second, *arguments)

        monkeypatch.setattr(photo_store.OwnFolder, step, end_first)
        try:
            photo_store.open_part(target.with_name("out.part")).close()
        except FileNotFoundError as error:
            assert "moved or replaced by another process" in str(error)
        except BlockingIOError:
            assert (step, moment) == ("lock", "after")
        else:
            raise AssertionError("the second run goes on")

    monkeypatch.setattr(photo_store.PhotoStore, "publish", begin_second)
    ff.convert_folder(folder, tmp_path / "out")
    assert second_steps
    monkeypatch.undo()
    ff.convert_folder(folder, tmp_path / "expected")
    assert contents(tmp_path / "out") == contents(tmp_path / "expected")
    assert not (tmp_path / "out" / ".progress").exists()


def test_a_run_killed_before_it_removes_its_progress(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(photo_store, "_remove_progress", lambda folder: None)
    ff.convert_folder(folder, tmp_path / "out")
    monkeypatch.undo()
    assert (tmp_path / "out" / ".progress").exists()
    assert len(ff.load("train", root=tmp_path / "out")) == 24
    with pytest.raises(FileExistsError, match="out: already exists"):
        ff.convert_folder(folder, tmp_path / "out")
    assert not (tmp_path / "out" / ".progress").exists()


@pytest.mark.parametrize("name", ["lock", "new", "photos", "state.json"])
def test_a_run_killed_while_it_removes_its_progress(
    folder, tmp_path, monkeypatch, name
):
    remove, publish = photo_store.OwnFolder.remove, photo_store.PhotoStore.publish

    def stop(self, file):
        if file == f".progress/{name}":
            raise Stop
        remove(self, file)

    def publish_and_stop(store, target):
        with monkeypatch.context() as patch:
            patch.setattr(photo_store.OwnFolder, "remove", stop)
            publish(store, target)

    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(photo_store.PhotoStore, "publish", publish_and_stop)
        ff.convert_folder(folder, tmp_path / "out")
    assert (tmp_path / "out" / ".progress").exists()
    with pytest.raises(FileExistsError, match="out: already exists"):
        ff.convert_folder(folder, tmp_path / "out")
    assert not (tmp_path / "out" / ".progress").exists()
    assert len(ff.load("train", root=tmp_path / "out")) == 24


@pytest.mark.skipif(os.name != "posix", reason="needs modes of files")
@pytest.mark.parametrize("n", range(14))
def test_a_run_killed_while_it_gives_files_their_modes(
    folder, tmp_path, monkeypatch, n
):
    """A call of the system is the last one. The next run resumes, or completes."""
    publish, calls = photo_store.PhotoStore.publish, []

    def counted(real):
        def call(*arguments, **options):
            if len(calls) == n:
                raise Stop
            calls.append(real)
            return real(*arguments, **options)

        return call

    def publish_and_stop(store, target):
        with monkeypatch.context() as patch:
            for name in ("rename", "open", "unlink", "rmdir", "fchmod"):
                patch.setattr(os, name, counted(getattr(os, name)))
            publish(store, target)

    out, before = tmp_path / "out", os.umask(0o002)
    try:
        with monkeypatch.context() as patch, pytest.raises(Stop):
            patch.setattr(photo_store.PhotoStore, "publish", publish_and_stop)
            ff.convert_folder(folder, out)
        if out.exists():
            with pytest.raises(FileExistsError, match="out: already exists"):
                ff.convert_folder(folder, out)
        else:
            ff.convert_folder(folder, out)
    finally:
        os.umask(before)
    assert len(ff.load("train", root=out)) == 24
    assert not any((out / ".progress").glob("*"))
    if n <= 10:  # until the checkpoint is removed
        assert not (out / ".progress").exists()
        assert out.stat().st_mode & 0o777 == 0o775


def test_the_card_is_json(folder, tmp_path):
    ff.convert_folder(folder, tmp_path / "out")
    card = json.loads((tmp_path / "out" / "dataset.json").read_text())
    train = ff.load("train", root=tmp_path / "out")
    moments = {"mean": train.mean, "std": train.std}
    assert card == {"name": "photos", "classes": ["bag", "hat", "shoe"]} | moments
