"""The datasets of the family: their files, classes, and what is put right in them."""

import dataclasses
import hashlib
import pickle
import re
import string
import sys
import types
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import FormatError
from fmnist_fast._cli import main as cli
from fmnist_fast._dataset.known_cards import CARDS
from fmnist_fast._io.paths import File
from fmnist_fast._load.find import SplitFiles
from fmnist_fast._load.split import read_split
from fmnist_fast._registry import datasets as family
from fmnist_fast._registry import hashes as identity

MERGED = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"
SHARED = ("fashion-mnist", "mnist", "kmnist")
EMNIST = [name for name in family.DATASETS if name.startswith("emnist/")]
N = 12


@pytest.fixture
def member(request, monkeypatch):
    """Make a dataset count as published with N images to a file, by no hash."""

    def member(name):
        known = family.DATASETS[name]
        splits = {
            split: dataclasses.replace(part, n_items=N)
            for split, part in known.splits.items()
        }
        files = tuple(
            dataclasses.replace(f, sha256=None, idx_sha256=None) for f in known.files
        )
        changed = dataclasses.replace(known, splits=splits, files=files)
        monkeypatch.setitem(family.DATASETS, name, changed)
        return changed

    return member


def images_of(n=N):
    """Images that are no mirror image of themselves."""
    return np.arange(n * 20, dtype=np.uint8).reshape(n, 5, 4)


def write_pair(folder, part, labels, *, images=None, suffix=".gz"):
    folder.mkdir(parents=True, exist_ok=True)
    images = images_of(len(labels)) if images is None else images
    ff.write_idx(folder / f"{part.images}{suffix}", images)
    ff.write_idx(folder / f"{part.labels}{suffix}", labels)
    return images


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No folder is named, and the cache folder is empty."""
    monkeypatch.delenv("FMNIST_FAST_DATA", raising=False)
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def mnist_root(real_root):
    """The folder of MNIST's test files, compressed anew."""
    root = real_root.parent / "mnist"
    if not root.is_dir():
        pytest.skip(f"there is no {root} with MNIST's test files")
    return root


# ---- what is known ----------------------------------------------------------------


def test_names():
    assert list(family.DATASETS) == [*SHARED, *EMNIST, "qmnist"]
    assert [name.partition("/")[2] for name in EMNIST] == [
        "byclass",
        "bymerge",
        "balanced",
        "letters",
        "digits",
        "mnist",
    ]


@pytest.mark.parametrize("name", family.DATASETS)
def test_every_file_can_be_fetched_and_told(name):
    known = family.DATASETS[name]
    for split, part in known.splits.items():
        remote = known.files_of(part)
        names = [file.name for file in remote]
        if known.archive:
            assert names == ["emnist-gzip.zip"]
            archived = list(known.archived([part]))
            assert archived == [f"gzip/{part.images}.gz", f"gzip/{part.labels}.gz"]
        else:
            assert names == [f"{part.images}.gz", f"{part.labels}.gz"]
        for file in remote:
            assert re.fullmatch("[0-9a-f]{64}", file.sha256)
            assert re.fullmatch("[0-9a-f]{32}", file.md5)
            assert file.nbytes > 4000
            assert file.urls[0].startswith("https://")


def test_no_two_files_share_a_hash():
    files = {file for known in family.DATASETS.values() for file in known.files}
    hashes = [h for f in files for h in (f.sha256, f.md5, f.idx_sha256) if h]
    assert len(set(hashes)) == len(hashes) == 2 * 17 + 8


@pytest.mark.parametrize(
    "name, classes",
    [
        ("mnist", string.digits),
        ("qmnist", string.digits),
        (
            "emnist/byclass",
            string.digits + string.ascii_uppercase + string.ascii_lowercase,
        ),
        ("emnist/bymerge", MERGED),
        ("emnist/balanced", MERGED),
        ("emnist/letters", string.ascii_lowercase),
        ("emnist/digits", string.digits),
        ("emnist/mnist", string.digits),
    ],
)
def test_classes(name, classes):
    assert family.DATASETS[name].classes == tuple(classes)


