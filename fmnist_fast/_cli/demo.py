"""``fmnist-fast demo``: the main job, checked, timed beside numpy, and shown.

The data is the real one where it is found, else the synthetic one, and which is said.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .arguments import add_shared, find_or_draw, positive, shown_name

if TYPE_CHECKING:
    import numpy as np

    from ..loader import Loader

ABOUT = "Run shuffled epochs, beside a numpy loop, and draw a batch."
EXAMPLES = """  fmnist-fast demo
  fmnist-fast demo --root data --epochs 20 --batch-size 512 --threads 1

Where there are no files, a SYNTHETIC set is drawn and used."""

_SHEET_IMAGES = 128  # at most, on the contact sheet


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    add_argument = command.add_argument
    add_argument("--epochs", type=positive, default=5, help="default: 5")
    add_argument("--batch-size", type=positive, default=128, help="default: 128")
    add_shared(command, "--threads", "default: cores, at most 4")
    about = "the contact sheet; default: %(default)s"
    add_shared(command, "--output", about, default="fmnist_fast_demo.png")
    add_shared(command, "--root")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from ..loader import Loader

    train = find_or_draw("train", arguments.root)
    if len(train) == 0:
        raise ValueError(f"there are no images in {train.source}")
    n, (height, width) = f"{len(train):,}", train.images.shape[1:]
    where = train.source or "memory"
    print(f"Data: {shown_name(train)}, {n} images of {height}x{width} from {where}")
    with Loader(
        train, arguments.batch_size, shuffle=True, threads=arguments.threads
    ) as loader:
        _check_epoch(loader)
        print(f"Checked: an epoch has all {n} images once, and numpy makes the same.")
        _print_speed(loader, *_time_epochs(loader, arguments.epochs))
        _write_sheet(loader, arguments.output)
    return 0


def _numpy_epoch(
    loader: Loader, order: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the batches of `loader` for samples in `order`, as numpy makes them."""
    import numpy as np

    images, labels = loader.dataset.images, loader.dataset.labels
    scale, bias = np.float32(loader.scale), np.float32(loader.bias)
    for begin in range(0, len(order), loader.batch_size):
        rows = order[begin : begin + loader.batch_size]
        batch = images[rows].astype(np.float32)
        batch *= scale
        batch += bias
        yield batch[:, None], labels[rows].astype(np.int64)


def _check_epoch(loader: Loader) -> None:
    """Compare the first epoch with numpy's, bit for bit."""
    import numpy as np

    from .. import _core

    n, n_seen = len(loader.dataset), 0
    order = _core.order(n, seed=loader.seed, epoch=loader.epoch)
    same = np.array_equal(np.sort(order), np.arange(n, dtype=order.dtype))
    for found, wanted in zip(loader, _numpy_epoch(loader, order), strict=False):
        same = same and all(map(np.array_equal, found, wanted))
        n_seen += len(found[0])
    if not same or n_seen != n:
        raise RuntimeError(
            "the loader's batches are not those that numpy makes: this is a bug of "
            "fmnist_fast, please report it with what 'fmnist-fast info' prints"
        )


def _time_epochs(loader: Loader, epochs: int) -> tuple[float, float]:
    """Return the median seconds of an epoch of the loader and of numpy, in turns."""
    import numpy as np
    import tqdm

    random = np.random.default_rng(0)

    def numpy_epoch() -> Iterator[Any]:  # with its own shuffling, as the loader
        yield from _numpy_epoch(loader, random.permutation(len(loader.dataset)))

    def seconds(batches: Iterable[Any]) -> float:
        start = time.perf_counter()
        for _batch in batches:
            pass
        return time.perf_counter() - start

    form = "{desc}: {bar:30} {n_fmt}/{total_fmt} in {elapsed}"
    rounds = tqdm.trange(epochs, desc="Epochs", bar_format=form, file=sys.stderr)
    times = [(seconds(loader), seconds(numpy_epoch())) for _ in rounds]
    ours, numpys = map(statistics.median, zip(*times))
    return ours, numpys


def _print_speed(loader: Loader, ours: float, numpys: float) -> None:
    n, pixels = len(loader.dataset), loader.dataset.images.size
    nbytes = pixels * 4 + pixels
    threads = f"{loader.threads} thread{'s' if loader.threads > 1 else ''}"
    print(f"\n{'':26}{'ms an epoch':>14}{'images/s':>14}{'GB/s':>8}")
    for name, seconds in ((f"fmnist_fast, {threads}", ours), ("numpy loop", numpys)):
        print(
            f"{name:26}{seconds * 1e3:14.2f}{n / seconds:14,.0f}"
            f"{nbytes / seconds / 1e9:8.2f}"
        )
    print(f"{'ratio':26}{numpys / ours:13.2f}x")
    print(
        f"\nMedian of shuffled epochs, taken in turns; batches of {loader.batch_size}, "
        "normalised to float32.\nGB/s counts the float32 pixels written and the uint8 "
        f"pixels read, {nbytes / 1e6:,.1f} MB an epoch."
    )


def _write_sheet(loader: Loader, output: str) -> None:
    from .._show.contact_sheet import save_png

    batch = next(iter(loader))
    try:
        sheet = loader.show(batch, count=_SHEET_IMAGES, columns=16, zoom=2)
    except ImportError as error:
        print(f"No contact sheet: {error}")
    else:
        print(f"Contact sheet: {save_png(sheet, output)}")
