"""Measure how well a CUDA device is fed: the share of time that it waits for data.

    python -m benchmarks.gpu_feed            # under ten minutes; --quick: under two

FFCV and DALI are measured if they are installed. FFCV writes a file and compiles for
every result, which takes some minutes more. To check on a CPU that the program runs:

    python -m benchmarks.gpu_feed --device cpu --quick --works mlp --images 2000

There is a result for each workload, batch size and source of batches. It compares an
epoch with the same loop over batches that are on the device already ("cached"). The
additional time, as a share of the epoch, is the wait. Times are the shortest of several
rounds in turns. Before that, an epoch of the source is checked on the device: every
sample comes once with the right bytes. For augmented images, only the labels are
checked. If the check or the source fails, the result is invalid.
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
LEAST_SECONDS = 0.2  # as many epochs are timed together as take this time


def main(argv=None):
    """Measure and print, and return the exit code.

    It is 1 if a result is invalid or the stress test failed, 2 without a CUDA device,
    and 0 otherwise.
    """
    options = parsed_options(argv)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print(
            f"this benchmark requires a CUDA device, but PyTorch {torch.__version__} "
            "finds none.\nTo check that it runs, pass --device cpu --quick --works mlp "
            "--images 2000.",
            file=sys.stderr,
        )
        return 2
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    if options.json:
        open(options.json, "a").close()  # a file that can't be written fails here
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
        figures = {"machine": machine(device), "stress": stressed}
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(figures | {"rows": rows, "goals": goals}, file, indent=1)
    return int(not all(stressed.values()) or any(row["void"] for row in rows))


def parsed_options(argv):
    """Return the options of the command line, without sources that are missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_feed")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--sources", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=BATCH_SIZES)
    parser.add_argument("--images", type=int, help="take only this number of images")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="two sizes, one round")
    parser.add_argument("--json", metavar="FILE", help="also write all figures to it")
    options = parser.parse_args(argv)
    for name in [name for name in options.sources if not is_installed(name)]:
        options.sources.remove(name)
        how = how_to_install(name)
        print(
            f"{name} is not installed and is omitted. To install: {how}",
            file=sys.stderr,
        )
    if options.quick:
        options.rounds = 1
        if options.batch_sizes is BATCH_SIZES:
            options.batch_sizes = TORCHVISION_BATCH_SIZES
    return options


def how_to_install(name):
    """Return the commands that install a source in this environment."""
    from .comparison.environments import read_contenders

    contender = read_contenders()[name]
    lines = [["apt-get", "install", *contender.apt]] if contender.apt else []
    lines += [["pip", *line] for line in contender.pip_lines({})]
    return " && ".join(map(shlex.join, lines))


def dataset_of(options):
    """Return the published training images, or drawn ones without FMNIST_FAST_DATA."""
    has_files = os.environ.get("FMNIST_FAST_DATA")
    train = ff.load("train") if has_files else ff.synthetic()[0]
    return train if options.images is None else train.select(range(options.images))


def cases(options):
    """Yield a dict of work, batch_size, source and augment for each result."""
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
    """Choose the number of workers of a source, and return a line that says it."""
    try:
        workers = choose_workers(source_named(name), train, device)
    except Exception as error:  # the source's results will be invalid
        return f"{name}: {reason(error)}"
    return f"{name}: {workers} workers, the faster of all cores and half of them"


# ---- measuring ----------------------------------------------------------------------


FIGURES = ("seconds", "cached_seconds", "wait", "host_seconds", "images_a_second")


def measure(train, device, rounds, *, work, batch_size, source, augment):
    """Return a result: a dict of figures, or of None with the reason in "void"."""
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
    except Exception as error:  # the other results can still be measured
        return row | {"void": reason(error)}
    worker_seconds = cpu_seconds(resource.RUSAGE_CHILDREN) - before
    fed, cached = (min(pair[i][0] for pair in times) for i in (0, 1))
    process_seconds = min(pair[0][1] for pair in times)
    # The feed also ran an epoch for the check, one for `Cached` and one to warm up.
    n_epochs = 3 + n * rounds
    return row | {
        "seconds": fed,
        "cached_seconds": cached,
        "wait": max(0.0, 1 - cached / fed),
        "host_seconds": process_seconds + worker_seconds / n_epochs,
        "images_a_second": len(train) / fed,
        "void": None,
    }


def timed(feed, task, rounds):
    """Return how many epochs are timed together, and two results of `epochs` per round.

    The first is for the feed, the second for the same batches on the device.
    """
    cached = Cached(feed)
    n = max(1, round(LEAST_SECONDS / epochs(feed, task, 1)[0]))
    epochs(cached, task, 1)
    return n, [(epochs(feed, task, n), epochs(cached, task, n)) for _ in range(rounds)]


def reason(error):
    """Return an error as one line, for an invalid result."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[-1]}"


def is_whole(feed, train, device, augment):
    """Return whether an epoch has every sample once, as read on the device."""
    checksum, expected = (Checksum(d, train.images[0].size) for d in (device, "cpu"))
    for images, labels in feed:
        pixels = bytes_of(images, train)
        checksum.step(torch.zeros_like(pixels) if augment else pixels, labels)
    if not augment:
        return checksum.total() == Checksum.of_dataset(train)
    labels = torch.from_numpy(train.labels.astype("int64"))
    expected.step(torch.zeros(train.images.shape, dtype=torch.uint8), labels)
    return checksum.total() == expected.total()


def epochs(batches, task, n):
    """Run `n` epochs of steps, and return the seconds and CPU seconds of one.

    CPU seconds are those of this process on the host.
    """
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
