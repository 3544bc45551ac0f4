"""load, info and verify find the files of a split in every common spelling."""

import gzip
import shutil
import warnings

import numpy as np
import pytest
from helpers.server import content

import fmnist_fast as ff
from fmnist_fast._cli.main import main
from fmnist_fast._load.find import find_split
from fmnist_fast._load.names import spelling
from fmnist_fast._registry.datasets import DATASETS, SPLITS

STEMS = SPLITS["test"].stems
# How tools rename a published file, and whether they decompress it.
SPELLINGS = {
    "published": ("{}.gz", False),
    "gunzip": ("{}", True),
    "7-zip": ("{dotted}", True),
    "7-zip, compressed again": ("{dotted}.gz", False),
    "a browser's second download": ("{} (1).gz", False),
    "Firefox's second download": ("{}(1).gz", False),
    "a second download, decompressed": ("{} (2)", True),
    "wget's second download": ("{}.gz.1", False),
    "Windows' copy": ("{} - Copy.gz", False),
    "underscores": ("{underscored}", True),
    "capitals": ("{upper}.GZ", False),
}
FOLDERS = {
    "the folder itself": "",
    "torchvision": "MNIST/raw",
    "Keras": "datasets/mnist",
}


@pytest.fixture(scope="module")
def mnist_files(real_root):
    """Return the two published files of MNIST's test split, as bytes."""
    root = real_root.parent / "mnist"
    if not root.is_dir():
        pytest.skip(f"there is no {root} with MNIST's test files")
    return {stem: (root / f"{stem}.gz").read_bytes() for stem in STEMS}


def spell(pattern, stem):
    """Return the name of a published file in a spelling of SPELLINGS."""
    words = {"dotted": stem.replace("-idx", ".idx"), "upper": stem.upper()}
    return pattern.format(stem, underscored=stem.replace("-", "_"), **words)


def put(folder, files, spelling="7-zip"):
    """Write files, given as gzip by their stems, in a spelling; return the folder."""
    pattern, is_decompressed = SPELLINGS[spelling]
    folder.mkdir(parents=True, exist_ok=True)
    for stem, body in files.items():
        path = folder / spell(pattern, stem)
        path.write_bytes(gzip.decompress(body) if is_decompressed else body)
    return folder


def small_files(n=12, fill=0):
    """Return a pair of IDX files as gzip, by their stems."""
    images = np.full((n, 28, 28), fill, np.uint8)
    return {
        stem: gzip.compress(idx(array))
        for stem, array in zip(STEMS, (images, np.arange(n, dtype=np.uint8) % 10))
    }


def idx(array):
    """Return an array of uint8 as the bytes of an IDX file."""
    sides = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sides + array.tobytes()


# ---- every spelling and every way to load -------------------------------------------


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_way_to_load_finds_every_spelling(
    tmp_path, monkeypatch, nowhere, mnist_files, capsys, spelling
):
    folder = put(tmp_path / "mine", mnist_files, spelling)
    ways = {
        "root": lambda: ff.load("test", root=folder),
        "root and name": lambda: ff.load("test", root=folder, name="mnist"),
        "folder as name": lambda: ff.load("test", name=folder),
        "variable and name": lambda: ff.load("test", name="mnist"),
    }
    monkeypatch.setenv("FMNIST_FAST_DATA", str(folder))
    for way, load in ways.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if way == "root" else "error")
            dataset = load()
        assert (dataset.name, len(dataset)) == ("mnist", 10_000), way
    assert main(["info", "--root", str(folder)]) == 0
    assert "name        mnist" in capsys.readouterr().out
    for words in (["--root", str(folder)], [str(folder)], ["--name", "mnist"]):
        main(["verify", *words])
        out = capsys.readouterr().out
        assert out.count("the published MNIST file") == 2, words


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("place", ["root", "variable", "cache"])
def test_files_are_found_in_folders_of_other_libraries(
    tmp_path, monkeypatch, nowhere, mnist_files, folder, place
):
    base = tmp_path / ("cache" if place == "cache" else "data")
    put(base / FOLDERS[folder], mnist_files)
    if place == "variable":
        monkeypatch.setenv("FMNIST_FAST_DATA", str(base))
    root = base if place == "root" else None
    assert ff.load("test", root, name="mnist").name == "mnist"


