"""How well a CUDA device is fed: the share of time that it waits for data.

    python -m benchmarks.gpu_feed            # under ten minutes; --quick: under two

FFCV and DALI are measured where they are installed, and FFCV, which writes a file and
compiles for every row, takes some minutes more.

    python -m benchmarks.gpu_feed --device cpu --quick --works mlp --images 2000

tries whether the program itself runs.

For each work, batch size and source of batches: an epoch beside the same loop over
batches that lie on the device ("cached"). What the epoch takes longer, as a share of
it, is the wait. Times are the shortest of some rounds in turns. Before, an epoch of the
very source is checked on the device: every sample once, its bytes unspoiled (where
images are augmented, the labels alone); if not, or if it fails, the row is void.
"""

import argparse
import json
import os
import resource
import shlex
import sys
import time

import torch

import fmnist_fast as ff

from .gpu_report import goal_line, goals_of, machine, row_line, stress_line
from .gpu_sources import (
    NAMES,
    PACKAGES,
    Cached,
    bytes_of,
    choose_workers,
    is_installed,
    source_named,
)
from .gpu_stress import stress
from .gpu_work import WORKS, Checksum, make_work

BATCH_SIZES = (64, 256, 1024, 4096, 8192)
# Worker processes take seconds to start; two sizes show how they do.
TORCHVISION_BATCH_SIZES = (256, 4096)
LEAST_SECONDS = 0.2  # that are timed at once, by as many epochs as it takes


def main(argv=None):
    """Measure and print; returns the exit code: 0, 1 if a row is void or the stress
    test failed, 2 without a CUDA device."""
    options = parsed_options(argv)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print(
            f"this needs a CUDA device, and PyTorch {torch.__version__} finds none; "
            "--device cpu --quick --works mlp --images 2000 tries the program",
            file=sys.stderr,
        )
        return 2
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    if options.json:
        open(options.json, "a").close()  # where that can't be, say so now
    train = dataset_of(options)
    print(f"{len(train)} images, {machine(device)}", flush=True)
    stressed = stress(train, device)
    print(stress_line(stressed), flush=True)
    for name in options.sources:
        if name in PACKAGES:
            print(workers_line(name, train, device), flush=True)
    rows = []
    for case in cases(options):
        rows.append(measure(train, device, options.rounds, **case))
        print(row_line(rows[-1]), flush=True)
    goals = goals_of(rows)
    print(*map(goal_line, goals), sep="\n")
    if options.json:
        found = {"machine": machine(device), "stress": stressed}
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(found | {"rows": rows, "goals": goals}, file, indent=1)
    return int(not all(stressed.values()) or any(row["void"] for row in rows))


def parsed_options(argv):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_feed")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--sources", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=BATCH_SIZES)
    parser.add_argument("--images", type=int, help="take only the first so many")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="two sizes, one round")
    parser.add_argument("--json", metavar="FILE", help="write all figures there too")
    options = parser.parse_args(argv)
    for name in [name for name in options.sources if not is_installed(name)]:
        options.sources.remove(name)
        how = how_to_install(name)
        print(f"{name} is not installed, and left out: {how}", file=sys.stderr)
    if options.quick:
        options.rounds = 1
        if options.batch_sizes is BATCH_SIZES:
            options.batch_sizes = TORCHVISION_BATCH_SIZES
    return options


def how_to_install(name):
    """The commands that get what that source needs, for this environment."""
    from .comparison.environments import read_contenders

    contender = read_contenders()[name]
    lines = [["apt-get", "install", *contender.apt]] if contender.apt else []
    lines += [["pip", *line] for line in contender.pip_lines({})]
    return " && ".join(map(shlex.join, lines))


def dataset_of(options):
    """The training images: the real ones where $FMNIST_FAST_DATA has them."""
    real = os.environ.get("FMNIST_FAST_DATA")
    train = ff.load("train") if real else ff.synthetic()[0]
    return train if options.images is None else train.select(range(options.images))


def cases(options):
    """Every (work, batch_size, source, augment) that is measured, as dicts."""
    for work in options.works:
        for batch_size in options.batch_sizes:
            for source in options.sources:
                if source == "torchvision" and (
                    batch_size not in TORCHVISION_BATCH_SIZES
                ):
                    continue
                case = {"work": work, "batch_size": batch_size, "source": source}
                yield case | {"augment": False}
                if work in ("cnn", "resnet18") and batch_size == 256:
                    yield case | {"augment": True}


def workers_line(name, train, device):
    """Choose the workers of that source, and say how many."""
    try:
        workers = choose_workers(source_named(name), train, device)
    except Exception as error:  # its rows will be void
        return f"{name}: {reason(error)}"
    return f"{name}: {workers} workers, the quicker of all cores and half"


# ---- measuring ----------------------------------------------------------------------


FIGURES = ("seconds", "cached_seconds", "wait", "host_seconds", "images_a_second")


def measure(train, device, rounds, *, work, batch_size, source, augment):
    """One row: a dict of figures, or of None and the reason in "void"."""
    row = {"work": work, "batch_size": batch_size, "source": source, "augment": augment}
    row |= dict.fromkeys(FIGURES)
    try:
        task = make_work(work, device, train.images[0].size)
        make = source_named(source)
        feed = make(train, device, batch_size, task.dtype, augment)
        before = cpu_seconds(resource.RUSAGE_CHILDREN)
        try:
            if not is_whole(feed, train, device, augment):
                return row | {"void": "checksum"}
            n, times = timed(feed, task, rounds)
        finally:
            feed.close()
    except Exception as error:  # the other rows can still be measured
        return row | {"void": reason(error)}
    of_workers = cpu_seconds(resource.RUSAGE_CHILDREN) - before
    fed, idle = (min(pair[i][0] for pair in times) for i in (0, 1))
    own = min(pair[0][1] for pair in times)
    n_epochs = 3 + n * rounds  # of the feed: checked, cached, and first
    return row | {
        "seconds": fed,
        "cached_seconds": idle,
        "wait": max(0.0, 1 - idle / fed),
        "host_seconds": own + of_workers / n_epochs,
        "images_a_second": len(train) / fed,
        "void": None,
    }


def timed(feed, task, rounds):
    """How many epochs are timed at once, and what `epochs` says in each round: of the
    feed, and of the same batches when they lie on the device."""
    cached = Cached(feed)
    n = max(1, round(LEAST_SECONDS / epochs(feed, task, 1)[0]))
    epochs(cached, task, 1)
    return n, [(epochs(feed, task, n), epochs(cached, task, n)) for _ in range(rounds)]


def reason(error):
    """An error as one line, for a row that is void."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[-1]}"


def is_whole(feed, train, device, augment):
    """Whether an epoch has every sample once, by what lies on the device."""
    checksum, want = (Checksum(d, train.images[0].size) for d in (device, "cpu"))
    for images, labels in feed:
        pixels = bytes_of(images, train)
        checksum.step(torch.zeros_like(pixels) if augment else pixels, labels)
    if not augment:
        return checksum.total() == Checksum.of_dataset(train)
    labels = torch.from_numpy(train.labels.astype("int64"))
    want.step(torch.zeros(train.images.shape, dtype=torch.uint8), labels)
    return checksum.total() == want.total()


def epochs(batches, task, n):
    """Seconds, and host CPU seconds of this process, of one of `n` epochs of steps."""
    synchronize()
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(n):
        for images, labels in batches:
            task.step(images, labels)
    synchronize()
    return (time.perf_counter() - start) / n, (time.process_time() - cpu) / n


def synchronize():
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def cpu_seconds(whose):
    usage = resource.getrusage(whose)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
