"""load_files: several IDX files as one dataset, their order, and invalid files."""

import ctypes
import gzip
import json
import mmap
import os
import pickle
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import FormatError, _core, idx
from fmnist_fast._load.files import _matching

SIZES = {2: 30, 9: 1, 10: 45, 11: 0}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Set the cache folder to a temporary one, and return it."""
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(folder, k, n=20, *, sides=(6, 5), suffix="", seed=0):
    """Write the k-th pair of files, and return its images and labels."""
    rng = np.random.default_rng((k, seed))
    folder.mkdir(exist_ok=True)
    images = rng.integers(0, 256, (n, *sides), dtype=np.uint8)
    labels = rng.integers(0, 3, n, dtype=np.uint8)
    ff.write_idx(folder / f"part{k}-images-idx3-ubyte{suffix}", images)
    ff.write_idx(folder / f"part{k}-labels-idx1-ubyte{suffix}", labels)
    return images, labels


@pytest.fixture
def folder(tmp_path):
    """Return the folder for IDX files, which does not exist yet."""
    return tmp_path / "data"


@pytest.fixture
def written(folder):
    """Write files, one empty and one compressed, and return all images and labels."""
    files = [write(folder, k, n, suffix=".gz" * (k == 9)) for k, n in SIZES.items()]
    return [np.concatenate(arrays) for arrays in zip(*files)]


def load(folder, **options):
    """Return the dataset of all files of a folder."""
    return ff.load_files(folder / "*-images-idx3-ubyte*", **options)


def test_files_come_in_natural_order(folder, written):
    for source in (
        folder / "*-images-idx3-ubyte*",
        str(folder / "*"),
        os.path.relpath(folder / "*"),
        [folder / f"part{k}-images-idx3-ubyte{'.gz' * (k == 9)}" for k in SIZES],
    ):
        dataset = ff.load_files(source)
        assert np.array_equal(np.asarray(dataset.images), written[0])
        assert np.array_equal(dataset.labels, written[1])
    assert dataset.source == str(folder)
    assert dataset.classes == ("0", "1", "2")


def test_a_sequence_keeps_its_order(folder, written):
    names = [folder / f"part{k}-images-idx3-ubyte" for k in (10, 2)]
    dataset = ff.load_files(names)
    assert len(dataset.images.parts) == 2 and len(dataset.images.parts[0]) == 45


def test_subfolders(tmp_path):
    images = [write(tmp_path / f"day{k}", 0, k)[0] for k in (2, 10)]
    dataset = ff.load_files(tmp_path / "**" / "*idx3*")
    assert np.array_equal(np.asarray(dataset.images), np.concatenate(images))
    assert dataset.source == str(tmp_path)


def test_any_folders_are_not_those_of_links(tmp_path):
    """Links may lead in circles. Links that the pattern names are followed."""
    write(tmp_path / "data", 0, 3)
    write(tmp_path / "data" / "sub", 1, 5)
    write(tmp_path / "data" / ".hidden", 2, 7)
    for name in ("x", "y", "sub/up"):
        (tmp_path / "data" / name).symlink_to(tmp_path / "data")
    (tmp_path / "link").symlink_to("data")
    code = "import sys, fmnist_fast as ff; print(len(ff.load_files(sys.argv[1])))"
    for pattern, n in {
        "data/**": 8,
        "data/**/*-images-idx3-ubyte": 8,
        "**/part?-images*": 8,
        "**/**/sub/**/*": 5,
        "link/**/*": 8,
        "data/x/*-images-idx3*": 3,
        f"{tmp_path}/**/*": 8,
    }.items():
        command = [sys.executable, "-c", code, pattern]
        options = {"capture_output": True, "text": True, "timeout": 10}
        done = subprocess.run(command, cwd=tmp_path, check=True, **options)
        assert int(done.stdout) == n, pattern


@pytest.mark.parametrize("pattern", ["**/", "data/**/", "data/**/**/"])
def test_stars_before_a_separator_match_folders_only(tmp_path, monkeypatch, pattern):
    write(tmp_path / "data", 0, 3)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="found no image file that matches"):
        ff.load_files(pattern)


def test_numbers_of_any_length_are_sorted_by_value(monkeypatch):
    stems = ["1" + "0" * 5000, "02", "0", "9" * 5000, "10", "9", "a10", "a2"]
    names = [f"{stem}-images-idx3" for stem in stems]
    monkeypatch.setattr("fmnist_fast._download.urls.find", lambda pattern: names[::-1])
    found = [path.removesuffix("-images-idx3") for path in _matching("http://a/*")]
    assert found == [*("0", "02", "9", "10"), stems[3], stems[0], "a2", "a10"]


def test_a_file_alone(folder):
    images, _ = write(folder, 0)
    path = folder / "part0-images-idx3-ubyte"
    for source in (path, [path]):
        assert np.array_equal(np.asarray(ff.load_files(source).images), images)


def test_plain_files_come_before_gzip(folder):
    write(folder, 0, suffix=".gz", seed=1)
    images, labels = write(folder, 0)
    dataset = load(folder)
    assert np.array_equal(np.asarray(dataset.images), images)
    assert np.array_equal(dataset.labels, labels)


def test_names_with_a_dot(folder):
    images, _ = write(folder, 0)
    for kind in ("images-idx3", "labels-idx1"):
        old = folder / f"part0-{kind}-ubyte"
        old.rename(folder / f"t.{kind.replace('-', '.')}-ubyte")
    assert np.array_equal(np.asarray(ff.load_files(folder / "t.*").images), images)


def base_of(array):
    """Return the object that owns the memory of an array."""
    while isinstance(array, np.ndarray):
        array = array.base
    return getattr(array, "obj", array)


def test_files_are_mapped_read_only_and_closed(folder, written, cache):
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    dataset = load(folder)
    if before:
        assert len(os.listdir("/proc/self/fd")) == before
    for part in dataset.images.parts:
        assert isinstance(base_of(part), _core.FileMap)
        assert not part.flags.writeable
    assert not dataset.labels.flags.writeable
    assert list((cache / "decoded").iterdir())
    assert load(folder).fingerprint == dataset.fingerprint  # from the decoded copy


def test_without_a_cache_compressed_files_are_in_memory(
    folder, written, cache, monkeypatch
):
    dataset = load(folder, cache=False)
    assert not isinstance(base_of(dataset.images.parts[1]), _core.FileMap)
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    assert load(folder).fingerprint == dataset.fingerprint
    assert not cache.exists()


def test_only_the_rows_of_a_batch_are_read(folder):
    """A sparse file has 39 GB of images, more than fit in memory."""
    n, side = 500_000, 280
    folder.mkdir()
    with open(folder / "x-images-idx3-ubyte", "wb") as file:
        file.write(idx.header_of(np.dtype(np.uint8), (n, side, side)))
        file.truncate(16 + n * side * side)
    ff.write_idx(folder / "x-labels-idx1-ubyte", np.zeros(n, np.uint8))
    dataset = load(folder)
    options = {"shuffle": True, "shuffle_block": 1, "normalize": None}
    for k, (images, _) in enumerate(ff.Loader(dataset, 2, prefetch=1, **options)):
        assert not images.any()
        if k == 5:
            break
    assert dataset.images.size == n * side * side
    assert len(dataset.select(slice(n // 2, None))) == n // 2


def test_an_empty_dataset(folder):
    write(folder, 0, 0)
    dataset = load(folder)
    assert len(dataset) == 0 and list(ff.Loader(dataset, shuffle=True)) == []


class Pages:
    """The pages of a mapped part, as Linux sees them."""

    def __init__(self, part):
        begin = part.ctypes.data // mmap.PAGESIZE * mmap.PAGESIZE
        self.n = -(-(part.ctypes.data + part.nbytes - begin) // mmap.PAGESIZE)
        self.where = ctypes.c_void_p(begin), ctypes.c_size_t(self.n * mmap.PAGESIZE)

    def ask(self, call, argument):
        """Run a system call on the pages."""
        if getattr(ctypes.CDLL(None, use_errno=True), call)(*self.where, argument):
            raise OSError(ctypes.get_errno(), call)

    def in_memory(self):
        """Return, for each page, whether it is in memory."""
        pages = (ctypes.c_ubyte * self.n)()
        self.ask("mincore", pages)
        return np.frombuffer(pages, np.uint8) & 1

    def forget(self, path):
        """Drop the pages from memory, and let each fault read one page only."""
        self.ask("madvise", mmap.MADV_DONTNEED)
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self.ask("madvise", mmap.MADV_RANDOM)


@pytest.mark.skipif(sys.platform != "linux", reason="requires mincore of Linux")
@pytest.mark.parametrize("block", [8, None])
def test_blocks_are_read_ahead(folder, block):
    """Each of eight block groups is in memory soon after the one before has begun."""
    n, nbytes, n_in_group = 8 * 64 * 8, 64 * 64, 64 * 8
    write(folder, 0, n, sides=(64, 64))
    dataset = load(folder)
    options = {"shuffle": True, "shuffle_block": block, "normalize": None}
    loader = ff.Loader(dataset, 16, threads=1, prefetch=1, **options)
    pages = Pages(dataset.images.parts[0])
    pages.forget(folder / "part0-images-idx3-ubyte")
    if pages.in_memory().mean() > 0.01:
        pytest.skip("the file system keeps files in memory")
    page_of_position = 16 + _core.order(n, block=block or 0).astype(int) * nbytes
    page_of_position //= mmap.PAGESIZE
    batches = iter(loader)
    for k in range(3):
        for _ in range(1 if k == 0 else n_in_group // 16):
            next(batches)
        pages_of_group = page_of_position[k * n_in_group : (k + 1) * n_in_group]
        for _ in range(20):  # reading ahead runs in the background
            in_memory = pages.in_memory()
            if in_memory[pages_of_group].all():
                break
            time.sleep(0.05)
        assert in_memory[pages_of_group].all() == (block is not None)
        assert in_memory.mean() < (k + 2) / 8


# ---- cards, classes and pickles ----------------------------------------------------


def test_the_card_and_the_classes(folder, written):
    card = {"name": "letters", "classes": ["a", "b", "c"], "synthetic": True}
    (folder / "dataset.json").write_text(json.dumps(card))
    dataset = load(folder)
    assert (dataset.name, dataset.classes) == ("letters", ("a", "b", "c"))
    assert dataset.synthetic and dataset.title == "letters (SYNTHETIC)"
    assert load(folder, classes=["x", "y", "z"]).classes == ("x", "y", "z")


def test_cards_that_differ(tmp_path):
    for k in (1, 2):
        write(tmp_path / f"{k}", 0)
    (tmp_path / "2" / "dataset.json").write_text('{"name": "other"}')
    with pytest.raises(
        FormatError, match=r"must be the same in all folders .* got diff"
    ):
        ff.load_files(tmp_path / "*" / "*idx3*")


def test_a_pickle_whose_folder_is_now_a_file_says_what_it_needs(folder, written):
    content = pickle.dumps(load(folder))
    folder.rename(folder.with_name("elsewhere"))
    folder.write_text("")
    with pytest.raises(FileNotFoundError, match="needs this file, which was not found"):
        pickle.loads(content)


def test_pickles_contain_only_paths(folder, written):
    dataset = load(folder, classes=["x", "y", "z"]).with_format("pil")
    content = pickle.dumps(dataset)
    assert len(content) < 2000
    again = pickle.loads(content)
    assert again.fingerprint == dataset.fingerprint
    assert (again.classes, again.format) == (dataset.classes, "pil")
    assert pickle.loads(pickle.dumps(ff.Loader(dataset, 4, shuffle=True)))
    write(folder, 10, 45, seed=5)
    with pytest.raises(
        FormatError, match=r"have changed since the dataset 'arrays' was pickled"
    ):
        pickle.loads(content)


def test_replacing_a_file_does_not_change_the_dataset(folder):
    images, _ = write(folder, 0)
    dataset = load(folder)
    write(folder, 0, seed=3)  # writes a new file and renames it
    assert np.array_equal(np.asarray(dataset.images), images)


def test_more_files_than_open_handles(folder):
    """The files outnumber the handles that a process may open."""
    if sys.platform == "win32":
        pytest.skip("handles are limited by POSIX's setrlimit")
    for k in range(80):
        write(folder, k, 3, suffix=".gz" * (k % 2))
    code = """
        import resource, sys
        import fmnist_fast as ff
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        for _ in range(2):  # the second pass loads decoded copies
            dataset = ff.load_files(sys.argv[1])
            assert sum(len(x) for x, _ in ff.Loader(dataset, 7, shuffle=True)) == 240
    """
    pattern = str(folder / "*idx3*")
    words = [sys.executable, "-c", textwrap.dedent(code), pattern]
    process = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (process.returncode, process.stderr) == (0, "")


# ---- invalid arguments and files ---------------------------------------------------


def test_no_file_matches(folder):
    folder.mkdir()
    (folder / "notes").touch()
    (folder / "a-images-idx3-ubyte.gz").touch()
    (folder / "a-labels-idx1-ubyte.gz").touch()
    for source, problem in (
        (folder / "b*", "found no image file that matches"),
        (folder / "*-labels*", "found no image file that matches"),
        (folder, r"source must be files or a pattern, got a folder. Pass .*\*"),
        (folder / "*-ubyte", r"found no .*\. Pass .*-ubyte\.gz, which matches"),
    ):
        with pytest.raises(FileNotFoundError, match=rf": {problem}\.\nThe name of an"):
            ff.load_files(source)


def test_missing_labels(folder):
    write(folder, 0)
    (folder / "part0-labels-idx1-ubyte").unlink()
    message = r"part0-images-idx3-ubyte: part0-labels-idx1-ubyte or .* must be in"
    with pytest.raises(FileNotFoundError, match=message):
        load(folder)


def test_invalid_sequences(folder):
    write(folder, 0)
    path = folder / "part0-images-idx3-ubyte"
    with pytest.raises(FileNotFoundError, match=r"part7.*: found no such image file"):
        ff.load_files([folder / "part7-images-idx3-ubyte"])
    with pytest.raises(
        ValueError, match=r"image file must contain images-idx3, got .*x"
    ):
        ff.load_files([folder / "x"])
    with pytest.raises(ValueError, match=r"must name each file once, got .* twice"):
        ff.load_files([path, str(path)])
    with pytest.raises(ValueError, match=r"must name at least one file, got none"):
        ff.load_files([])
    for source in (7, b"path", {path}, {path: 1}.keys()):
        with pytest.raises(TypeError, match=r"must be a pattern, a path or a sequence"):
            ff.load_files(source)


DAMAGES = {
    "short": (lambda content: content[:-3], r"part1-images.*: truncated: the data"),
    "long": (lambda content: content + b"x", r"part1-images.*: trailing bytes: the"),
    "header": (lambda content: content[:7], r"part1-images.*: the file ends inside"),
    "empty": (lambda content: b"", r"part1-images.*: is an empty file"),
    "magic": (lambda content: b"x" + content, r"part1-images.*: an IDX file must"),
    "kind": (
        lambda content: bytes([0, 0, 0x0D, 1, 0, 0, 0, 2]) + bytes(8),
        r"part1-images.*: images must be uint8 with 3 dimensions, got .*f4 \(2,\)",
    ),
    "dimensions": (
        lambda content: bytes([0, 0, 8, 70]) + b"\0\0\0\1" * 70 + b"x",
        r"part1-images.*: a numpy array must have at most 64 dimensions, got 70",
    ),
}


@pytest.mark.parametrize("damage, message", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_damaged_files_are_named(folder, damage, message, suffix):
    write(folder, 0)
    write(folder, 1)
    path = folder / "part1-images-idx3-ubyte"
    content = damage(path.read_bytes())
    path.unlink()
    if suffix:
        content = gzip.compress(content)
        message = message.replace(".*f4", "float32")
    path.with_name(path.name + suffix).write_bytes(content)
    with pytest.raises(FormatError, match=message):
        load(folder)


def test_images_of_different_sizes(folder):
    write(folder, 0)
    write(folder, 1, sides=(5, 6))
    message = (
        r"part1.* must be of size \(6, 5\), got \(5, 6\)\.\n.*part0.* has \(6, 5\)"
    )
    with pytest.raises(FormatError, match=message):
        load(folder)


def test_images_and_labels_of_different_lengths(folder):
    write(folder, 0)
    ff.write_idx(folder / "part0-labels-idx1-ubyte", np.zeros(19, np.uint8))
    with pytest.raises(FormatError, match=r"must have 20 labels, .* of .*, got 19$"):
        load(folder)


def test_labels_out_of_range_name_their_file(folder):
    write(folder, 0)
    write(folder, 1)
    ff.write_idx(folder / "part1-labels-idx1-ubyte", np.full(20, 3, np.uint8))
    message = r"part1-labels-idx1-ubyte: labels must be in 0\.\.2, one .* got 3 to 3"
    with pytest.raises(FormatError, match=message):
        load(folder, classes=["a", "b", "c"])
    ff.write_idx(folder / "part1-labels-idx1-ubyte", np.full(20, -1, np.int8))
    with pytest.raises(FormatError, match=r"part1.*: labels must not be negative"):
        load(folder)


def test_an_empty_file_can_not_be_mapped(tmp_path):
    path = tmp_path / "empty"
    path.touch()
    with open(path, "rb") as file:
        with pytest.raises(ValueError, match=r"an empty file can't be mapped"):
            _core.FileMap(file.fileno(), 0, "empty")
    with pytest.raises(OSError):
        _core.FileMap(10**6, 5, "missing")