def test_the_published_spelling_comes_first(tmp_path):
    spellings = ["gunzip", "published", "7-zip", "a browser's second download"]
    for fill, name in enumerate(spellings):
        put(tmp_path, small_files(fill=fill), name)
    for fill, name in enumerate(spellings):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            images = ff.load("test", tmp_path, cache=False).images
        assert images.max() == fill
        for stem in STEMS:
            (tmp_path / spell(SPELLINGS[name][0], stem)).unlink()


@pytest.mark.parametrize(
    "name",
    [
        "x-t10k-images-idx3-ubyte",
        "t10k-images-idx3-ubyte-x",
        "t10k-images-idx3-ubyte.gz.part",
        "t10k-images-idx3",
        "t10k-labels-idx1-ubyte",
        ".t10k-images-idx3-ubyte",
        "",
    ],
)
def test_other_names_are_no_spelling(name):
    assert spelling(name, STEMS[0]) is None


def test_a_url_may_have_the_names_of_7_zip(
    http, tmp_path, monkeypatch, nowhere, mnist_files
):
    for stem, body in mnist_files.items():
        name = stem.replace("-idx", ".idx")
        http.serve(f"/data/{name}", content(gzip.decompress(body)))
    dataset = ff.load("test", f"{http.base}/data", name="mnist")
    assert (dataset.name, len(dataset)) == ("mnist", 10_000)


def test_load_files_finds_labels_in_any_spelling(tmp_path):
    put(tmp_path, small_files(), "a browser's second download")
    images = (tmp_path / f"{STEMS[0]} (1).gz").rename(tmp_path / f"{STEMS[0]}.gz")
    assert len(ff.load_files(images)) == 12


# ---- files that contradict the name -------------------------------------------------


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("folder", ["", "fashion-mnist"])
def test_files_that_contradict_the_name_are_an_error(
    tmp_path, nowhere, mnist_files, spelling, folder
):
    put(tmp_path / folder, mnist_files, spelling)
    message = r"(is|[iI]t is .*) (a file )?of MNIST\.\s+Pass (root=.*, )?name='mnist'"
    with pytest.raises((ff.FormatError, FileNotFoundError), match=message):
        ff.load("test", root=tmp_path, name="fashion-mnist")


def test_an_image_file_alone_contradicts_the_name(
    tmp_path, nowhere, mnist_files, real_root
):
    put(tmp_path, {STEMS[0]: mnist_files[STEMS[0]]})
    shutil.copy(real_root / f"{STEMS[1]}.gz", tmp_path)
    message = r"must be a file of MNIST, as .* is, got a file of Fashion-MNIST"
    with pytest.raises(ff.FormatError, match=message):
        ff.load("test", tmp_path, name="fashion-mnist")


def test_an_image_file_contradicts_the_name_beside_unknown_labels(
    tmp_path, nowhere, mnist_files
):
    labels = gzip.compress(idx(np.zeros(10000, np.uint8)))
    put(tmp_path, {STEMS[0]: mnist_files[STEMS[0]], STEMS[1]: labels})
    with pytest.raises(ff.FormatError, match=r"It is t10k-images.* of MNIST"):
        ff.load("test", tmp_path, name="fashion-mnist")


def test_without_a_name_any_published_dataset_is_accepted(
    tmp_path, nowhere, mnist_files
):
    """Files of MNIST under the names of Fashion-MNIST cause a warning."""
    message = r"It is .* of MNIST\.\nPass root='.*', name='mnist'"
    for tool in ("7-zip", "published"):
        folder = put(tmp_path / tool, mnist_files, tool)
        with pytest.warns(UserWarning, match=message):
            assert ff.load("test", folder).name == "mnist"
        assert ff.load("test", folder, name="mnist").name == "mnist"


def test_another_dataset_in_the_variables_folder_is_named(
    tmp_path, monkeypatch, nowhere, mnist_files
):
    monkeypatch.setenv("FMNIST_FAST_DATA", str(put(tmp_path / "mine", mnist_files)))
    for name in ("fashion-mnist", None):
        with pytest.raises(FileNotFoundError, match=r"of MNIST\. Pass name='mnist'"):
            ff.load("test", name=name)


def test_a_foreign_hash_contradicts_where_no_own_hash_is_published(
    tmp_path, nowhere, mnist_files
):
    """No hashes of KMNIST's decompressed files are published."""
    put(tmp_path / "kmnist", mnist_files, "gunzip")
    with pytest.raises((ff.FormatError, FileNotFoundError), match="name='mnist'"):
        ff.load("test", tmp_path, name="kmnist")
    assert main(["verify", "--root", str(tmp_path), "--name", "kmnist"]) == 1


