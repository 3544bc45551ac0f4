"""A lock between threads and processes: never waited for without a word or an end."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import pytest

from fmnist_fast._io import lock
from fmnist_fast._io.lock import locked
from fmnist_fast._io.threads import TaskThread

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")

HOLD = """
import os, sys, time
from pathlib import Path
from fmnist_fast._io.lock import locked

with locked(Path(sys.argv[1]), "holding") as held:
    assert held.is_held
    if sys.argv[2] == "forking" and os.fork() == 0:
        os.close(1)
        time.sleep(60)
    print("held", flush=True)
    while sys.argv[2] == "alive":
        held.say_alive()
        time.sleep(0.05)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Wait for a second at most."""
    monkeypatch.setattr(lock, "_SILENT_SECONDS", 0.2)
    monkeypatch.setattr(lock, "_POLL_SECONDS", 0.01)


def holder(path, how=""):
    """Start a process that holds the lock until its stdin is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout.readline().strip() == b"held"
    return process


def acquire(path, patience=1.0):
    """Return whether the lock is free or becomes free in time, and the error."""
    with locked(path, "testing", patience=patience) as held:
        return held.is_held, held.error


def test_only_the_folder_is_left(tmp_path):
    path = tmp_path / "a" / "b" / "lock"
    with locked(path, "testing") as held:
        assert held.is_held and held.error is None
        assert list(path.parent.iterdir()) == [path]
        assert path.read_text() == str(os.getpid())
    assert not list(path.parent.iterdir())


@needs_posix
def test_folders_and_locks_are_private(tmp_path):
    with locked(tmp_path / "a" / "lock", "testing"):
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "a" / "lock").stat().st_mode & 0o777 == 0o600


def test_an_old_file_does_not_lock(tmp_path):
    (tmp_path / "lock").write_text("12345")
    with locked(tmp_path / "lock", "testing"):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_errors_release_the_lock(tmp_path, error):
    with pytest.raises(error):
        with locked(tmp_path / "lock", "testing"):
            raise error
    assert acquire(tmp_path / "lock", patience=0) == (True, None)


MODULES = (lock.__file__, contextlib.__file__)


def interrupted_at(k, call):
    """Return whether `call` was interrupted at the k-th instruction of MODULES."""
    left = iter(range(k))

    def trace(frame, event, argument):
        if frame.f_code.co_filename in MODULES:
            frame.f_trace_opcodes = True
            if event in ("line", "opcode") and next(left, None) is None:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    try:
        sys.settrace(trace)
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def n_descriptors():
    """Return how many files this process has open, or 0 where that isn't known."""
    return len(os.listdir("/dev/fd")) if os.path.isdir("/dev/fd") else 0


@pytest.mark.filterwarnings("ignore:unclosed file")
def test_ctrl_c_at_any_instruction_leaves_no_lock(tmp_path):
    k, n_open = 0, n_descriptors()
    while interrupted_at(k, lambda: acquire(tmp_path / "lock")):
        is_held, error = acquire(tmp_path / "lock", patience=0)
        assert is_held, (k, error)
        k += 1
    assert k > 50  # several hundred, or the lines where Python can't trace more
    assert n_descriptors() == n_open


