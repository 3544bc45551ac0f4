"""Files at URLs: they are found, downloaded once, and again when they change."""

import gzip
import json
import pickle
import re
import subprocess
import sys
import traceback

import numpy as np
import pytest
from helpers.server import content, status

import fmnist_fast as ff
from fmnist_fast._download import urls
from fmnist_fast.errors import DownloadError

fsspec = pytest.importorskip("fsspec")
pytestmark = pytest.mark.usefixtures("downloads")


@pytest.fixture
def files(tmp_path):
    """Return the bytes of three pairs of gzip files by name, and all their images."""
    all_images, bodies = [], {}
    for k in (1, 2, 10):
        rng = np.random.default_rng(k)
        images = rng.integers(0, 256, (20 + k, 6, 5), dtype=np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", images[:, 0, 0])):
            path = tmp_path / f"part{k}-{kind}-ubyte.gz"
            ff.write_idx(path, array % 3 if kind.startswith("labels") else array)
            bodies[path.name] = path.read_bytes()
        all_images.append(images)
    return bodies, np.concatenate(all_images)


@pytest.fixture
def served(http, files):
    """Return a server of the files, and the URL of their folder, which lists them."""
    for name, body in files[0].items():
        http.serve(f"/data/{name}", content(body, etag='"1"'))
    list_folder(http, files[0])
    return http, f"{http.base}/data"


def list_folder(http, names):
    links = "".join(f'<a href="{name}">{name}</a>\n' for name in names)
    page = f"<html><body>{links}</body></html>".encode()
    http.serve("/data/", content(page, **{"Content-Type": "text/html"}))


@pytest.fixture
def memory(files):
    """Return fsspec's file system in memory, with the files."""
    system = fsspec.filesystem("memory")
    for name, body in files[0].items():
        system.pipe(f"/data/{name}", body)
    yield system
    system.rm("/data", recursive=True)


def kept(folder):
    """Return the names of all downloaded files, without unfinished ones."""
    names = (path.name for path in folder.glob("*/*"))
    return sorted(name for name in names if not name.endswith(".fetching"))


@pytest.mark.parametrize("where", ["served", "memory"])
def test_files_of_a_pattern_are_downloaded_and_kept(where, request, files, downloads):
    source = request.getfixturevalue(where)
    url = source[1] if where == "served" else "memory://data"
    dataset = ff.load_files(f"{url}/*-images-idx3-ubyte.gz")
    assert np.array_equal(np.asarray(dataset.images), files[1])
    assert kept(downloads) == sorted(
        [*files[0], *(f"{name}.from" for name in files[0])]
    )
    assert pickle.loads(pickle.dumps(dataset)).fingerprint == dataset.fingerprint
    if where == "served":
        paths = [path for path, _ in source[0].asked if path.endswith(".gz")]
        again = ff.load_files(f"{url}/*-images-idx3-ubyte.gz")
        assert again.fingerprint == dataset.fingerprint
        assert len(paths) == 6  # one request for each file


def test_a_sequence_of_urls_and_paths(served, files, tmp_path):
    _, url = served
    names = [
        f"{url}/part2-images-idx3-ubyte.gz",
        tmp_path / "part1-images-idx3-ubyte.gz",
    ]
    dataset = ff.load_files(names)
    assert [len(part) for part in dataset.images.parts] == [22, 21]


def test_a_card_is_downloaded_too(memory):
    memory.pipe("/data/dataset.json", json.dumps({"classes": list("abc")}).encode())
    assert ff.load_files("memory://data/*idx3*").classes == ("a", "b", "c")


def test_a_changed_file_is_downloaded_again(served, files):
    http, url = served
    name = "part1-images-idx3-ubyte.gz"
    before = urls.fetch(f"{url}/{name}").read_bytes()
    assert len(http.asked) == 1
    n_asked = len(http.asked)
    assert urls.fetch(f"{url}/{name}").read_bytes() == before
    assert len(http.asked) - n_asked == 1
    assert http.asked[-1][1]["If-None-Match"] == '"1"'
    http.serve(f"/data/{name}", content(before[::-1], etag='"2"'))
    assert urls.fetch(f"{url}/{name}").read_bytes() == before[::-1]


def test_a_damaged_copy_is_downloaded_again(memory, files):
    name = "part1-images-idx3-ubyte.gz"
    path = urls.fetch(f"memory://data/{name}")
    path.write_bytes(b"short")
    assert urls.fetch(f"memory://data/{name}").read_bytes() == files[0][name]
    path.with_name(f"{name}.from").write_text("not JSON")
    assert urls.fetch(f"memory://data/{name}").read_bytes() == files[0][name]


# ---- a folder as root --------------------------------------------------------------


def test_load_takes_a_url_as_root(tmp_path, downloads):
    system = fsspec.filesystem("memory")
    for name, array in (
        ("t10k-images-idx3-ubyte", np.full((4, 3, 2), 9, np.uint8)),
        ("t10k-labels-idx1-ubyte", np.arange(4, dtype=np.uint8)),
    ):
        ff.write_idx(tmp_path / name, array)
        system.pipe(f"/root/{name}", (tmp_path / name).read_bytes())
    card = json.dumps({"name": "nines", "classes": list("abcd")})
    system.pipe("/root/dataset.json", card.encode())
    try:
        dataset = ff.load("test", "memory://root/")
        assert (dataset.name, len(dataset)) == ("nines", 4)
        with pytest.raises(FileNotFoundError, match=r"no train-images-idx3-ubyte or "):
            ff.load("train", "memory://root")
    finally:
        system.rm("/root", recursive=True)


def test_root_and_other_arguments():
    with pytest.raises(ValueError, match=r"download requires root to be a folder, got"):
        ff.load("test", "memory://root", download=True)
    with pytest.raises(ValueError, match=r"root requires a dataset's name, got"):
        ff.load("test", "memory://root", name="/tmp")


# ---- failures ----------------------------------------------------------------------


def test_nothing_matches(served):
    _, url = served
    with pytest.raises(
        FileNotFoundError, match=r"http.*: found no image file that mat"
    ):
        ff.load_files(f"{url}/x*-images-idx3-ubyte")
    with pytest.raises(FileNotFoundError, match=r"http://.*: no such file"):
        urls.fetch(f"{url}/x")


def test_labels_that_are_missing(memory):
    memory.rm("/data/part2-labels-idx1-ubyte.gz")
    text = r"memory:///?data/part2-images.*: part2-labels-idx1-ubyte or .* must be in"
    with pytest.raises(FileNotFoundError, match=text):
        ff.load_files("memory://data/*idx3*")


def test_a_server_that_fails_midway_leaves_nothing(served, files, downloads):
    http, url = served
    name = "part1-images-idx3-ubyte.gz"
    body = files[0][name]
    http.serve(f"/data/{name}", content(body, cut=50, etag='"1"'))
    for _ in range(2):
        with pytest.raises(DownloadError, match=rf"{name}: could not be fetched: "):
            urls.fetch(f"{url}/{name}")
        assert kept(downloads) == []
    http.serve(f"/data/{name}", content(body, etag='"1"'))
    assert urls.fetch(f"{url}/{name}").read_bytes() == body


def test_a_failed_replacement_leaves_the_old_copy(served, files, downloads):
    """The old bytes must not count as the new version."""
    http, url = served
    name = "part1-images-idx3-ubyte.gz"
    body = files[0][name]
    path = urls.fetch(f"{url}/{name}")
    http.serve(f"/data/{name}", content(body[::-1], cut=50, etag='"2"'))
    with pytest.raises(DownloadError, match="could not be fetched"):
        urls.fetch(f"{url}/{name}")
    assert path.read_bytes() == body and kept(downloads) == [name, f"{name}.from"]
    http.serve(f"/data/{name}", content(body[::-1], etag='"2"'))
    assert urls.fetch(f"{url}/{name}").read_bytes() == body[::-1]


def test_a_store_whose_file_changes_during_the_download(memory, monkeypatch, downloads):
    versions, true_info = iter(range(100)), type(memory).info

    def info(self, path, **options):
        return true_info(self, path, **options) | {"etag": next(versions)}

    monkeypatch.setattr(type(memory), "info", info)
    with pytest.raises(DownloadError, match=r"ubyte\.gz: .* the file changed while"):
        urls.fetch("memory://data/part1-images-idx3-ubyte.gz")
    assert kept(downloads) == []


def test_a_size_that_differs_from_the_announced_size(memory, monkeypatch, downloads):
    system = type(memory)
    true_info = system.info

    def info(self, path, **options):
        return true_info(self, path, **options) | {"size": 10**6}

    monkeypatch.setattr(system, "info", info)
    with pytest.raises(DownloadError, match=r"only \d+ of 1000000 bytes"):
        urls.fetch("memory://data/part1-images-idx3-ubyte.gz")
    assert kept(downloads) == []


def test_files_that_the_server_has_deleted_are_deleted_here(memory, files, downloads):
    """A plain label file has priority over its .gz, so that it must not stay."""
    name = "part1-labels-idx1-ubyte"
    plain = gzip.decompress(files[0][f"{name}.gz"])
    memory.pipe(f"/data/{name}", plain[:-1] + b"\x07")
    memory.pipe("/data/dataset.json", b'{"name": "old"}')
    dataset = ff.load_files("memory://data/*idx3*")
    assert (dataset.labels.max(), dataset.name) == (7, "old")
    memory.rm(f"/data/{name}")
    memory.rm("/data/dataset.json")
    dataset = ff.load_files("memory://data/*idx3*")
    assert (dataset.labels.max(), dataset.name) == (2, None)


@pytest.mark.parametrize("code", [403, 404])
def test_files_that_a_server_refuses_are_kept(http, files, code, monkeypatch):
    """An expired key must not delete the downloaded files."""
    for kind in ("images-idx3", "labels-idx1"):
        body = content(files[0][f"part1-{kind}-ubyte.gz"], etag='"1"')
        http.serve(f"/data/train-{kind}-ubyte.gz", body)
    http.serve("/data/dataset.json", content(b'{"name": "mine"}', etag='"1"'))
    before = ff.load("train", f"{http.base}/data")
    http.routes = {"*": status(code)}
    with pytest.raises(FileNotFoundError, match=r"^http.*: found no train-images"):
        ff.load("train", f"{http.base}/data")
    monkeypatch.setenv("FMNIST_FAST_OFFLINE", "1")
    after = ff.load("train", f"{http.base}/data")
    assert after.fingerprint == before.fingerprint and after.name == "mine"


def test_offline_the_downloaded_files_are_used(served, monkeypatch):
    http, url = served
    path = f"{url}/part1-images-idx3-ubyte.gz"
    fingerprint = ff.load_files([path]).fingerprint
    monkeypatch.setenv("FMNIST_FAST_OFFLINE", "1")
    n_asked = len(http.asked)
    assert ff.load_files([path]).fingerprint == fingerprint
    refused = r"FMNIST_FAST_OFFLINE is set, so http://.* is not fetched"
    with pytest.raises(DownloadError, match=refused):
        ff.load_files(f"{url}/*idx3*")
    with pytest.raises(DownloadError, match=refused):
        urls.fetch(f"{url}/part2-images-idx3-ubyte.gz")
    with pytest.raises(DownloadError, match=refused):
        ff.load("train", url)
    assert len(http.asked) == n_asked


def test_the_file_system_in_memory_works_offline(memory, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_OFFLINE", "1")
    assert len(ff.load_files("memory://data/*idx3*")) == 73


def test_without_a_cache_folder(memory, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    with pytest.raises(FileNotFoundError, match=r"memory://.*: there is no .* is off"):
        ff.load_files("memory://data/*idx3*")
    with pytest.raises(FileNotFoundError, match=r"memory://.*: there is no .* is off"):
        ff.load("train", "memory://data")


@pytest.mark.parametrize("url", ["memory://data/", "memory://data/.hidden"])
def test_a_url_without_a_plain_name(url):
    with pytest.raises(ValueError, match=r"must end in a file name of letters"):
        urls.fetch(url)


def test_an_unknown_protocol():
    with pytest.raises(ValueError, match=r"nosuch://x/y: .*nosuch"):
        urls.fetch("nosuch://x/y")


@pytest.mark.parametrize(
    "missing, call",
    [
        ("fsspec", "find('memory://x/*')"),
        ("fsspec", "fetch('memory://x/y')"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(missing, call):
    done = run_without([missing], f"urls.{call}")
    message = r"memory://x/. requires a package that is not .*\n.*\[remote\]'"
    assert re.search(f"ImportError: {message}", done.stderr)


def test_a_file_over_http_needs_no_package(served):
    name = "part1-images-idx3-ubyte.gz"
    call = f"print(urls.fetch(urls.find('{served[1]}/*1-images*')[0]).name)"
    done = run_without(["fsspec", "aiohttp"], call)
    assert done.stdout == f"{name}\n", done.stderr


def run_without(packages, call):
    """Run a call in a new process, in which these packages can't be imported."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({packages!r}))\n"
        f"from fmnist_fast._download import urls\n{call}"
    )
    words = [sys.executable, "-c", code]
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


def test_a_password_is_neither_shown_nor_saved(served, downloads):
    http, url = served
    with_password = url.replace("://", "://somebody:s3cret@")
    name = "part1-images-idx3-ubyte.gz"
    dataset = ff.load_files(f"{with_password}/{name}")
    assert len(dataset) == 21 and "s3cret" not in dataset.source
    assert len(list(downloads.rglob("*.from"))) == 2
    assert not any(b"s3cret" in path.read_bytes() for path in downloads.rglob("*.*"))
    copy = next(downloads.rglob(name)).stat().st_ino
    ff.load_files(f"{with_password}/{name}")
    assert next(downloads.rglob(name)).stat().st_ino == copy
    http.serve("/data/part1-labels-idx1-ubyte.gz", status(404))
    http.serve("/data/part2-images-idx3-ubyte.gz", status(500))
    for wrong, words in (
        (f"{with_password}/{name}", r"\*\*\*@.*: part1-labels.* must be in"),
        (f"{with_password}/part3-images-idx3-ubyte", "no such file"),
        (f"{with_password}/part2-images-idx3-ubyte.gz", "could not be fetched"),
        (f"{with_password}/x-*-images-idx3-ubyte", "found no image file that matches"),
        (f"{with_password}/.x-images-idx3-ubyte", "must end in a file name"),
        (f"{with_password}/{name}?key=s3cret", "a file name, got a query after it"),
        ([f"{with_password}/x"], r"must contain images-idx3.*\*\*\*@"),
        ([f"{with_password}/{name}"] * 2, "each file once"),
        ("no://somebody:s3cret@x/images-idx3", "no://"),
    ):
        with pytest.raises((OSError, ValueError), match=words) as error:
            ff.load_files(wrong)
        assert "s3cret" not in "".join(traceback.format_exception(error.value))


def test_a_password_of_a_folder_is_not_shown(served):
    folder = served[1].replace("://", "://somebody:s3cret@")
    with pytest.raises(ValueError, match=r"got root='http://\*\*\*@127"):
        ff.load("train", root=folder, download=True)
    with pytest.raises(FileNotFoundError, match=r"^http://\*\*\*@127.*: found no "):
        ff.load("train", root=folder)


# ---- messages about a copy name its URL ----------------------------------------------


def test_a_damaged_file_at_a_url(memory):
    body = memory.cat("/data/part2-images-idx3-ubyte.gz")
    memory.pipe("/data/part2-images-idx3-ubyte.gz", body[:-9])
    url = r"memory:///?data/part2-images-idx3-ubyte\.gz"
    place = r"\(kept as /.*/cache/remote/\w+/part2-images-idx3-ubyte\.gz\)"
    with pytest.raises(ff.FormatError, match=rf"^{url} {place}: truncated"):
        ff.load_files("memory://data/*idx3*")


def test_images_and_labels_at_urls_that_differ_in_number(memory):
    for k in (1, 2):
        memory.copy(
            f"/data/part10-{('labels-idx1', 'images-idx3')[k - 1]}-ubyte.gz",
            f"/data/part{k}-{('labels-idx1', 'images-idx3')[k - 1]}-ubyte.gz",
        )
    message = (
        r"memory:///?data/part1-labels.* \(kept as .*\): must have 21 labels, .* of "
        r"memory:///?data/part1-images.* \(kept as .*\), got 30$"
    )
    with pytest.raises(ff.FormatError, match=message):
        ff.load_files("memory://data/*idx3*")


def test_a_broken_card_at_a_url(memory):
    memory.pipe("/data/dataset.json", b"[]")
    message = r"^memory:///?data/dataset.json \(kept as .*\): not a dataset card: "
    with pytest.raises(ff.FormatError, match=message):
        ff.load_files("memory://data/*idx3*")


def test_folders_at_urls_with_different_cards(memory):
    for name in ("images-idx3", "labels-idx1"):
        name = f"part1-{name}-ubyte.gz"
        memory.copy(f"/data/{name}", f"/data/more/{name}")
    memory.pipe("/data/more/dataset.json", b'{"name": "more"}')
    images = "part1-images-idx3-ubyte.gz"
    message = r"in memory:///?data \(kept in .*\) and memory:///?data/more \(kept in .*"
    with pytest.raises(ff.FormatError, match=message):
        ff.load_files([f"memory://data/{images}", f"memory://data/more/{images}"])


def test_a_root_without_the_published_files(served):
    http, _ = served
    shape = (60, 3, 3)
    for name, array in (
        ("train-images-idx3-ubyte", np.zeros(shape, np.uint8)),
        ("train-labels-idx1-ubyte", np.zeros(60, np.uint8)),
    ):
        http.serve(f"/own/{name}", content(idx_bytes(array)))
    words = rf"{http.base}/own/train-images.* \(kept as .*\) and {http.base}/own/train-"
    with pytest.warns(UserWarning, match=words) as caught:
        dataset = ff.load("train", f"{http.base}/own")
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=words):
        pickle.loads(pickle.dumps(dataset))
    http.serve("/own/train-labels-idx1-ubyte", content(idx_bytes(np.zeros(59, "u1"))))
    message = rf"/train-labels.* \(kept as .* have 60 labels, .* of {http.base}/own"
    with pytest.raises(ff.FormatError, match=message):
        ff.load("train", f"{http.base}/own")


@pytest.mark.parametrize("n", [300, 230])
def test_names_that_are_too_long(http, n):
    name = "9" * (n - 13) + "-images-idx3"
    list_folder(http, [name])
    with pytest.raises(DownloadError) as caught:
        ff.load_files(f"{http.base}/data/*")
    text = f"must have at most 200 characters, got {len(name)}"
    assert str(caught.value).endswith(text) and name in str(caught.value)


def test_local_files_are_not_mistaken_for_copies(tmp_path):
    path = tmp_path / "a-images-idx3-ubyte"
    path.write_bytes(b"\0\0\x08\x03")
    path.with_name("a-labels-idx1-ubyte").write_bytes(b"")
    path.with_name(f"{path.name}.from").write_text("not JSON")
    with pytest.raises(ff.FormatError, match=rf"^{re.escape(str(path))}: the file"):
        ff.load_files(path)


def idx_bytes(array):
    """Return an IDX file of uint8 items."""
    sides = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sides + array.tobytes()
