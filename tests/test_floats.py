"""The caller's rounding, flushing of denormal numbers, and traps change nothing."""

import ctypes
import functools
import gc
import subprocess
import sys

import numpy as np
import pytest
from helpers.batches import same
from helpers.float_states import STATES, float_state, get_state, linux_only

import fmnist_fast as ff
from fmnist_fast import _core
from fmnist_fast._synthetic.garments import draw
from fmnist_fast.augment import compile_transforms, parse_transforms
from fmnist_fast.photos.convert import convert

pytestmark = linux_only

N_IMAGES, BATCH = 96, 32
TINY = (0.0, 1e36)  # scales pixels to denormal numbers
OPTIONS = {
    "float32": {},
    # Means and deviations for which a pixel is next to a tie of the 16-bit type.
    "float16": {"dtype": "float16", "normalize": (0.2079, 0.3079)},
    "bfloat16": {"dtype": "bfloat16", "normalize": (0.2353, 0.3353)},
    "denormal": {"normalize": TINY},
    "pair": {"normalize": (0.2860, 0.3530)},
    "affine": {"augment": ff.RandomAffine(20, (0.1, 0.2), (0.7, 1.4), 5)},
    "bilinear": {"augment": ff.RandomRotation(20, interpolation="bilinear")},
    "blur": {"augment": ff.GaussianBlur(23, (0.5, 2.0))},
    "noise": {"augment": ff.GaussianNoise()},
    "salt and pepper": {"augment": ff.SaltAndPepperNoise((0.1, 0.9), 0.3)},
    "elastic": {"augment": ff.ElasticTransform()},
    "strong": {"augment": "strong"},
    "resize": {"augment": ff.RandomResizedCrop(20)},
    "mixup": {"augment": ff.MixUp(alpha=0.4), "label_dtype": "onehot"},
}
CASES = [
    (state, case)
    for state in STATES
    for case in OPTIONS
    if state != "flush" or case == "denormal"
]


@functools.cache
def images():
    rng = np.random.default_rng(0)
    labels = np.arange(N_IMAGES) % 10
    drawn = draw(labels) // rng.integers(1, 9, (N_IMAGES, 28, 28), dtype=np.uint8)
    return drawn, labels


def dataset():
    """Return a new dataset, whose mean is not known yet."""
    return ff.Dataset.from_arrays(*images())


def loader(case, **options):
    return ff.Loader(dataset(), BATCH, shuffle=True, **OPTIONS[case], **options)


@functools.cache
def wanted(case):
    """Return the batches of the first epoch in the default state."""
    return list(loader(case))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("state", "case"), CASES)
def test_batches(state, case, threads):
    want = wanted(case)
    with float_state(state):
        got = list(loader(case, threads=threads))
    assert same(got, want)


@functools.cache
def long_epoch():
    """Return a dataset of 12 batches of `N_IMAGES`, options, and the wanted batches."""
    drawn, labels = images()
    long = ff.Dataset.from_arrays(np.tile(drawn, (12, 1, 1)), np.tile(labels, 12))
    options = {"normalize": TINY, "augment": ff.GaussianNoise(), "prefetch": 1}
    return long, options, list(ff.Loader(long, N_IMAGES, **options))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("state", STATES)
def test_state_that_is_set_after_the_workers_started(state, threads):
    long, options, want = long_epoch()
    batches = iter(ff.Loader(long, N_IMAGES, threads=threads, **options))
    got = [next(batches)]
    with float_state(state):
        got += batches
    assert same(got, want)


@functools.cache
def halves():
    """Return a loader, and values halfway between two of its gray levels."""
    source = ff.Loader(dataset(), BATCH, normalize=(0.1, 0.3))
    levels = np.arange(784.0).reshape(1, 1, 28, 28) % 255 + 0.5
    return source, source.bias + source.scale * levels


def sheet():
    source, values = halves()
    return source.show((values, [3])).tobytes()


def photo():
    """Return a photo with outlines that are just as strong as the threshold."""
    gray_levels = np.array([0, 100, 255], np.uint8)
    return np.random.default_rng(741).choice(gray_levels, (28, 28))


def split_rows():
    labels = np.repeat([0, 1], [5, 15])
    parts = ff.Dataset.from_arrays(np.zeros((20, 1, 1), np.uint8), labels)
    first, _ = parts.split(0.1, stratify=True)
    return first.labels.tolist()


def compiled():
    augment = [
        ff.RandomRotation(10),
        ff.RandomErasing(ratio=(0.3, 3.3)),
        ff.RandAugment(2, 7),
        ff.AutoAugment(),
        ff.RandomChoice([ff.MixUp(alpha=0.2), ff.CutMix()], p=[0.1, 0.7]),
    ]
    return compile_transforms(augment, 28, 28, 10)


