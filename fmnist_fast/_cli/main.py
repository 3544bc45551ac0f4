"""The command line: ``fmnist-fast``, or ``python -m fmnist_fast``.

The exit code is 0 for success, and 1 for an error or a file that is not ok. It is 2 for
an invalid command line, and 130 for Ctrl-C. It is 141 if the process that reads the
output has ended.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from .._version import __version__
from . import augment, convert, convert_idx, demo, download, info, show, verify
from .arguments import harmless
from .messages import message_of

_PROGRAM = "fmnist-fast"
_KNOWN_ERRORS = (ImportError, MemoryError, OSError, RuntimeError, TypeError, ValueError)
_COMMANDS = (demo, download, show, augment, info, verify, convert, convert_idx)
_EPILOG = """examples:
  fmnist-fast demo                          Time shuffled epochs and draw a batch.
  fmnist-fast download mnist                Fetch the published files of a dataset.
  fmnist-fast show --class Bag -o bags.png  Draw images with their class names.
  fmnist-fast augment --augment strong      Draw augmented versions of an image.
  fmnist-fast info                          Show versions, folders and the dataset.
  fmnist-fast verify --root data            Compare files with the published files.
  fmnist-fast convert photos -o mine        Convert a folder of photos to IDX files.
  fmnist-fast convert-idx a.npy a.idx.gz    Convert a .npy file to an IDX file.

'fmnist-fast COMMAND --help' describes a command.
Commands that read a dataset look for it in --root. Without --root, they look in the
folder that $FMNIST_FAST_DATA names, and then in the cache folder. $FMNIST_FAST_CACHE
sets the cache folder, or turns it off with the value 'off'."""


def main(argv: list[str] | None = None) -> int:
    """Run the command that `argv` names, by default ``sys.argv[1:]``.

    Return the exit code. Without a command, print the help. For --help, --version and
    invalid arguments, argparse raises SystemExit.
    """
    arguments = _parser().parse_args(argv)
    try:
        with _plain_warnings(arguments.options):
            code: int = arguments.run(arguments)
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Python flushes stdout again when it exits, and that flush must not fail.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except _KNOWN_ERRORS as error:
        text = harmless(message_of(error, arguments.options))
        print(f"{_PROGRAM}: error: {text}", file=sys.stderr)
        return 1


@contextlib.contextmanager
def _plain_warnings(options: Mapping[str, str]) -> Iterator[None]:
    """Print warnings of the block without the file and line that issued them."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        text = harmless(message_of(message, options))
        print(f"{_PROGRAM}: warning: {text}", file=sys.stderr)

    with warnings.catch_warnings():  # it also restores showwarning at the end
        warnings.simplefilter("always", UserWarning)  # for the user of the program
        warnings.showwarning = show
        yield


class _Parser(argparse.ArgumentParser):
    """Parser whose errors contain no control characters of the arguments."""

    def error(self, message: str) -> NoReturn:
        super().error(harmless(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=_PROGRAM,
        description="Load Fashion-MNIST and other IDX datasets as training batches.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {__version__}"
    )
    parser.set_defaults(run=lambda _: _print_help(parser), options={})
    commands = parser.add_subparsers(metavar="COMMAND")

    for module in _COMMANDS:
        command = commands.add_parser(
            module.__name__.rpartition(".")[2].replace("_", "-"),
            help=module.ABOUT,
            description=module.ABOUT,
            epilog=f"examples:\n{module.EXAMPLES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        actions = [action for action in command._actions if action.option_strings]
        options = {action.dest: action.option_strings[-1] for action in actions}
        command.set_defaults(run=module.run, options=options)
    return parser


def _print_help(parser: argparse.ArgumentParser) -> int:
    parser.print_help()
    return 0
