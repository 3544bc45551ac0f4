"""Compare ten million images in memory-mapped files with the 60,000 in memory.

    pytest benchmarks/micro/bench_load_files.py --images-in-files 10000000

The files are in a temporary folder, with 784 bytes per image: 7.8 GB. Memory must have
room for them, because the speed from the page cache is measured. The default of the
option is a million images.
"""

import itertools
import os
import statistics

import numpy as np
import pytest

import fmnist_fast as ff

from .conftest import compare, interleaved

N_FILES = 20
BATCH_SIZE = 128
BLOCK = 1024
# Lowest rate of images in files, relative to the 60,000 in memory, for ten million
# images. The shuffled order without blocks is only reported: each image comes from main
# memory, as from an array of the same size, while most of the 47 MB of the 60,000
# images are in the processor's caches.
FILES_OVER_MEMORY = 0.7
NOISE = 1.15
ANONYMOUS_MIB = 64  # largest growth during the rounds
SMOKE_IMAGES = 100_000


@pytest.fixture(scope="module")
def many(request, train, measured, tmp_path_factory):
    """Yield a dataset of many files: copies of `train`, XORed with their number."""
    n = request.config.getoption("images_in_files") if measured else SMOKE_IMAGES
    folder = tmp_path_factory.mktemp("files")
    for k, positions in enumerate(np.array_split(np.arange(n), N_FILES)):
        write_part(folder, train, k, int(positions[0]), len(positions))
    yield ff.load_files(folder / "*-images-idx3-ubyte", classes=train.classes)
    for path in folder.iterdir():
        path.unlink()


def write_part(folder, train, k, begin, n):
    """Write files of the images begin to begin + n - 1 of the repeated images."""
    _, height, width = train.images.shape
    labels = train.labels[np.arange(begin, begin + n) % len(train)]
    ff.write_idx(folder / f"{k}-labels-idx1-ubyte", labels)
    with open(folder / f"{k}-images-idx3-ubyte", "wb") as file:
        file.write(ff.idx.header_of(np.dtype(np.uint8), (n, height, width)))
        position = begin
        while position < begin + n:
            time, row = divmod(position, len(train))
            rows = train.images[row : row + begin + n - position]
            file.write((rows ^ np.uint8(time % 256)).data)
            position += len(rows)


def endless(loader):
    """Yield the batches of one epoch after the other."""
    while True:
        yield from loader


def take(batches, n_batches):
    """Take this number of batches."""
    n = 0
    for images, _ in itertools.islice(batches, n_batches):
        n += len(images)
    assert n > 0.9 * n_batches * BATCH_SIZE  # the last batch of an epoch may be short


def anonymous_nbytes():
    """Return the bytes of this process that belong to no file, or 0 without /proc."""
    if not os.path.exists("/proc/self/status"):
        return 0
    with open("/proc/self/status") as status:
        kilobytes = [line.split()[1] for line in status if line.startswith("RssAnon")]
    return int(kilobytes[0]) << 10


ORDERS = {
    "sequential": {},
    "shuffled": {"shuffle": True},
    f"in blocks of {BLOCK}": {"shuffle": True, "shuffle_block": BLOCK},
}


def check_epoch(dataset, loader):
    """Check some images, and that labels occur as often as in the dataset."""
    counts = np.zeros(len(dataset.classes), np.int64)
    for _, y in loader:
        counts += np.bincount(y, minlength=len(counts))
    assert np.array_equal(counts, dataset.class_counts)
    n = len(dataset)
    for row in (0, 1, n // N_FILES - 1, n // 2, n - 1):
        first = next(iter(ff.Loader(dataset.select([row]), 1, normalize="unit")))[0]
        assert np.array_equal(first[0, 0], dataset.images[row] * np.float32(1 / 255))


@pytest.mark.parametrize("order", ORDERS)
def test_files_against_memory(
    many, train, order, rounds, measured, report, figure, benchmark
):
    """Parts of epochs are timed in turns, after an epoch that reads all files."""
    options = {"batch_size": BATCH_SIZE, "threads": 2, "normalize": (0.286, 0.353)}
    files = ff.Loader(many, **options, **ORDERS[order])
    check_epoch(many, files)
    n_batches = len(files) // rounds  # all rounds together take about an epoch
    batches = endless(files), endless(ff.Loader(train, **options, shuffle=True))
    before = anonymous_nbytes()
    contenders = {
        "files": lambda: take(batches[0], n_batches),
        "memory": lambda: take(batches[1], n_batches),
    }
    times = interleaved(contenders, rounds)
    grown = (anonymous_nbytes() - before) / 2**20
    files_over_memory = 1 / compare(times, "files", "memory")[0]
    ns = {
        k: statistics.median(v) / n_batches / BATCH_SIZE * 1e9 for k, v in times.items()
    }
    report(
        f"{len(many):,} images in {N_FILES} files, {order}: {ns['files']:.0f} ns per "
        f"image; 60,000 in memory, shuffled: {ns['memory']:.0f} ns; "
        f"{files_over_memory:.0%} of their rate; anonymous memory grew by "
        f"{grown:.1f} MiB"
    )
    benchmark.extra_info["rate of files / memory"] = files_over_memory
    figure(order, files_over_memory)
    figure("n_images", len(many))
    assert grown < ANONYMOUS_MIB
    if measured and order != "shuffled":
        assert files_over_memory > FILES_OVER_MEMORY / NOISE
    benchmark.pedantic(lambda: take(batches[0], n_batches), rounds=1)