@pytest.mark.parametrize("name", family.DATASETS)
def test_cards_have_the_same_names_and_counts(name):
    splits = family.DATASETS[name].splits
    for split, n in CARDS[name].splits.items():
        assert splits[split].n_items == n


def test_published_md5_of_the_real_files(real_root):
    for file in family.DATASETS["fashion-mnist"].files:
        content = (real_root / file.name).read_bytes()
        assert len(content) == file.nbytes
        assert hashlib.md5(content).hexdigest() == file.md5
        assert hashlib.sha256(content).hexdigest() == file.sha256


# ---- names and splits -------------------------------------------------------------


@pytest.mark.parametrize(
    "name, near",
    [
        ("fashion_mnist", "fashion-mnist"),
        ("FashionMNIST", "fashion-mnist"),
        ("MNIST", "mnist"),
        ("emnist-letters", "emnist/letters"),
        ("emnist/by_class", "emnist/byclass"),
        ("kminst", "kmnist"),
        ("fmnist", "fashion-mnist"),
        ("emnist", "emnist/balanced"),
    ],
)
def test_unknown_name_has_the_nearest(name, near):
    with pytest.raises(ValueError, match=f"got '{name}'; did you mean '{near}'"):
        ff.load("train", name=name)


@pytest.mark.parametrize("name", ["cifar10", "", 3])
def test_unknown_name_lists_all(name):
    message = f"^name must be one of fashion-mnist, .*, qmnist, got {name!r}$"
    with pytest.raises(ValueError, match=message):
        ff.load("train", name=name)


@pytest.mark.parametrize("name, split", [("qmnist", "nist"), ("mnist", "test10k")])
def test_unknown_split_of_a_dataset(name, split):
    message = f"split of {name} must be 'train'.* or 'test.*', got '{split}'"
    with pytest.raises(ValueError, match=message):
        ff.load(split, name=name)


# ---- where ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, folder",
    [
        (name, folder)
        for name, known in family.DATASETS.items()
        if name in ("mnist", "kmnist", "emnist/digits", "qmnist")
        for folder in known.folders
    ],
)
def test_folders_of_other_libraries(tmp_path, member, name, folder):
    part = member(name).splits["test"]
    labels = np.zeros((N, 8), np.int32) if name == "qmnist" else np.zeros(N, np.uint8)
    write_pair(tmp_path / folder, part, labels)
    assert len(ff.load("test", tmp_path, name=name)) == N  # no warning
    assert ff.load("test", tmp_path, name=name).name == name


def test_own_folder_goes_before_shared_names(tmp_path, member):
    part = member("mnist").splits["test"]
    write_pair(tmp_path, part, np.zeros(N, np.uint8))
    write_pair(tmp_path / "mnist", part, np.ones(N, np.uint8))
    assert ff.load("test", tmp_path, name="mnist").labels[0] == 1


def test_mnist_is_known_by_what_is_inside(mnist_root):
    dataset = ff.load("test", mnist_root, name="mnist")  # a warning would be an error
    assert dataset.name == "mnist" and dataset.classes == tuple(string.digits)
    assert dataset.images.shape == (10000, 28, 28) and dataset.labels[0] == 7
    for stem in family.SPLITS["test"].stems:
        path = mnist_root / f"{stem}.gz"
        digest = identity.sha256_of(path)
        assert digest not in family.DATASETS["mnist"].sha256_of(stem)
        known = identity.published_sha256(digest, ff.read_idx(path))
        assert identity.owner_of(known)[0].name == "mnist"


def test_mnist_as_fashion_mnist_gives_a_warning_that_names_it(mnist_root):
    message = "not the published Fashion-MNIST .*it is MNIST's t10k.*name='mnist'"
    with pytest.warns(UserWarning, match=message) as seen:
        dataset = ff.load("test", mnist_root)
    assert dataset.name == "mnist" and dataset.classes == tuple(string.digits)
    assert [warning.filename for warning in seen] == [__file__]


