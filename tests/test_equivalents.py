"""Names and arguments of other libraries: errors say what to write here."""

import copy
import importlib.util
import pickle
import random
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import _equivalents, augment
from fmnist_fast._equivalents import equivalent
from fmnist_fast.frameworks._adapter import Adapter

DATA_LOADER = """num_workers pin_memory pin_memory_device collate_fn sampler
batch_sampler persistent_workers prefetch_factor worker_init_fn timeout in_order
multiprocessing_context generator"""
TF_DATA = """buffer_size drop_remainder num_parallel_calls batch repeat num_epochs
reshuffle_each_iteration deterministic"""
FFCV = "order os_cache pipelines recompile recache batches_ahead distributed indices"
KERAS = "validation_split image_size class_mode workers use_multiprocessing data_format"
KERAS += " class_weight sample_weight steps_per_epoch max_queue_size color_mode"
KERAS += " n_workers worker_count"
HUGGING_FACE = "streaming num_proc keep_in_memory transforms"


def told(error, call):
    """Return what the error of a call says after its first sentence."""
    with pytest.raises(error) as caught:
        call()
    first, _, rest = str(caught.value).partition(".\n")
    assert rest, f"no equivalent: {first}"
    return rest


@pytest.mark.parametrize("names", [DATA_LOADER, TF_DATA, FFCV, KERAS, HUGGING_FACE])
@pytest.mark.parametrize("loader", [ff.Loader, Adapter])
def test_keywords_of_loaders(small, loader, names):
    for name in names.split():
        rest = told(TypeError, lambda name=name: loader(small, **{name: 3}))
        assert not rest.startswith("It takes")


def test_a_generator_becomes_its_seed(small):
    torch = pytest.importorskip("torch")
    for generator, seed in [
        (torch.Generator().manual_seed(123), 123),
        (torch.Generator().manual_seed(-1), 2**64 - 1),
        (np.random.default_rng(7), 7),
        (99, 99),
        (None, 0),
    ]:
        rest = told(TypeError, lambda g=generator: ff.Loader(small, generator=g))
        assert rest == f"Pass seed={seed}."
    assert told(TypeError, lambda: small.split(0.5, generator=5)) == "Pass seed=5."


def test_a_generator_in_place_of_a_seed(small):
    for generator in (np.random.RandomState(3), random.Random(3), object()):
        for call in (ff.Loader, lambda ds, **options: ds.split(0.5, **options)):
            rest = told(TypeError, lambda g=generator, f=call: f(small, rng=g))
            assert rest == "Pass the seed of your generator, such as seed=0."
    for seed, text in [
        (np.random.default_rng(7), "Pass seed=7."),
        (random.Random(3), "Pass the seed of your generator, such as seed=0."),
    ]:
        assert told(TypeError, lambda s=seed: ff.Loader(small, seed=s)) == text
        assert told(TypeError, lambda s=seed: small.split(0.5, seed=s)) == text
    with pytest.raises(TypeError, match=r"seed must be an integer, got 'x'$"):
        ff.Loader(small, seed="x")


@pytest.mark.parametrize(
    "options, text",
    [
        ({"train": True}, 'Pass the split by name: load("train").'),
        ({"train": False}, 'Pass the split by name: load("test").'),
        ({"split": "train", "transform": len}, "Pass transforms to the loader"),
        ({"split": "train", "target_transform": len}, "Pass transforms to the loader"),
        ({"split": "train", "data_dir": "x"}, "Pass the folder as root"),
        ({"split": "train", "batch_size": 3}, "Pass it to the loader"),
        ({"split": "train", "as_supervised": True}, "Use dataset.images"),
    ],
)
def test_keywords_of_load(options, text):
    assert told(TypeError, lambda: ff.load(**options)).startswith(text)


def test_a_folder_in_place_of_the_split(tmp_path):
    for folder in ("./data", str(tmp_path), tmp_path, "data", "../datasets"):
        rest = told(ValueError, lambda folder=folder: ff.load(folder))
        assert rest == f"Pass split='train', root={str(folder)!r}."
        rest = told(ValueError, lambda folder=folder: ff.load(folder, tmp_path))
        assert rest == f"Pass split='train', root={str(folder)!r}."
    with pytest.raises(ValueError, match=r"must be 'train' or 'test', got 'valid'$"):
        ff.load("valid")


MODULE = """DataLoader FashionMNIST MNIST KMNIST EMNIST QMNIST datasets transforms v2
load_data load_dataset load_mnist TensorDataset Subset random_split ConcatDataset KFold
train_test_split DistributedSampler WeightedRandomSampler ImageFolder TorchLoader
KerasLoader JaxLoader JaxBatches TensorFlowLoader CupyLoader download from_arrays
AUTOTUNE concatenate concatenate_datasets ImageDataGenerator default_collate
HorizontalFlip OneOf Rescaling Sequential Perspective hflip to_tensor normalize"""


