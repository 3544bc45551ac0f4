"""Random cases of samples, orders and ends, and their comparison with the reference.

`python tests/helpers/sampling_cases.py --seconds 600` compares random cases with the
reference, for as long as it is told: those of a Loader, and those of the kernels of
devices. It prints how many bytes differ, and the cases.
"""

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1])]

import fmnist_fast as ff
from fmnist_fast import _core
from fmnist_fast.frameworks._resident import FixedBuffersLoader, ResidentLoader
from helpers import loader_cases
from helpers.against_reference import wanted

AUGMENTS = [
    None,
    [ff.RandomHorizontalFlip()],
    [ff.RandomHorizontalFlip(mode="alternating"), ff.RandomInvert()],
    [ff.Pad(2), ff.RandomCrop(3), ff.ColorJitter(0.4, 0.4)],
    [ff.GaussianNoise(), ff.RandomErasing()],
    [ff.MixUp()],
    [ff.CutMix(alpha=0.3)],
    [ff.RandomSolarize(99), ff.RandomChoice([ff.MixUp(alpha=0.2), ff.CutMix()])],
]


def cases(most_rows):
    """Return a strategy for cases, most of which have few transforms."""
    return loader_cases.cases(most_rows, lambda *size: st.sampled_from(AUGMENTS))


def place_after(case, n_positions, n_taken):
    """Return the position and the step after some batches of an epoch were taken."""
    options, epoch = case.options, case.epoch
    stride = options["batch_size"] * options["shard"][1]
    position = n_taken * stride
    if "steps" in options:
        return epoch * options["steps"] * stride + position, n_taken
    n_needed = stride if options["drop_last"] is True else 1
    is_over = n_taken > 0 and n_positions - position < n_needed
    return (n_positions if is_over else position), None


def reference_run(case, dataset):
    """Yield the batches of `loader_cases.run` that the reference computes."""
    own = ("threads", "prefetch")
    options = {key: case.options[key] for key in case.options if key not in own}
    whole = wanted(dataset, epoch=case.epoch, **options)
    yield from whole
    n_positions = loader_cases.n_positions(len(dataset), options)
    n_taken = min(case.n_taken, len(whole))
    position, step = place_after(case, n_positions, n_taken)
    options |= case.changes
    if step is None:
        yield from wanted(dataset, epoch=case.epoch, position=position, **options)
        return
    n_left = options["steps"] - step
    yield from wanted(dataset, position=position, **options | {"steps": n_left})
    position += n_left * options["batch_size"] * options["shard"][1]
    yield from wanted(dataset, position=position, **options)


def kinds(case, dataset):
    """Return the kinds of loaders that make the batches of a case."""
    options, run = case.options, [ff.Loader]
    if options.get("shuffle_block"):
        return run
    loaders = [
        ff.Loader(dataset, **options | changes) for changes in ({}, case.changes)
    ]
    are_equal = "steps" in options or options["drop_last"]
    is_function = isinstance(options.get("order"), loader_cases.Turning)
    # With fixed buffers, the next epoch begins as soon as the last batch is made, so
    # there must be one.
    has_next = case.n_taken < len(loaders[0]) and case.epoch < _core.MAX_EPOCH
    if are_equal and not is_function and has_next and len(loaders[1]) > 0:
        run.append(FixedBuffersLoader)
    return [*run, ResidentLoader]


def without_bfloat16(batches):
    """Yield batches whose bfloat16 images are their bits, as in the reference."""
    for images, *others in batches:
        bits = images.view(np.uint16) if images.dtype.name == "bfloat16" else images
        yield (bits, *others)


def compared(case, folder):
    """Return how many bytes of a case were compared with the reference, and differ."""
    dataset = case.dataset(folder)
    want, totals = list(reference_run(case, dataset)), np.zeros(2, np.int64)
    levels, threads = itertools.cycle(_core.cpu_levels()), (1, 2, 8)[case.n_taken % 3]
    before = _core.get_cpu_level()
    for kind, level in zip(kinds(case, dataset), levels):
        _core.set_cpu_level(level)
        got = loader_cases.run(kind, dataset, case, threads)
        totals += loader_cases.difference(without_bfloat16(got), want)
    _core.set_cpu_level(before)
    return totals


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rows", type=int, default=60, help="most rows of a dataset")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    end = time.monotonic() + arguments.seconds
    n_differing = loader_cases.compare_many(
        cases(arguments.rows),
        compared,
        arguments.seed,
        lambda _: time.monotonic() >= end,
    )
    return int(n_differing > 0)


if __name__ == "__main__":
    sys.exit(main())
