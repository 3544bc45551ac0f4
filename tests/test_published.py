"""Published files that are missing: load and the download command fetch them."""

import hashlib
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.dataset_files import EMNIST, N, images_of, write_published
from helpers.server import content, respond, status

import fmnist_fast as ff
from fmnist_fast._cli import main as cli
from fmnist_fast._download import transfer
from fmnist_fast._registry import datasets

# ---- requests for files ------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch):
    """Replace fetching: write made-up files, and return the list of requests."""
    asked = []

    def fetch(files, folder, *, progress=True):
        asked.append(([file.name for file in files], folder))
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / file.name for file in files]
        for path in paths:
            if path.suffix == ".zip":
                write_emnist_zip(path)
            elif "images" in path.name:
                ff.write_idx(path, images_of())
            else:
                ff.write_idx(path, np.arange(N, dtype=np.uint8) % 10)
        return paths

    fake = types.ModuleType("fmnist_fast._download.fetch")
    fake.fetch = fetch
    monkeypatch.setitem(sys.modules, "fmnist_fast._download.fetch", fake)
    return asked


def write_emnist_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name in EMNIST:
            for part in datasets.DATASETS[name].splits.values():
                folder = path.parent / "inside"
                write_published(folder, part, np.ones(N, np.uint8))
                for stem in (part.images, part.labels):
                    archive.write(folder / f"{stem}.gz", f"gzip/{stem}.gz")


def test_a_failed_download_offers_the_synthetic_dataset(nowhere, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_OFFLINE", "1")
    offer = "Or draw a synthetic dataset in Python: train, test = ff.synthetic()"
    with pytest.raises(ff.DownloadError) as caught:
        ff.load("train", download=True)
    assert str(caught.value).splitlines()[-1] == offer
    with pytest.raises(ff.DownloadError) as caught:
        ff.load("train", name="mnist", download=True)
    assert "Put these files into" in str(caught.value) and offer not in str(
        caught.value
    )


def test_nothing_is_fetched_without_download(nowhere, asked):
    with pytest.raises(FileNotFoundError) as caught:
        ff.load("test", name="mnist")
    for words in (
        f"found no test files of MNIST in {nowhere} (no such folder).\n",
        f"Download the files (1.7 MB) into {nowhere / 'mnist'}:\n",
        '  in Python:  ff.load("test", name="mnist", download=True)\n',
        "  in a shell: fmnist-fast download mnist  # all splits\n",
        "  https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz\n",
        "  https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz\n",
    ):
        assert words in str(caught.value)
    assert "synthetic" not in str(caught.value) and not asked


def test_missing_files_are_fetched_once(nowhere, asked, spec):
    spec("mnist")
    for _ in range(2):
        dataset = ff.load("test", name="mnist", download=True)
        assert dataset.name == "mnist" and len(dataset) == N
    names = [f"{stem}.gz" for stem in datasets.SPLITS["test"].stems]
    assert asked == [(names, nowhere / "mnist")]


def test_files_are_fetched_into_root(tmp_path, nowhere, asked, spec):
    spec("kmnist")
    ff.load("train", tmp_path / "new", name="kmnist", download=True)
    assert asked[0][1] == tmp_path / "new" / "kmnist"
    assert len(ff.load("train", tmp_path / "new", name="kmnist")) == N


def test_a_missing_image_file_is_fetched(tmp_path, nowhere, asked, spec):
    part = spec("mnist").splits["test"]
    write_published(tmp_path / "mnist", part, np.zeros(N, np.uint8))
    (tmp_path / "mnist" / f"{part.images}.gz").unlink()
    assert len(ff.load("test", tmp_path, name="mnist", download=True)) == N


def test_without_a_cache_folder_files_are_fetched_into_the_data_folder(
    tmp_path, nowhere, asked, monkeypatch, spec
):
    spec("mnist")
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    with pytest.raises(FileNotFoundError, match=r'root=.FOLDER., name="mnist", dow'):
        ff.load("test", name="mnist")
    message = "no folder to download MNIST into: FMNIST_FAST_CACHE is off.*\nPass root="
    with pytest.raises(FileNotFoundError, match=message):
        ff.load("test", name="mnist", download=True)
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path / "data"))
    ff.load("test", name="mnist", download=True)
    assert asked[0][1] == tmp_path / "data" / "mnist"


def test_emnist_is_extracted_from_its_zip(nowhere, asked, spec):
    spec("emnist/letters")
    dataset = ff.load("test", name="emnist/letters", download=True)
    assert asked == [(["emnist-gzip.zip"], nowhere / "emnist")]
    assert np.array_equal(dataset.images, images_of().transpose(0, 2, 1))
    names = {path.name for path in (nowhere / "emnist").iterdir()} - {"inside"}
    part = datasets.DATASETS["emnist/letters"].splits["test"]
    assert names == {"emnist-gzip.zip", f"{part.images}.gz", f"{part.labels}.gz"}


# ---- the download command ----------------------------------------------------------


