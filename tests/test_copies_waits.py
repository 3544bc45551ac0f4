"""Waits for a process that makes a copy, and what killed processes leave behind."""

import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from helpers.copies import ITEMS, check_healed, names, posix, root
from helpers.dataset_files import write_synthetic

import fmnist_fast as ff
from fmnist_fast._io import lock
from fmnist_fast._load import copies
from fmnist_fast._load.copies import load_or_make, save_copy
from fmnist_fast._synthetic import garments

HOLD = """
import sys
from pathlib import Path
from fmnist_fast._io.lock import locked

with locked(Path(sys.argv[1]), "holding"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def sha256():
    """Return the hash that copies have: none."""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Wait for a second at most."""
    monkeypatch.setattr(lock, "_SILENT_SECONDS", 0.2)
    monkeypatch.setattr(lock, "_PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(lock, "_POLL_SECONDS", 0.01)


@pytest.fixture
def holder():
    """Return a function that starts a process, which holds a lock and then stops."""
    started = []

    def hold(path):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout.readline().strip() == b"held"
        os.kill(process.pid, signal.SIGSTOP)
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


# ---- stopped processes --------------------------------------------------------------


@posix
def test_a_stopped_process_is_not_waited_for_without_end(copy, made, holder):
    process = holder(copy.path.with_suffix(".lock"))
    begin = time.monotonic()
    with pytest.warns() as caught:
        items, _ = load_or_make(copy)
    assert 1 <= time.monotonic() - begin < 5
    assert np.array_equal(items, ITEMS) and made == [1] and names(copy) == ["a.lock"]
    waiting, not_kept = (str(warning.message) for warning in caught)
    assert waiting.startswith(f"making a copy: waiting for process {process.pid}, ")
    assert f"process {process.pid} holds it, and gives no sign of life" in not_kept
    process.kill()
    process.wait()
    made.clear()
    check_healed(copy, made)


@posix
def test_a_copy_that_appears_during_the_wait_is_used(copy, made, holder):
    holder(copy.path.with_suffix(".lock"))
    decoded = copy.make()
    made.clear()
    threading.Timer(0.3, save_copy, (copy, {}, decoded)).start()
    with pytest.warns(RuntimeWarning, match="waiting for process") as caught:
        items, _ = load_or_make(copy)
    assert np.array_equal(items, ITEMS) and not made
    assert len(caught) == 1


@posix
def test_each_wait_and_each_copy_that_is_not_kept_warns(copy, holder):
    holder(copy.path.with_suffix(".lock"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(2):
            load_or_make(copy)
    words = "\n".join(str(warning.message) for warning in caught)
    assert words.count("waiting for") == words.count("could not keep") == 2


@pytest.fixture
def held_dataset(tmp_path, monkeypatch, holder):
    """Write a dataset without copies, and hold the locks with some words."""
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    write_synthetic(tmp_path, 40, 10)
    for path in tmp_path.glob("train-*"):
        ff.write_idx(path.with_name(f"{path.name}.gz"), ff.read_idx(path))
        path.unlink()
    train = ff.load("train", tmp_path)

    def hold(*words):
        for path in tmp_path.glob("cache/*/*.bin"):
            if any(word in path.name for word in words):
                path.unlink()
                holder(path.with_suffix(".lock"))
        return tmp_path, train

    return hold


@posix
def test_load_and_synthetic_go_on_without_a_stopped_process(held_dataset):
    folder, train = held_dataset("images", "40-from")
    for call in (lambda: ff.load("train", folder), lambda: ff.synthetic(40, 10)[0]):
        with pytest.warns() as caught:
            assert np.array_equal(call().images, train.images)
        words = "\n".join(str(warning.message) for warning in caught)
        assert "waiting for process" in words and "could not keep a" in words
        assert words.count("waiting") == words.count("could not keep") == 1
        assert {warning.filename for warning in caught} == {__file__}


@posix
@pytest.mark.filterwarnings("ignore:making a decoded copy")
@pytest.mark.parametrize("words", [["labels"], ["images", "labels"]])
def test_ctrl_c_ends_the_waits_of_load(monkeypatch, held_dataset, words):
    monkeypatch.setattr(lock, "_PATIENCE_SECONDS", 6.0)
    folder, _ = held_dataset(*words)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    n_threads, main = threading.active_count(), threading.main_thread().ident
    timer = threading.Timer(0.5, signal.pthread_kill, (main, signal.SIGINT))
    begin = time.monotonic()
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            ff.load("train", folder)
    finally:
        signal.signal(signal.SIGINT, before)
        timer.join()
    assert time.monotonic() - begin < 3
    assert threading.active_count() == n_threads


@pytest.mark.parametrize("slow_part", ["make", "save"])
def test_a_slow_process_is_waited_for(copy, made, monkeypatch, slow_part):
    monkeypatch.setattr(lock, "_PATIENCE_SECONDS", 0.4)
    monkeypatch.setattr(copies, "_BEAT_SECONDS", 0.05)
    begun = threading.Event()

    def slowly(function):
        def called(*arguments):
            begun.set()
            time.sleep(1)
            return function(*arguments)

        return called

    slow_copy = copy
    if slow_part == "make":
        slow_copy = copy._replace(make=slowly(copy.make))
    else:
        monkeypatch.setattr(copies, "save_copy", slowly(save_copy))
    slow = threading.Thread(target=load_or_make, args=[slow_copy])
    slow.start()
    begun.wait(5)
    with pytest.warns(RuntimeWarning, match="waiting for"):
        load_or_make(copy)
    slow.join()
    assert made == [1]  # not by the thread that waited


def test_the_signs_of_life_end_with_an_error(copy):
    def make():
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        load_or_make(copy._replace(make=make))
    assert threading.active_count() == before and names(copy) == []


# ---- what killed processes leave ----------------------------------------------------


def leftover(path, name, *, age=0.0):
    """Write a temporary file of another process, and return its path."""
    part = path.parent / f".{name}.{os.urandom(6).hex()}.part"
    part.write_bytes(b"half")
    os.utime(part, (time.time() - age,) * 2)
    return part


def test_leftovers_are_removed_when_a_copy_is_written(copy, made):
    copy.path.parent.mkdir(parents=True, mode=0o700)
    gone = [
        leftover(copy.path, "a.bin"),
        leftover(copy.path, "a.bin", age=1e6),
        leftover(copy.path, "b.bin", age=1e6),
    ]
    stay = [leftover(copy.path, "b.bin"), copy.path.parent / ".a.bin.part"]
    stay[1].touch()
    load_or_make(copy)
    assert [path.exists() for path in gone + stay] == [False] * 3 + [True] * 2


@posix
def test_only_plain_files_are_leftovers(copy, tmp_path):
    copy.path.parent.mkdir(parents=True, mode=0o700)
    (tmp_path / "thesis").write_text("My thesis")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "part").touch()
    things = [copy.path.parent / f".a.bin.{digit * 12}.part" for digit in "0123"]
    things[0].symlink_to(tmp_path / "thesis")
    things[1].symlink_to(tmp_path / "folder")
    things[2].mkdir()
    os.mkfifo(things[3])
    load_or_make(copy)
    assert all(os.path.lexists(thing) for thing in things)
    assert (tmp_path / "thesis").exists() and (tmp_path / "folder" / "part").exists()


@root
def test_files_of_others_are_no_leftovers(copy):
    copy.path.parent.mkdir(parents=True, mode=0o700)
    part = leftover(copy.path, "a.bin")
    os.chown(part, 4711, 4711)
    load_or_make(copy)
    assert part.exists()


def test_a_killed_process_leaves_its_lock_until_the_next_load(saved, made):
    saved.path.with_suffix(".lock").write_text("12345")
    check_valid(saved)
    assert names(saved) == ["a.bin"] and not made


def check_valid(copy):
    """Check that a copy is used, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(load_or_make(copy)[0], ITEMS)


@posix
def test_a_valid_copy_is_used_while_another_process_holds_the_lock(saved, holder):
    holder(saved.path.with_suffix(".lock"))
    check_valid(saved)
    assert names(saved) == ["a.bin", "a.lock"]


DRAW = """
import fmnist_fast as ff
print("ready", flush=True)
ff.synthetic(3000, 1)
"""


@posix
def test_one_call_after_kills_leaves_only_copies(tmp_path, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "cache" / "synthetic"
    want = garments.draw(ff.synthetic(3000, 1)[0].labels)
    (folder / "3000-from-0-seed-0.bin").unlink()
    program = [sys.executable, "-c", DRAW]
    process = subprocess.Popen(program, stdout=subprocess.PIPE)
    for _ in range(2):
        process.stdout.readline()
        following = subprocess.Popen(program, stdout=subprocess.PIPE)  # meanwhile
        watch_and_kill(process, folder)
        process = following
    process.kill()
    process.communicate()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(ff.synthetic(3000, 1)[0].images, want)
    assert sorted(os.listdir(folder)) == [
        "1-from-3000-seed-0.bin",
        "3000-from-0-seed-0.bin",
    ]


def watch_and_kill(process, folder):
    """Kill a process as soon as it writes a copy, or a second later."""
    end = time.monotonic() + 1
    while time.monotonic() < end:
        if any(name.endswith(".part") for name in os.listdir(folder)):
            break
    process.kill()
    process.communicate()
    for path in folder.glob("3000-*.bin"):
        path.unlink()
