"""Ten million images in mapped files beside the 60,000 in memory, in one run.

    pytest benchmarks/micro/bench_load_files.py --images-in-files 10000000

The files come into a temporary folder, 784 bytes an image: 7.8 GB, which memory has to
have room for, as what is measured is the speed from the page cache. Without the option
it is a million.
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
# What the rate has to be of that in memory, at ten million images. Shuffled without
# blocks, each image comes from main memory, as out of an array of that size, while the
# 47 MB of 60,000 are in the caches for the most part: that is reported, not judged.
FILES_OVER_MEMORY = 0.7
NOISE = 1.15
ANONYMOUS_MIB = 64  # beyond what there is before the rounds
SMOKE_IMAGES = 100_000


@pytest.fixture(scope="module")
def sharded(request, train, measured, tmp_path_factory):
    """A dataset of many files: the training images over and over, in other bytes."""
    n = request.config.getoption("images_in_files") if measured else SMOKE_IMAGES
    folder = tmp_path_factory.mktemp("shards")
    for k, share in enumerate(np.array_split(np.arange(n), N_FILES)):
        write_shard(folder, train, k, int(share[0]), len(share))
    yield ff.load_files(folder / "*-images-idx3-ubyte", classes=train.classes)
    for path in folder.iterdir():
        path.unlink()


def write_shard(folder, train, k, begin, n):
    """Images begin to begin + n - 1 of the endless sequence, a piece at a time."""
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
    while True:
        yield from loader


def take(batches, n_batches):
    n = 0
    for images, _ in itertools.islice(batches, n_batches):
        n += len(images)
    assert n > 0.9 * n_batches * BATCH_SIZE  # an epoch's last one may be short


def anonymous_nbytes():
    """Memory of this process that is no file's, where Linux tells."""
    if not os.path.exists("/proc/self/status"):
        return 0
    with open("/proc/self/status") as status:
        found = [line.split()[1] for line in status if line.startswith("RssAnon")]
    return int(found[0]) << 10


ORDERS = {
    "sequential": {},
    "shuffled": {"shuffle": True},
    f"in blocks of {BLOCK}": {"shuffle": True, "shuffle_block": BLOCK},
}


def check_epoch(dataset, loader):
    """Every label as often as it is there, and some images what they should be."""
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
    sharded, train, order, rounds, measured, report, benchmark
):
    """Shares of epochs, in turns, after an epoch that brings files into memory."""
    options = {"batch_size": BATCH_SIZE, "threads": 2, "normalize": (0.286, 0.353)}
    files = ff.Loader(sharded, **options, **ORDERS[order])
    check_epoch(sharded, files)
    n_batches = len(files) // rounds  # about an epoch in all rounds
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
        f"{len(sharded):,} images in {N_FILES} files, {order}: {ns['files']:.0f} ns an "
        f"image, the 60,000 in memory, shuffled, {ns['memory']:.0f}: "
        f"{files_over_memory:.2f} of that rate; {grown:.1f} MiB more anonymous memory"
    )
    benchmark.extra_info["rate of files / memory"] = files_over_memory
    assert grown < ANONYMOUS_MIB
    if measured and order != "shuffled":
        assert files_over_memory > FILES_OVER_MEMORY / NOISE
    benchmark.pedantic(lambda: take(batches[0], n_batches), rounds=1)
