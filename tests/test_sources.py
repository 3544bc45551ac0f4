"""Finding the files of a dataset, knowing the published ones, refusing wrong ones."""

import gzip
import json
import shutil
import struct

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import FormatError
from fmnist_fast._registry import hashes as identity
from fmnist_fast._registry.datasets import DATASETS, SPLITS

NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
CARD = {"name": "letters", "classes": list("ABCDEFGHIJ")}


def write_pair(folder, split="test", *, fill=0, suffix=".gz", card=CARD):
    """Twelve 5x4 images of brightness `fill`; a card keeps the warning away."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = (folder / f"{name}{suffix}" for name in NAMES[split])
    ff.write_idx(images, np.full((12, 5, 4), fill, np.uint8))
    ff.write_idx(labels, np.arange(12, dtype=np.uint8) % 10)
    if card is not None:
        (folder / "dataset.json").write_text(json.dumps(card))
    return images, labels


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No folder is named, and the cache folder is empty."""
    monkeypatch.delenv("FMNIST_FAST_DATA", raising=False)
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))


# ---- where ----------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_pair_is_loaded(tmp_path, split, suffix):
    write_pair(tmp_path, split, fill=7, suffix=suffix)
    dataset = ff.load(split, tmp_path)
    assert dataset.images.shape == (12, 5, 4) and (dataset.images == 7).all()
    assert dataset.labels.tolist() == [*range(10), 0, 1]
    assert (dataset.split_name, dataset.source) == (split, str(tmp_path))


def test_arrays_are_read_only(tmp_path):
    write_pair(tmp_path, suffix="")
    dataset = ff.load("test", tmp_path)
    assert not dataset.images.flags.writeable and not dataset.labels.flags.writeable


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_root_may_be_a_string_or_a_path(tmp_path, kind):
    write_pair(tmp_path)
    assert len(ff.load("test", kind(tmp_path))) == 12


def test_root_may_start_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_pair(tmp_path / "data")
    assert len(ff.load("test", "~/data")) == 12


@pytest.mark.parametrize(
    "folder",
    [
        "FashionMNIST/raw",  # torchvision's
        "raw",
        "datasets/fashion-mnist",  # Keras'
        "fashion-mnist",
        "data/fashion",  # the repository's
    ],
)
def test_folders_of_other_libraries(tmp_path, folder):
    write_pair(tmp_path / folder, fill=9)
    assert ff.load("test", tmp_path).images.max() == 9


def test_plain_goes_before_gzip(tmp_path):
    write_pair(tmp_path, fill=1)
    write_pair(tmp_path, fill=2, suffix="")
    assert ff.load("test", tmp_path).images.max() == 2


def test_one_plain_and_one_gzip(tmp_path):
    images, _ = write_pair(tmp_path)
    (tmp_path / images.stem).write_bytes(gzip.decompress(images.read_bytes()))
    images.unlink()
    assert len(ff.load("test", tmp_path)) == 12


def test_root_then_variable_then_cache_folder(tmp_path, monkeypatch, nowhere):
    for i, name in enumerate(("given", "named", "cache")):
        write_pair(tmp_path / name, fill=i)
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path / "named"))
    assert ff.load("test", tmp_path / "given").images.max() == 0
    assert ff.load("test").images.max() == 1
    monkeypatch.delenv("FMNIST_FAST_DATA")
    assert ff.load("test").images.max() == 2


def test_cache_folder_is_next_where_the_variables_folder_has_nothing(
    tmp_path, monkeypatch, nowhere
):
    write_pair(tmp_path / "cache", fill=2)
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path / "missing"))
    assert ff.load("test").images.max() == 2


def test_a_given_root_is_the_only_place(tmp_path, nowhere):
    write_pair(tmp_path / "cache")
    (tmp_path / "given").mkdir()
    with pytest.raises(FileNotFoundError, match="found no t10k") as caught:
        ff.load("test", tmp_path / "given")
    assert str(tmp_path / "cache") not in str(caught.value)


def test_a_missing_folder_is_told(tmp_path, monkeypatch, nowhere):
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path / "x"))
    with pytest.raises(FileNotFoundError, match=r"found no .* in .*x \(missing\)"):
        ff.load("test")


# ---- what is missing ------------------------------------------------------------


@pytest.mark.parametrize("split", ["validation", "", "Train", None, 0])
def test_unknown_split(split):
    with pytest.raises(ValueError, match=f"'train' or 'test', got {split!r}"):
        ff.load(split)


