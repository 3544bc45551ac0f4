"""Cases from public reports and other libraries' tests: what is right, by number."""

import copy
import gzip
import importlib
import json
import operator
import os
import pickle
import re
import subprocess
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers.advice import WAYS, follow
from helpers.command_line import NAMES
from helpers.photos import draw
from helpers.tiny import IMAGES, LABELS

import fmnist_fast as ff

DOCS = Path(__file__).parents[1] / "docs"
F = ff.Dataset.from_arrays


def adapter_of(name):
    """Return the adapter for a framework, or skip the test without the framework."""
    pytest.importorskip(name)
    module = importlib.import_module(f"fmnist_fast.frameworks.{name}")
    return next(v for k, v in vars(module).items() if k.lower() == f"{name}loader")


def test_case_01_names_of_files(tmp_path, monkeypatch, nowhere, mnist_root, run):
    """MNIST as 7-zip unpacks it is found in all ways, and is never Fashion-MNIST."""
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path))
    for name in NAMES[2:]:
        items = gzip.decompress((mnist_root / f"{name}.gz").read_bytes())
        (tmp_path / name.replace("-idx", ".idx")).write_bytes(items)
    for root in (tmp_path, None):
        assert ff.load("test", root, name="mnist").name == "mnist"
        with pytest.raises(FileNotFoundError, match=r"of MNIST\. Pass name='mnist'\."):
            ff.load("test", root, name="fashion-mnist")
    for command in ("info", "verify"):
        assert "of MNIST. Pass --name mnist." in "".join(run(command)[1:])
        assert str(tmp_path / "t10k-images.id") in run(command, "--name", "mnist")[1]


def test_case_02_copies_begin_where_the_next_loop_would(small):
    """A pickled or copied loader yields a whole epoch after ``next(iter(loader))``."""
    for make in (ff.Loader, adapter_of("torch")):
        loader = make(small, 100)
        next(iter(loader))
        for twin in (pickle.loads(pickle.dumps(loader)), copy.deepcopy(loader)):
            assert sum(len(y) for _, y in twin) == 1000
    data = importlib.import_module("torch.utils.data")
    workers = data.DataLoader(loader, batch_size=None, num_workers=1)
    assert [sum(len(y) for _, y in workers) for _ in range(2)] == [1000, 1000]


def test_case_03_mappings_of_classes():
    """A mapping of labels to names is honored either way, and a set is refused."""
    for classes in ({0: "bag", 2: "cat", 1: "dog"}, {"cat": 2, "dog": 1, "bag": 0}):
        dataset = F(IMAGES, LABELS, classes=classes)
        assert dataset.classes == ("bag", "dog", "cat") and dataset.str2int("cat") == 2
    with pytest.raises(TypeError, match="doesn't say which label a name has"):
        F(IMAGES, LABELS, classes={"bag", "dog", "cat"})


def test_case_04_units(small):
    """Numbers in 0..255 are refused with the right pair; torchvision's are taken."""
    with pytest.raises(ValueError, match=r"pass normalize=\(0\.286, 0\.353\)\.$"):
        ff.Loader(small, normalize=(72.94, 90.02))
    loader = ff.Loader(small, normalize=((0.1307,), (0.3081,)))
    assert loader.normalize == (loader.mean, loader.std) == (0.1307, 0.3081)
    assert ff.Loader(small.select([0]), normalize=small).mean == small.mean


@pytest.mark.parametrize("n", [1, 512, 70000])
def test_case_05_zeros_after_gzip(tmp_path, n):
    """Zeros after gzip data are padding, which all functions accept."""
    (tmp_path / "dataset.json").write_text('{"name": "mine"}')
    for stem, shape in (("images-idx3", (3, 2, 2)), ("labels-idx1", (3,))):
        path = tmp_path / f"train-{stem}-ubyte.gz"
        ff.write_idx(path, np.ones(shape, np.uint8))
        path.write_bytes(path.read_bytes() + bytes(n))
        assert ff.read_idx(path).shape == ff.read_idx(path.read_bytes()).shape == shape
    for dataset in (ff.load("train", tmp_path), ff.load_files(tmp_path / "*idx3*")):
        assert np.asarray(dataset.images).tolist() == [[[1, 1], [1, 1]]] * 3