@pytest.mark.parametrize("default", [True, False])
def test_files_of_another_dataset_are_passed_over(
    mnist_root, real_root, nowhere, monkeypatch, default
):
    name, folder, other = (
        ("fashion-mnist", mnist_root, "mnist")
        if default
        else ("mnist", real_root, "fashion-mnist")
    )
    monkeypatch.setenv("FMNIST_FAST_DATA", str(folder))
    with pytest.raises(FileNotFoundError, match=f"pass name='{other}'.\ndownload=True"):
        ff.load("test", name=name)


def test_train_files_in_the_place_of_test_files(tmp_path, real_root):
    test, train = family.SPLITS["test"].stems, family.SPLITS["train"].stems
    for there, name in zip(train, test):
        (tmp_path / f"{name}.gz").symlink_to(real_root / f"{there}.gz")
    with pytest.warns(UserWarning, match="it is Fashion-MNIST's train-images[^:]*;"):
        assert ff.load("test", tmp_path, cache=False).name is None


# ---- EMNIST -----------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("name", EMNIST)
@pytest.mark.parametrize("split", ["train", "test"])
def test_emnist_stands_upright(tmp_path, member, monkeypatch, name, split, suffix):
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    part = member(name).splits[split]
    labels = np.arange(1, N + 1).astype(np.uint8) % 10 + 1
    if name != "emnist/letters":
        labels -= 1
    stored = write_pair(tmp_path / "root", part, labels, suffix=suffix)
    for _ in range(2):  # from the file and from the decoded copy
        dataset = ff.load(split, tmp_path / "root", name=name)
        assert np.array_equal(dataset.images, stored.transpose(0, 2, 1))
        assert dataset.images.flags.c_contiguous
        assert not dataset.images.flags.writeable
        assert not dataset.labels.flags.writeable
        assert dataset.labels.tolist() == [(i + 1) % 10 for i in range(N)]
        assert dataset.name == name
    copies = {path.name for path in (tmp_path / "cache" / "decoded").iterdir()}
    assert any(copy.startswith(f"{part.images}{suffix}-") for copy in copies)


