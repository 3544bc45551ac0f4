"""Bars and messages on a stderr that may be missing, closed or full."""

import io
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from helpers.photos import draw_folder

import fmnist_fast as ff
from fmnist_fast._io import progress
from fmnist_fast._io.progress import ProgressBar, say


def set_stderr(monkeypatch, file):
    """Make `file` the stderr of bars and messages. pytest would undo sys.stderr."""
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=file))
    monkeypatch.setattr(progress, "_shown", "")
    return file


@pytest.fixture(params=["missing", "closed", "full"])
def bad_stderr(request, monkeypatch):
    """Make stderr a file that can't be written."""
    if request.param == "full" and not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")  # Linux only
    with open("/dev/full" if request.param == "full" else os.devnull, "w") as file:
        if request.param == "closed":
            file.close()
        set_stderr(monkeypatch, None if request.param == "missing" else file)
        yield
        try:
            file.close()
        except OSError:
            pass  # full


def test_bars_and_messages_that_cannot_be_written(bad_stderr):
    with ProgressBar(total=3, desc="a") as bar:
        bar.update(2)
        say("a message")
    assert bar.n == 2


def test_photos_are_converted_without_a_stderr(bad_stderr, tmp_path):
    pytest.importorskip("PIL")
    folder = draw_folder(tmp_path / "photos")
    done = ff.convert_folder(folder, tmp_path / "out", progress=True)
    assert done.n_images == {"train": 24}


# ---- what is shown ------------------------------------------------------------------


class Terminal(io.StringIO):
    """A terminal that keeps all that was written."""

    def isatty(self):
        """Return True."""
        return True

    def lines(self):
        """Return the bars and messages that were shown."""
        return [
            line for line in self.getvalue().replace("\r", "\n").split("\n") if line
        ]


@pytest.fixture
def terminal(monkeypatch):
    """Make stderr a terminal on which each update of a bar is shown."""
    monkeypatch.setattr(progress, "_INTERVAL_SECONDS", 0)
    return set_stderr(monkeypatch, Terminal())


@pytest.fixture
def clock(monkeypatch):
    """Return a list whose item is the time."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_bar_shows_counts_times_and_rate(terminal, clock):
    with ProgressBar(desc="a", total=1400, initial=200, unit=" photos") as bar:
        clock[0] += 10
        bar.update(500)
        clock[0] += 3600
        bar.update(700)
    assert [line for line in terminal.lines() if line.strip()] == [
        "a:  14%|#         | 200/1,400 [00:00<?, 0 photos/s]",
        "a:  50%|#####     | 700/1,400 [00:10<00:14, 50 photos/s]",
        *["a: 100%|##########| 1,400/1,400 [1:00:10<00:00, 0.332 photos/s]"] * 2,
    ]
    assert terminal.getvalue().endswith("s]\n")


@pytest.mark.parametrize(
    "n, total, text",
    [
        (999, None, "999 [00:02, 500B/s]"),
        (2469136, 12345678, " 20%|##        | 2.47M/12.3M [00:02<00:07, 1.23MB/s]"),
        (999_500_000, 1, "1G [00:02, 500MB/s]"),
        (3 * 10**18, 0, "3e+06T [00:02, 1.5e+06TB/s]"),
    ],
)
def test_a_bar_of_bytes_has_prefixes(terminal, clock, n, total, text):
    bar = ProgressBar(total=total, unit="B", unit_scale=True)
    clock[0] += 2
    bar.update(n)
    assert terminal.lines() == [text]


def test_a_message_takes_the_place_of_the_bar(terminal, clock):
    with ProgressBar(total=4) as bar:
        say("a message\nof two lines")
        say("another")
        bar.update(4)
    first, blank, *lines = terminal.lines()
    assert first == "  0%|          | 0/4 [00:00<?, 0/s]"
    assert blank == " " * len(first)
    assert lines[:3] == ["a message", "of two lines", "another"]
    assert lines[3] == lines[-1] == "100%|##########| 4/4 [00:00<?, 0/s]"
    assert terminal.getvalue().count(" " * len(first)) == 2


def test_a_bar_is_not_shown_before_its_delay(terminal, clock):
    with ProgressBar(delay=2) as bar:
        clock[0] += 1
        bar.update()
    assert terminal.getvalue() == ""
    with ProgressBar(delay=2) as bar:
        clock[0] += 2
        bar.update()
    assert terminal.lines()[0] == "1 [00:02, 0.5/s]"


def test_a_bar_may_be_hidden_or_need_a_terminal(terminal, monkeypatch):
    with ProgressBar(disable=True) as bar:
        bar.update()
    assert terminal.getvalue() == ""
    with ProgressBar(disable=None):
        pass
    assert terminal.getvalue() != ""
    file = set_stderr(monkeypatch, io.StringIO())
    with ProgressBar(disable=None) as bar:
        bar.update()
    assert file.getvalue() == ""


def test_few_updates_are_shown(terminal, monkeypatch, clock):
    monkeypatch.setattr(progress, "_INTERVAL_SECONDS", 0.1)
    with ProgressBar(total=1000) as bar:
        for _ in range(1000):
            clock[0] += 0.001
            bar.update()
    assert 9 < len([line for line in terminal.lines() if line.strip()]) < 14


# ---- bars that never fail and never wait --------------------------------------------


def test_a_stderr_that_raises_anything(monkeypatch):
    class Stderr:
        def __getattr__(self, name):
            raise LookupError(name)

    set_stderr(monkeypatch, Stderr())
    for disable in (None, False):
        with ProgressBar(total=3, disable=disable) as bar:
            bar.update(3)
            say("a message")
        assert bar.n == 3


def run(code, **variables):
    """Run a program for 10 seconds at most, and return its stderr."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="requires fork")
def test_a_child_that_is_killed_while_it_draws_is_not_waited_for():
    code = """
import os, signal, sys
from fmnist_fast._io.progress import ProgressBar, say

class Killing:
    def write(self, text):
        os.kill(os.getpid(), signal.SIGKILL)

def work():
    with ProgressBar(total=3) as bar:
        bar.update(3)
        say("a message")

work()
child = os.fork()
if child == 0:
    sys.stderr = Killing()
    work()
assert os.waitpid(child, 0)[1] == signal.SIGKILL
work()
"""
    assert run(code).count("a message") == 2


def test_ctrl_c_while_a_bar_is_drawn_keeps_no_thread_waiting(monkeypatch):
    class Interrupted(io.StringIO):
        def write(self, text):
            raise KeyboardInterrupt

    def work():
        with ProgressBar(total=3) as bar:
            bar.update(3)
            ended.append(True)

    ended = []
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        set_stderr(patch, Interrupted())
        with ProgressBar(total=3):
            pass
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(5)
    assert ended == [True]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("columns", [0, 20, 200])
def test_a_bar_stays_in_its_line_of_a_terminal(monkeypatch, columns):
    import fcntl
    import pty
    import struct
    import termios

    other, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 30, columns, 0, 0))
    with (
        os.fdopen(other, "rb", buffering=0) as screen,
        os.fdopen(terminal, "w") as file,
    ):
        monkeypatch.setattr(sys, "stderr", file)
        with ProgressBar(desc="a" * 30, total=4) as bar:
            bar.update(4)
        text = ""
        while "\n" not in text:
            text += screen.read(4096).decode()
        lines = text.replace("\r", "\n").split("\n")
        monkeypatch.undo()
    n_columns = max(map(len, lines))
    assert n_columns == 19 if columns == 20 else n_columns > 60