FUNCTIONS = {
    "augment_preview": lambda: loader("strong").augment_preview(7, 20).tobytes(),
    "mean and std": lambda: (dataset().mean, dataset().std),
    "scale and bias": lambda: (loader("pair").scale, loader("pair").bias),
    "to_sklearn": lambda: dataset().to_sklearn()[0].tobytes(),
    "split": split_rows,
    "show": sheet,
    "arguments": lambda: ff.ColorJitter(brightness=0.3, contrast=0.7),
    "text": lambda: parse_transforms("ColorJitter(0.3), GaussianNoise(0.7, 0.3)"),
    "compile_transforms": lambda: (compiled().transforms, compiled().mix),
    "convert": lambda: convert(photo()).tobytes(),
    "synthetic": lambda: draw(np.arange(200) % 10).tobytes(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    if name == "show":
        pytest.importorskip("PIL.Image")
    want = FUNCTIONS[name]()
    for state in STATES:
        with float_state(state):
            got = FUNCTIONS[name]()
        assert got == want, state


@pytest.mark.parametrize("state", STATES)
def test_state_of_the_caller_stays(state, request):
    """The control bits and the flags of exceptions are as before each batch."""
    gc.disable()  # Hypothesis measures the time of each collection as a float
    request.addfinalizer(gc.enable)
    batches = iter(loader("strong", threads=1, prefetch=1))
    with float_state(state):
        before = get_state()
        for _ in range(N_IMAGES // BATCH):
            next(batches)
            assert get_state() == before
        loader("strong").augment_preview(0, 3)
        assert get_state()[0] == before[0]


def test_python_functions_run_in_the_state_of_the_caller():
    seen = []

    def remember(images, labels, rng):
        seen.append(get_state()[0])
        return images, labels

    with float_state("up"):
        want = get_state()[0]
        list(ff.Loader(dataset(), BATCH, augment=remember))
    assert seen == [want] * 3


@pytest.mark.parametrize("threads", [1, 2])
def test_a_c_function_changes_the_state_only_for_itself(threads):
    """Later transforms and other images of the batch are computed as always."""
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5)

    def batches(function):
        affine = ff.RandomAffine(20, (0.1, 0.2), (0.7, 1.4), 5)
        augment = [ff.CFunction(prototype(function)), affine]
        return list(ff.Loader(dataset(), BATCH, augment=augment, threads=threads))

    def round_up(*_):
        left.append(float_state("up"))
        left[-1].__enter__()

    before, left = get_state()[0], []
    want = batches(lambda *_: None)
    assert same(batches(round_up), want) and left
    assert get_state()[0] == before


def test_default_floats():
    """The decorator keeps names, values and exceptions, and may be nested."""
    default = get_state()[0]

    @_core.default_floats
    def divide(x, *, by=1.0):
        """Return a quotient."""
        states.append(get_state()[0])
        return x / by

    assert divide.__name__ == "divide" and divide.__doc__ == "Return a quotient."
    states = []
    with float_state("up"):
        before = get_state()[0]
        assert divide(1.0, by=4.0) == _core.default_floats(divide)(0.25) == 0.25
        with pytest.raises(ZeroDivisionError):
            divide(1.0, by=0.0)
        assert get_state()[0] == before != default
    assert states == [default] * 3


TRAPS = """
import sys
import numpy as np
import fmnist_fast as ff
from helpers.float_states import float_state

images = np.random.default_rng(0).integers(0, 256, (512, 28, 28), dtype=np.uint8)
images[:, 5:20] = 0
dataset = ff.Dataset.from_arrays(images, np.arange(512) % 10)
augment = [ff.GaussianBlur(23, 0.5), ff.GaussianNoise(), ff.ElasticTransform()]
augment += [ff.RandomErasing(), ff.MixUp()]
options = {"augment": augment, "label_dtype": "onehot", "normalize": (0.0, 1e36)}
loader = ff.Loader(dataset, 64, threads=int(sys.argv[1]), **options)
want = [images for images, _ in loader]
loader.load_state_dict(loader.state_dict() | {"epoch": 0})
loader.close()
with float_state("traps"):
    batches = iter(loader)  # new workers start with these traps
got = []
with float_state("traps at every rounding"):
    for pair in batches:
        got.append(pair[0])
assert len(want) == len(got) == 8
assert all((x == y).all() for x, y in zip(got, want))
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_traps(threads):
    """Workers that start with traps, and a consumer with traps, do not stop."""
    command = [sys.executable, "-c", TRAPS, str(threads)]
    path = {"PYTHONPATH": ":".join([p for p in sys.path if p])}
    done = subprocess.run(command, capture_output=True, timeout=60, env=path)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
