"""A lock between threads and processes, released when its holder is killed."""

import errno
import os
import subprocess
import sys
import threading
import time

import pytest

from fmnist_fast._io import lock
from fmnist_fast._io.lock import locked

HOLD = """
import sys
from pathlib import Path
from fmnist_fast._io.lock import locked

with locked(Path(sys.argv[1]), lambda: print("waiting", flush=True)):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path):
    """Start a process that holds the lock until its stdin is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline().strip() == b"held"
    return process


def never():
    """Fail, because no test expects to wait here."""
    raise AssertionError("the lock must be free")


def test_only_the_folder_is_left(tmp_path):
    path = tmp_path / "a" / "b" / "lock"
    with locked(path, never):
        assert list(path.parent.iterdir()) == [path]
    assert not list(path.parent.iterdir())


def test_an_old_file_does_not_lock(tmp_path):
    (tmp_path / "lock").write_text("12345")
    with locked(tmp_path / "lock", never):
        pass


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_errors_release_the_lock(tmp_path, error):
    with pytest.raises(error):
        with locked(tmp_path / "lock", never):
            raise error
    with locked(tmp_path / "lock", never):
        pass


def test_threads_take_turns(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_POLL_SECONDS", 0.001)
    inside, n_inside, turns, waited = [], [], [], []

    def work():
        for _ in range(10):
            with locked(tmp_path / "lock", lambda: waited.append(1)):
                inside.append(1)
                n_inside.append(len(inside))
                time.sleep(0.0005)
                inside.pop()
                turns.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(n_inside) == 1 and len(turns) == 40 and 0 < len(waited) <= 40


def test_a_process_waits_for_another_and_reports_it_once(tmp_path):
    reports = []
    with holder(tmp_path / "lock") as process:

        def waiting():
            reports.append(process.poll())
            threading.Timer(0.3, process.stdin.close).start()

        with locked(tmp_path / "lock", waiting):
            assert reports == [None]
            assert process.wait(10) == 0


def test_a_killed_holder_releases_the_lock(tmp_path):
    with holder(tmp_path / "lock") as process:
        process.kill()
        process.wait()
    assert (tmp_path / "lock").exists()
    with locked(tmp_path / "lock", never):
        pass


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def fail(file):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock, "_try_lock", fail)
    with pytest.raises(OSError, match=r"No locks available: '.*lock'"):
        with locked(tmp_path / "lock", never):
            pass
