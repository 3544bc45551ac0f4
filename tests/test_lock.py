"""A lock between threads and processes that a killed holder doesn't keep."""

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
    """A process that holds the lock until its stdin is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline().strip() == b"held"
    return process


def never():
    raise AssertionError("nobody else should hold the lock")


def test_nothing_but_the_folder_is_left(tmp_path):
    path = tmp_path / "a" / "b" / "lock"
    with locked(path, never):
        assert list(path.parent.iterdir()) == [path]
    assert not list(path.parent.iterdir())


def test_an_old_file_is_no_lock(tmp_path):
    (tmp_path / "lock").write_text("12345")
    with locked(tmp_path / "lock", never):
        pass


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_errors_let_go(tmp_path, error):
    with pytest.raises(error):
        with locked(tmp_path / "lock", never):
            raise error
    with locked(tmp_path / "lock", never):
        pass


def test_threads_take_turns(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_POLL_SECONDS", 0.001)
    inside, most, turns, waited = [], [], [], []

    def work():
        for _ in range(10):
            with locked(tmp_path / "lock", lambda: waited.append(1)):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.0005)
                inside.pop()
                turns.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1 and len(turns) == 40 and 0 < len(waited) <= 40


def test_a_process_waits_for_another_and_says_so_once(tmp_path):
    told = []
    with holder(tmp_path / "lock") as process:

        def waiting():
            told.append(process.poll())
            threading.Timer(0.3, process.stdin.close).start()

        with locked(tmp_path / "lock", waiting):
            assert told == [None]
            assert process.wait(10) == 0


def test_a_killed_holder_lets_go(tmp_path):
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