@pytest.mark.parametrize("way", WAYS)
def test_case_06_damaged_download(small_fashion, way):
    """The message about a damaged download says how to replace it, and that works."""
    ff.load("test", download=True)
    path = small_fashion / f"{NAMES[2]}.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ff.FormatError, match="Delete it, then download") as caught:
        ff.load("test")
    path.unlink()
    follow(caught.value, way)
    assert ff.load("test").name == "fashion-mnist"


def test_case_08_statistics_of_the_training_set(real_root, real_train):
    """A test set, also of one class, is normalized by the training set's statistics."""
    test, expected = ff.load("test", real_root), (real_train.mean, real_train.std)
    sandals = test.select(test.labels == test.str2int("Sandal"))
    for loader in map(ff.Loader, (real_train, test, sandals)):
        assert loader.normalize == (loader.mean, loader.std) == expected
        assert "normalize=(0.286, 0.353) of fashion-mnist/train" in repr(loader)
    assert test.mean == pytest.approx(np.mean(test.images) / 255) != test.std


def test_case_09_names_of_data_loader(small):
    """Keywords of torch's DataLoader are refused with what to write here."""
    wanted = {
        "num_workers": "Native threads fill the batches: pass threads=2",
        "collate_fn": "It isn't needed. Batches are arrays already.",
        "sampler": "order=rows",
        "generator": "\nPass seed=123.",
    }
    for name, text in wanted.items():
        with pytest.raises(TypeError, match=re.escape(text)):
            ff.Loader(small, **{name: np.random.default_rng(123)})


@pytest.mark.parametrize("name", ["torch", "jax", "tensorflow", "keras"])
def test_case_10_options_are_attributes_of_adapters(small, name):
    """An adapter has the attributes of a loader that trainers read, and no others."""
    options = {"drop_last": True, "shuffle": True, "seed": 3, "shard": (1, 2)}
    loader = adapter_of(name)(small, 64, **options)
    assert len(loader.dataset) == 1000 and loader.dataset is small
    assert (loader.batch_size, loader.drop_last, loader.shuffle) == (64, True, True)
    assert (loader.seed, loader.rank, loader.world) == (3, 1, 2)
    assert loader.dtype == "float32" and loader.normalize == loader.loader.normalize
    assert getattr(loader, "collate_fn", None) is None


def test_case_11_transforms_of_torchvision(small):
    """Names, objects and functions that don't fit are refused at once, with a way."""
    with pytest.raises(AttributeError, match=r"'ToTensor'\.\nIt isn't needed\."):
        _ = ff.ToTensor
    with pytest.raises(TypeError, match=r"as function\(images, labels, rng\), got"):
        ff.Loader(small, augment=[lambda x: x])
    kind = type("RandomCrop", (), {"__module__": "torchvision.transforms"})
    with pytest.raises(TypeError, match=r"got torchvision's .*\nPass ff\.RandomCrop"):
        ff.Loader(small, augment=[kind()])


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_case_12_content_that_is_not_idx(tmp_path, pack):
    """The error says what the file is, and what to do."""
    for content, name, advice in (
        (b"<!DOCTYPE html>\n<html>", "a web page", "Delete the file and download it"),
        (b"PK\3\4" + bytes(40), "a zip archive", "python -m zipfile -e"),
    ):
        (tmp_path / "a").write_bytes(pack(content))
        with pytest.raises(ff.FormatError, match=advice) as caught:
            ff.read_idx(tmp_path / "a")
        inside = " inside gzip" * (pack is not bytes)
        words = f"{tmp_path / 'a'}: is {name}{inside}, not an IDX file.\n"
        assert str(caught.value).startswith(words)