def test_missing_root(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"root must be a folder.*x is missing"):
        ff.load("test", tmp_path / "x")


def test_root_that_is_a_file(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(FileNotFoundError, match=r"must be a folder, but .*x is a file"):
        ff.load("test", tmp_path / "x")


@pytest.mark.parametrize("missing", [0, 1])
def test_half_a_pair(tmp_path, missing):
    pair = write_pair(tmp_path)
    pair[missing].unlink()
    there, absent = pair[1 - missing].name, NAMES["test"][missing]
    message = rf"{there} is there, but {absent} or {absent}\.gz is not beside it"
    with pytest.raises(FileNotFoundError, match=message):
        ff.load("test", tmp_path)


def test_nothing_found_says_where_and_what_to_do(tmp_path, monkeypatch, nowhere):
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path / "named"))
    with pytest.raises(FileNotFoundError) as caught:
        ff.load("train")
    for part in (
        r"train-images-idx3-ubyte[.gz] and train-labels-idx1-ubyte[.gz]",
        str(tmp_path / "named"),
        str(tmp_path / "cache"),
        "root=FOLDER",
        "FMNIST_FAST_DATA=FOLDER",
        "fmnist_fast.synthetic()",
    ):
        assert part in str(caught.value)


def test_nowhere_to_look(monkeypatch, nowhere):
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    with pytest.raises(FileNotFoundError, match="nowhere: FMNIST_FAST_DATA is not set"):
        ff.load("train")


# ---- what is wrong --------------------------------------------------------------


def test_images_and_labels_swapped(tmp_path):
    images, labels = write_pair(tmp_path, suffix="")
    images.rename(tmp_path / "x")
    labels.rename(images)
    (tmp_path / "x").rename(labels)
    message = r"t10k-images.*: images must be uint8 with 3 dim.*, found uint8 \(12,\)"
    with pytest.raises(FormatError, match=message):
        ff.load("test", tmp_path)


@pytest.mark.parametrize(
    "images, found",
    [
        (np.zeros((12, 20), np.uint8), r"uint8 \(12, 20\)"),
        (np.zeros((12, 5, 4, 1), np.uint8), r"uint8 \(12, 5, 4, 1\)"),
        (np.zeros((12, 5, 4), np.int8), r"int8 \(12, 5, 4\)"),
        (np.zeros((12, 5, 4), np.float32), r"float32 \(12, 5, 4\)"),
        (np.zeros((12, 0, 4), np.uint8), r"uint8 \(12, 0, 4\)"),
        (np.zeros((12, 5, 0), np.uint8), r"uint8 \(12, 5, 0\)"),
    ],
)
def test_images_of_another_kind(tmp_path, images, found):
    path, _ = write_pair(tmp_path)
    ff.write_idx(path, images)
    message = f"{path.name}: images must be uint8 with 3 dimensions, found {found}"
    with pytest.raises(FormatError, match=message):
        ff.load("test", tmp_path)


@pytest.mark.parametrize(
    "labels, found",
    [
        (np.zeros(12, np.float32), r"float32 \(12,\)"),
        (np.zeros((12, 1), np.uint8), r"uint8 \(12, 1\)"),
        (np.zeros((), np.uint8), r"uint8 \(\)"),
    ],
)
def test_labels_of_another_kind(tmp_path, labels, found):
    _, path = write_pair(tmp_path)
    ff.write_idx(path, labels)
    message = f"{path.name}: labels must be integers with 1 dimension, found {found}"
    with pytest.raises(FormatError, match=message):
        ff.load("test", tmp_path)


@pytest.mark.parametrize("n", [0, 11, 13])
def test_images_and_labels_of_different_number(tmp_path, n):
    _, path = write_pair(tmp_path)
    ff.write_idx(path, np.zeros(n, np.uint8))
    message = f"images-idx3-ubyte.gz has 12 images, but .*ubyte.gz has {n} labels"
    with pytest.raises(FormatError, match=message):
        ff.load("test", tmp_path)


@pytest.mark.parametrize("which", [0, 1])
def test_damaged_file_is_named(tmp_path, which):
    path = write_pair(tmp_path)[which]
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(FormatError, match=f"{path.name}: truncated"):
        ff.load("test", tmp_path)


def test_file_that_is_no_idx_is_named(tmp_path):
    path, _ = write_pair(tmp_path)
    path.write_text("<html>not found</html>")
    with pytest.raises(FormatError, match=rf"{path.name} \(starts with 3C 68 74 6D\)"):
        ff.load("test", tmp_path)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32"])