@pytest.mark.parametrize(
    "names, text",
    [
        (
            "sampler batch_sampler indices",
            "Pass the rows to Loader: order=rows, or ord",
        ),
        (
            "repeat",
            "It isn't needed. Each loop over a loader is the next epoch.\nFor s",
        ),
        ("infinite", "Pass steps=n, for epochs of n batches."),
        ("return_index return_indices", "Pass with_index=True."),
        ("replacement num_samples", "Pass weights=..., which draws with replacement."),
        (
            "color_mode grayscale as_gray",
            "Images are grayscale. For three channels, pass channels=3.",
        ),
    ],
)
def test_keywords_with_their_texts(small, names, text):
    for name in names.split():
        rest = told(TypeError, lambda name=name: ff.Loader(small, **{name: 3}))
        assert rest.startswith(text)


@pytest.mark.parametrize(
    "names, text",
    [
        (
            "WeightedRandomSampler",
            "Pass weights to Loader: Loader(dataset, weights=wei",
        ),
        ("Sampler SubsetRandomSampler BatchSampler", "Pass the rows to Loader: order="),
        ("KFold StratifiedKFold", "Use dataset.kfold(5, stratify=True)."),
    ],
)
def test_names_of_samplers(names, text):
    for name in names.split():
        rest = told(AttributeError, lambda name=name: getattr(ff, name))
        assert rest.startswith(text)


@pytest.mark.parametrize("package", [ff, augment], ids=["fmnist_fast", "augment"])
def test_names_of_the_package(package):
    for name in MODULE.split():
        told(AttributeError, lambda name=name: getattr(package, name))
        assert not hasattr(package, name)
        assert getattr(package, name, None) is None


