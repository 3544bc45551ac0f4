"""The command line: ``fmnist-fast``, or ``python -m fmnist_fast``.

Exit codes: 0 all is well, 1 an error or a file that isn't right, 2 a command line that
can't be understood, 130 Ctrl-C, 141 nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__, sources
from ._core import FormatError
from .files import replacing

if TYPE_CHECKING:
    import numpy as np

    from . import Dataset, Loader

_PROGRAM = "fmnist-fast"
_SHEET_IMAGES = 128  # at most, on the demo's contact sheet
_KNOWN_ERRORS = (ImportError, MemoryError, OSError, RuntimeError, TypeError, ValueError)


def main(argv: list[str] | None = None) -> int:
    """Run the command that `argv` names, by default ``sys.argv[1:]``.

    Returns the exit code; raises SystemExit where argparse does.
    """
    arguments = _parser().parse_args(argv)
    try:
        with _warnings_in_one_line():
            code: int = arguments.run(arguments)
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Python flushes stdout once more when it exits, which must not fail again.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except _KNOWN_ERRORS as error:
        text = str(error) or type(error).__name__
        print(f"{_PROGRAM}: error: {' '.join(text.split())}", file=sys.stderr)
        return 1


@contextlib.contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        text = " ".join(str(message).split())
        print(f"{_PROGRAM}: warning: {text}", file=sys.stderr)

    before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)  # these are for the user
        warnings.showwarning = show
        try:
            yield
        finally:
            warnings.showwarning = before


# ---- demo -------------------------------------------------------------------------


def _demo(arguments: argparse.Namespace) -> int:
    from .loader import Loader

    train = _find_or_draw(arguments.root)
    if len(train) == 0:
        raise ValueError(f"there are no images in {train.source}")
    n, (height, width) = f"{len(train):,}", train.images.shape[1:]
    where = train.source or "memory"
    print(f"Data: {_name(train)}, {n} images of {height}x{width} from {where}")
    with Loader(
        train, arguments.batch_size, shuffle=True, threads=arguments.threads
    ) as loader:
        _check_epoch(loader)
        print(f"Checked: an epoch has all {n} images once, and numpy makes the same.")
        _print_speed(loader, *_time_epochs(loader, arguments.epochs))
    _write_sheet(train, arguments)
    return 0


def _name(dataset: Dataset) -> str:
    mark = "SYNTHETIC (drawn garments, not the real Fashion-MNIST)"
    return mark if dataset.synthetic else dataset.name or "a dataset without a name"


def _find_or_draw(root: str | None) -> Dataset:
    try:
        return sources.load("train", root)
    except FileNotFoundError as error:
        if root is not None:
            raise
        reason = str(error).partition(". ")[0]
    from . import synthetic

    print(f"No real data: {reason}.")
    print("Drawing the SYNTHETIC set instead, or reading it if it was drawn before.")
    sys.stdout.flush()
    return synthetic()[0]


def _numpy_epoch(
    loader: Loader, order: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of `loader` for samples in `order`, as one writes it in numpy."""
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

    from . import _core

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
    """Median seconds of an epoch, of the loader and of numpy, taken in turns."""
    import numpy as np
    import tqdm

    random = np.random.default_rng(0)

    def numpy_epoch() -> Iterator[Any]:  # with its own shuffling, as the loader
        yield from _numpy_epoch(loader, random.permutation(len(loader.dataset)))

    seconds: tuple[list[float], list[float]] = ([], [])
    with tqdm.tqdm(
        total=epochs,
        desc="Epochs",
        bar_format="{desc}: {bar:30} {n_fmt}/{total_fmt} in {elapsed}",
        file=sys.stderr,
    ) as bar:
        for _ in range(epochs):
            for i, batches in enumerate((lambda: iter(loader), numpy_epoch)):
                start = time.perf_counter()
                for _batch in batches():
                    pass
                seconds[i].append(time.perf_counter() - start)
            bar.update()
    return statistics.median(seconds[0]), statistics.median(seconds[1])


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


def _write_sheet(train: Dataset, arguments: argparse.Namespace) -> None:
    from . import view
    from .loader import Loader

    rows = min(arguments.batch_size, _SHEET_IMAGES)
    batches = Loader(train, rows, shuffle=True, dtype="uint8", layout="NHW", threads=1)
    with batches:
        images, labels = next(iter(batches))
    title = f"{_name(train)}: {len(images)} images of the first batch"
    try:
        sheet = view.contact_sheet(images, labels, train.classes, title=title)
    except ImportError as error:
        print(f"No contact sheet: {error}")
        return
    print(f"Contact sheet: {view.save_png(sheet, arguments.output)}")


# ---- info -------------------------------------------------------------------------


