"""The kernels of devices, run by real threads under a sanitizer.

The program is tests/helpers/device_driver.c. On a device, the threads of a thread block
share memory. ThreadSanitizer checks that they wait for each other where they must.
"""

import copy
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import transform_cases

import fmnist_fast as ff
from fmnist_fast._core import LASTS
from fmnist_fast._loader.pipelines import new_programs

ROOT = Path(__file__).parents[1]
DRIVER = ROOT / "tests" / "helpers" / "device_driver.c"
FLAGS = ["-std=c11", "-O1", "-g", "-ffp-contract=off", "-pthread"]
FLAGS += ["-Wall", "-Wextra", "-Wshadow"]
# One build has the vectors and numbers of devices, and the other one those of _core.
BUILDS = {
    "threads": ["-fsanitize=thread", "-DFM_LANES_COUNT=1", "-DFM_CROP_PLACE=int32_t"],
    "addresses": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
}
HEIGHT, WIDTH = 13, 18
N_THREADS = 7
MAX_PROGRAMS = 4
EVERYTHING = [
    ff.Resize((15, 23), antialias=True),
    ff.GaussianBlur(3, sigma=0.9),
    ff.RandomEqualize(p=1.0),
    ff.RandomAutocontrast(p=1.0),
    ff.RandomAffine(30, interpolation="bilinear"),
    ff.ElasticTransform(alpha=30.0, sigma=2.0),
    ff.RandomPerspective(p=1.0),
    ff.RandomZoomOut(40, (1.3, 2.5), p=1.0),
    ff.RandomAdjustSharpness(3.0, p=1.0),
    ff.GaussianNoise(),
    ff.SaltAndPepperNoise(0.4),
    ff.RandomErasing(p=1.0, value="random"),
    ff.RandomVerticalFlip(p=1.0),
    ff.MixUp(),
]
FLIP = ff.RandomHorizontalFlip(p=1.0)


