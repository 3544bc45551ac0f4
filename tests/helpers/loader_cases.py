"""Hypothesis strategies for loaders: a dataset, options, and how another one resumes.

The runs of a case are compared by resident_cases.py and sampling_cases.py.
"""

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import reference_sampler
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import fmnist_fast as ff
from fmnist_fast._core import MAX_EPOCH
from fmnist_fast.augment import compile_transforms
from helpers import any_transforms
from helpers.against_reference import dataset_of

COLUMNS = ("row", "weight", "is_hard", "writer")  # of `extra`


@dataclasses.dataclass(frozen=True)
class Turning:
    """A function for `order` that begins one row later in each epoch."""

    rows: tuple[int, ...]

    def __call__(self, epoch):
        return np.roll(self.rows, -epoch % len(self.rows))


@dataclasses.dataclass
class Case:
    """A dataset, the options of a loader, an epoch, and how another one resumes it."""

    size: tuple[int, int]  # of the images
    ends: list[int]  # of the parts, each in a file of its own. One part is an array.
    rows: list[int] | None  # that are selected
    n_again: int  # how many of these are appended once more, the last ones first
    n_classes: int
    labels: str  # dtype of the dataset's labels
    options: dict[str, Any]
    epoch: int
    n_taken: int  # batches before another loader resumes
    changes: dict[str, Any]  # options of the other loader

    def dataset(self, folder):
        """Return the dataset, with files in `folder` if it has several parts."""
        n = self.ends[-1]
        images = dataset_of(*self.size, max(n, 4)).images[:n]
        labels = (np.arange(n) * 7 % self.n_classes).astype(self.labels)
        classes = [*map(str, range(self.n_classes))]
        dataset = ff.Dataset.from_arrays(images, labels, classes=classes)
        if len(self.ends) > 1:
            dataset = in_files(dataset, self.ends, folder)
        dataset = dataset._with(extra=columns_of(n))
        if self.rows is not None:
            dataset = dataset.select(self.rows)
        if self.n_again:
            again = range(len(dataset) - 1, len(dataset) - 1 - self.n_again, -1)
            dataset = dataset.concatenate(dataset.select(again))
        return dataset


def columns_of(n):
    """Return columns of n rows, by COLUMNS. Selections keep the numbers of rows."""
    row = np.arange(n, dtype=np.int64)
    columns = row, np.float32(row) / 7, row % 3 == 0, row.astype("i2")
    return dict(zip(COLUMNS, columns))


def in_files(dataset, ends, folder):
    """Return the dataset with its images in mapped files, which end at these rows."""
    folder = tempfile.mkdtemp(dir=folder)
    files = [Path(folder, f"{k}-images-idx3-ubyte") for k in range(len(ends))]
    for file, begin, end in zip(files, [0, *ends], ends):
        ff.write_idx(file, dataset.images[begin:end])
        labels = str(file).replace("images-idx3", "labels-idx1")
        ff.write_idx(labels, dataset.labels[begin:end])
    return ff.load_files(files, classes=dataset.classes)


@st.composite
def datasets(draw, most_rows):
    """Draw the fields of a Case that make its dataset."""
    sizes = st.tuples(st.integers(1, 64), st.integers(1, 48))
    n = draw(st.integers(1, most_rows))
    ends = draw(st.just({n}) | st.sets(st.integers(1, n), max_size=3)) | {n}
    row = st.integers(0, n - 1)
    rows = draw(st.none() | st.lists(row, min_size=1, max_size=most_rows))
    n_rows = n if rows is None else len(rows)
    n_classes = draw(st.sampled_from([1, 3, 10, 300]))
    labels = ["int32"] + ["uint8"] * (n_classes <= 256) + ["int64"] * (len(ends) == 1)
    return {
        "size": draw(st.sampled_from([(28, 28), (64, 48), (1, 1)]) | sizes),
        "ends": sorted(ends),
        "rows": rows,
        "n_again": draw(st.just(0) | st.integers(0, n_rows)),
        "n_classes": n_classes,
        "labels": draw(st.sampled_from(labels)),
    }