def _info(arguments: argparse.Namespace) -> int:
    from .config import show_config

    show_config()
    missing = []
    for split in sources.FILES:
        try:
            dataset = sources.load(split, arguments.root)
            paths = sources.find_pair(split, arguments.root)
        except FileNotFoundError as error:
            missing.append(error)
            print(f"\n{split}: not found")
            continue
        print()
        _print_dataset(split, dataset, paths)
    if len(missing) == len(sources.FILES):
        if arguments.root is not None:
            raise missing[0]
        print(f"\n{missing[0]}")
    return 0


def _print_dataset(split: str, dataset: Dataset, paths: tuple[Path, Path]) -> None:
    import numpy as np

    published = all(
        sources.is_published(path, sources.sha256_of(path), items)
        for path, items in zip(paths, (dataset.images, dataset.labels), strict=True)
    )
    counts = np.bincount(dataset.labels, minlength=len(dataset.classes))
    pairs = zip(dataset.classes, counts, strict=True)
    rows = {
        "name": _name(dataset),
        "files": ", ".join(map(str, paths)),
        "published": "yes, by SHA-256" if published else "no",
        "images": f"{dataset.images.dtype} {dataset.images.shape}",
        "classes": ", ".join(f"{name} {count}" for name, count in pairs),
    }
    if len(dataset):
        rows |= {"mean": f"{dataset.mean:.6f}", "std": f"{dataset.std:.6f}"}
    print(f"{split}:")
    for name, value in rows.items():
        print(f"  {name:11} {value}")


# ---- verify -----------------------------------------------------------------------


def _verify(arguments: argparse.Namespace) -> int:
    named = [Path(path) for path in arguments.paths]
    paths = [path for path in named if not path.is_dir()]
    folders: list[Any] = [path for path in named if path.is_dir()]
    if arguments.root is not None or not named:
        folders.append(arguments.root)
    absent = []
    for folder in folders:
        for split in sources.FILES:
            try:
                paths += sources.find_pair(split, folder)
            except FileNotFoundError as error:
                absent.append((split, error))
    if not paths:
        raise absent[0][1]
    verdicts = {path: _verify_file(path) for path in paths}
    _verify_pairs(verdicts)
    for path, (verdict, why) in verdicts.items():
        print(f"{verdict:8} {path}: {why}")
    for split, reason in absent:
        print(f"{'MISSING':8} {split}: {str(reason).partition('. ')[0]}")
    return int(bool(absent) or any(verdict != "ok" for verdict, _ in verdicts.values()))


def _verify_file(path: Path) -> tuple[str, str]:
    """ "ok", "DIFFERS", "DAMAGED" or "MISSING", and why."""
    from .idx import read_idx

    try:
        items = read_idx(path)
        digest = sources.sha256_of(path)
    except FileNotFoundError:
        return "MISSING", "no such file"
    except OSError as error:
        return "DAMAGED", f"can't be read: {error.strerror or error}"
    except FormatError as error:
        return "DAMAGED", _without(error, path)
    header = f"{items.dtype} {items.shape}"
    known = sources.PUBLISHED.get(path.name.removesuffix(".gz"))
    if known is None:
        return "ok", f"{header}; only the format, the name isn't a published one"
    if "labels" in path.name and items.size:
        header += f", labels {items.min()} to {items.max()}"
    if sources.is_published(path, digest, items):
        how = "" if digest in known else ", in another compression"
        return "ok", f"{header}; the published file{how}"
    wanted = known[0] if path.suffix == ".gz" else known[1]
    return "DIFFERS", f"{header}; SHA-256 is {digest}, published is {wanted}"


def _verify_pairs(verdicts: dict[Path, tuple[str, str]]) -> None:
    """Where both files of a split are readable, see whether they go together."""
    readable = {
        (path.parent, path.name.removesuffix(".gz")): path
        for path, (verdict, _) in verdicts.items()
        if verdict in ("ok", "DIFFERS")
    }
    for folder in dict.fromkeys(folder for folder, _ in readable):
        for split, names in sources.FILES.items():
            pair = [readable.get((folder, name)) for name in names]
            if pair[0] and pair[1]:
                _verify_pair(split, pair[0], pair[1], verdicts)


def _verify_pair(
    split: str, images: Path, labels: Path, verdicts: dict[Path, tuple[str, str]]
) -> None:
    pair = [images, labels]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that they aren't published is known
            dataset = sources.load_pair(split, images, labels, False)
    except FormatError as error:
        guilty = [path for path in pair if str(error).startswith(f"{path}: ")]
        for path in guilty or pair:
            verdicts[path] = "DAMAGED", _without(error, path)
        return
    if dataset.synthetic:
        for path in pair:
            verdict, why = verdicts[path]
            verdicts[path] = verdict, f"SYNTHETIC by its {sources.CARD_NAME}; {why}"


