"""``fmnist-fast convert-idx``: convert between IDX and .npy files."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from .._io.files import naming, replacing
from .._io.paths import expanded
from .._io.private import open_file
from ..errors import FormatError
from .arguments import local

if TYPE_CHECKING:
    import numpy as np

ABOUT = "Convert between IDX, gzip-compressed IDX and .npy files."
EXAMPLES = """  fmnist-fast convert-idx train-images-idx3-ubyte.gz train-images.npy
  fmnist-fast convert-idx labels.npy labels-idx1-ubyte.gz
  fmnist-fast convert-idx --force a.idx.gz a.idx

The name of TARGET decides the format:
  a.npy                       A numpy file.
  a.idx, a-ubyte or a         An IDX file.
  a.idx.gz, a-ubyte.gz, a.gz  A gzip-compressed IDX file."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    about = "an IDX file, a gzip-compressed IDX file or a .npy file"
    command.add_argument("source", type=local, metavar="SOURCE", help=about)
    about = "the file to write"
    command.add_argument("target", type=local, metavar="TARGET", help=about)
    about = "replace TARGET if it exists"
    command.add_argument("--force", action="store_true", help=about)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    import numpy as np

    from ..idx import write_idx

    source, target = map(Path, map(expanded, (arguments.source, arguments.target)))
    if target.is_dir():
        raise IsADirectoryError(f"TARGET must be a file, got folder {target}")
    if os.path.lexists(target) and not arguments.force:
        raise FileExistsError(f"{target} already exists. Pass --force to replace it.")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: there is no folder {target.parent}")
    _check_name(target)
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


def _check_name(target: Path) -> None:
    """Raise ValueError if the name of a file is that of another format."""
    suffix = Path(target.name.removesuffix(".gz")).suffix
    is_idx = not suffix or suffix.startswith(".idx") or suffix.endswith("ubyte")
    if not is_idx and target.suffix != ".npy":
        raise ValueError(
            "TARGET must end in .npy, .idx or ubyte, or have no suffix, got "
            f"{suffix!r} in {target}.\n"
            "Only the name of an IDX file may have .gz after it."
        )


def _read_items(source: Path) -> np.ndarray:
    """Return the items of a file, which is .npy or IDX according to its content."""
    import numpy as np

    from ..idx import read_opened

    with open_file(source) as file:
        is_npy = file.read(6) == b"\x93NUMPY"
        file.seek(0)
        if not is_npy:
            return read_opened(file, str(source))
        try:
            with naming(source):
                items: np.ndarray = np.load(file, allow_pickle=False)
        except (MemoryError, OSError):
            raise
        except Exception as error:  # such as the SyntaxError of a damaged header
            text = f"{source}: the .npy file can't be read: {error}"
            raise FormatError(text) from None
    return items
