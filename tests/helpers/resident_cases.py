"""Random cases for batches that the kernels of devices fill, and their comparison.

`python tests/helpers/resident_cases.py --bytes 1e9` compares random cases with a Loader
until it has compared that many bytes. It prints how many differ, and the cases.
"""

import argparse
import sys
from pathlib import Path

from hypothesis import assume

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import fmnist_fast as ff
from fmnist_fast._core import MAX_SHARED_NBYTES
from fmnist_fast._loader.pipelines import new_programs
from fmnist_fast.frameworks._resident import ResidentLoader
from helpers.loader_cases import cases, compare_many, difference, run


def compared(case, folder):
    """Return how many bytes of a case were compared, and differ."""
    dataset = case.dataset(folder)
    assume(case.options.get("shuffle_block") is None)
    programs = new_programs(ff.Loader(dataset, **case.options))
    assume(max(program.shared_nbytes for program in programs) <= MAX_SHARED_NBYTES)
    runs = [
        run(kind, dataset, case, threads)
        for kind, threads in [(ResidentLoader, 1 + case.n_taken % 4), (ff.Loader, 2)]
    ]
    return difference(*runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bytes", type=float, default=1e9)
    parser.add_argument("--rows", type=int, default=600, help="most rows of a dataset")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    n_differing = compare_many(
        cases(arguments.rows),
        compared,
        arguments.seed,
        lambda n_bytes: n_bytes >= arguments.bytes,
    )
    return int(n_differing > 0)


if __name__ == "__main__":
    sys.exit(main())
