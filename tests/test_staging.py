"""Private folders of unfinished downloads: kills, two processes, and traps."""

import errno
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from helpers.server import content, respond, status

from fmnist_fast._download.fetch import fetch
from fmnist_fast._io import lock, staging
from fmnist_fast._registry.spec import PublishedFile
from fmnist_fast.errors import DownloadError

N = 300_000
BODY = random.Random(0).randbytes(N)
OWN = ".a.gz.0123456789abcdef.fetching"
pytestmark = pytest.mark.usefixtures("trusted")
needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


@pytest.fixture
def folder(tmp_path):
    """Return an empty folder for downloads."""
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def published(url):
    return PublishedFile("a.gz", (url,), hashlib.sha256(BODY).hexdigest(), nbytes=N)


def leave_part(folder, body, name=OWN, mode=0o700):
    """Leave a staging folder as a killed process does, and return it."""
    path = folder / name
    path.mkdir(mode=0o700)
    (path / "part").write_bytes(body)
    path.chmod(mode)
    return path


# ---- leftovers of killed processes --------------------------------------------------


def test_the_largest_part_is_continued_and_the_others_are_removed(https, folder):
    leave_part(folder, BODY[:1000])
    leave_part(folder, BODY[:2000], OWN.replace("0", "5"))
    leave_part(folder, b"", OWN.replace("0", "6"))
    fetch([published(https.serve("/a", content(BODY)))], folder)
    assert https.ranges() == ["bytes=2000-"]
    assert [path.name for path in folder.iterdir()] == ["a.gz"]


def test_a_complete_part_needs_no_server(folder):
    leave_part(folder, BODY)
    fetch([published("https://127.0.0.1:9/a")], folder)
    assert (folder / "a.gz").read_bytes() == BODY


def test_leftovers_beside_a_complete_file_are_removed(folder):
    (folder / "a.gz").write_bytes(BODY)
    leave_part(folder, BODY)
    (folder / ".a.gz.lock").write_bytes(b"123")
    path = folder / OWN.replace("0", "5")
    path.mkdir(mode=0o700)
    os.utime(path, (0, 0))
    fetch([published("https://127.0.0.1:9/a")], folder)
    assert [path.name for path in folder.iterdir()] == ["a.gz"]


@needs_posix
def test_leftovers_in_use_stay_beside_a_complete_file(folder):
    (folder / "a.gz").write_bytes(BODY)
    path = leave_part(folder, BODY[:1000])
    with open(path / "part", "ab") as part, lock.locked(folder / ".a.gz.lock", "x"):
        assert lock.try_lock(part)
        fetch([published("https://127.0.0.1:9/a")], folder)
        assert (path / "part").exists() and (folder / ".a.gz.lock").exists()


@needs_posix
def test_a_part_in_use_is_left_alone(https, folder):
    path = leave_part(folder, BODY[:1000])
    with open(path / "part", "ab") as part:
        assert lock.try_lock(part)
        fetch([published(https.serve("/a", content(BODY)))], folder)
        assert https.ranges() == [None]
        assert (path / "part").read_bytes() == BODY[:1000]


def test_without_descriptors_of_folders(https, folder, monkeypatch):
    """Other systems than POSIX have none, and don't rename or remove open files."""
    monkeypatch.setattr(staging, "_IS_POSIX", False)
    leave_part(folder, BODY[:1000])
    leave_part(folder, b"", OWN.replace("0", "6"))
    url = https.serve("/a", content(BODY, cut=500), status(404), content(BODY))
    with pytest.raises(DownloadError):
        fetch([published(url)], folder)
    [path] = folder.iterdir()
    assert (path / "part").stat().st_size == 1500
    fetch([published(url)], folder)
    assert https.ranges() == ["bytes=1000-", "bytes=1500-", "bytes=1500-"]
    assert [path.name for path in folder.iterdir()] == ["a.gz"]


@pytest.mark.parametrize("age, is_left", [(10, True), (100, False)])
def test_old_empty_folders_are_removed(https, folder, age, is_left):
    path = folder / OWN
    path.mkdir(mode=0o700)
    os.utime(path, (time.time() - age,) * 2)
    fetch([published(https.serve("/a", content(BODY)))], folder)
    assert path.exists() is is_left


KILL = """
import os, random, signal, sys, time
from fmnist_fast._download import sources, transfer
from fmnist_fast._download.fetch import fetch
from fmnist_fast._registry.spec import PublishedFile

file = PublishedFile("a.gz", (sys.argv[1],), sys.argv[3], nbytes=int(sys.argv[4]))
for _ in range(20):
    child = os.fork()
    if child == 0:
        fetch([file], sys.argv[2])
        os._exit(0)
    time.sleep(random.uniform(0, 0.15))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if os.path.exists(sys.argv[2] + "/a.gz"):
        os.unlink(sys.argv[2] + "/a.gz")
"""


