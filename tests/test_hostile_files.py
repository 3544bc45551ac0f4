"""Damaged files and other things in their place never hang, and all errors name them.

Each damage goes through every function and command that reads files of datasets. The
exceptions are those that the docstrings name.
"""

import os
import pickle
import signal
import socket
import struct

import numpy as np
import pytest
from helpers.idx_files import header_of

import fmnist_fast as ff
from fmnist_fast import FormatError, idx

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="requires POSIX"
)

STEMS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
IMAGES = header_of(0x08, 3, 4, 4) + bytes(range(48))
LABELS = header_of(0x08, 3) + b"\2\1\0"


class HangError(BaseException):
    """The function waits. No code of the package catches this."""


@pytest.fixture(autouse=True)
def no_hang():
    def stop(*_):
        raise HangError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 20)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def bind(path):
    """Make a socket, whose path must be short."""
    before = os.getcwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(path.name)
    os.chdir(before)


def make_sparse(path):
    """Write a file of 8 TiB that agrees with its header and takes no space."""
    path.write_bytes(header_of(0x08, 1 << 20, 1 << 12, 1 << 11))
    os.truncate(path, 16 + (1 << 43))


def hide(path):
    path.write_bytes(IMAGES)
    path.chmod(0)


PLACES = {  # what is in the place of a file
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo if hasattr(os, "mkfifo") else None,
    "link to itself": lambda path: path.symlink_to(path),
    "broken link": lambda path: path.symlink_to("nowhere"),
    "endless device": lambda path: path.symlink_to("/dev/zero"),
    "empty device": lambda path: path.symlink_to("/dev/null"),
    "socket": bind,
}
CONTENTS = {
    "empty": b"",
    "text": b"hello world",
    "gzip magic": b"\x1f\x8bjunk",
    "cut": LABELS[:7],
    "floats": header_of(0x0D, 3) + bytes(12),
    "too many sides": bytes([0, 0, 8, 255]) + b"\0\0\0\1" * 255 + b"a",
    "too large for numpy": header_of(0x08, 0, 2**32 - 1, 2**32 - 1),
    "another number": header_of(0x08, 2, 4, 4) + bytes(32),
}
LABEL_CONTENTS = {
    "two sides": header_of(0x08, 3, 1) + bytes(3),
    "negative": header_of(0x0C, 3) + struct.pack(">3i", 0, -1, 1),
    "no class": header_of(0x0C, 3) + struct.pack(">3i", 0, 2**30, 1),
    "too few": header_of(0x08, 2) + bytes(2),
}
CARDS = {
    "binary": bytes(range(256)),
    "nested": b"[" * 200_000,
    "a list": b"[]",
    "a key twice": b'{"name": "a", "name": "b"}',
    "no name": b'{"name": null}',
    "a long number": b'{"license": ' + b"9" * 5000 + b"}",
    "empty": b"",
}


def check(function, target, *kinds):
    """Check that a function raises one of the documented errors, which names a file."""
    with pytest.raises(kinds) as caught:
        function()
    assert str(target) in str(caught.value), str(caught.value)


def check_everything(root, target, run):
    """Check that all functions and commands refuse the files in `root`."""
    images = target if "images" in target.name else root / STEMS[0]
    not_loaded = FormatError, FileNotFoundError, MemoryError, OSError
    for load in (
        lambda: ff.load("train", root),
        lambda: ff.load("train", name=root),
        lambda: ff.load("train", root, cache=False),
        lambda: ff.load_files(images),
        lambda: ff.load_files([images]),
    ):
        check(load, target, *not_loaded)
    for words in (["info", "--root", root], ["verify", "--root", root]):
        code, out, err = run(*words)
        is_listed = words[0] == "info" and code == 0 and "\ntrain: not found" in out
        assert is_listed or (code == 1 and str(target) in out + err)


@pytest.fixture
def root(tmp_path, nowhere):
    """Return a folder with two files that are not damaged."""
    root = tmp_path / "root"
    root.mkdir()
    for stem, content in zip(STEMS, (IMAGES, LABELS)):
        (root / stem).write_bytes(content)
        (root / stem.replace("train", "t10k")).write_bytes(content)
    return root


def damage(root, which, kind, suffix=""):
    """Damage one of the files, and return its path."""
    target = root / (STEMS[which] + suffix)
    (root / STEMS[which]).unlink()
    contents = CONTENTS | LABEL_CONTENTS
    if kind in contents:
        target.write_bytes(contents[kind])
    elif kind == "unreadable":
        if os.geteuid() == 0:
            pytest.skip("root may read all files")
        hide(target)
    else:
        (PLACES | {"sparse": make_sparse})[kind](target)
    return target


KINDS = [*PLACES, *CONTENTS, "sparse", "unreadable"]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_images_are_refused(root, run, kind, suffix):
    target = damage(root, 0, kind, suffix)
    if kind == "sparse":
        return check(lambda: ff.load("train", root), target, MemoryError)
    check_everything(root, target, run)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", [*KINDS, *LABEL_CONTENTS])
def test_damaged_labels_are_refused(root, run, kind):
    check_everything(root, damage(root, 1, kind), run)


@pytest.mark.parametrize("kind", [kind for kind in PLACES if kind != "folder"])
def test_the_error_says_what_is_in_the_place_of_a_file(root, kind):
    target = damage(root, 0, kind)
    with pytest.raises(FileNotFoundError) as caught:
        ff.load("train", root)
    assert f"{target} is a broken link, a pipe or a device.\n" in str(caught.value)
    message = "source must be a regular file, got a broken link, a pipe or a device"
    check(lambda: ff.load_files(target), f"{target}: {message}.\n", FileNotFoundError)