def test_threads_take_turns(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_POLL_SECONDS", 0.001)
    monkeypatch.setattr(lock, "_SILENT_SECONDS", 60)
    inside, n_inside, turns = [], [], []

    def work():
        for _ in range(10):
            with locked(tmp_path / "lock", "testing") as held:
                inside.append(1)
                n_inside.append(len(inside))
                time.sleep(0.0005)
                inside.pop()
                turns.append(held.is_held)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(n_inside) == 1 and turns == [True] * 40


def test_a_process_waits_for_another_and_reports_it_once(tmp_path):
    with holder(tmp_path / "lock") as process:
        threading.Timer(0.6, process.stdin.close).start()
        with pytest.warns(RuntimeWarning) as caught:
            assert acquire(tmp_path / "lock", patience=60) == (True, None)
        assert process.wait(10) == 0
    (warning,) = caught
    assert str(warning.message) == (
        f"testing: waiting for process {process.pid}, which holds {tmp_path / 'lock'}."
        "\nThe wait ends when that process gives no sign of life for 60 s."
    )


def test_each_wait_is_reported(tmp_path):
    with holder(tmp_path / "lock"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(2):
            acquire(tmp_path / "lock", patience=0.4)
    assert len(caught) == 2


@pytest.mark.filterwarnings("ignore:testing")
def test_a_wait_in_a_thread_ends_at_ctrl_c(tmp_path):
    raised = []

    def wait():
        with pytest.raises(KeyboardInterrupt):
            acquire(tmp_path / "lock", patience=5)
        raised.append(time.monotonic())

    with locked(tmp_path / "lock", "testing"):
        thread = TaskThread(wait)
        thread.start()
        thread.is_interrupted = True
        begin = time.monotonic()
        thread.wait()
        assert raised[0] - begin < 3
    assert acquire(tmp_path / "lock", patience=0) == (True, None)


def test_short_waits_are_not_reported(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with holder(tmp_path / "lock") as process:
            threading.Timer(0.05, process.stdin.close).start()
            assert acquire(tmp_path / "lock") == (True, None)


@needs_posix
def test_the_wait_for_a_stopped_holder_ends(tmp_path):
    with holder(tmp_path / "lock") as process:
        os.kill(process.pid, signal.SIGSTOP)
        begin = time.monotonic()
        with pytest.warns(RuntimeWarning, match=f"process {process.pid}") as caught:
            is_held, error = acquire(tmp_path / "lock")
        process.kill()
        assert [warning.filename for warning in caught] == [__file__]
        assert not is_held and str(error) == (
            f"[Errno {errno.ETIMEDOUT}] process {process.pid} holds it, and gives no "
            f"sign of life (end that process): '{tmp_path / 'lock'}'"
        )
        assert 1 <= time.monotonic() - begin < 5
        assert (tmp_path / "lock").exists()


def test_a_holder_that_gives_signs_of_life_is_waited_for(tmp_path):
    with holder(tmp_path / "lock", "alive") as process:
        threading.Timer(1.5, process.kill).start()
        with pytest.warns(RuntimeWarning, match="waiting"):
            assert acquire(tmp_path / "lock", patience=1) == (True, None)


def test_a_lock_can_be_tried_without_a_wait(tmp_path):
    with holder(tmp_path / "lock"):
        is_held, error = acquire(tmp_path / "lock", patience=0)
        assert not is_held and isinstance(error, TimeoutError)


def test_a_killed_holder_releases_the_lock(tmp_path):
    with holder(tmp_path / "lock") as process:
        process.kill()
        process.wait()
    assert (tmp_path / "lock").exists()
    assert acquire(tmp_path / "lock", patience=0) == (True, None)


@needs_posix
def test_a_forked_child_does_not_keep_the_lock_of_a_killed_holder(tmp_path):
    with holder(tmp_path / "lock", "forking") as process:
        try:
            process.kill()
            process.wait()
            assert acquire(tmp_path / "lock") == (True, None)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@needs_posix
def test_a_forked_child_does_not_remove_the_lock(tmp_path):
    with locked(tmp_path / "lock", "testing") as held:
        child = os.fork()
        if child == 0:
            is_there = False
            try:
                held.say_alive()
                held.release()
                is_there = (tmp_path / "lock").exists()
            finally:
                os._exit(not is_there)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        is_held, error = acquire(tmp_path / "lock", patience=0)
        assert not is_held and isinstance(error, TimeoutError)


def test_another_file_of_that_name_is_not_removed(tmp_path):
    with locked(tmp_path / "lock", "testing"):
        (tmp_path / "lock").unlink()
        (tmp_path / "lock").write_text("mine")
    assert (tmp_path / "lock").read_text() == "mine"


@needs_posix
def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "target")
    is_held, error = acquire(tmp_path / "lock")
    assert not is_held and error.filename == str(tmp_path / "lock")
    assert (tmp_path / "lock").is_symlink() and not (tmp_path / "target").exists()


def make_text(path):
    path.write_text("My thesis")


def make_hard_link(path):
    (path.parent / "thesis").write_text("")
    os.link(path.parent / "thesis", path)


@needs_posix
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, make_text, make_hard_link])
def test_other_things_in_place_of_a_lock_stay(tmp_path, make):
    make(tmp_path / "lock")
    before = (tmp_path / "lock").lstat()
    is_held, error = acquire(tmp_path / "lock")
    assert not is_held and str(tmp_path / "lock") in str(error)
    after = (tmp_path / "lock").lstat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners of files")
def test_a_lock_of_another_user_stays(tmp_path, monkeypatch):
    (tmp_path / "lock").write_text("12345")
    uid = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    is_held, error = acquire(tmp_path / "lock")
    assert not is_held and "not a lock file of this user. Remove it" in str(error)
    assert (tmp_path / "lock").read_text() == "12345"


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def fail(file):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock, "try_lock", fail)
    with locked(tmp_path / "lock", "testing") as held:
        assert not held.is_held and not held.is_supported
    assert str(held.error).endswith(f"No locks available: '{tmp_path / 'lock'}'")


@needs_posix
def test_a_child_that_is_forked_at_once_does_not_keep_the_lock(tmp_path, monkeypatch):
    children, try_lock = [], lock.try_lock

    def lock_and_fork(file):
        is_locked = try_lock(file)
        children.append(os.fork())  # as another thread may
        if children[-1] == 0:
            time.sleep(20)
            os._exit(0)
        return is_locked

    with monkeypatch.context() as patch:
        patch.setattr(lock, "try_lock", lock_and_fork)
        first = lock.Lock(tmp_path / "lock")
        first.acquire("testing", 0)
    first._file.close()  # as a kill would
    try:
        assert acquire(tmp_path / "lock") == (True, None)
    finally:
        os.kill(children[0], signal.SIGKILL)
        os.waitpid(children[0], 0)


def test_a_full_disk_leaves_no_lock(tmp_path, monkeypatch):
    def fail():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", fail)  # as the write of the number would
        with locked(tmp_path / "lock", "testing") as held:
            assert not held.is_held and "No space left" in str(held.error)
            assert not list(tmp_path.iterdir())
            patch.undo()
            assert acquire(tmp_path / "lock", patience=0) == (True, None)


def test_a_lock_that_is_not_held_says_why(tmp_path):
    with locked(tmp_path / "lock", "testing") as held:
        held.check_held()
        with locked(tmp_path / "lock", "testing", patience=0) as second:
            with pytest.raises(TimeoutError, match=r"gives no sign of life .*lock'"):
                second.check_held()
    (tmp_path / "other").mkdir()
    with locked(tmp_path / "other", "testing") as held:
        with pytest.raises(IsADirectoryError, match="other"):
            held.check_held()
