"""Random cases of JaxBatches, and their comparison with the batches of Loader.

`python tests/helpers/jax_cases.py --seconds 600` compares random cases for as long as
it is told. It prints how many bytes differ, and the cases.
"""

import argparse
import itertools
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from hypothesis import strategies as st

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1])]

import fmnist_fast as ff
from fmnist_fast.augment import compile_transforms
from fmnist_fast.frameworks.jax import JaxBatches
from helpers import any_transforms, loader_cases
from helpers.against_reference import dataset_of

AXIS = "rows"
SEED = st.sampled_from([0, 2**32 - 1, 2**64 - 1]) | st.integers(0, 2**64 - 1)
LEVEL, SHARE = any_transforms.LEVEL, any_transforms.SHARE


@dataclass
class Case:
    """A dataset, the options of JaxBatches, and the batches to compare."""

    size: tuple[int, int]  # of the images
    n: int
    labels: str  # dtype of the dataset's labels
    options: dict[str, Any]  # those of Loader, except for the shard
    world: int
    rank: int | None  # None if it is the place on an axis
    begin_epoch: int
    steps: list[float]  # as shares of the last step
    seeds: list[int]
    way: str  # key of WAYS

    def dataset(self):
        """Return the dataset."""
        images = dataset_of(*self.size, max(self.n, 4)).images[: self.n]
        labels = (np.arange(self.n) * 7 % 3).astype(self.labels)
        dataset = ff.Dataset.from_arrays(images, labels, classes=list("abc"))
        return dataset._with(extra=loader_cases.columns_of(self.n))


# ---- the ways to call batches -------------------------------------------------------


def several(arrays):
    """Return batches that lie along the first axis of arrays."""
    return [*zip(*map(np.asarray, arrays))]


def of_numbers(batches, seeds, steps, axis):
    return [batches(step) for step in steps.tolist()]


def of_an_argument(batches, seeds, steps, axis):
    made = jax.jit(lambda batches, step: batches(step))
    return [made(batches, step) for step in steps]


def of_a_constant(batches, seeds, steps, axis):
    made = jax.jit(lambda step: batches(step))
    return [made(step) for step in steps]


def scanned(batches, seeds, steps, axis):
    return several(jax.lax.scan(lambda _, step: (None, batches(step)), None, steps)[1])


def scanned_argument(batches, seeds, steps, axis):
    return several(jax.jit(lambda b: jax.lax.map(b, steps))(batches))


def mapped(batches, seeds, steps, axis):
    return several(jax.vmap(batches)(steps))


def of_a_seed(batches, seeds, steps, axis):
    return [batches.at(seeds[-1], steps[0])]


def mapped_seeds(batches, seeds, steps, axis):
    return several(jax.vmap(batches.at, in_axes=(0, None))(seeds, steps[0]))


def mapped_seeds_and_steps(batches, seeds, steps, axis):
    return several(jax.jit(jax.vmap(batches.at))(seeds, steps))


def scanned_seeds(batches, seeds, steps, axis):
    def scan(seed):
        return jax.lax.map(lambda step: batches.at(seed, step), steps)

    arrays = jax.jit(jax.vmap(scan))(seeds)
    return [batch for rows in zip(*map(np.asarray, arrays)) for batch in several(rows)]


def mapped_ranks(batches, seeds, steps, axis):
    def made(step):
        return several(jax.vmap(lambda _: batches(step), axis_name=AXIS)(axis))

    return [batch for step in steps for batch in made(step)]


def scanned_ranks(batches, seeds, steps, axis):
    mapped = jax.vmap(lambda step, _: batches(step), (None, 0), axis_name=AXIS)
    arrays = jax.jit(lambda: jax.lax.map(lambda step: mapped(step, axis), steps))()
    return [batch for rows in zip(*map(np.asarray, arrays)) for batch in several(rows)]


WAYS = {
    way.__name__: way
    for way in (
        *(of_numbers, of_an_argument, of_a_constant, scanned, scanned_argument, mapped),
        *(of_a_seed, mapped_seeds, mapped_seeds_and_steps, scanned_seeds),
        *(mapped_ranks, scanned_ranks),
    )
}