def test_load_without_a_name_means_fashion_mnist(
    tmp_path, monkeypatch, nowhere, mnist_files
):
    folder = put(tmp_path / "fashion-mnist", mnist_files)
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path))
    message = rf"of MNIST\. Pass root='{folder}', name='mnist'"
    with pytest.raises(FileNotFoundError, match=message):
        ff.load("test")
    assert ff.load("test", root=folder, name="mnist").name == "mnist"


def test_training_files_as_test_files_contradict_a_name(tmp_path, real_root):
    for train_stem, test_stem in zip(SPLITS["train"].stems, STEMS):
        name = f"{test_stem.replace('-idx', '.idx')}.gz"
        (tmp_path / name).symlink_to(real_root / f"{train_stem}.gz")
    with pytest.raises(ff.FormatError, match=r"It is train-images.* of Fashion-MNIST"):
        ff.load("test", tmp_path, name="fashion-mnist", cache=False)


@pytest.mark.parametrize("spelling", ["published", "7-zip"])
def test_unpublished_files_warn_in_any_spelling(tmp_path, spelling):
    put(tmp_path, small_files(), spelling)
    with pytest.warns(UserWarning, match="not the published Fashion-MNIST file"):
        assert ff.load("test", tmp_path, name="fashion-mnist").name is None


def test_files_of_two_datasets_are_no_pair(tmp_path, mnist_files, real_root, capsys):
    shutil.copy(real_root / f"{STEMS[0]}.gz", tmp_path)
    put(tmp_path, {STEMS[1]: mnist_files[STEMS[1]]}, "a browser's second download")
    message = r"must be a file of Fashion-MNIST, as .* is, got a file of MNIST"
    with pytest.raises(ff.FormatError, match=message):
        ff.load("test", tmp_path)
    main(["verify", str(tmp_path)])
    assert capsys.readouterr().out.count("DAMAGED") == 2


def test_a_card_does_not_rename_published_files(tmp_path, mnist_files):
    put(tmp_path, mnist_files)
    (tmp_path / "dataset.json").write_text('{"name": "fashion-mnist"}')
    message = "dataset.json: name must be 'mnist', .*, got 'fashion-mnist'"
    with pytest.raises(ff.FormatError, match=message):
        ff.load("test", tmp_path, name="mnist")
    (tmp_path / "dataset.json").write_text('{"name": "digits"}')
    assert ff.load("test", tmp_path).name == "digits"
    with pytest.raises(FileNotFoundError, match="is a file of MNIST"):
        ff.load("test", tmp_path, name="fashion-mnist")


# ---- several files that match, and none ---------------------------------------------


def test_an_original_comes_before_its_copies(tmp_path):
    for name, fill in (("", 1), (" (1)", 2), (" (2)", 3)):
        for suffix in (".idx", ".idx.gz"):
            images = np.full((10, 5, 5), fill, np.uint8)
            ff.write_idx(tmp_path / f"my-test-images{name}{suffix}", images)
    ff.write_idx(tmp_path / "my-test-labels.idx", np.zeros(10, np.uint8))
    assert ff.load("test", tmp_path).images.max() == 1


def test_the_copy_with_the_lowest_number_comes_first(tmp_path):
    for number in (10, 9):
        for stem, body in small_files(fill=number).items():
            (tmp_path / f"{stem} ({number}).gz").write_bytes(body)
    assert ff.load("test", tmp_path).images.max() == 9


def test_a_whole_pair_comes_before_an_incomplete_one(tmp_path):
    files = small_files(fill=7)
    put(tmp_path, {STEMS[0]: files[STEMS[0]]})
    put(tmp_path / "FashionMNIST" / "raw", files)
    assert ff.load("test", tmp_path).images.max() == 7


def test_a_folder_that_can_not_be_read_has_no_files(tmp_path, monkeypatch, nowhere):
    put(tmp_path / "cache", small_files())
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path / ("x" * 300)))
    with pytest.warns(UserWarning, match="not the published"):
        assert len(ff.load("test")) == 12