def test_case_13_advice_for_arrays():
    """The error for other arrays ends with an expression that makes them right."""
    for images, advice in (
        (IMAGES[..., None], "images[..., 0]"),
        (IMAGES[:, None], "images[:, 0]"),
        (IMAGES / 255, "(images * 255).round().astype('uint8')"),
    ):
        with pytest.raises(ValueError, match=re.escape(f"\nPass {advice}.") + "$"):
            F(images, LABELS)
        right = eval(advice, {"images": images})
        assert np.array_equal(F(right, LABELS).images, IMAGES)


def test_case_14_rows_unpack(six):
    """A row is a pair of an image and a label, and is indexed by column as well."""
    for i, (image, label) in enumerate(six):
        assert np.array_equal(image, IMAGES[i]) and label == LABELS[i]
    images, labels = six[2:5]
    assert images.shape == (3, 4, 3) and labels.tolist() == LABELS[2:5].tolist()
    row = pickle.loads(pickle.dumps(six[3]))
    assert row == six[3] != six[1] and dict(row).keys() == {"image", "label"}
    assert row["image"] is row[0] and row["label"] == row.get("label") == 2


def test_case_15_tensors_of_read_only_images(real_root):
    """The recipe of docs/dataset.md makes tensors of all images without a warning."""
    torch = pytest.importorskip("torch")
    blocks = (DOCS / "dataset.md").read_text(encoding="utf-8").split("```python\n")
    (recipe,) = (block.split("```")[0] for block in blocks if "dlpack" in block)
    names = {"train": ff.load("test", real_root), "torch": torch}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(recipe, names)
    images, address = names["train"].images, names["train"].images.ctypes.data
    assert np.array_equal(names["copy"], images) and names["copy"].data_ptr() != address
    assert names["shared"].data_ptr() == address and not images.flags.writeable


def test_case_16_the_rank_comes_from_torch_distributed(small, monkeypatch):
    """``shard="env"`` takes rank and world from an initialized torch.distributed."""
    for name in os.environ:
        if name.startswith(("SLURM_", "OMPI_")) or name in ("RANK", "WORLD_SIZE"):
            monkeypatch.delenv(name)
    values = {"is_initialized": True, "get_rank": 2, "get_world_size": 3}
    fake = types.SimpleNamespace(**{k: lambda v=v: v for k, v in values.items()})
    monkeypatch.setitem(sys.modules, "torch.distributed", fake)
    assert "shard=(2, 3)" in repr(ff.Loader(small, shard="env"))


def test_case_17_keras_gets_as_many_steps_as_it_asks_for():
    """With steps_per_epoch, batches go on into the next epoch of the loader."""
    pytest.importorskip("keras"), pytest.importorskip("jax")
    code = """import keras, fmnist_fast as ff
from fmnist_fast.frameworks.keras import KerasLoader
loader = KerasLoader(ff.synthetic(1000, 100)[0].select(range(320)), 64)
model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
model.compile("sgd", "sparse_categorical_crossentropy")
model.fit(loader, epochs=2, steps_per_epoch=8, verbose=0, class_weight={0: 2.0})
print(int(model.optimizer.iterations), loader.epoch)"""
    run = [sys.executable, "-W", "error::UserWarning", "-c", code]
    env = os.environ | {"KERAS_BACKEND": "jax"}
    assert subprocess.check_output(run, env=env, timeout=120).split() == [b"16", b"3"]


def test_case_18_labels_from_1():
    """Labels 1..N without names of classes are refused, and subsets are allowed."""
    labels = np.array([3, 1, 2, 3, 1, 3])
    with pytest.raises(ValueError, match=r"got 1\.\.3\.\nPass labels - 1\. To keep"):
        F(IMAGES, labels)
    assert F(IMAGES, labels - 1).classes == ("0", "1", "2")
    kept = F(IMAGES, labels, classes=list(map(str, range(4))))
    assert kept.class_counts.tolist() == [0, 2, 1, 3]
    assert len(F(IMAGES, [3, 5, 7, 3, 5, 7]).classes) == 8