def shares(n):
    """Return a strategy for the options that divide an epoch of `n` images."""
    worlds = [(rank, world) for world in (1, 2, 3, 7) for rank in range(world)]
    return st.fixed_dictionaries(
        {
            "batch_size": st.integers(1, 1 + n // 4) | st.integers(1, n + 3),
            "shard": st.sampled_from(worlds),
        }
    )


def orders(n):
    """Return a strategy for the options that give the order of `n` indices."""
    weight = st.sampled_from([0.0, 1.0, 1e308, 5e-324]) | st.floats(0, 9)
    weights = st.lists(weight, min_size=n, max_size=n).filter(any)
    some = st.lists(st.integers(-n, n - 1), min_size=1, max_size=2 * n)
    mask = st.lists(st.booleans(), min_size=n, max_size=n).filter(any)
    order = some | mask | some.map(tuple).map(Turning)
    return st.one_of(
        st.fixed_dictionaries({"shuffle": st.booleans()}),
        st.fixed_dictionaries(
            {"shuffle": st.just(True), "shuffle_block": st.integers(1, n + 1)}
        ),
        st.fixed_dictionaries({"weights": weights | st.just("balanced")}),
        st.fixed_dictionaries({"order": order}),
    )


@st.composite
def samplings(draw, n):
    """Draw the options that say which of `n` samples come, and where an epoch ends."""
    options = draw(orders(n))
    options |= {"repeats": draw(st.integers(1, 3))}
    if draw(st.booleans()):
        return options | {"steps": draw(st.integers(1, 7))}
    return options | {"drop_last": draw(st.sampled_from([False, True, "wrap"]))}


def n_positions(n, options):
    """Return the number of positions of an epoch, or of a pass, of `n` images."""
    order, repeats = options.get("order"), options["repeats"]
    return len(reference_sampler.indices(n, 0, 0, order=order, repeats=repeats))


def last_epoch(n, options):
    """Return the last epoch, after which a case can resume in any way and go on."""
    if "steps" not in options:
        return MAX_EPOCH
    taken = options["steps"] * options["batch_size"] * options["shard"][1]
    most = 3 * options["steps"] * (n + 3) * 7
    return min(MAX_EPOCH - 3, (MAX_EPOCH * n_positions(n, options) - most) // taken)


def sides_after(augment, height, width):
    """Return the size of images after `augment`."""
    compiled = compile_transforms(augment, height, width, 10)
    return compiled.height, compiled.width


def mixes(augment):
    return isinstance(augment, list) and augment[-1]._is_mix


def of_size(augment, size, height, width):
    """Return `augment` with a crop to a size, if it leads to another one."""
    if sides_after(augment, height, width) == size:
        return augment
    items = augment if isinstance(augment, list) else []
    n = len(items) - mixes(items) if items else 0
    return [*items[:n], ff.CenterCrop(size), *items[n:]]


@st.composite
def viewings(draw, height, width, augments=any_transforms.augments):
    """Draw the options `augment` and `views`, and whether samples are mixed."""
    augment = draw(augments(height, width))
    kind = draw(st.sampled_from([None, None, "number", "crops", "list"]))
    if kind is None:
        return {"augment": augment}, mixes(augment)
    if kind == "number":
        return {"augment": augment, "views": draw(st.integers(1, 4))}, mixes(augment)
    size = sides_after(augment, height, width)
    if kind == "crops":
        size = tuple(draw(st.integers(1, side)) for side in size)
        crops = st.builds(ff.TenCrop, st.just(size), st.booleans())
        crops |= st.just(ff.FiveCrop(size))
        return {"augment": augment, "views": draw(crops)}, mixes(augment)
    more = draw(st.lists(augments(height, width), max_size=2))
    views = [augment, *(of_size(other, size, height, width) for other in more)]
    return {"views": views}, any(map(mixes, views))


def channelings(dtype):
    """Return a strategy for the options of the channels and of their numbers."""
    one, three = [None, "unit", (0.286, 0.353), (-3.0, 0.01)], (0.485, 0.456, 0.406)
    several = [*one, (three, (0.229, 0.224, 0.225)), (three, 0.5)]

    def options(channels, layouts, normalize):
        normalize = [None] if dtype == "uint8" else normalize
        return st.fixed_dictionaries(
            {
                "channels": st.just(channels),
                "layout": st.sampled_from(layouts),
                "normalize": st.sampled_from(normalize),
            }
        )

    gray = options(1, ["NCHW", "NHWC", "NHW", "flat"], one)
    return gray | options(3, ["NCHW", "NHWC", "flat"], several)


@st.composite
def cases(draw, most_rows, augments=any_transforms.augments):
    """Draw a case whose dataset has up to `most_rows` images."""
    dataset = draw(datasets(most_rows))
    rows = dataset["rows"]
    n = dataset["n_again"] + (dataset["ends"][-1] if rows is None else len(rows))
    dtype = draw(st.sampled_from(["float32", "float16", "bfloat16", "uint8"]))
    labels = ["int64", "int32", "onehot"] + ["uint8"] * (dataset["n_classes"] <= 256)
    transforms, is_mixed = draw(viewings(*dataset["size"], augments))
    seeds = st.sampled_from([0, 2**64 - 1]) | st.integers(0, 2**64 - 1)
    options = {
        "seed": draw(seeds),
        "augment_seed": draw(st.none() | seeds),
        "dtype": dtype,
        "label_dtype": "onehot" if is_mixed else draw(st.sampled_from(labels)),
        "prefetch": draw(st.integers(1, 4)),
        "with_index": draw(st.booleans()),
        "columns": draw(st.lists(st.sampled_from(COLUMNS), unique=True)),
    }
    options |= transforms | draw(channelings(dtype))
    options |= draw(samplings(n)) | draw(shares(n))
    last = last_epoch(n, options)
    return Case(
        **dataset,
        options=options,
        epoch=draw(st.sampled_from([0, last]) | st.integers(0, last)),
        n_taken=draw(st.integers(0, 5)),
        changes=draw(st.just({}) | shares(n)),
    )


def run(kind, dataset, case, threads):
    """Return the batches of a case one by one.

    They are those of an epoch, then those of a loader that resumes it, and with `steps`
    those of the iteration after that.
    """
    with kind(dataset, threads=threads, **case.options) as loader:
        loader.set_epoch(case.epoch)
        state = loader.state_dict()
        for k, batch in enumerate(loader, 1):
            yield batch
            if k <= case.n_taken:
                state = loader.state_dict()
    with kind(dataset, threads=1, **case.options | case.changes) as loader:
        loader.load_state_dict(state)
        yield from loader
        if loader.steps is not None:
            yield from loader


def difference(got, want):
    """Return how many bytes of two runs of batches were compared, and differ."""
    n_bytes = n_differing = 0
    for got_batch, want_batch in zip(got, want, strict=True):
        for x, y in zip(got_batch, want_batch, strict=True):
            assert (x.shape, x.dtype) == (y.shape, y.dtype)
            a, b = (array.reshape(-1).view(np.uint8) for array in (x, y))
            n_bytes += a.size
            n_differing += np.count_nonzero(a != b)
    return n_bytes, n_differing


def compare_many(strategy, compared, first_seed, is_over):
    """Compare random cases until there are enough, and return how many bytes differ.

    Parameters
    ----------
    strategy : strategy of cases
    compared : function of a case and a folder, as in resident_cases.py
    first_seed : int
        Seed of the first hundred cases. The next ones have the next seed.
    is_over : function of the number of compared bytes
    """
    n_cases, totals = 0, np.zeros(2, np.int64)
    with tempfile.TemporaryDirectory() as folder:

        @settings(
            max_examples=100,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=[*HealthCheck],
        )
        @given(strategy)
        def compare(case):
            nonlocal n_cases, totals
            result = compared(case, folder)
            n_cases, totals = n_cases + 1, totals + result
            if result[1]:
                print(f"{result[1]:,} of {result[0]:,} bytes differ: {case}")

        while not is_over(totals[0]):
            seed(first_seed)(compare)()
            first_seed += 1
            print(f"{n_cases} cases, {totals[0]:,} bytes, {totals[1]:,} differ")
    return totals[1]
