"""The command line: ``fmnist-fast``, or ``python -m fmnist_fast``.

Exit codes: 0 all is well, 1 an error or a file that isn't right, 2 a command line that
can't be understood, 130 Ctrl-C, 141 nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__, sources
from ._core import FormatError
from .files import replacing

if TYPE_CHECKING:
    import numpy as np

    from . import Dataset

_PROGRAM = "fmnist-fast"
_MAX_COUNT = 1000  # versions of an image in a row of a sheet
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


def _run_demo(arguments: argparse.Namespace) -> int:
    from .demo import demo

    return demo(arguments)


def _run_augment(arguments: argparse.Namespace) -> int:
    from .preview import preview

    return preview(arguments)


def _run_verify(arguments: argparse.Namespace) -> int:
    from .verify import verify

    return verify(arguments)


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

    from .demo import shown_name

    published = all(
        sources.is_published(path, sources.sha256_of(path), items)
        for path, items in zip(paths, (dataset.images, dataset.labels), strict=True)
    )
    counts = np.bincount(dataset.labels, minlength=len(dataset.classes))
    pairs = zip(dataset.classes, counts, strict=True)
    rows = {
        "name": shown_name(dataset),
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


def _count(text: str) -> int:
    value = _positive(text)
    if value > _MAX_COUNT:
        raise argparse.ArgumentTypeError(f"must be at most {_MAX_COUNT}, got {value}")
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
  fmnist-fast augment --augment strong      what augmentation does, as a picture
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
        _run_demo,
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
    _add_augment(add)
    add(
        "info",
        _info,
        "Show versions, folders and the data that is found.",
        "  fmnist-fast info\n  fmnist-fast info --root data",
    )
    verify = add(
        "verify",
        _run_verify,
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


def _add_augment(add: Callable[..., argparse.ArgumentParser]) -> None:
    augment = add(
        "augment",
        _run_augment,
        "Draw augmented versions of images.",
        """  fmnist-fast augment
  fmnist-fast augment --augment strong --index 0 5 9 --output strong.png
  fmnist-fast augment --augment "RandomRotation(20), RandomErasing(p=1)" --count 8

A row for each image: the original, and what it becomes in epochs 0, 1, ... Where there
are no files, a SYNTHETIC set is drawn and used.""",
    )
    augment.add_argument(
        "--augment",
        default="standard",
        metavar="TEXT",
        help="recipe (standard, standard+erasing, strong), or steps as in Python; "
        "default: standard",
    )
    augment.add_argument(
        "--split", choices=list(sources.FILES), default="train", help="default: train"
    )
    augment.add_argument(
        "--index",
        type=int,
        nargs="+",
        default=[0],
        metavar="I",
        help="of one or several images; default: 0",
    )
    augment.add_argument(
        "--count", type=_count, default=15, help="versions of each; default: 15"
    )
    augment.add_argument("--seed", type=int, default=0, help="default: 0")
    augment.add_argument(
        "-o",
        "--output",
        type=_png,
        default="fmnist_fast_augment.png",
        metavar="SHEET.png",
        help="the contact sheet; default: fmnist_fast_augment.png",
    )