@pytest.mark.parametrize("workers", [1, 2])
def test_case_19_epochs_of_a_dataloader_go_on(small, workers):
    """Each pass of a DataLoader with workers is the next epoch of a TorchLoader."""
    loader = adapter_of("torch")(small.select(range(96)), 32, shuffle=True)
    data = importlib.import_module("torch.utils.data")
    batches = data.DataLoader(loader, batch_size=None, num_workers=workers)
    for epoch in range(3):
        rows = np.concatenate([labels for _, labels in batches]).tolist()
        assert rows == np.concatenate([labels for _, labels in loader]).tolist(), epoch


def test_case_20_the_seed_of_torch_has_no_effect(small):
    """The argument `seed` chooses the order, and torch.manual_seed does not."""
    make, torch, orders = adapter_of("torch"), importlib.import_module("torch"), []
    for torch_seed, seed in ((1, 1), (2, 1), (1, 2)):
        torch.manual_seed(torch_seed)
        orders.append([y.tolist() for _, y in make(small, shuffle=True, seed=seed)])
    assert orders[0] == orders[1] != orders[2]


def test_case_21_class_folders_with_numbers(tmp_path):
    """With class folders "0" to "10", each label is the number of its folder."""
    pytest.importorskip("PIL")
    for number in range(11):
        draw(tmp_path / "photos" / str(number) / "a.png", number)
    ff.convert_folder(tmp_path / "photos", tmp_path / "out")
    dataset = ff.load("train", root=tmp_path / "out")
    assert dataset.classes == tuple(map(str, range(11)))
    assert dataset.labels.tolist() == list(range(11))


def test_case_22_moved_files(tmp_path):
    """Unpickling names the file and the dataset, and says what to do."""
    (tmp_path / "dataset.json").write_text('{"name": "mine"}')
    for stem, shape in (("images-idx3", (3, 2, 2)), ("labels-idx1", (3,))):
        ff.write_idx(tmp_path / f"train-{stem}-ubyte", np.ones(shape, np.uint8))
    pickled = pickle.dumps(ff.load("train", tmp_path))
    tmp_path.rename(tmp_path.with_name("elsewhere"))
    message = rf"^{tmp_path}.*: the pickled dataset 'mine/train' needs this file, which"
    with pytest.raises(FileNotFoundError, match=message) as caught:
        pickle.loads(pickled)
    assert "\nLoad the dataset again, or pickle it where" in str(caught.value)


@pytest.mark.parametrize("name", ["", "torch", "jax", "tensorflow"])
def test_case_22_pickled_iterator(small, name):
    """A copied or pickled iterator is an error that says what to pickle."""
    make = adapter_of(name) if name else ff.Loader
    for iterator in (iter(make(small)), iter(make(small, augment=lambda x, y, rng: 0))):
        for copied in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match=r"pickle the loader, or save loader\."):
                copied(iterator)


@pytest.mark.skipif(sys.platform == "win32", reason="MSVC does not read CC")
def test_case_26_no_compiler(tmp_path):
    """The end of a build without a C compiler says what to install on each system."""
    pytest.importorskip("setuptools")
    command = [sys.executable, "setup.py", "build_ext", "-b", tmp_path, "-t", tmp_path]
    options = {"cwd": DOCS.parent, "env": os.environ | {"CC": str(tmp_path / "gcc")}}
    done = subprocess.run(command, **options, stderr=subprocess.PIPE, text=True)
    last = done.stderr.splitlines()[-7:]
    assert "requires a C compiler, and none that works was found." in last[0]
    systems = ["Debian, Ubuntu", "Fedora", "macOS", "Windows"]
    assert [line.split("  ")[1] for line in last[2:6]] == systems