def test_the_upright_copy_is_only_for_who_wants_it(tmp_path, member, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    part = member("emnist/digits").splits["test"]
    stored = write_pair(tmp_path, part, np.zeros(N, np.uint8))
    files = [File(tmp_path / f"{stem}.gz") for stem in part.stems]
    for _ in range(2):
        upright = ff.load("test", tmp_path, name="emnist/digits").images
        assert np.array_equal(upright, stored.transpose(0, 2, 1))
        as_stored = read_split(SplitFiles(*files, "test"), True)[0].images
        assert np.array_equal(as_stored, stored)


@pytest.mark.parametrize("wrong", [0, 27])
def test_letters_outside_of_the_alphabet(tmp_path, member, wrong):
    part = member("emnist/letters").splits["test"]
    labels = np.ones(N, np.uint8)
    labels[5] = wrong
    write_pair(tmp_path, part, labels)
    message = r"labels of EMNIST Letters must be in 1\.\.26, got (0 to 1|1 to 27)"
    with pytest.raises(FormatError, match=message):
        ff.load("test", tmp_path, name="emnist/letters")


def test_other_number_of_images_than_published(tmp_path):
    part = family.DATASETS["emnist/letters"].splits["test"]
    write_pair(tmp_path, part, np.ones(N, np.uint8))
    message = r"not the published EMNIST Letters .*it has 12 items, .* one 20800\)"
    with pytest.warns(UserWarning, match=message):
        dataset = ff.load("test", tmp_path, name="emnist/letters")
    assert dataset.name is None and dataset.labels.tolist() == [0] * N


def test_another_compression_of_a_file_without_inflated_hash(tmp_path):
    part = family.DATASETS["kmnist"].splits["test"]
    write_pair(tmp_path, part, np.ones(N, np.uint8))
    with pytest.warns(UserWarning, match="published KMNIST .*its SHA-256 differs"):
        ff.load("test", tmp_path, name="kmnist")


# ---- QMNIST -----------------------------------------------------------------------


@pytest.fixture
def qmnist(tmp_path, member, monkeypatch):
    """A folder with the test files, and what is in them."""
    known = member("qmnist")
    parts = {"test10k": {"end": 5}, "test50k": {"begin": 5}}
    splits = {
        name: dataclasses.replace(part, **parts.get(name, {}))
        for name, part in known.splits.items()
    }
    known = dataclasses.replace(known, splits=splits)
    monkeypatch.setitem(family.DATASETS, "qmnist", known)
    labels = np.arange(N * 8, dtype=np.int32).reshape(N, 8) * 1000
    labels[:, 0] = np.arange(N) % 10
    return tmp_path, write_pair(tmp_path, splits["test"], labels), labels


@pytest.mark.parametrize(
    "split, rows",
    [("test", slice(None)), ("test10k", slice(5)), ("test50k", slice(5, None))],
)
def test_qmnist_columns(qmnist, split, rows):
    root, images, labels = qmnist
    dataset = ff.load(split, root, name="qmnist")
    assert dataset.split_name == split
    assert np.array_equal(dataset.images, images[rows])
    assert dataset.labels.tolist() == labels[rows, 0].tolist()
    assert list(dataset.extra) == [
        "hsf_series",
        "writer_id",
        "digit_index",
        "nist_class",
        "global_index",
        "duplicate",
        "reserved",
    ]
    for i, column in enumerate(dataset.extra.values()):
        assert np.array_equal(column, labels[rows, i + 1])
        assert column.dtype == np.int32 and not column.flags.writeable


def test_extra_follows_rows(qmnist):
    root, _, labels = qmnist
    dataset = ff.load("test", root, name="qmnist")
    picked = dataset.select([7, 2, 2])
    assert picked.extra["writer_id"].tolist() == labels[[7, 2, 2], 2].tolist()
    first, second = dataset.split(0.5, seed=3)
    seen = [*first.extra["global_index"], *second.extra["global_index"]]
    assert sorted(seen) == labels[:, 5].tolist()
    for part in (first, second):
        row = labels[:, 5].tolist().index(part.extra["global_index"][0])
        assert np.array_equal(part.images[0], dataset.images[row])


@pytest.mark.parametrize("split", ["test", "test50k"])
def test_extra_survives_pickle(qmnist, split):
    dataset = ff.load(split, qmnist[0], name="qmnist")
    for one in (dataset, dataset.select([1, 0])):
        again = pickle.loads(pickle.dumps(one))
        assert np.array_equal(again.images, one.images)
        for name, column in one.extra.items():
            assert np.array_equal(again.extra[name], column)


@pytest.mark.parametrize("shape", [(N,), (N, 7), (N, 9), (N, 8, 1)])
def test_qmnist_labels_of_another_shape(tmp_path, member, shape):
    write_pair(
        tmp_path,
        member("qmnist").splits["train"],
        np.zeros(shape, np.int32),
        images=images_of(),
    )
    message = r"labels of QMNIST must be integers of shape \(n, 8\), found int32 "
    with pytest.raises(FormatError, match=message + re.escape(str(shape))):
        ff.load("train", tmp_path, name="qmnist")


def test_extra_in_other_copies(qmnist):
    dataset = ff.load("test", qmnist[0], name="qmnist")
    ids = dataset.extra["writer_id"].tolist()
    assert dataset.concatenate(dataset).extra["writer_id"].tolist() == ids * 2
    plain = ff.Dataset.from_arrays(dataset.images, dataset.labels)
    assert plain.concatenate(dataset).extra == {}
    assert dataset.with_format("pil").extra["writer_id"].tolist() == ids
    few = dataset.filter(lambda row: row["label"] == 3)
    assert few.extra["writer_id"].tolist() == [ids[3]]


def test_most_datasets_have_nothing_extra(small):
    assert small.extra == {} and small.select([1]).extra == {}


# ---- fetching ---------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch):
    """Fetching replaced by a list of what was asked for and files made up."""
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
            for part in family.DATASETS[name].splits.values():
                folder = path.parent / "inside"
                write_pair(folder, part, np.ones(N, np.uint8))
                for stem in (part.images, part.labels):
                    archive.write(folder / f"{stem}.gz", f"gzip/{stem}.gz")


def test_nothing_is_fetched_unasked(nowhere, asked):
    with pytest.raises(FileNotFoundError) as caught:
        ff.load("test", name="mnist")
    for part in (
        "found no t10k-images-idx3-ubyte[.gz] and t10k-labels-idx1-ubyte[.gz] in ",
        "download=True or 'fmnist-fast download mnist' fetches ",
        " fetches https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte",
        " and https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz "
        f"(1.7 MB) to {nowhere / 'mnist'}.\n",
    ):
        assert part in str(caught.value)
    assert "synthetic" not in str(caught.value) and not asked


def test_what_is_missing_is_fetched_once(nowhere, asked, member):
    member("mnist")
    for _ in range(2):
        dataset = ff.load("test", name="mnist", download=True)
        assert dataset.name == "mnist" and len(dataset) == N
    names = [f"{stem}.gz" for stem in family.SPLITS["test"].stems]
    assert asked == [(names, nowhere / "mnist")]


def test_root_says_where_to_fetch_to(tmp_path, nowhere, asked, member):
    member("kmnist")
    ff.load("train", tmp_path / "new", name="kmnist", download=True)
    assert asked[0][1] == tmp_path / "new" / "kmnist"
    assert len(ff.load("train", tmp_path / "new", name="kmnist")) == N


def test_half_a_pair_is_completed(tmp_path, nowhere, asked, member):
    part = member("mnist").splits["test"]
    write_pair(tmp_path / "mnist", part, np.zeros(N, np.uint8))
    (tmp_path / "mnist" / f"{part.images}.gz").unlink()
    assert len(ff.load("test", tmp_path, name="mnist", download=True)) == N


def test_without_a_cache_folder_the_data_folder_is_the_target(
    tmp_path, nowhere, asked, monkeypatch, member
):
    member("mnist")
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    with pytest.raises(FileNotFoundError, match=r"fetches .* where root= says"):
        ff.load("test", name="mnist")
    message = "nowhere to put MNIST: FMNIST_FAST_CACHE is off and .* name a folder"
    with pytest.raises(FileNotFoundError, match=message):
        ff.load("test", name="mnist", download=True)
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path / "data"))
    ff.load("test", name="mnist", download=True)
    assert asked[0][1] == tmp_path / "data" / "mnist"