def test_labels_of_other_integers_can_be_used(tmp_path, dtype):
    _, path = write_pair(tmp_path)
    ff.write_idx(path, np.arange(12).astype(dtype) % 10)
    dataset = ff.load("test", tmp_path)
    assert dataset.labels.dtype == np.int32 and not dataset.labels.flags.writeable
    with ff.Loader(dataset, batch_size=12, normalize=None) as loader:
        ((_, labels),) = loader
    assert labels.tolist() == [*range(10), 0, 1]


def test_label_outside_of_the_classes(tmp_path):
    _, path = write_pair(tmp_path)
    ff.write_idx(path, np.arange(12, dtype=np.uint8))
    message = rf"{path.name}: labels must be in 0\.\.9, .* the 10 classes, got 0 to 11"
    with pytest.raises(FormatError, match=message):
        ff.load("test", tmp_path)


def test_negative_label(tmp_path):
    _, path = write_pair(tmp_path)
    ff.write_idx(path, -np.ones(12, np.int8))
    with pytest.raises(FormatError, match=f"{path.name}: labels must not be .* got -1"):
        ff.load("test", tmp_path)


def test_stray_label_makes_no_billion_names(tmp_path):
    _, path = write_pair(tmp_path, card={"name": "unnamed"})
    ff.write_idx(path, np.full(12, 2**31 - 1, np.int32))
    with pytest.raises(FormatError, match=r"must be below 1048576 .* 2147483647"):
        ff.load("test", tmp_path)


# ---- the published files --------------------------------------------------------


@pytest.mark.parametrize("split, n", [("train", 60000), ("test", 10000)])
def test_published_files_are_known(real_root, split, n):
    dataset = ff.load(split, real_root)  # a warning would be an error
    assert dataset.name == "fashion-mnist" and not dataset.synthetic
    assert dataset.images.shape == (n, 28, 28)
    assert np.bincount(dataset.labels).tolist() == [n // 10] * 10
    assert dataset.classes[0] == "T-shirt/top" and dataset.classes[9] == "Ankle boot"


def test_published_files_are_known_from_the_cache(tmp_path, monkeypatch, real_root):
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path))
    for _ in range(2):
        assert ff.load("test", real_root).name == "fashion-mnist"
    assert len(list((tmp_path / "decoded").iterdir())) == 2


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_published_content_packed_anew_is_known(tmp_path, real_root, suffix):
    for stem in NAMES["test"]:
        items = ff.read_idx(real_root / f"{stem}.gz")
        ff.write_idx(tmp_path / f"{stem}{suffix}", items)
    assert ff.load("test", tmp_path, cache=False).name == "fashion-mnist"


def test_one_changed_label_is_not_the_published_file(tmp_path, real_root):
    images, labels = (f"{stem}.gz" for stem in NAMES["test"])
    shutil.copy(real_root / images, tmp_path)
    items = ff.read_idx(real_root / labels)
    items[5000] = (items[5000] + 1) % 10
    ff.write_idx(tmp_path / labels, items)
    with pytest.warns(UserWarning) as seen:
        dataset = ff.load("test", tmp_path, cache=False)
    assert dataset.name is None and dataset.classes[9] == "9"
    (warning,) = seen
    assert str(warning.message).startswith(f"{tmp_path / labels}: not the published")


def test_copy_made_without_a_check_is_checked_when_needed(
    tmp_path, monkeypatch, real_root
):
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    for stem in NAMES["test"]:
        shutil.copy(real_root / f"{stem}.gz", tmp_path)
    (tmp_path / "dataset.json").write_text('{"name": "renamed"}')
    assert ff.load("test", tmp_path).name == "renamed"
    (tmp_path / "dataset.json").unlink()
    assert ff.load("test", tmp_path).name == "fashion-mnist"


def test_mnist_is_not_taken_for_fashion_mnist(tmp_path):
    images, labels = write_pair(tmp_path, card=None)
    message = f"{images} and {labels}: not the published Fashion-MNIST.*numbers"
    with pytest.warns(UserWarning, match=message) as seen:
        dataset = ff.load("test", tmp_path)
    assert dataset.name is None and not dataset.synthetic
    assert dataset.classes == tuple("0123456789")
    assert [warning.filename for warning in seen] == [__file__]