def test_download_command(tmp_path, asked, capsys):
    assert cli.main(["download", "mnist", "emnist/digits", "--to", str(tmp_path)]) == 0
    out = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert len(out) == 8 and all(path.is_file() for path in out)
    assert [folder for _, folder in asked] == [tmp_path / "mnist", tmp_path / "emnist"]
    assert len(asked[0][0]) == 4 and asked[1][0] == ["emnist-gzip.zip"]


def test_download_command_checks_all_names_first(asked, capsys):
    assert cli.main(["download", "mnist", "emnist"]) == 1
    assert "name must be that of a " in capsys.readouterr().err and not asked


# ---- fetching from a server --------------------------------------------------------


@pytest.fixture
def serve(http, monkeypatch, nowhere):
    """Return a function that puts a dataset's files on a server, with new hashes."""

    def serve(name, bodies):
        known, files = datasets.DATASETS[name], []
        for file in known.files:
            body = bodies[file.name]
            http.routes[f"/{file.name}"] = content(body)
            files.append(
                file._replace(
                    urls=(f"{http.base}/{file.name}",),
                    sha256=hashlib.sha256(body).hexdigest(),
                    nbytes=len(body),
                )
            )
        changed = known._replace(files=tuple(files))
        monkeypatch.setitem(datasets.DATASETS, name, changed)

    return serve


def test_load_recognizes_the_files_that_it_fetched(tmp_path, serve, http):
    known = datasets.DATASETS["kmnist"]
    for part in known.splits.values():
        write_published(tmp_path, part, np.arange(N, dtype=np.uint8) % 10)
    serve(
        "kmnist",
        {file.name: (tmp_path / file.name).read_bytes() for file in known.files},
    )
    for _ in range(2):
        dataset = ff.load("test", name="kmnist", download=True)  # no warning
        assert dataset.name == "kmnist" and dataset.classes[9] == "wo"
        assert np.array_equal(dataset.images, images_of())
        assert [path for path, _ in http.asked] == [
            f"/{stem}.gz" for stem in datasets.SPLITS["test"].stems
        ]


def test_emnist_is_fetched_once_for_all_its_datasets(tmp_path, serve, http, spec):
    write_emnist_zip(tmp_path / "emnist-gzip.zip")
    for name in ("emnist/letters", "emnist/digits"):
        spec(name)
        serve(name, {"emnist-gzip.zip": (tmp_path / "emnist-gzip.zip").read_bytes()})
        dataset = ff.load("train", name=name, download=True)
        assert np.array_equal(dataset.images, images_of().transpose(0, 2, 1))
    assert len(http.asked) == 1


# ---- folders that failed downloads create ------------------------------------------


FAILURES = {
    "404": lambda: status(404),
    "wrong hash": lambda: content(b"x" * 100),
    "broken": lambda: respond(200, {"Content-Length": "100"}, []),
    "refused": None,
    "offline": None,
    "Ctrl-C": None,
}


@pytest.fixture
def failing(small_fashion, http, monkeypatch):
    """Return a function that makes all downloads fail in a way of FAILURES."""

    def interrupt(*_):
        raise KeyboardInterrupt

    def fail(failure):
        monkeypatch.setattr(transfer, "_BACKOFF_SECONDS", 0.01)
        http.routes.clear()
        if FAILURES[failure]:
            http.routes["*"] = FAILURES[failure]()
        elif failure == "refused":
            spec = datasets.DATASETS["fashion-mnist"]
            files = (f._replace(urls=("http://127.0.0.1:9/x",)) for f in spec.files)
            spec = spec._replace(files=tuple(files))
            monkeypatch.setitem(datasets.DATASETS, spec.name, spec)
        elif failure == "offline":
            monkeypatch.setenv("FMNIST_FAST_OFFLINE", "1")
        else:
            monkeypatch.setattr(transfer.Transfer, "receive", interrupt)

    return fail


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("place", ["cache", "root"])
def test_a_failed_download_leaves_no_empty_folders(tmp_path, failing, failure, place):
    failing(failure)
    before = sorted(tmp_path.rglob("*"))
    root = tmp_path / "new" / "data" if place == "root" else None
    is_interrupt = failure == "Ctrl-C"
    with pytest.raises(KeyboardInterrupt if is_interrupt else ff.DownloadError):
        ff.load("train", root, download=True)
    assert sorted(tmp_path.rglob("*")) == before
    words = [] if root is None else ["--to", str(root)]
    assert cli.main(["download", *words]) == (130 if is_interrupt else 1)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failed_download_keeps_folders_that_were_there(small_fashion, http, tmp_path):
    (tmp_path / "mine").mkdir()
    http.routes.clear()
    with pytest.raises(ff.DownloadError):
        ff.load("train", tmp_path / "mine" / "new", download=True)
    assert (tmp_path / "mine").is_dir() and not list((tmp_path / "mine").iterdir())


def test_a_failed_copy_of_a_file_at_a_url_leaves_no_empty_folders(http, nowhere):
    for url in (f"{http.base}/data", "http://127.0.0.1:9"):
        with pytest.raises((FileNotFoundError, ff.DownloadError)):
            ff.load("train", url)
        with pytest.raises((FileNotFoundError, ff.DownloadError)):
            ff.load_files([f"{url}/a-images-idx3-ubyte"])
    assert not nowhere.exists()