def test_emnist_comes_out_of_its_zip(nowhere, asked, member):
    member("emnist/letters")
    dataset = ff.load("test", name="emnist/letters", download=True)
    assert asked == [(["emnist-gzip.zip"], nowhere / "emnist")]
    assert np.array_equal(dataset.images, images_of().transpose(0, 2, 1))
    taken = {path.name for path in (nowhere / "emnist").iterdir()} - {"inside"}
    part = family.DATASETS["emnist/letters"].splits["test"]
    assert taken == {"emnist-gzip.zip", f"{part.images}.gz", f"{part.labels}.gz"}


def test_download_command(tmp_path, asked, capsys):
    assert cli.main(["download", "mnist", "emnist/digits", "--to", str(tmp_path)]) == 0
    out = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert len(out) == 8 and all(path.is_file() for path in out)
    assert [folder for _, folder in asked] == [tmp_path / "mnist", tmp_path / "emnist"]
    assert len(asked[0][0]) == 4 and asked[1][0] == ["emnist-gzip.zip"]


def test_download_command_knows_all_names_before_it_begins(asked, capsys):
    assert cli.main(["download", "mnist", "emnist"]) == 1
    assert "name must be one of" in capsys.readouterr().err and not asked


# ---- info and verify --------------------------------------------------------------