def test_warning_comes_from_the_cache_too(tmp_path, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    write_pair(tmp_path, card=None)
    for _ in range(2):
        with pytest.warns(UserWarning, match="not the published"):
            ff.load("test", tmp_path)


# ---- dataset.json ---------------------------------------------------------------


def test_card_names_the_dataset_and_its_classes(tmp_path):
    write_pair(tmp_path)
    dataset = ff.load("test", tmp_path)  # a warning would be an error
    assert (dataset.name, dataset.synthetic) == ("letters", False)
    assert dataset.classes == tuple("ABCDEFGHIJ")


def test_card_says_synthetic(tmp_path):
    write_pair(tmp_path, card=CARD | {"synthetic": True})
    dataset = ff.load("test", tmp_path)
    assert dataset.synthetic and "SYNTHETIC" in repr(dataset)


def test_card_without_classes(tmp_path):
    write_pair(tmp_path, card={"name": "unnamed"})
    assert ff.load("test", tmp_path).classes == tuple("0123456789")


def test_root_of_another_type():
    with pytest.raises(TypeError, match="root must be a path, got 3"):
        ff.load("test", 3)


@pytest.mark.parametrize(
    "card, message",
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[]", "the file must hold a JSON object, got list"),
        ("3", "the file must hold a JSON object, got int"),
        ("[" * 100000, "recursion|Expecting"),
        ('"name"', "the file must hold a JSON object, got str"),
        ('{"classes": 10}', "classes must be a list of names, got 10"),
        ('{"classes": "ABCDEFGHIJ"}', "classes must be a list of names, got 'ABC"),
        ('{"classes": [1, 2]}', r"classes must be a list of names, got \[1, 2\]"),
        ('{"classes": {"A": 1}}', "classes must be a list of names, got {'A'"),
        ('{"name": 5}', "name must be a string, got 5"),
    ],
)
def test_broken_card(tmp_path, card, message):
    write_pair(tmp_path)
    (tmp_path / "dataset.json").write_text(card)
    message = f"dataset.json: not a dataset card: .*{message}"
    with pytest.raises(FormatError, match=message):
        ff.load("test", tmp_path)


def test_card_that_is_not_text(tmp_path):
    write_pair(tmp_path)
    (tmp_path / "dataset.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match=r"dataset.json: not a dataset card: .*utf-8"):
        ff.load("test", tmp_path)


# ---- hashes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "stem", [stem for part in SPLITS.values() for stem in part.stems]
)
def test_hashes_are_those_of_the_published_files(real_root, stem):
    path, member = real_root / f"{stem}.gz", DATASETS["fashion-mnist"]
    compressed, inflated = member.sha256_of(stem)
    digest, items = identity.sha256_of(path), ff.read_idx(path)
    assert digest == compressed == identity.published_sha256(digest, items)
    assert identity.published_sha256("of another compressor", items) == inflated
    assert identity.published_sha256("another", items[:-1]) == "another"
    for sha256, answer in ((compressed, True), (inflated, True), ("another", False)):
        found = identity.is_published(member, stem, sha256, path)
        assert found is answer
    assert identity.is_published(member, "x", compressed, path) is None


def test_headers_of_empty_files_are_published_by_nobody(tmp_path):
    stem = NAMES["test"][1]
    (tmp_path / stem).write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, 0))
    digest = identity.sha256_of(tmp_path / stem)
    assert identity.published_sha256(digest, ff.read_idx(tmp_path / stem)) == digest


# ---- a folder of one's own --------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    """Train alone, with a card, and another split of the same kind."""
    for word in ("train", "val"):
        ff.write_idx(tmp_path / f"{word}-images-idx3-ubyte", np.zeros((4, 3, 3), "u1"))
        ff.write_idx(
            tmp_path / f"{word}-labels-idx1-ubyte", np.arange(4, dtype="u1") % 2
        )
    (tmp_path / "dataset.json").write_text('{"name": "mine", "classes": ["a", "b"]}')
    return tmp_path


def test_other_splits_of_a_root(own):
    assert ff.load("val", root=own).classes == ("a", "b")
    with pytest.raises(ValueError, match="must be 'train' or 'test', got 'nothing'"):
        ff.load("nothing", root=own.parent)


@pytest.mark.parametrize("download", [False, True])
def test_nothing_is_fetched_into_a_dataset_of_its_own(own, download):
    with pytest.raises(FileNotFoundError, match=r"dataset of its own .* split 'test'"):
        ff.load("test", root=own, download=download)
    assert not (own / "fashion-mnist").exists()
