"""``fmnist-fast convert-idx``: IDX files from and to .npy."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from .._io.files import replacing
from .._io.paths import expanded
from ..errors import FormatError

if TYPE_CHECKING:
    import numpy as np

ABOUT = "Convert between IDX, gzip-compressed IDX and .npy files."
EXAMPLES = """  fmnist-fast convert-idx train-images-idx3-ubyte.gz train-images.npy
  fmnist-fast convert-idx labels.npy labels-idx1-ubyte.gz
  fmnist-fast convert-idx --force a.idx.gz a.idx"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    command.add_argument("source", metavar="SOURCE", help="IDX, gzip IDX or .npy file")
    command.add_argument(
        "target",
        metavar="TARGET",
        help=".npy; or for IDX .idx, ubyte or no suffix, and then .gz to compress it",
    )
    command.add_argument("--force", action="store_true", help="replace TARGET")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    import numpy as np

    from ..idx import write_idx

    source, target = map(Path, map(expanded, (arguments.source, arguments.target)))
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; name the file to write")
    if os.path.lexists(target) and not arguments.force:
        raise FileExistsError(f"{target} is there already; --force replaces it")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent} for {target.name}")
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
    """Raise ValueError for a name that promises another format."""
    suffix = Path(target.name.removesuffix(".gz")).suffix
    is_idx = not suffix or suffix.startswith(".idx") or suffix.endswith("ubyte")
    if not is_idx and target.suffix != ".npy":
        raise ValueError(
            f"{target}: TARGET must end in .npy, or for IDX in .idx, in ubyte or "
            f"without a suffix, and then in .gz to compress it; got {suffix!r}"
        )


def _read_items(source: Path) -> np.ndarray:
    """The items of an IDX or .npy file, told apart by content."""
    import numpy as np

    from ..idx import read_idx

    with open(source, "rb") as file:
        if file.read(6) != b"\x93NUMPY":
            return read_idx(source)
        file.seek(0)
        try:
            items: np.ndarray = np.load(file, allow_pickle=False)
        except (EOFError, ValueError) as error:
            raise FormatError(f"{source}: {error}") from None
    return items