def test_info_of_another_dataset(mnist_root, capsys):
    assert cli.main(["info", "--name", "mnist", "--root", str(mnist_root)]) == 0
    out = capsys.readouterr().out
    assert "train: not found" in out and "name        mnist" in out
    assert "published   yes, by SHA-256" in out


def test_info_of_what_no_hash_tells(tmp_path, member, capsys):
    for part in member("emnist/digits").splits.values():
        write_pair(tmp_path, part, np.ones(N, np.uint8))
    assert cli.main(["info", "--name", "emnist/digits", "--root", str(tmp_path)]) == 0
    assert "can't be told: no SHA-256 of such files" in capsys.readouterr().out


@pytest.mark.parametrize("options", [[], ["--name", "mnist"]])
def test_verify_recognises_mnist(mnist_root, capsys, options):
    paths = [str(mnist_root / f"{stem}.gz") for stem in family.SPLITS["test"].stems]
    assert cli.main(["verify", *paths, *options]) == 0
    out = capsys.readouterr().out
    assert out.count("the published MNIST file, in another compression") == 2


def test_verify_of_one_dataset_only(mnist_root, capsys):
    path = str(mnist_root / "t10k-labels-idx1-ubyte.gz")
    assert cli.main(["verify", path, "--name", "kmnist"]) == 1
    assert capsys.readouterr().out.startswith("DIFFERS ")


def test_verify_what_no_hash_tells(tmp_path, member, capsys):
    for part in member("emnist/digits").splits.values():
        write_pair(tmp_path, part, np.ones(N, np.uint8))
    with warnings.catch_warnings():
        code = cli.main(["verify", "--name", "emnist/digits", "--root", str(tmp_path)])
    assert code == 0
    assert capsys.readouterr().out.count("only the format, no SHA-256") == 4


# ---- fetching for real ------------------------------------------------------------


@pytest.fixture
def serve(http, monkeypatch, nowhere):
    """Have a dataset's files on a server, with hashes of their own."""
    from helpers.server import content

    def serve(name, bodies):
        known, files = family.DATASETS[name], []
        for file in known.files:
            body = bodies[file.name]
            http.routes[f"/{file.name}"] = content(body)
            files.append(
                dataclasses.replace(
                    file,
                    urls=(f"{http.base}/{file.name}",),
                    sha256=hashlib.sha256(body).hexdigest(),
                    nbytes=len(body),
                )
            )
        changed = dataclasses.replace(known, files=tuple(files))
        monkeypatch.setitem(family.DATASETS, name, changed)

    return serve


def test_load_fetches_and_knows_what_it_fetched(tmp_path, serve, http):
    known = family.DATASETS["kmnist"]
    for part in known.splits.values():
        write_pair(tmp_path, part, np.arange(N, dtype=np.uint8) % 10)
    serve(
        "kmnist",
        {file.name: (tmp_path / file.name).read_bytes() for file in known.files},
    )
    for _ in range(2):
        dataset = ff.load("test", name="kmnist", download=True)  # without a warning
        assert dataset.name == "kmnist" and dataset.classes[9] == "wo"
        assert np.array_equal(dataset.images, images_of())
        assert [path for path, _ in http.asked] == [
            f"/{stem}.gz" for stem in family.SPLITS["test"].stems
        ]


def test_emnist_is_fetched_once_for_all(tmp_path, serve, http, member):
    write_emnist_zip(tmp_path / "emnist-gzip.zip")
    for name in ("emnist/letters", "emnist/digits"):
        member(name)
        serve(name, {"emnist-gzip.zip": (tmp_path / "emnist-gzip.zip").read_bytes()})
        dataset = ff.load("train", name=name, download=True)
        assert np.array_equal(dataset.images, images_of().transpose(0, 2, 1))
    assert len(http.asked) == 1
