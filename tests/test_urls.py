"""Files at URLs: found, fetched once, fetched again when they change, never half."""

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
pytest.importorskip("aiohttp")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FMNIST_FAST_OFFLINE", raising=False)
    return tmp_path / "cache" / "remote"


@pytest.fixture
def files(tmp_path):
    """The bytes of three pairs of files by name, compressed; all their images."""
    wanted, found = [], {}
    for k in (1, 2, 10):
        rng = np.random.default_rng(k)
        images = rng.integers(0, 256, (20 + k, 6, 5), dtype=np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", images[:, 0, 0])):
            path = tmp_path / f"part{k}-{kind}-ubyte.gz"
            ff.write_idx(path, array % 3 if kind.startswith("labels") else array)
            found[path.name] = path.read_bytes()
        wanted.append(images)
    return found, np.concatenate(wanted)


@pytest.fixture
def served(http, files):
    """A server of the files, and the URL of their folder, which lists them."""
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
    """The same in fsspec's memory."""
    system = fsspec.filesystem("memory")
    for name, body in files[0].items():
        system.pipe(f"/data/{name}", body)
    yield system
    system.rm("/data", recursive=True)


def kept(cache):
    return sorted(path.name for path in cache.glob("*/*"))


@pytest.mark.parametrize("where", ["served", "memory"])
def test_a_pattern_is_found_fetched_and_kept(where, request, files, cache):
    found = request.getfixturevalue(where)
    url = found[1] if where == "served" else "memory://data"
    dataset = ff.load_files(f"{url}/*-images-idx3-ubyte.gz")
    assert np.array_equal(np.asarray(dataset.images), files[1])
    assert kept(cache) == sorted([*files[0], *(f"{name}.from" for name in files[0])])
    assert pickle.loads(pickle.dumps(dataset)).fingerprint == dataset.fingerprint
    if where == "served":
        bodies = [path for path, _ in found[0].asked if path.endswith(".gz")]
        again = ff.load_files(f"{url}/*-images-idx3-ubyte.gz")
        assert again.fingerprint == dataset.fingerprint
        assert len(bodies) <= 6 * 4  # is it there, which version, itself, and again


def test_a_sequence_of_urls_and_paths(served, files, tmp_path):
    _, url = served
    names = [
        f"{url}/part2-images-idx3-ubyte.gz",
        tmp_path / "part1-images-idx3-ubyte.gz",
    ]
    dataset = ff.load_files(names)
    assert [len(part) for part in dataset.images.parts] == [22, 21]


def test_a_card_is_fetched_too(memory):
    memory.pipe("/data/dataset.json", json.dumps({"classes": list("abc")}).encode())
    assert ff.load_files("memory://data/*idx3*").classes == ("a", "b", "c")


def test_a_changed_file_is_fetched_again(served, files):
    http, url = served
    name = "part1-images-idx3-ubyte.gz"
    before = urls.fetch(f"{url}/{name}").read_bytes()
    n_asked = len(http.asked)
    assert urls.fetch(f"{url}/{name}").read_bytes() == before
    assert len(http.asked) - n_asked <= 2  # its version alone
    http.serve(f"/data/{name}", content(before[::-1], etag='"2"'))
    assert urls.fetch(f"{url}/{name}").read_bytes() == before[::-1]


def test_a_damaged_copy_is_fetched_again(memory, files):
    name = "part1-images-idx3-ubyte.gz"
    path = urls.fetch(f"memory://data/{name}")
    path.write_bytes(b"short")
    assert urls.fetch(f"memory://data/{name}").read_bytes() == files[0][name]
    path.with_name(f"{name}.from").write_text("not JSON")
    assert urls.fetch(f"memory://data/{name}").read_bytes() == files[0][name]


# ---- a folder as root --------------------------------------------------------------


def test_load_takes_a_url_as_root(tmp_path, cache):
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
    with pytest.raises(ValueError, match=r"those of root are fetched without it, got"):
        ff.load("test", "memory://root", download=True)
    with pytest.raises(ValueError, match=r"root requires a dataset's name, got"):
        ff.load("test", "memory://root", name="/tmp")


# ---- failures ----------------------------------------------------------------------


def test_nothing_matches(served):
    _, url = served
    with pytest.raises(FileNotFoundError, match=r"must match http.*, but nothing does"):
        ff.load_files(f"{url}/x*-images-idx3-ubyte")
    with pytest.raises(FileNotFoundError, match=r"http://.*: there is no such file"):
        urls.fetch(f"{url}/x")


def test_labels_that_are_missing(memory):
    memory.rm("/data/part2-labels-idx1-ubyte.gz")
    wanted = r"memory:///?data/part2-images.* is there, but part2-labels-idx1-ubyte or "
    with pytest.raises(FileNotFoundError, match=wanted):
        ff.load_files("memory://data/*idx3*")


def test_a_server_that_fails_midway_leaves_nothing(served, files, cache):
    http, url = served
    name = "part1-images-idx3-ubyte.gz"
    body = files[0][name]
    http.serve(f"/data/{name}", content(body, cut=50, etag='"1"'))
    for _ in range(2):
        with pytest.raises(DownloadError, match=rf"{name} can't be fetched: "):
            urls.fetch(f"{url}/{name}")
        assert kept(cache) == []
    http.serve(f"/data/{name}", content(body, etag='"1"'))
    assert urls.fetch(f"{url}/{name}").read_bytes() == body


def test_a_failed_replacement_leaves_the_old_copy_unknown(served, files, cache):
    """Nothing says of the old bytes that they are the new version."""
    http, url = served
    name = "part1-images-idx3-ubyte.gz"
    body = files[0][name]
    path = urls.fetch(f"{url}/{name}")
    http.serve(f"/data/{name}", content(body[::-1], cut=50, etag='"2"'))
    with pytest.raises(DownloadError, match="can't be fetched"):
        urls.fetch(f"{url}/{name}")
    assert path.read_bytes() == body and kept(cache) == [name]


def test_a_file_that_changes_meanwhile(http, cache):
    versions = iter(range(100))

    def answer(handler):
        content(b"abc", etag=f'"{next(versions)}"')(handler)

    url = http.serve("/file", answer)
    with pytest.raises(DownloadError, match=r"/file changed while it was fetched: try"):
        urls.fetch(url)
    assert kept(cache) == []


def test_a_size_that_is_not_the_one_announced(memory, monkeypatch, cache):
    system = type(memory)
    whole = system.info

    def info(self, path, **options):
        return whole(self, path, **options) | {"size": 10**6}

    monkeypatch.setattr(system, "info", info)
    with pytest.raises(DownloadError, match=r"gz ends after \d+ of 1000000 bytes"):
        urls.fetch("memory://data/part1-images-idx3-ubyte.gz")
    assert kept(cache) == []


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_server_that_has_no_such_file(http, code):
    url = http.serve("/file", status(code))
    with pytest.raises(FileNotFoundError, match=r"/file: there is no such file"):
        urls.fetch(url)
    assert urls.fetch_first([url]) is None


def test_a_server_that_is_broken_is_not_one_without_the_file(http):
    url = http.serve("/broken", status(500))
    for call in (urls.fetch, lambda url: urls.fetch_first([url])):
        with pytest.raises(DownloadError, match=r"/broken can't be fetched: .*500"):
            call(url)
    with pytest.raises(
        DownloadError, match=r"http://127\.0\.0\.1:1/x can't be fetched"
    ):
        urls.fetch("http://127.0.0.1:1/x")


def test_what_the_server_no_longer_has_is_forgotten(memory, files, cache):
    """A plain file of labels goes before its .gz, and so must not stay."""
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
def test_what_a_server_refuses_stays(http, files, code, monkeypatch):
    """A key that has expired must not cost what is kept."""
    for kind in ("images-idx3", "labels-idx1"):
        body = content(files[0][f"part1-{kind}-ubyte.gz"], etag='"1"')
        http.serve(f"/data/train-{kind}-ubyte.gz", body)
    http.serve("/data/dataset.json", content(b'{"name": "mine"}', etag='"1"'))
    before = ff.load("train", f"{http.base}/data")
    http.routes = {"*": status(code)}
    with pytest.raises(FileNotFoundError, match=r"there is no train-images.* in http"):
        ff.load("train", f"{http.base}/data")
    monkeypatch.setenv("FMNIST_FAST_OFFLINE", "1")
    after = ff.load("train", f"{http.base}/data")
    assert after.fingerprint == before.fingerprint and after.name == "mine"


def test_offline_what_is_kept_is_used(served, monkeypatch):
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


def test_memory_is_no_network(memory, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_OFFLINE", "1")
    assert len(ff.load_files("memory://data/*idx3*")) == 73


def test_without_a_cache_folder(memory, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    with pytest.raises(FileNotFoundError, match=r"nowhere to keep memory://.*is off"):
        ff.load_files("memory://data/*idx3*")
    with pytest.raises(FileNotFoundError, match=r"nowhere to keep memory://.*is off"):
        ff.load("train", "memory://data")


@pytest.mark.parametrize("url", ["memory://data/", "memory://data/.hidden"])
def test_a_url_without_a_plain_name(url):
    with pytest.raises(ValueError, match=r"must end in the name of a file, of letters"):
        urls.fetch(url)


def test_an_unknown_protocol():
    with pytest.raises(ValueError, match=r"nosuch://x/y: .*nosuch"):
        urls.fetch("nosuch://x/y")


@pytest.mark.parametrize(
    "missing, wanted",
    [
        (
            "fsspec",
            r"http://x/y needs fsspec \(.*: pip install 'fmnist_fast\[remote\]'",
        ),
        ("aiohttp", r"http://x/y needs a package that is not installed .*\[remote\]'"),
    ],
)
def test_a_missing_package_says_how_to_get_it(missing, wanted):
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from fmnist_fast._download import urls\n"
        "urls.fetch('http://x/y')"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert re.search(f"ImportError: {wanted}", done.stderr)


def test_a_password_is_neither_shown_nor_kept(served, cache):
    http, url = served
    with_password = url.replace("://", "://somebody:s3cret@")
    name = "part1-images-idx3-ubyte.gz"
    dataset = ff.load_files(f"{with_password}/{name}")
    assert len(dataset) == 21 and "s3cret" not in dataset.source
    assert len(list(cache.rglob("*.from"))) == 2
    assert not any(b"s3cret" in path.read_bytes() for path in cache.rglob("*.*"))
    copy = next(cache.rglob(name)).stat().st_ino
    ff.load_files(f"{with_password}/{name}")
    assert next(cache.rglob(name)).stat().st_ino == copy
    http.serve("/data/part1-labels-idx1-ubyte.gz", status(404))
    http.serve("/data/part2-images-idx3-ubyte.gz", status(500))
    for wrong, words in (
        (f"{with_password}/{name}", r"\*\*\*@.*is there, but part1-labels"),
        (f"{with_password}/part3-images-idx3-ubyte", "there is no such file"),
        (f"{with_password}/part2-images-idx3-ubyte.gz", "can't be fetched"),
        (f"{with_password}/x-*-images-idx3-ubyte", "must match .*nothing does"),
        (f"{with_password}/.x-images-idx3-ubyte", "must end in the name"),
        ([f"{with_password}/x"], r"must have images-idx3 .*\*\*\*@"),
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
    with pytest.raises(FileNotFoundError, match=r"there is no .* in http://\*\*\*@127"):
        ff.load("train", root=folder)


# ---- what is wrong with a copy is said of its URL ------------------------------------


def test_a_file_that_is_damaged_there(memory):
    body = memory.cat("/data/part2-images-idx3-ubyte.gz")
    memory.pipe("/data/part2-images-idx3-ubyte.gz", body[:-9])
    url = r"memory:///?data/part2-images-idx3-ubyte\.gz"
    place = r"\(kept as /.*/cache/remote/\w+/part2-images-idx3-ubyte\.gz\)"
    with pytest.raises(ff.FormatError, match=rf"^{url} {place}: truncated"):
        ff.load_files("memory://data/*idx3*")


def test_files_there_that_do_not_go_together(memory):
    for k in (1, 2):
        memory.copy(
            f"/data/part10-{('labels-idx1', 'images-idx3')[k - 1]}-ubyte.gz",
            f"/data/part{k}-{('labels-idx1', 'images-idx3')[k - 1]}-ubyte.gz",
        )
    message = (
        r"memory:///?data/part1-images.* \(kept as .*\) has 21 images, but "
        r"memory:///?data/part1-labels.* \(kept as .*\) has 30 labels"
    )
    with pytest.raises(ff.FormatError, match=message):
        ff.load_files("memory://data/*idx3*")


def test_a_card_that_is_wrong_there(memory):
    memory.pipe("/data/dataset.json", b"[]")
    message = r"^memory:///?data/dataset.json \(kept as .*\): not a dataset card: "
    with pytest.raises(ff.FormatError, match=message):
        ff.load_files("memory://data/*idx3*")


def test_folders_there_whose_cards_differ(memory):
    for name in ("images-idx3", "labels-idx1"):
        name = f"part1-{name}-ubyte.gz"
        memory.copy(f"/data/{name}", f"/data/more/{name}")
    memory.pipe("/data/more/dataset.json", b'{"name": "more"}')
    images = "part1-images-idx3-ubyte.gz"
    message = r"of memory:///?data \(kept in .*\) and memory:///?data/more \(kept in .*"
    with pytest.raises(ff.FormatError, match=message):
        ff.load_files([f"memory://data/{images}", f"memory://data/more/{images}"])


def test_a_root_with_other_files(served):
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
    message = rf"/own/train-images.* \(kept as .* has 60 images, but {http.base}/own"
    with pytest.raises(ff.FormatError, match=message):
        ff.load("train", f"{http.base}/own")


def test_files_that_are_no_copies_keep_their_names(tmp_path):
    path = tmp_path / "a-images-idx3-ubyte"
    path.write_bytes(b"\0\0\x08\x03")
    path.with_name("a-labels-idx1-ubyte").write_bytes(b"")
    path.with_name(f"{path.name}.from").write_text("not JSON")
    with pytest.raises(ff.FormatError, match=rf"^{re.escape(str(path))} \(starts"):
        ff.load_files(path)


def idx_bytes(array):
    sides = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sides + array.tobytes()
