"""Random cases for batches that the kernels of devices fill, and their comparison.

`python tests/helpers/resident_cases.py --bytes 1e9` compares random cases with a Loader
until it has compared that many bytes. It prints how many differ, and the cases.
"""

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import fmnist_fast as ff
from fmnist_fast._core import MAX_SHARED_NBYTES
from fmnist_fast._loader.pipelines import new_program
from fmnist_fast.frameworks._resident import ResidentLoader
from helpers import any_transforms
from helpers.against_reference import dataset_of


@dataclasses.dataclass
class Case:
    """A dataset, the options of a loader, an epoch, and how another one resumes it."""

    size: tuple[int, int]  # of the images
    ends: list[int]  # of the parts, each in a file of its own. One part is an array.
    rows: list[int] | None  # that are selected
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
        return dataset if self.rows is None else dataset.select(self.rows)


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
    n_classes = draw(st.sampled_from([1, 3, 10, 300]))
    labels = ["int32"] + ["uint8"] * (n_classes <= 256) + ["int64"] * (len(ends) == 1)
    return {
        "size": draw(st.sampled_from([(28, 28), (64, 48), (1, 1)]) | sizes),
        "ends": sorted(ends),
        "rows": draw(st.none() | st.lists(row, min_size=1, max_size=most_rows)),
        "n_classes": n_classes,
        "labels": draw(st.sampled_from(labels)),
    }


def shares(n):
    """Return a strategy for the options that divide an epoch of `n` images."""
    worlds = [(rank, world) for world in (1, 2, 3) for rank in range(world)]
    return st.fixed_dictionaries(
        {
            "batch_size": st.integers(1, 1 + n // 4) | st.integers(1, n + 3),
            "drop_last": st.sampled_from([False, True, "wrap"]),
            "shard": st.sampled_from(worlds),
        }
    )


@st.composite
def cases(draw, most_rows):
    """Draw a case whose dataset has up to `most_rows` images."""
    dataset = draw(datasets(most_rows))
    share = shares(dataset["ends"][-1])
    dtype = draw(st.sampled_from(["float32", "float16", "bfloat16", "uint8"]))
    normalize = st.sampled_from([None, "unit", (0.286, 0.353), (-3.0, 0.01)])
    labels = ["int64", "int32", "onehot"] + ["uint8"] * (dataset["n_classes"] <= 256)
    augment = draw(any_transforms.augments(*dataset["size"]))
    is_mixed = isinstance(augment, list) and augment[-1]._is_mix
    options = {
        "shuffle": draw(st.booleans()),
        "seed": draw(st.sampled_from([0, 2**64 - 1]) | st.integers(0, 2**64 - 1)),
        "dtype": dtype,
        "normalize": None if dtype == "uint8" else draw(normalize),
        "layout": draw(st.sampled_from(["NCHW", "NHWC", "NHW", "flat"])),
        "label_dtype": "onehot" if is_mixed else draw(st.sampled_from(labels)),
        "augment": augment,
        "prefetch": draw(st.integers(1, 4)),
    }
    return Case(
        **dataset,
        options=options | draw(share),
        epoch=draw(st.sampled_from([0, 2**32 - 1]) | st.integers(0, 2**32 - 1)),
        n_taken=draw(st.integers(0, 5)),
        changes=draw(st.just({}) | share),
    )


def epoch_of(kind, dataset, case, threads):
    """Return the batches of an epoch, and of a loader that resumes it, one by one."""
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


def compared(case, folder):
    """Return how many bytes of a case were compared, and differ."""
    dataset = case.dataset(folder)
    program = new_program(ff.Loader(dataset, **case.options))
    assume(program.shared_nbytes <= MAX_SHARED_NBYTES)
    runs = [
        epoch_of(kind, dataset, case, threads)
        for kind, threads in [(ResidentLoader, 1 + case.n_taken % 4), (ff.Loader, 2)]
    ]
    return difference(*runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bytes", type=float, default=1e9)
    parser.add_argument("--rows", type=int, default=600, help="most rows of a dataset")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    n_cases, totals = 0, np.zeros(2, np.int64)
    with tempfile.TemporaryDirectory() as folder:

        @settings(
            max_examples=100,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=[*HealthCheck],
        )
        @given(cases(arguments.rows))
        def compare(case):
            nonlocal n_cases, totals
            result = compared(case, folder)
            n_cases, totals = n_cases + 1, totals + result
            if result[1]:
                print(f"{result[1]:,} of {result[0]:,} bytes differ: {case}")

        number = arguments.seed
        while totals[0] < arguments.bytes:
            seed(number)(compare)()
            number += 1
            print(f"{n_cases} cases, {totals[0]:,} bytes, {totals[1]:,} differ")
    return int(totals[1] > 0)


if __name__ == "__main__":
    sys.exit(main())