@pytest.fixture(scope="module")
def drivers(compiler, tmp_path_factory):
    """Return the driver for each build."""
    if sys.platform != "linux":
        pytest.skip("needs barriers of threads")
    folder = tmp_path_factory.mktemp("drivers")
    names = "device/canvas device/device device/planes labels plan"
    sources = [ROOT / "src" / f"{name}.c" for name in names.split()]
    for name, options in BUILDS.items():
        command = [compiler, *FLAGS, *options, f"-I{ROOT / 'src'}", DRIVER, *sources]
        command += ["-lm", "-o", folder / name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if "cannot find" in done.stderr and "san" in done.stderr:
            pytest.skip("needs the compiler's sanitizers")
        assert done.returncode == 0 and not done.stderr, done.stderr
    return folder


def loader_of(augment, n_images=6, **options):
    """Return a shuffled loader of random images."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n_images, HEIGHT, WIDTH), np.uint8)
    labels = np.arange(n_images) % 3
    dataset = ff.Dataset.from_arrays(images, labels)
    options = {"dtype": "float16", "label_dtype": "onehot"} | options
    options = {"batch_size": 4, "seed": 5} | options
    return ff.Loader(dataset, shuffle=True, augment=augment, **options)


def run(driver, loader, folder, n_threads=N_THREADS, without=None, kernel="fill"):
    """Fill the rest of a loader's epoch. Return the process and what it wrote."""
    with copy.copy(loader) as counting:
        n_rows = sum(labels.shape[-2] for _, labels in counting)  # one-hot
    dataset = loader.dataset
    programs = [program.tobytes() for program in new_programs(loader)]
    epoch, begin, _ = loader._progress.next_begin()
    sizes = [*map(len, programs), 0, 0, 0, 0][:MAX_PROGRAMS]
    header = [len(programs), *sizes, len(dataset), loader.seed, epoch]
    header += [loader.batch_size, loader.rank, loader.world]
    header += [LASTS[loader.drop_last], begin, n_rows]
    case, out = folder / "case", folder / "out"
    labels = np.asarray(dataset.labels, np.int64).tobytes()
    images = np.asarray(dataset.images).tobytes()
    packed = struct.pack(f"={len(header)}Q", *header)
    case.write_bytes(packed + b"".join(programs) + images + labels)
    command = [driver, case, out, kernel, n_threads]
    command += [] if without is None else [without]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    return done, out.read_bytes() if out.exists() else b""


def expected(loader):
    """Return the bytes of the loader's batches, the images before the labels."""
    parts = list(zip(*((x.tobytes(), y.tobytes()) for x, y in loader)))
    return b"".join(parts[0]) + b"".join(parts[1])


CASES = {
    name: case
    for function in transform_cases.KINDS
    for name, case in function(HEIGHT, WIDTH).items()
}


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("augment", CASES.values(), ids=CASES)
def test_threads_make_the_batches_of_loader(drivers, build, augment, tmp_path):
    loader = loader_of(augment)
    for kernel in ["fill", "cut"][: 1 + new_programs(loader)[0].only_cuts]:
        done, bytes_made = run(drivers / build, loader, tmp_path, kernel=kernel)
        assert done.returncode == 0 and not done.stderr, done.stderr
        assert bytes_made == expected(loader)


@pytest.mark.parametrize("drop_last", [False, True, "wrap"])
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_a_launch_makes_all_batches_of_a_rank(drivers, rank, drop_last, tmp_path):
    options = {"batch_size": 2, "shard": (rank, 3), "drop_last": drop_last}
    loader = loader_of([ff.RandomCrop((9, 9)), ff.MixUp()], n_images=22, **options)
    loader.set_epoch(2**32 - 1)
    done, bytes_made = run(drivers / "threads", loader, tmp_path)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert bytes_made == expected(loader)


def test_a_launch_begins_at_any_batch(drivers, tmp_path):
    loader = loader_of([ff.GaussianNoise(), ff.MixUp()], n_images=13)
    next(iter(loader))
    state = loader.state_dict()
    assert state["position"] == 4
    loader = loader_of(loader.augment, n_images=13)
    loader.load_state_dict(state)
    done, bytes_made = run(drivers / "threads", loader, tmp_path)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert bytes_made == expected(loader)


@pytest.mark.parametrize("n_threads", [1, 2, 32])
def test_any_number_of_threads_makes_the_same_batches(drivers, n_threads, tmp_path):
    loader = loader_of(EVERYTHING)
    done, bytes_made = run(drivers / "threads", loader, tmp_path, n_threads)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert bytes_made == expected(loader)


@pytest.mark.parametrize("n_threads", [1, 2, 17, 18, 37, 64])
@pytest.mark.parametrize("build", BUILDS)
def test_any_number_of_threads_makes_the_same_cuts(drivers, build, n_threads, tmp_path):
    for augment in (None, "standard", CASES["crop, crop"]):
        loader = loader_of(augment)
        made = run(drivers / build, loader, tmp_path, n_threads, kernel="cut")
        assert made[0].returncode == 0 and not made[0].stderr, made[0].stderr
        assert made[0].stdout == "0\n"  # barriers
        assert made[1] == expected(loader)


VIEWS = {
    "cuts": {"views": 2, "augment": "standard"},
    "other crops": {"views": [None, "standard+erasing", [FLIP]]},
    "some cuts": {"views": [[FLIP], EVERYTHING[1:-1]]},
    "mixes": {"views": 2, "augment": [ff.RandomCrop((9, 9)), ff.MixUp()]},
    "one mix": {"views": [None, [FLIP], [ff.CutMix()]]},
}
CHANNELS = {"channels": 3, "normalize": ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))}


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("views", VIEWS.values(), ids=VIEWS)
def test_views_and_channels(drivers, build, layout, views, tmp_path):
    """A launch makes a batch of four rows and one of two."""
    options = {"layout": layout, **CHANNELS, **views}
    loader = loader_of(options.pop("augment", None), **options)
    only_cuts = all(program.only_cuts for program in new_programs(loader))
    for kernel in ["fill", "cut"][: 1 + only_cuts]:
        done, bytes_made = run(drivers / build, loader, tmp_path, kernel=kernel)
        assert done.returncode == 0 and not done.stderr, done.stderr
        assert bytes_made == expected(loader)


# Zooming out is a cut and a resize. The resize waits once more before it reads pixels.
BEFORE_A_FLIP = [
    [transform, FLIP]
    for transform in EVERYTHING[:-1]
    if not isinstance(transform, ff.RandomZoomOut)
]


@pytest.mark.parametrize(
    "augment",
    [*BEFORE_A_FLIP, [ff.GaussianNoise(), ff.MixUp()]],
    ids=lambda augment: type(augment[0]).__name__,
)
def test_each_barrier_that_is_removed_is_found(drivers, augment, tmp_path):
    driver, loader = drivers / "threads", loader_of(augment)
    n_barriers = int(run(driver, loader, tmp_path)[0].stdout)
    if augment[-1] is FLIP:  # each thread converts the pixels that it flipped
        n_barriers -= 1
    for without in range(n_barriers):
        done, _ = run(driver, loader, tmp_path, without=without)
        assert "data race" in done.stderr, without