def test_case_27_command_line(run, published, work_folder):
    """The bare program prints its help, and verify reports a missing file as a line."""
    code, out, err = run()
    assert (code, err) == (0, "") and out.startswith("usage: fmnist-fast ")
    (published / f"{NAMES[3]}.gz").unlink()
    code, out, err = run("verify", published)
    assert (code, err, out.count("ok       ")) == (1, "", 3)
    assert f"MISSING  {published / NAMES[3]}: no such file, plain or .gz.\n" in out
    assert run("show", "--root", published, "--class", "BAG", "9")[0] == 0
    assert "x: no such file or directory" in run("convert-idx", "x", "y")[2]


def test_case_28_no_black_frames_of_the_recipe_strong(real_train):
    """Fewer than 1 image in 1,000 is nearly black or flat after the recipe "strong"."""
    dataset = real_train.select(slice(0, 30_000))
    brightness = dataset.images.mean(axis=(1, 2))
    options = {"dtype": "uint8", "layout": "flat", "augment": "strong"}
    ((images, _),) = ff.Loader(dataset, 30_000, **options)
    assert (images.mean(axis=1) < 0.1 * brightness).sum() < 30
    assert (images.std(axis=1) < 8).sum() < 30


def test_case_29_an_iterator_knows_how_many_batches_are_left(small):
    """After a resume, ``operator.length_hint(iterator)`` is the rest of the epoch."""
    before, loader = ff.Loader(small, 100), ff.Loader(small, 100)
    batches = iter(before)
    next(batches), next(batches)
    loader.load_state_dict(before.state_dict())
    assert (len(loader), operator.length_hint(iter(loader))) == (10, 8)
    batches = iter(loader)
    resumed = [operator.length_hint(batches) for _ in batches]
    assert (resumed, len([*loader])) == ([7, 6, 5, 4, 3, 2, 1, 0], 10)


def test_case_30_parts_of_a_split_can_be_told_apart(small):
    """The repr of a part names the part, the split, and the size of the whole."""
    for i, part in enumerate(small.split(0.5), 1):
        text = f"synthetic/train (SYNTHETIC), part {i} of split(0.5, seed=0)"
        assert f"({text}: 500 of 1,000 images of 28x28" in repr(part)
        assert f"({text}: 10 of 1,000 images of" in repr(part.select(range(10)))
        assert part.title == small.title == "synthetic/train (SYNTHETIC)"


@pytest.mark.filterwarnings("ignore:'set_vital'")
def test_case_31_the_last_batches_of_workers(small):
    """A state taken within the last batches of an epoch resumes with the others."""
    package = pytest.importorskip("torchdata.stateful_dataloader")
    data = adapter_of("torch")(F(small.images[:8], np.arange(8)), 4)
    options = {"batch_size": None, "num_workers": 2}
    run, resumed = (package.StatefulDataLoader(data, **options) for _ in "ab")
    for _ in zip(range(3), batches := iter(run)):
        state = run.state_dict()
    resumed.load_state_dict(state)
    assert [y.tolist() for _, y in resumed] == [y.tolist() for _, y in batches] != []


@pytest.mark.parametrize("first", ["loader.epoch", "saved"])
def test_case_32_a_state_at_the_last_step_resumes_with_the_next_epoch(small, first):
    """A run of 12 steps has 12 steps, wherever it is interrupted."""
    states = []
    for k in range(12):
        loader = ff.Loader(small, 250, shuffle=True)
        if k:
            loader.load_state_dict(json.loads(json.dumps(states[k - 1][1])))
        epochs = range(states[k - 1][0] if k and first == "saved" else loader.epoch, 3)
        steps = [(e, loader.state_dict()) for e in epochs for _ in loader]
        assert len(steps) == 12 - k and (k == 0 or steps == states[k:])
        states = states or steps