@needs_posix
def test_after_twenty_kills_only_the_file_is_left(https, folder, monkeypatch):
    def slowly(handler):
        answer = content(BODY)
        pieces = []
        write, handler.wfile.write = handler.wfile.write, pieces.append
        answer(handler)
        handler.wfile.write = write
        body = b"".join(pieces)
        for i in range(0, len(body), 30_000):
            handler.wfile.write(body[i : i + 30_000])
            time.sleep(0.005)

    url = https.serve("/a", slowly)
    words = [url, str(folder), hashlib.sha256(BODY).hexdigest(), str(N)]
    subprocess.run([sys.executable, "-c", KILL, *words], check=True, timeout=60)
    assert https.asked
    monkeypatch.setattr(staging, "_ABANDONED_SECONDS", -1)
    fetch([published(url)], folder)
    assert (folder / "a.gz").read_bytes() == BODY
    assert [path.name for path in folder.iterdir()] == ["a.gz"]


# ---- several processes ------------------------------------------------------------

FETCH = """
import sys
from fmnist_fast._download.fetch import fetch
from fmnist_fast._registry.spec import PublishedFile

fetch([PublishedFile("a.gz", (sys.argv[1],), sys.argv[3])], sys.argv[2])
"""


@needs_posix
def test_a_stopped_process_holds_nobody_up(https, folder, monkeypatch):
    monkeypatch.setattr(lock.locked.__wrapped__, "__kwdefaults__", {"patience": 0.3})
    monkeypatch.setattr(lock, "_SILENT_SECONDS", 0.1)
    url = https.serve("/a", content(BODY, cut=N // 2, hang=True), content(BODY))
    words = [url, str(folder), hashlib.sha256(BODY).hexdigest()]
    process = subprocess.Popen(
        [sys.executable, "-c", FETCH, *words], stderr=subprocess.DEVNULL
    )
    while not any(part.stat().st_size for part in folder.glob(".*/part")):
        time.sleep(0.01)
    process.send_signal(signal.SIGSTOP)
    try:
        with pytest.warns(RuntimeWarning, match=r"fetching a\.gz: waiting for process"):
            fetch([published(url)], folder)
        assert (folder / "a.gz").read_bytes() == BODY
        assert https.ranges() == [None, None]
    finally:
        process.kill()
        process.wait()


def test_a_file_system_without_locks(https, folder, monkeypatch):
    def fail(file):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    for module in (lock, staging):
        monkeypatch.setattr(module, "try_lock", fail)
    both = threading.Barrier(2)

    def answer(handler):
        both.wait(20)
        content(BODY)(handler)

    file = published(https.serve("/a", answer))
    threads = [threading.Thread(target=fetch, args=([file], folder)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (folder / "a.gz").read_bytes() == BODY
    assert len(https.asked) == 2
    left = {path.name for path in folder.iterdir()}
    assert left <= {"a.gz", ".a.gz.lock"}


def test_the_holder_of_the_lock_gives_signs_of_life(https, folder, monkeypatch):
    signs = []
    monkeypatch.setattr(lock.Lock, "say_alive", lambda held: signs.append(held))

    def slowly(handler):
        respond(200, {"Content-Length": str(N)}, [])(handler)
        for i in range(0, N, N // 5):
            handler.wfile.write(BODY[i : i + N // 5])
            time.sleep(0.5)

    fetch([published(https.serve("/a", slowly))], folder)
    assert len(signs) >= 2


def test_a_new_part_that_another_process_takes_for_a_leftover(folder, monkeypatch):
    """The first try finds its part locked, as if that process were removing it."""
    answers = iter([False])
    real = lock.try_lock
    monkeypatch.setattr(staging, "try_lock", lambda file: next(answers, real(file)))
    with staging.staged(folder / "a.gz", 0o666) as staged:
        assert staged.nbytes == 0
    monkeypatch.setattr(staging, "try_lock", lambda file: False)
    with pytest.raises(BlockingIOError, match=r"other processes use all parts.*a\.gz"):
        with staging.staged(folder / "a.gz", 0o666):
            pass


def test_leftovers_are_only_swept_under_the_lock(folder):
    (folder / "a.gz").write_bytes(BODY)
    path = leave_part(folder, BODY[:1000])
    with lock.locked(folder / ".a.gz.lock", "fetching a.gz"):
        fetch([published("https://127.0.0.1:9/a")], folder)
        assert (path / "part").exists()
    fetch([published("https://127.0.0.1:9/a")], folder)
    assert not path.exists()


def test_a_complete_file_in_a_folder_that_cannot_be_listed(folder, monkeypatch):
    (folder / "a.gz").write_bytes(BODY)

    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(os, "listdir", refuse)
    fetch([published("https://127.0.0.1:9/a")], folder)


# ---- traps: what others may put into a folder -------------------------------------


def link(folder, victim):
    """Link the names of staging folders to a folder with a file."""
    for name in (OWN, ".a.gz.fetching"):
        (folder / name).symlink_to(victim.parent)


def linked_part(folder, victim):
    (folder / OWN).mkdir(mode=0o700)
    (folder / OWN / "part").symlink_to(victim)


def hard_linked_part(folder, victim):
    (folder / OWN).mkdir(mode=0o700)
    (folder / OWN / "part").hardlink_to(victim)


def old_part(folder, victim):
    """Link the part of a folder whose name anybody can guess."""
    (folder / ".a.gz.fetching").mkdir(mode=0o700)
    (folder / ".a.gz.fetching" / "part").symlink_to(victim)


def linked_note(folder, victim):
    path = leave_part(folder, BODY[:1000])
    (path / "note").symlink_to(victim)


def fifos(folder, victim):
    (folder / OWN).mkdir(mode=0o700)
    os.mkfifo(folder / OWN / "part")
    os.mkfifo(folder / OWN.replace("0", "5"))
    os.mkfifo(folder / ".a.gz.lock")
    os.mkfifo(folder / ".a.gz.fetching")


def open_folder(folder, victim):
    leave_part(folder, b"theirs", mode=0o770)


def dangling_lock(folder, victim):
    (folder / ".a.gz.lock").symlink_to(victim.with_name("new"))


def file_of_that_name(folder, victim):
    (folder / OWN).write_bytes(b"theirs")


def read_all(folder):
    """Return the files in a folder and their contents, and other things by kind."""
    return {
        path: path.read_bytes() if path.is_file() else path.lstat().st_mode
        for path in folder.rglob("*")
        if not path.name.endswith(".lock") and path.name != "a.gz"
    }


@needs_posix
@pytest.mark.parametrize(
    "trap",
    [
        *(link, linked_part, hard_linked_part, old_part, fifos, open_folder),
        *(dangling_lock, file_of_that_name),
    ],
)
def test_what_others_made_is_left_alone(https, folder, tmp_path, trap):
    victim = tmp_path / "home" / "part"
    victim.parent.mkdir()
    victim.write_bytes(b"precious")
    (victim.parent / "note").write_bytes(b"precious too")
    trap(folder, victim)
    before = read_all(tmp_path)
    fetch([published(https.serve("/a", content(BODY)))], folder)
    assert (folder / "a.gz").read_bytes() == BODY
    assert read_all(tmp_path) == before
    assert https.ranges() == [None]


@needs_posix
def test_a_linked_note_is_not_followed(https, folder, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    linked_note(folder, victim)
    fetch([published(https.serve("/a", content(BODY)))], folder)
    assert victim.read_bytes() == b"precious"
    assert [path.name for path in folder.iterdir()] == ["a.gz"]


@needs_posix
def test_a_part_of_another_user_is_left_alone(https, folder, monkeypatch):
    path = leave_part(folder, b"x" * 1000)
    uid = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    fetch([published(https.serve("/a", content(BODY)))], folder)
    assert (folder / "a.gz").read_bytes() == BODY
    assert (path / "part").read_bytes() == b"x" * 1000 and https.ranges() == [None]


@needs_posix
def test_new_folders_are_private_and_random(folder):
    names = set()
    for _ in range(3):
        with staging.staged(folder / "a.gz", 0o666) as staged:
            names.add(staged.path.name)
            assert staged.path.stat().st_mode & 0o777 == 0o700
            assert staged.part.fileno() >= 0
    assert len(names) == 3 and not list(folder.iterdir())


def test_a_published_file_leaves_an_empty_folder(folder):
    """A process may be killed at any point, and only empty folders are removed."""
    with staging.staged(folder / "a.gz", 0o666) as staged:
        staged.begin({"url": "u"})
        staged.publish(folder / "a.gz")
        assert not list(staged.path.iterdir())


@needs_posix
def test_a_swapped_folder_is_not_entered(folder, tmp_path):
    """Somebody who may write to the parent swaps the folder for a link."""
    victim = tmp_path / "victim"
    victim.mkdir()
    for name in ("part", "note"):
        (victim / name).write_bytes(b"precious")
    with staging.staged(folder / "a.gz", 0o666) as staged:
        staged.path.rename(folder / "moved")
        staged.path.symlink_to(victim)
        staged.begin({"url": "u"})
        staged.part.write(BODY)
        staged.part.flush()
        staged.publish(folder / "a.gz")
    assert (folder / "a.gz").read_bytes() == BODY
    assert {path.read_bytes() for path in victim.iterdir()} == {b"precious"}


def test_an_error_at_the_end_names_the_file(folder):
    with staging.staged(folder / "a.gz", 0o600) as staged:
        staged.part.write(b"content")
        (folder / "a.gz").mkdir()
        with pytest.raises(OSError) as error:
            staged.publish(folder / "a.gz")
        assert error.value.filename == str(folder / "a.gz")