def test_files_on_several_drives_have_no_common_folder(root, monkeypatch):
    def fail(paths):
        raise ValueError("Paths don't have the same drive")

    monkeypatch.setattr(os.path, "commonpath", fail)
    assert ff.load_files(root / STEMS[0]).source is None


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("kind", [*KINDS, *LABEL_CONTENTS])
def test_a_damaged_file_is_read_or_refused(root, run, kind, which):
    target = damage(root, which, kind)
    for read in (ff.read_idx, idx.map_idx):
        if kind != "pipe" or read is idx.map_idx:
            try:
                read(target)
            except (FormatError, OSError, MemoryError) as error:
                assert str(target) in str(error)
    for words in (["verify", target], ["convert-idx", target, root / "a.npy"]):
        code, out, err = run(*words)
        assert code in (0, 1) and str(target) in out + err


def test_a_socket_is_no_file(root, run):
    target = damage(root, 0, "socket")
    message = f"{target}: must be a file, got a FIFO, socket or device"
    for read in (ff.read_idx, idx.map_idx):
        with pytest.raises(FormatError, match=f"^{message}$"):
            read(target)
    for words in (["verify", target], ["convert-idx", target, root / "a.npy"]):
        assert message in "".join(run(*words)[1:])


def test_a_pipe_is_read_to_its_end_by_read_idx_only(root, run):
    """The commands do not wait for a writer."""
    target = damage(root, 0, "pipe")
    descriptor = os.open(target, os.O_RDWR)  # both ends, so that nothing waits
    try:
        reason = "must be a file, got a FIFO, socket or device\n"
        assert reason in run("verify", target)[1]
        code, _, err = run("convert-idx", target, root / "a.npy")
        assert code == 1 and f"{target}: must be a file, got a FIFO" in err
    finally:
        os.close(descriptor)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", CARDS)
def test_damaged_cards_are_refused(root, run, kind):
    card = root / "dataset.json"
    card.write_bytes(CARDS[kind])
    for load in (
        lambda: ff.load("train", root),
        lambda: ff.load_files(root / STEMS[0]),
    ):
        check(load, f"{card}: not a dataset card: ", FormatError)
    for command in ("info", "verify"):
        code, out, err = run(command, "--root", root)
        text = {"info": err, "verify": out}[command]
        assert code == 1 and f"{card}: not a dataset card: " in text


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", PLACES)
def test_what_is_no_file_is_no_card(root, kind):
    PLACES[kind](root / "dataset.json")
    assert len(ff.load("train", root)) == len(ff.load_files(root / STEMS[0])) == 3


def test_paths_that_can_not_exist(run):
    path = "a\0b-images-idx3-ubyte"
    for function in (
        lambda: ff.read_idx(path),
        lambda: idx.map_idx(path),
        lambda: ff.write_idx(path, np.zeros(3, np.uint8)),
        lambda: ff.load("train", path),
        lambda: ff.load_files(path),
        lambda: ff.load_files([path]),
        lambda: ff.load_files(f"{path}*"),
    ):
        with pytest.raises(ValueError, match=r"not contain null .*, got 'a\\x00b-im"):
            function()
    for words in (["verify", path], ["info", "--root", path], ["convert-idx", path, 3]):
        code, _, err = run(*words)
        assert code == 1 and r"not contain null characters, got 'a\x00b-im" in err


def test_names_that_are_not_text(root, run):
    """Bytes that are no UTF-8 are surrogates in Python, which can't be printed."""
    target = os.fsdecode(os.fsencode(root) + b"/\xff-idx")
    ff.write_idx(target, np.zeros(3, np.uint8))
    assert ff.read_idx(target).tolist() == [0, 0, 0]
    with open(target, "wb"):
        pass
    with pytest.raises(FormatError, match="is an empty file"):
        ff.read_idx(target)


# ---- pickles ---------------------------------------------------------------------


@pytest.fixture(params=["load", "load_files"])
def pickled(request, root):
    """Return a pickle that refers to the files."""
    (root / "dataset.json").write_text('{"name": "mine"}')
    if request.param == "load":
        return pickle.dumps(ff.load("train", root, cache=False))
    return pickle.dumps(ff.load_files(root / STEMS[0], cache=False))


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("kind", ["moved", "broken link", *CONTENTS, "pipe"])
def test_unpickling_says_which_file_is_missing_or_changed(root, pickled, which, kind):
    if kind == "moved":
        root.rename(root.with_name("elsewhere"))
        target, which = root / STEMS[0], 0
    else:
        target = damage(root, which, kind)
    is_missing = kind in ("moved", "broken link")
    with pytest.raises(FileNotFoundError if is_missing else FormatError) as caught:
        pickle.loads(pickled)
    text = str(caught.value)
    assert str(target) in text and "pickled dataset 'mine" in text
    assert "refers to its files, and needs them unchanged in the same place.\n" in text
    assert text.endswith("again, or pickle it where the files are now.")


def test_unpickling_after_a_change_of_the_pixels(root, pickled):
    (root / STEMS[0]).write_bytes(IMAGES[:-1] + b"\0")
    message = rf"^{root}: files have changed since the dataset 'mine.*' was pickled\.\n"
    with pytest.raises(FormatError, match=message + "The fingerprint was .* now"):
        pickle.loads(pickled)