def test_case_33_bilinear_warps_are_within_two_levels():
    """Bilinear warps differ from torchvision's by at most two, as the table says."""
    row = '| `RandomRotation(30, interpolation="bilinear", fill=None)` | 2 |'
    assert row in (DOCS / "augmentation.md").read_text("utf-8")
    image = np.array([[[255, 0], [255, 255]]], np.uint8)
    dataset = F(image, np.zeros(1, np.uint8))
    warp = ff.RandomRotation((26, 26), "bilinear")
    ((warped, _),) = ff.Loader(dataset, dtype="uint8", layout="NHW", augment=warp)
    torchvisions = [[155, 57], [212, 212]]
    assert abs(warped[0].astype(int) - torchvisions).max() == 2


def test_case_34_numbers_of_rows(six):
    """Booleans are no row numbers, and counts, iterators and indices are taken."""
    for call in (six.__getitem__, six.select):
        for rows in (True, np.True_, [True, 1], [2, np.False_]):
            with pytest.raises(TypeError, match="of a row must be an integer, got"):
                call(rows)
    assert six[iter([4, 1])].label.tolist() == LABELS[[4, 1]].tolist()
    assert len(six.select(i for i in range(0, 6, 2))) == 3
    assert len(six.filter(lambda row, i: i > 3, with_indices=True)) == 2
    assert list(map(len, six.split(4))) == [4, 2]


def test_case_35_every_class_in_both_parts():
    """A stratified split leaves no class out of a part: it has a row, or an error."""
    labels = np.array([0] * 80 + [1] * 18 + [2] * 2)
    dataset = F(np.zeros((100, 1, 1), np.uint8), labels, classes=["a", "b", "rare"])
    first, second = dataset.split(0.8, stratify=True)
    assert first.class_counts.tolist() == [64, 15, 1]
    assert second.class_counts.tolist() == [16, 3, 1]
    with pytest.raises(ValueError, match="2 rows of each class, got 1 of class 'rare'"):
        dataset.select(range(99)).split(0.8, stratify=True)


@pytest.mark.filterwarnings("ignore")
def test_case_36_lightning_overfits_the_same_batches(small, tmp_path):
    """Lightning's overfit_batches refuses `shuffle`, and repeats the other batches."""
    make, test = adapter_of("torch"), pytest.importorskip("test_trainers")
    options = {"max_epochs": 2, "overfit_batches": 2}
    module, trainer = test.lightning_parts(small, tmp_path, **options)
    trainer.fit(module, make(small, 64))
    assert module.seen[:2] == module.seen[2:] and len(module.seen) == 4
    module, trainer = test.lightning_parts(small, tmp_path, **options)
    with pytest.raises(ValueError, match="dataloader TorchLoader"):
        trainer.fit(module, make(small, 64, shuffle=True))


def test_case_37_contrast_keeps_images_of_one_level():
    """Contrast changes no image that has one gray level."""
    images = np.repeat(np.arange(256, dtype=np.uint8), 20).reshape(256, 4, 5)
    dataset = F(images, np.zeros(256, np.uint8))
    options = {"dtype": "uint8", "layout": "NHW"}
    for factor in (0.0, 0.1, 0.3, 0.7, 0.9, 1.1, 1.9, 50.0):
        jitter = ff.ColorJitter(contrast=(factor, factor))
        ((got, _),) = ff.Loader(dataset, augment=jitter, **options)
        assert np.array_equal(got, images)


def test_case_38_spellings_of_torchvision():
    """Arguments that mean the same as ours are taken, and others name what there is."""
    wanted = ff.RandomRotation(10, "bilinear", fill=1)
    assert ff.RandomRotation([-10, 10], 2, fill=[1]) == wanted
    assert ff.RandomRotation(np.array([-10, 10]), 2, fill=(1.0,)) == wanted
    assert ff.RandomRotation(10, 0) == ff.RandomRotation(10)
    assert ff.Resize(28, 3) == ff.Resize(28, "bicubic")
    with pytest.raises(ValueError, match="nearest, bilinear, got 'bicubic'"):
        ff.RandomRotation(10, 3)
    with pytest.raises(ValueError, match=r"got 'nearest-exact'\.\nPass 'nearest'\."):
        ff.Resize(28, "nearest-exact")