def places(way, seeds, steps, world):
    """Return the seed, the step and the rank of each batch of a way, or None."""
    if way.endswith("ranks"):
        return [(None, step, rank) for step in steps for rank in range(world)]
    return {
        "of_a_seed": [(seeds[-1], steps[0], None)],
        "mapped_seeds": [(seed, steps[0], None) for seed in seeds],
        "mapped_seeds_and_steps": [*zip(seeds, steps, [None] * len(steps))],
        "scanned_seeds": [(seed, step, None) for seed in seeds for step in steps],
    }.get(way, [(None, step, None) for step in steps])


def words_of(seeds):
    """Return seeds as two words each, the lower one first."""
    return np.array([[seed & 0xFFFFFFFF, seed >> 32] for seed in seeds], np.uint32)


# ---- random options -----------------------------------------------------------------


def exact(height, width):
    """Return a strategy for transforms that keep the size, by no group."""
    crops = any_transforms.paddings(height, width)
    modes = st.sampled_from(["random", "alternating"])
    return st.one_of(
        st.builds(ff.RandomHorizontalFlip, SHARE),
        modes.map(lambda mode: ff.RandomHorizontalFlip(mode=mode)),
        modes.map(lambda mode: ff.RandomVerticalFlip(mode=mode)),
        crops.map(lambda keywords: ff.RandomCrop((height, width), **keywords)),
        crops.map(lambda keywords: ff.RandomCrop((height, width), **keywords)),
        st.builds(ff.RandomInvert, SHARE),
        st.builds(ff.RandomPosterize, st.integers(1, 8), SHARE),
        st.builds(ff.RandomSolarize, LEVEL, SHARE),
        st.builds(ff.RandomAutocontrast, SHARE),
        st.builds(ff.RandomEqualize, SHARE),
        st.builds(ff.Cutout, st.integers(1, 12), LEVEL),
    )


def grouped(transform):
    """Return a strategy for groups, choices and orders of transforms."""
    some = st.lists(transform, min_size=1, max_size=3)
    return st.one_of(
        st.builds(ff.RandomApply, some, SHARE),
        st.builds(ff.Compose, some),
        any_transforms.choices(transform),
        st.builds(ff.RandomOrder, some),
    )


@st.composite
def augments(draw, height, width):
    """Draw a list of transforms that JaxBatches has, or None."""
    items = []
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["one", "one", "group", "size"]))
        one = exact(height, width)
        if kind == "one":
            items.append(draw(one))
        elif kind == "group":
            items.append(draw(grouped(one) | grouped(one | grouped(one))))
        else:
            size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
            pad = any_transforms.paddings(height, width)
            crop = ff.RandomCrop(size, pad_if_needed=True)
            ways = st.sampled_from([ff.CenterCrop(size), crop])
            items.append(draw(ways | pad.map(lambda keywords: ff.Pad(**keywords))))
        after = compile_transforms(items[-1:], height, width, 3)
        height, width = after.height, after.width
    return items or None


def orders(n):
    """Return a strategy for the options that give the order of n images."""
    weights = st.lists(st.floats(0, 9), min_size=n, max_size=n).filter(any)
    rows = st.lists(st.integers(-n, n - 1), min_size=1, max_size=2 * n)
    mask = st.lists(st.booleans(), min_size=n, max_size=n).filter(any)
    return st.one_of(
        st.fixed_dictionaries({"shuffle": st.booleans()}),
        st.fixed_dictionaries({"weights": weights | st.just("balanced")}),
        st.fixed_dictionaries({"order": rows | mask}),
    )