@pytest.mark.parametrize("command", ["info", "verify"])
def test_a_folder_as_name_on_the_command_line(tmp_path, capsys, command):
    put(tmp_path, small_files())
    main([command, "--name", str(tmp_path)])
    assert STEMS[0].replace("-idx", ".idx") in capsys.readouterr().out


@pytest.mark.parametrize("command", ["info", "verify"])
def test_the_most_helpful_message_is_shown_for_missing_splits(
    tmp_path, capsys, command
):
    # The message for train, the first split, does not mention this folder.
    (tmp_path / STEMS[0]).mkdir()
    assert main([command, "--root", str(tmp_path)]) == 1
    assert f"{tmp_path / STEMS[0]} is a folder" in "".join(capsys.readouterr())


def test_files_of_a_published_split_are_corrected_under_any_split_name(tmp_path):
    split = DATASETS["emnist/letters"].splits["test"]
    images = np.arange(6 * 20, dtype=np.uint8).reshape(6, 5, 4)
    ff.write_idx(tmp_path / split.images, images)
    ff.write_idx(tmp_path / split.labels, np.full(6, 26, np.uint8))
    with pytest.warns(UserWarning, match="EMNIST Letters"):
        dataset = ff.load("letters", tmp_path)
    assert np.array_equal(dataset.images, images.transpose(0, 2, 1))
    assert set(dataset.labels) == {25}


def test_the_error_for_a_missing_split_lists_the_files(tmp_path):
    put(tmp_path, small_files())
    with pytest.raises(
        FileNotFoundError, match=r"split 'val' .*, got 0.*\nFound t10k-images"
    ):
        ff.load("val", tmp_path)
    with pytest.raises(ValueError, match=r"must be 'train' or 'test', got \[\]"):
        ff.load([], tmp_path)


# ---- files that are nearly in place -------------------------------------------------


@pytest.mark.parametrize("spelling", ["gunzip", "7-zip"])
def test_each_file_may_be_in_a_folder_of_its_name(
    tmp_path, monkeypatch, nowhere, mnist_files, capsys, spelling
):
    """7-zip's "extract to" and Kaggle's archive create such folders."""
    for stem, body in mnist_files.items():
        put(tmp_path / stem, {stem: body}, spelling)
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path))
    for arguments in ({"root": tmp_path, "name": "mnist"}, {"name": "mnist"}):
        assert ff.load("test", **arguments).name == "mnist"
    assert ff.load("test", name=tmp_path).name == "mnist"
    main(["verify", "--name", "mnist"])
    assert capsys.readouterr().out.count("the published MNIST file") == 2


def test_a_folder_without_the_file_of_its_name_is_named(tmp_path):
    for stem in STEMS:
        (tmp_path / stem).mkdir()
    for arguments in ({"root": tmp_path}, {"name": tmp_path}):
        with pytest.raises(FileNotFoundError) as caught:
            ff.load("test", **arguments)
        for stem in STEMS:
            line = f"{tmp_path / stem} is a folder without a file of that name."
            assert line in str(caught.value).splitlines()


@pytest.mark.parametrize("name", ["archive.zip", "fashion-mnist.7z", "t10k.tar.gz"])
def test_an_archive_is_named(tmp_path, monkeypatch, nowhere, name):
    (tmp_path / name).touch()
    line = f"{tmp_path / name} may hold the files. Unpack it."
    with pytest.raises(FileNotFoundError) as caught:
        ff.load("test", tmp_path)
    assert line in str(caught.value).splitlines()
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        ff.load("test")
    assert line in str(caught.value).splitlines()


def test_an_incomplete_pair_names_files_nearby(tmp_path):
    put(tmp_path, {STEMS[0]: small_files()[STEMS[0]]})
    (tmp_path / STEMS[1]).mkdir()
    with pytest.raises(FileNotFoundError, match=r"found neither\.\n.*is a folder"):
        ff.load("test", tmp_path)


def test_the_message_starts_with_the_error_and_ends_with_advice(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        ff.load("test", tmp_path)
    first, *_, last = str(caught.value).splitlines()
    assert first == f"found no test files in {tmp_path}."
    assert last == "Or draw a synthetic dataset in Python: train, test = ff.synthetic()"


def test_paths_of_files_are_absolute(tmp_path, monkeypatch):
    put(tmp_path / "data", small_files())
    monkeypatch.chdir(tmp_path)
    files = find_split("test", "data")
    assert files.images.path == tmp_path / "data" / STEMS[0].replace("-idx", ".idx")