def test_modules_of_the_package():
    code = """import fmnist_fast as ff
    for name in ("augment", "frameworks", "photos"):
        try:
            getattr(ff, name)
        except AttributeError as error:
            assert str(error).endswith(f"first: import fmnist_fast.{name}"), error
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(f"    {code}")])
    assert done.returncode == 0


def test_every_name_of_torchvisions_transforms():
    pytest.importorskip("torch", reason="torchvision needs torch")
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    import helpers.any_torchvision  # noqa: F401

    # isort: split
    import torchvision.transforms as v1
    from torchvision.transforms import v2

    for module in (v1, v2):
        names = [name for name in dir(module) if name[0].isupper()]
        missing = [name for name in names if not hasattr(ff, name)]
        assert len(missing) > 10
        for name in missing:
            assert equivalent("fmnist_fast", name), name


@pytest.mark.parametrize(
    "wrong, right",
    [
        ("RandomHorizontalflip", "RandomHorizontalFlip"),
        ("RandomRotate", "RandomRotation"),
        ("Mixup", "MixUp"),
        ("DataSet", "Dataset"),
    ],
)
def test_misspelled_names(wrong, right):
    with pytest.raises(AttributeError, match=rf"'{wrong}'. Did you mean '{right}'\?$"):
        getattr(ff, wrong)
    with pytest.raises(AttributeError, match=r"no attribute 'xyzzy'$"):
        _ = ff.xyzzy


DATASET = """data targets train_labels class_to_idx features column_names num_rows shape
map shuffle batch take skip repeat prefetch train_test_split set_format transform
to_pandas numpy target tail plot normalize cache shard sort unique with_transform
num_classes class_names samples"""


def test_attributes_of_datasets(small):
    for name in DATASET.split():
        told(AttributeError, lambda name=name: getattr(small, name))
        assert not hasattr(small, name) and getattr(small, name, None) is None
    assert told(AttributeError, lambda: small.tail) == "Use ds.select(slice(-5, None))."
    with pytest.raises(AttributeError, match=r"'Dataset' object .* 'xyzzy'$") as caught:
        _ = small.xyzzy
    assert (caught.value.name, caught.value.obj) == ("xyzzy", small)


@pytest.mark.parametrize(
    "method, options, text",
    [
        ("split", {"test_size": 0.2}, "Pass the share of the first"),
        ("split", {"train_size": 0.8}, "Pass the share as fraction"),
        ("split", {"fraction": 0.8, "stratify_by_column": "label"}, "Pass stratify=T"),
        ("split", {"fraction": 0.8, "random_state": 3}, "Pass seed=3."),
        ("filter", {"function": len, "num_proc": 3}, "It isn't needed."),
        ("select", {"indices": [3]}, "Pass rows=[0, 5, 9]."),
        ("sample", {"frac": 0.1}, "Use dataset.split(0.1, seed=0)[0]."),
        ("sample", {"n": 3, "random_state": 3}, "Pass seed=3."),
        ("kfold", {"n_splits": 3}, "Pass k=5."),
        ("kfold", {"k": 3, "random_state": 3}, "Pass seed=3."),
        ("partition", {"num_partitions": 3}, "Pass n=100."),
        ("partition", {"n": 3, "classes_per_client": 2}, "Use dataset.partition(100, "),
        ("show", {"n": 3}, "Pass count=32."),
        ("show", {"figsize": (3, 3)}, "Pass zoom=4"),
    ],
)
def test_keywords_of_a_datasets_methods(small, method, options, text):
    call = getattr(small, method)
    assert told(TypeError, lambda: call(**options)).startswith(text)
    with pytest.raises(TypeError, match=rf"^Dataset\.{method}\(\) got .*\nIt takes "):
        call(**{"function": len} if method == "filter" else {}, xyzzy=3)


def test_arguments_without_a_name(small):
    for call, names, more in [
        (
            lambda: ff.Loader(small, 64, True),
            "Loader.. takes only dataset and batch",
            "s",
        ),
        (
            lambda: small.split(0.5, 3),
            r"Dataset.split\(\) takes only fraction with",
            "s",
        ),
        (
            lambda: ff.load("train", ".", "mnist"),
            "load.. takes only split and root",
            "n",
        ),
    ]:
        with pytest.raises(TypeError, match=rf"^{names}.*\n.*The names are {more}"):
            call()


def test_attributes_of_loaders(small):
    for loader in (ff.Loader(small), Adapter(small)):
        for name in "num_workers sampler take map repeat classes targets".split():
            told(AttributeError, lambda name=name, of=loader: getattr(of, name))
            assert not hasattr(loader, name)
        with pytest.raises(AttributeError, match=r" object has no attribute 'xyzzy'$"):
            _ = loader.xyzzy


def test_copies_are_not_disturbed(small):
    for value in (small, ff.Loader(small), Adapter(small)):
        for again in (copy.copy(value), copy.deepcopy(value)):
            assert repr(again) == repr(value)
        assert repr(pickle.loads(pickle.dumps(value))) == repr(value)
    # Copies of an object without attributes yet must not search forever.
    assert not hasattr(object.__new__(ff.Loader), "loader")


def test_errors_within_a_property_stay():
    class Broken(Adapter):
        def __init__(self):
            pass

        @property
        def take(self):
            raise AttributeError("the cause")

    with pytest.raises(AttributeError, match=r"^the cause"):
        _ = Broken().take


def test_keywords_of_transforms():
    rest = told(TypeError, lambda: ff.RandomRotation(9, resample=2))
    assert rest.startswith('Pass interpolation="nearest"')
    assert told(TypeError, lambda: ff.RandomCrop(28, fillcolor=3)) == "Pass fill=0."


def test_no_name_is_in_a_table_twice():
    for table in _equivalents._TABLES.values():
        names = " ".join(table).split()
        assert len(names) == len(set(names))
        for text in table.values():
            assert re.fullmatch(r"(?s)[A-Z].*(\.|\)|verify|Loader|Batches)", text), text


def test_names_that_exist_have_no_equivalent(small):
    loader = ff.Loader(small)
    for name in " ".join(_equivalents._TABLES["fmnist_fast"]).split():
        assert not hasattr(ff, name), name
    for name in " ".join(_equivalents._TABLES["Dataset attribute"]).split():
        assert not hasattr(small, name), name
    for name in " ".join(_equivalents._EPOCHS).split():
        assert not hasattr(loader, name), name


def test_values_that_mean_something_elsewhere(small):
    many = small.concatenate
    for call, text in [
        (lambda: many([small, small]), "Pass the datasets one by one: a.concatenate("),
        (lambda: ff.Dataset.concatenate([small]), "Pass the datasets one by one: a.c"),
        (lambda: small.split(0.5, stratify=small.labels), "Pass stratify=True. The cl"),
        (lambda: small.select({1, 2}), "Pass sorted(rows)."),
        (lambda: ff.Loader("train"), "Load it first: Loader(load('train'))."),
        (lambda: ff.Loader(small, None), "For single rows, loop over the dataset."),
        (lambda: ff.Loader(small, augment=[None]), "Leave it out."),
        (lambda: ff.Loader(small, augment=[[ff.RandomInvert()]]), "Pass ff.Compose(["),
        (lambda: ff.RandomRotation(9, fill=(0, 0, 0)), "Pass one gray level, such as"),
    ]:
        assert told(TypeError, call).startswith(text)
    for name in ("torch", "tf", "jax", "np"):
        assert told(ValueError, lambda name=name: small.with_format(name))
    with pytest.raises(TypeError, match=r"added with \+\. Use a\.concatenate\(b\)\.$"):
        small + small


def test_values_of_load_that_mean_something_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rest = told(ValueError, lambda: ff.load("train[:10%]"))
    assert rest == "Select rows of the split: load('train').select(range(6000))."
    assert told(ValueError, lambda: ff.load("train[:9]", tmp_path)) == rest
    rest = told(FileNotFoundError, lambda: ff.load("train", "mnist"))
    assert rest == "Pass name='mnist'."
    for flag in ("download", "cache"):
        with pytest.raises(TypeError, match=f"^{flag} must be True or False, got 'no'"):
            ff.load("train", **{flag: "no"})
