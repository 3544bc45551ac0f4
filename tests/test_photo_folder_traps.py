"""Other files in the places of a conversion of photos: they are never touched."""

import contextlib
import os
import shutil
import signal
import sys

import pytest
from helpers.photos import contents, draw

import fmnist_fast as ff
from fmnist_fast.photos import folder as photo_folder
from fmnist_fast.photos import store as photo_store

pytest.importorskip("PIL.Image")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")

STATE = ".progress/state.json"
DATA = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "bad-photos.txt")
NAMES = (".progress/photos", ".progress/lock", ".progress/new", STATE, *DATA)


@pytest.fixture(autouse=True)
def no_hang():
    def stop(*_):
        raise AssertionError("the call waits")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Return a folder with photos, the result "done", and an interrupted "out.part"."""
    base = tmp_path_factory.mktemp("photos")
    for i in range(6):
        draw(base / "photos" / "train" / "ab"[i % 2] / f"{i}.png", i)
    (base / "photos" / "train" / "a" / "0.png").write_bytes(b"bad")
    draw(base / "photos" / "test" / "a" / "1.png", 7)
    ff.convert_folder(base / "photos", base / "done")
    append = photo_store.PhotoStore.append

    def stop(self, photo, result):
        if self.state.n_done == 4:
            raise KeyboardInterrupt
        append(self, photo, result)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photo_store.PhotoStore, "append", stop)
        with pytest.raises(KeyboardInterrupt):
            ff.convert_folder(base / "photos", base / "out")
    return base


@pytest.fixture
def base(results, tmp_path):
    """Return a copy of `results`, with precious files that must stay as they are."""
    shutil.copytree(results, tmp_path / "base")
    (tmp_path / "base" / "precious").write_bytes(b"p" * 99)
    (tmp_path / "base" / "stranger" / ".progress").mkdir(parents=True)
    (tmp_path / "base" / "stranger" / ".progress" / "thesis").write_text("years")
    return tmp_path / "base"


def tree(folder):
    """Return what is in a folder, without following links."""
    found = {}
    for at, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(at, name)
            status = os.lstat(path)
            size = status.st_size, status.st_mtime_ns, status.st_nlink
            found[path] = status.st_ino, status.st_mode, status.st_uid, size
    return found


def convert(base, out="out"):
    return ff.convert_folder(base / "photos", base / out, threads=1)


def check_refused(base, out="out", match="Choose another output folder, or remove"):
    before = tree(base)
    with pytest.raises(FileExistsError, match=f"(?s){match}"):
        convert(base, out)
    assert tree(base) == before


def check_converted(base, out="out"):
    convert(base, out)
    assert contents(base / out) == contents(base / "done")
    assert sorted(os.listdir(base / out)) == sorted(os.listdir(base / "done"))
    assert not (base / f"{out}.part").exists()
    assert (base / "precious").read_bytes() == b"p" * 99
    assert (base / "stranger" / ".progress" / "thesis").exists()


# ---- in place of OUT ---------------------------------------------------------------


def thesis(folder):
    (folder / ".progress").mkdir()
    (folder / ".progress" / "thesis").write_text("years of work")


def same_names(folder):
    thesis(folder)
    (folder / ".progress" / "thesis").rename(folder / ".progress" / "photos")
    (folder / STATE).write_text('{"n_done": 3}')
    (folder / "dataset.json").write_text("{}")


def one_file_more(folder):
    shutil.copytree(folder.parent / "out.part", folder, dirs_exist_ok=True)
    (folder / "dataset.json").write_text("{}")
    (folder / ".progress" / "thesis").write_text("years of work")


def no_card(folder):
    shutil.copytree(folder.parent / "out.part", folder, dirs_exist_ok=True)


def link_to_progress(folder):
    (folder / ".progress").symlink_to(folder.parent / "out.part" / ".progress")
    (folder / "dataset.json").write_text("{}")


@pytest.mark.parametrize(
    "make", [thesis, same_names, one_file_more, no_card, link_to_progress]
)
def test_an_existing_folder_is_refused_as_it_is(base, make):
    (base / "project").mkdir()
    (base / "project" / "x").touch()
    make(base / "project")
    check_refused(base, "project", "project: already exists and is not an empty")


@pytest.mark.parametrize("target", ["empty", "stranger", "precious", "nowhere", "link"])
def test_a_link_in_place_of_the_folder_is_refused_as_it_is(base, target):
    (base / "empty").mkdir()
    (base / "link").symlink_to(base / target)
    check_refused(base, "link", "link: already exists")


# ---- in place of OUT.part ----------------------------------------------------------


def other_mode(bits):
    def change(path, precious):
        path.touch()
        path.chmod(path.stat().st_mode | bits)

    return change


def other_owner(path, precious):
    if os.geteuid() != 0:
        pytest.skip("needs root to give files away")
    path.touch()
    os.chown(path, 4711, 4711)


def remove(path):
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def instead(make):
    def replace(path, precious):
        remove(path)
        make(path, precious)

    return replace


TRAPS = {
    "link to a file": instead(lambda path, precious: path.symlink_to(precious)),
    "link to nothing": instead(lambda path, precious: path.symlink_to("created")),
    "link to a folder": instead(
        lambda path, precious: path.symlink_to(precious.parent / "stranger")
    ),
    "hard link": instead(lambda path, precious: path.hardlink_to(precious)),
    "pipe": instead(lambda path, precious: os.mkfifo(path)),
    "folder": instead(lambda path, precious: path.mkdir()),
    "writable by the group": other_mode(0o020),
    "writable by all": other_mode(0o002),
    "of another user": other_owner,
}


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("name", [*NAMES, "dataset.json", "t10k-images-idx3-ubyte"])
def test_a_trap_in_place_of_a_file(base, name, trap):
    TRAPS[trap](base / "out.part" / name, base / "precious")
    check_refused(base, match=rf"out.part: already .*/{name} .*Choose another output")


@pytest.mark.parametrize("name", ["", ".progress"])
@pytest.mark.parametrize("trap", [trap for trap in TRAPS if trap != "folder"])
def test_a_trap_in_place_of_a_folder(base, name, trap):
    TRAPS[trap](base / "out.part" / name, base / "precious")
    check_refused(base, match=f"out.part/?{name} .*Choose another output")


@pytest.mark.parametrize("inside", ["thesis", ".progress/thesis", DATA[0]])
@pytest.mark.parametrize("progress", [(), ("lock",), ("lock", "new")])
def test_a_folder_of_another_program_is_refused_as_it_is(base, progress, inside):
    (base / "mine.part" / ".progress").mkdir(parents=True)
    for name in progress:
        (base / "mine.part" / ".progress" / name).touch()
    (base / "mine.part" / inside).write_text("years of work")
    check_refused(base, "mine", f"{inside} is not from such a run")


@pytest.mark.parametrize("made", [(), (".progress",), (".progress", ".progress/lock")])
def test_a_run_that_was_killed_as_it_began(base, made):
    (base / "mine.part").mkdir()
    for name in made:
        path = base / "mine.part" / name
        path.touch() if "lock" in name else path.mkdir()
    check_converted(base, "mine")


def test_files_that_a_file_manager_added_do_no_harm(base):
    (base / "out.part" / ".DS_Store").write_bytes(b"view")
    convert(base)
    assert (base / "out" / ".DS_Store").read_bytes() == b"view"


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o077])
def test_every_umask_lets_a_run_resume(results, tmp_path, monkeypatch, umask):
    """Files that the group may write would not be trusted by the next run."""
    monkeypatch.setattr(photo_folder, "_append_all", interrupt)
    before = os.umask(umask)
    try:
        with pytest.raises(KeyboardInterrupt):
            ff.convert_folder(results / "photos", tmp_path / "out")
        monkeypatch.undo()
        ff.convert_folder(results / "photos", tmp_path / "out")
    finally:
        os.umask(before)
    assert contents(tmp_path / "out") == contents(results / "done")


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_a_folder_that_is_swapped_during_the_run(base, monkeypatch, kind):
    part, append = base / "out.part", photo_store.PhotoStore.append

    def swap(self, photo, result):
        if not (base / "moved").exists():
            part.rename(base / "moved")
            if kind == "link":
                part.symlink_to(base / "stranger")
            else:
                shutil.copytree(base / "stranger", part)
        append(self, photo, result)

    monkeypatch.setattr(photo_store.PhotoStore, "append", swap)
    with pytest.raises(FileNotFoundError, match="was moved or replaced by another"):
        convert(base)
    assert os.listdir(part) == [".progress"] and not (base / "out").exists()
    assert os.listdir(base / "stranger" / ".progress") == ["thesis"]


# ---- damaged states ----------------------------------------------------------------


def damaged_states():
    yield from (b"", b"garbage", b"{}", b"[]", b"[1]", b"[{}, 1]", b"null", b"\xff")
    yield from (
        b"[" * 5000,
        b"9" * 5000,
        b'{"a": ' * 1000,
        b"x" * 9_000_000,
        b"\0" * 99,
    )
    for n_done, n_bad, size, train in (
        (99, 0, -5, 3),
        (2, 0, 0, 1_000_000),
        (6, 0, 0, 6),
        (10**30, 0, 0, 10**30),
        (1e300, 0, 0, 1),
    ):
        state = f'"n_done": {n_done}, "n_bad": {n_bad}, "bad_nbytes": {size}, '
        state = f'{{{state}"n_images": {{"train": {train}, "../../x": 3}}}}'
        yield state.encode()
        yield f'[{state}, "{"0" * 64}"]'.encode()


def repr_of(state):
    return repr(state[:70])


@pytest.mark.parametrize("state", list(damaged_states()), ids=repr_of)
def test_a_damaged_state_is_not_believed(base, state):
    (base / "out.part" / STATE).write_bytes(state)
    check_converted(base)


def test_no_changed_byte_of_a_state_is_believed(base):
    path = base / "out.part" / STATE
    whole = path.read_bytes()
    with photo_store.OwnFolder(base / "out.part") as folder:
        saved = photo_store._saved(folder)
        assert saved["n_done"] == 4
        for i in range(len(whole)):
            for byte in {whole[i] ^ 1, 0x20, 0x39} - {whole[i]}:
                path.write_bytes(whole[:i] + bytes([byte]) + whole[i + 1 :])
                assert photo_store._saved(folder) in ({}, saved)
            path.write_bytes(whole[:i])
            assert photo_store._saved(folder) == {}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", [lambda path: path.unlink(missing_ok=True), None])
def test_missing_and_empty_files(base, name, damage):
    path = base / "out.part" / name
    damage(path) if damage else path.write_bytes(b"")
    check_converted(base)


@pytest.mark.parametrize("name", [".progress/photos", ".progress/new"])
def test_a_damaged_list_changes_nothing(base, name):
    (base / "out.part" / name).write_bytes(b"garbage" * 1000)
    check_converted(base)


@pytest.mark.parametrize("name", DATA)
def test_files_that_are_shorter_than_the_state_says(base, name):
    path = base / "out.part" / name
    os.truncate(path, path.stat().st_size - 1)
    check_converted(base)


def test_only_a_damaged_run_starts_again(base, capsys):
    for damaged in (False, True):
        if damaged:
            os.truncate(base / "out.part" / DATA[0], 20)
        with contextlib.suppress(KeyboardInterrupt), pytest.MonkeyPatch.context() as p:
            p.setattr(photo_folder, "_append_all", interrupt)
            ff.convert_folder(base / "photos", base / "out", progress=True)
        words = "Starting again" if damaged else "Resuming after 4 of 7 photos"
        assert words in capsys.readouterr().err


def test_a_split_of_an_earlier_run_does_not_stay(base):
    shutil.rmtree(base / "photos" / "test")
    shutil.rmtree(base / "done")
    ff.convert_folder(base / "photos", base / "done")
    check_converted(base)


def test_a_folder_without_photos_leaves_nothing(base):
    shutil.rmtree(base / "photos")
    (base / "photos" / "a").mkdir(parents=True)
    with pytest.raises(ValueError, match="no photos"):
        convert(base)
    assert not (base / "out.part").exists()


def test_a_class_whose_name_is_no_text(base):
    os.mkdir(os.fsencode(base / "photos" / "train" / "caf") + b"\xe9")
    classes = convert(base).classes
    assert ff.load("train", base / "out").classes == classes == ("a", "b", r"caf\udce9")
