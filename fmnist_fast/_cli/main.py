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
from collections.abc import Iterator
from typing import Any

from .._version import __version__
from ..errors import DownloadError
from . import augment, convert, convert_idx, demo, download, info, show, verify

_PROGRAM = "fmnist-fast"
_KNOWN_ERRORS = (ImportError, MemoryError, OSError, RuntimeError, TypeError, ValueError)
_COMMANDS = (demo, download, show, augment, info, verify, convert, convert_idx)
_EPILOG = """examples:
  fmnist-fast demo                          load, shuffle, normalise; how fast is it?
  fmnist-fast download mnist                fetch the published files of a dataset
  fmnist-fast show --class Bag -o bags.png  images with their classes, as a picture
  fmnist-fast augment --augment strong      what augmentation does, as a picture
  fmnist-fast info                          what is installed, which data is found
  fmnist-fast verify --root data            are the files the published ones?
  fmnist-fast convert photos -o mine        photos, a folder for each class, to IDX
  fmnist-fast convert-idx a.npy a.idx.gz    IDX files from and to .npy

'fmnist-fast COMMAND --help' tells more. Data is looked for in --root, or else in
$FMNIST_FAST_DATA, or else in the cache folder ($FMNIST_FAST_CACHE; 'off' for none)."""


def main(argv: list[str] | None = None) -> int:
    """Run the command that `argv` names, by default ``sys.argv[1:]``.

    Return the exit code; raise SystemExit where argparse does.
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
        print(f"{_PROGRAM}: error: {_text_of(error)}", file=sys.stderr)
        return 1


def _text_of(error: BaseException) -> str:
    """Return the message on one line, but for those that are lists of files."""
    text = str(error) or type(error).__name__
    has_lines = isinstance(error, (DownloadError, FileNotFoundError))
    return text if has_lines else " ".join(text.split())


@contextlib.contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        text = " ".join(str(message).split())
        print(f"{_PROGRAM}: warning: {text}", file=sys.stderr)

    with warnings.catch_warnings():  # which puts back showwarning too
        warnings.simplefilter("always", UserWarning)  # these are for the user
        warnings.showwarning = show
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Fashion-MNIST and other IDX files as training batches, fast.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {__version__}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    for module in _COMMANDS:
        command = commands.add_parser(
            module.__name__.rpartition(".")[2].replace("_", "-"),
            help=module.ABOUT,
            description=module.ABOUT,
            epilog=f"examples:\n{module.EXAMPLES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser
