"""``fmnist-fast demo``: check and time shuffled epochs, and draw a batch.

The command uses the published files if it finds them, otherwise the synthetic dataset.
It prints which of them it uses.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .arguments import add_shared, find_or_draw, positive, shown_name

if TYPE_CHECKING:
    import numpy as np

    from ..loader import Loader

ABOUT = "Time shuffled epochs beside a numpy loop, and draw a batch."
EXAMPLES = """  fmnist-fast demo
  fmnist-fast demo --root data --epochs 20 --batch-size 512 --threads 1

If no data is found, and neither --root nor --name is given, the command draws a
SYNTHETIC dataset and uses it."""

_SHEET_IMAGES = 128  # on the contact sheet, at most


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    add_argument = command.add_argument
    about = "number of epochs to time (default: 5)"
    add_argument("--epochs", type=positive, default=5, help=about)
    about = "number of images in a batch (default: 128)"
    add_argument("--batch-size", type=positive, default=128, help=about)
    about = "number of worker threads (default: one per core, at most 4)"
    add_shared(command, "--threads", about)
    about = "PNG file for the contact sheet (default: %(default)s)"
    add_shared(command, "--output", about, default="fmnist_fast_demo.png")
    add_shared(command, "--name")
    add_shared(command, "--root")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from ..loader import Loader

    train = find_or_draw(arguments, "train")
    if len(train) == 0:
        raise ValueError(f"there are no images in {train.source}")
    n, (height, width) = f"{len(train):,}", train.images.shape[1:]
    where = train.source or "memory"
    print(f"Data: {shown_name(train)}, {n} images of {height}x{width} from {where}")
    with Loader(
        train, arguments.batch_size, shuffle=True, threads=arguments.threads
    ) as loader:
        _check_epoch(loader)
        print(f"Checked: an epoch has all {n} images once, and is equal to numpy's.")
        _print_speed(loader, *_time_epochs(loader, arguments.epochs))
        waiting = loader.stats().summary()
        print(f"A loop that does nothing else waits for its batches. {waiting}")
        _write_sheet(loader, arguments.output)
    return 0


def _numpy_epoch(
    loader: Loader, order: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the batches that numpy makes of the rows in `order`."""
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
    """Compare the first epoch with numpy bit for bit, and raise if it differs."""
    import numpy as np

    from .. import _core

    n, n_seen = len(loader.dataset), 0
    order = _core.order(n, seed=loader.seed, epoch=loader.epoch)
    same = np.array_equal(np.sort(order), np.arange(n, dtype=order.dtype))
    for batch, expected in zip(loader, _numpy_epoch(loader, order), strict=False):
        same = same and all(map(np.array_equal, batch, expected))
        n_seen += len(batch[0])
    if not same or n_seen != n:
        raise RuntimeError(
            "the loader's batches differ from numpy's, so fmnist_fast has a bug.\n"
            "Report it with the output of 'fmnist-fast info'."
        )


def _time_epochs(loader: Loader, epochs: int) -> tuple[float, float]:
    """Return the median seconds of an epoch, of the loader and of numpy in turns."""
    import numpy as np

    from .._io.progress import ProgressBar

    random = np.random.default_rng(0)

    def numpy_epoch() -> Iterator[Any]:  # it shuffles too, as the loader does
        yield from _numpy_epoch(loader, random.permutation(len(loader.dataset)))

    def seconds(batches: Iterable[Any]) -> float:
        start = time.perf_counter()
        for _batch in batches:
            pass
        return time.perf_counter() - start

    times = []
    with ProgressBar(desc="Epochs", total=epochs) as bar:
        for _ in range(epochs):
            times.append((seconds(loader), seconds(numpy_epoch())))
            bar.update()
    loader_seconds, numpy_seconds = map(statistics.median, zip(*times))
    return loader_seconds, numpy_seconds


def _print_speed(loader: Loader, loader_seconds: float, numpy_seconds: float) -> None:
    n, pixels = len(loader.dataset), loader.dataset.images.size
    nbytes = pixels * 4 + pixels
    threads = f"{loader.threads} thread{'s' if loader.threads > 1 else ''}"
    print(f"\n{'':26}{'ms per epoch':>14}{'images/s':>14}{'GB/s':>8}")
    times = {f"fmnist_fast, {threads}": loader_seconds, "numpy loop": numpy_seconds}
    for name, seconds in times.items():
        print(
            f"{name:26}{seconds * 1e3:14.2f}{n / seconds:14,.0f}"
            f"{nbytes / seconds / 1e9:8.2f}"
        )
    ratio, kind = numpy_seconds / loader_seconds, "faster"
    if ratio < 1:
        ratio, kind = 1 / ratio, "slower"
    print(
        f"\nfmnist_fast is {ratio:.1f} times {kind} than the numpy loop.\n"
        "The numbers are medians of shuffled epochs, which both loops ran in turns.\n"
        f"Batches have {loader.batch_size} images, normalized to float32.\nGB/s counts "
        "the float32 pixels written and the uint8 pixels read, "
        f"{nbytes / 1e6:,.1f} MB per epoch."
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