def _without(error: Exception, path: Path) -> str:
    return str(error).removeprefix(str(path)).removeprefix(":").strip()


# ---- convert-idx ------------------------------------------------------------------


def _convert_idx(arguments: argparse.Namespace) -> int:
    import numpy as np

    from .idx import write_idx

    source, target = Path(arguments.source), Path(arguments.target)
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; name the file to write")
    if os.path.lexists(target) and not arguments.force:
        raise FileExistsError(f"{target} is there already; --force replaces it")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent} for {target.name}")
    items = _read_items(source)
    if target.suffix == ".npy":
        with replacing(target) as file:
            np.save(file, items, allow_pickle=False)
    else:
        write_idx(target, items)
    nbytes = target.stat().st_size
    print(
        f"{target}: {items.dtype.name} {items.shape}, {nbytes:,} bytes, from {source}"
    )
    return 0


def _read_items(source: Path) -> np.ndarray:
    """The items of an IDX or .npy file, told apart by content."""
    import numpy as np

    from .idx import read_idx

    with open(source, "rb") as file:
        if file.read(6) != b"\x93NUMPY":
            return read_idx(source)
        file.seek(0)
        try:
            items: np.ndarray = np.load(file, allow_pickle=False)
        except (EOFError, ValueError) as error:
            raise FormatError(f"{source}: {error}") from None
    return items


# ---- the command line -------------------------------------------------------------


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be an integer from 1 on, got {text!r}")
    return value


def _png(text: str) -> str:
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError(f"must end in .png, got {text!r}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Fashion-MNIST and other IDX files as training batches, fast.",
        epilog="""examples:
  fmnist-fast demo                          load, shuffle, normalise; how fast is it?
  fmnist-fast info                          what is installed, which data is found
  fmnist-fast verify --root data            are the files the published ones?
  fmnist-fast convert-idx a.npy a.idx.gz    IDX files from and to .npy

'fmnist-fast COMMAND --help' tells more. Data is looked for in --root, or else in
$FMNIST_FAST_DATA, or else in the cache folder ($FMNIST_FAST_CACHE; 'off' for none).""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {__version__}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, run: Callable[[argparse.Namespace], int], about: str, examples: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=about,
            description=about,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=run)
        if run is not _convert_idx:
            command.add_argument("--root", metavar="DIR", help="folder with the files")
        return command

    _add_commands(add)
    return parser


def _add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    demo = add(
        "demo",
        _demo,
        "Run shuffled epochs, beside a numpy loop, and draw a batch.",
        """  fmnist-fast demo
  fmnist-fast demo --root data --epochs 20 --batch-size 512 --threads 1

Where there are no files, a SYNTHETIC set is drawn and used.""",
    )
    demo.add_argument("--epochs", type=_positive, default=5, help="default: 5")
    demo.add_argument("--batch-size", type=_positive, default=128, help="default: 128")
    demo.add_argument("--threads", type=_positive, help="default: cores, at most 4")
    demo.add_argument(
        "--output",
        type=_png,
        default="fmnist_fast_demo.png",
        metavar="SHEET.png",
        help="the contact sheet; default: fmnist_fast_demo.png",
    )
    add(
        "info",
        _info,
        "Show versions, folders and the data that is found.",
        "  fmnist-fast info\n  fmnist-fast info --root data",
    )
    verify = add(
        "verify",
        _verify,
        "Check files: SHA-256, header, counts, labels.",
        """  fmnist-fast verify
  fmnist-fast verify --root data
  fmnist-fast verify train-images-idx3-ubyte.gz mine.idx

A line for each file: ok, DIFFERS (readable, but not the published Fashion-MNIST file
of that name), DAMAGED or MISSING. The exit code is 0 if all are ok, else 1.""",
    )
    verify.add_argument("paths", nargs="*", metavar="PATH", help="IDX file, or folder")
    convert = add(
        "convert-idx",
        _convert_idx,
        "Convert between IDX, gzip-compressed IDX and .npy files.",
        """  fmnist-fast convert-idx train-images-idx3-ubyte.gz train-images.npy
  fmnist-fast convert-idx labels.npy labels-idx1-ubyte.gz
  fmnist-fast convert-idx --force a.idx.gz a.idx""",
    )
    convert.add_argument("source", metavar="SOURCE", help="IDX, gzip IDX or .npy file")
    convert.add_argument(
        "target", metavar="TARGET", help=".npy, .gz (gzip IDX), or any name (IDX)"
    )
    convert.add_argument("--force", action="store_true", help="replace TARGET")