@st.composite
def samplings(draw, n):
    """Draw the options that say which of n samples come, and the number of ranks."""
    options = draw(orders(n)) | {"repeats": draw(st.integers(1, 3))}
    n_positions, world = loader_cases.n_positions(n, options), draw(st.integers(1, 3))
    end = draw(st.sampled_from(["steps", False, True, "wrap"]))
    few = st.integers(1, 6)
    if end == "steps":
        options |= {"steps": draw(st.integers(1, 7)), "batch_size": draw(few)}
        return options, world
    if end != "wrap" and n_positions < world:
        end = "wrap"
    whole = [k for k in range(1, 9) if n_positions % (k * world) == 0]
    if end is False and not whole:
        end = True
    sizes = few if end == "wrap" else st.integers(1, min(n_positions // world, 6))
    sizes = st.sampled_from(whole) if end is False else sizes
    return options | {"drop_last": end, "batch_size": draw(sizes)}, world


@st.composite
def formats(draw):
    """Draw the options of data types, layouts and further fields."""
    dtype = draw(st.sampled_from(["float32", "float16", "bfloat16", "uint8"]))
    names = st.lists(st.sampled_from(loader_cases.COLUMNS), unique=True)
    return draw(loader_cases.channelings(dtype)) | {
        "dtype": dtype,
        "label_dtype": draw(st.sampled_from(["int32", "uint8", "onehot"])),
        "with_index": draw(st.booleans()),
        "columns": draw(names),
    }


@st.composite
def cases(draw, transformed=augments, ways=tuple(WAYS)):
    """Draw a case."""
    size = draw(st.tuples(st.integers(2, 9), st.integers(2, 9)))
    n, way = draw(st.integers(4, 40)), draw(st.sampled_from(ways))
    viewing, _ = draw(loader_cases.viewings(*size, transformed))
    sampling, world = draw(samplings(n))
    options = viewing | sampling | draw(formats())
    seeds = [draw(SEED) for _ in range(3)]
    options |= {"seed": draw(SEED), "augment_seed": draw(st.none() | SEED)}
    sizes = {"shard": (0, world)}
    last = loader_cases.last_epoch(n, options | sizes)
    share = st.sampled_from([0.0, 1.0]) | st.floats(0, 1)
    return Case(
        size=size,
        n=n,
        labels=draw(st.sampled_from(["uint8", "int32", "int64"])),
        options=options,
        world=world,
        rank=None if way.endswith("ranks") else draw(st.integers(0, world - 1)),
        begin_epoch=draw(st.sampled_from([0, last]) | st.integers(0, last)),
        steps=[draw(share) for _ in seeds],
        seeds=seeds,
        way=way,
    )


# ---- comparison ---------------------------------------------------------------------


def batch_of(dataset, step, begin_epoch=0, **options):
    """Return a batch of Loader by its step, as JaxBatches counts."""
    loader = ff.Loader(dataset, threads=1, **{"label_dtype": "int32"} | options)
    epoch, number = divmod(step, len(loader))
    loader.set_epoch(begin_epoch + epoch)
    return next(itertools.islice(loader, number, None))


def difference(got, want):
    """Return how many bytes of two batches were compared, and differ."""
    n_bytes = n_differing = 0
    for k, (x, y) in enumerate(zip(map(np.asarray, got), want, strict=True)):
        if k > 1 and x.dtype != y.dtype:
            assert x.dtype == jax.dtypes.canonicalize_dtype(y.dtype)
            y = y.astype(x.dtype)
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        a, b = (np.frombuffer(array.tobytes(), np.uint8) for array in (x, y))
        n_bytes += a.size
        n_differing += np.count_nonzero(a != b)
    return np.array([n_bytes, n_differing])


def compared(case, folder=None):
    """Return how many bytes of a case were compared with Loader's, and differ."""
    dataset, options = case.dataset(), case.options
    shard = AXIS if case.rank is None else case.rank, case.world
    places_of = {"begin_epoch": case.begin_epoch, "shard": shard}
    batches = JaxBatches(dataset, **options, **places_of)
    last = batches._plan.last_step
    steps = [min(int(share * last), last) for share in case.steps]
    got = WAYS[case.way](
        batches,
        words_of(case.seeds),
        np.array(steps, np.uint32),
        np.arange(case.world),
    )
    totals = np.zeros(2, np.int64)
    wanted = places(case.way, case.seeds, steps, case.world)
    for batch, (seed, step, rank) in zip(got, wanted, strict=True):
        own = {"seed": options["seed"] if seed is None else seed}
        own |= {"shard": (case.rank if rank is None else rank, case.world)}
        want = batch_of(dataset, step, case.begin_epoch, **options | own)
        totals += difference(batch, want)
    return totals


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    end = time.monotonic() + arguments.seconds
    n_differing = loader_cases.compare_many(
        cases(), compared, arguments.seed, lambda _: time.monotonic() >= end
    )
    return int(n_differing > 0)


if __name__ == "__main__":
    sys.exit(main())
