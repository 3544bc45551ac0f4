"""``fmnist-fast convert``: convert photos to images like those of Fashion-MNIST.

The seven conversion steps are from the paper of Fashion-MNIST (arXiv:1708.07747).
"""

from __future__ import annotations

import argparse
import sys
import warnings
from itertools import islice
from pathlib import Path

from .._io.paths import expanded
from .arguments import add_shared, line_of

ABOUT = "Convert photos by the seven steps of the Fashion-MNIST paper."
EXAMPLES = """  fmnist-fast convert shoe.jpg               Write shoe-28x28.png.
  fmnist-fast convert shoe.jpg --show-steps  Write a film strip to shoe-steps.png.
  fmnist-fast convert photos -o mine         Write IDX files to the folder mine.

A folder must have a subfolder of photos for each class. Alternatively, it has the
subfolders train and test, and each of them has a subfolder for each class.
If the command is interrupted, run it again to continue.
Photos that can't be converted are omitted and listed in mine/bad-photos.txt, and the
exit code is 1.
Load the result in Python with fmnist_fast.load("train", root="mine")."""

_SHOWN = 20  # bad photos to print; the file lists all of them


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    add_argument = command.add_argument
    about = "a photo, or a folder of photos"
    add_argument("source", metavar="PHOTO|FOLDER", help=about)
    about = "PNG file for a photo, or new folder for a folder (required for a folder)"
    add_argument("-o", "--output", metavar="OUT", help=about)
    about = "draw the result of each conversion step instead"
    add_argument("--show-steps", action="store_true", help=about)
    add_shared(
        command,
        "--threads",
        "number of photos to convert at once (default: one per core)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    source = Path(expanded(arguments.source))
    source.stat()  # raises an error if there is nothing
    if source.is_dir():
        if arguments.show_steps:
            raise ValueError(f"--show-steps requires a photo, got folder {source}")
        return _convert_folder(source, arguments)
    return _convert_photo(source, arguments)


def _convert_photo(source: Path, arguments: argparse.Namespace) -> int:
    from .._show.contact_sheet import save_png
    from ..photos.files import steps_of_file
    from ..photos.filmstrip import draw_filmstrip

    ending = "steps" if arguments.show_steps else "28x28"
    out = Path(expanded(arguments.output or f"{source.stem}-{ending}.png"))
    if out.is_dir():
        raise ValueError(f"the output for a photo must be a file, got folder {out}")
    if out.suffix.lower() != ".png":
        raise ValueError(f"the output for a photo must end in .png, got {out}")
    with warnings.catch_warnings():  # a photo that is too large raises a clear error
        warnings.filterwarnings("ignore", ".*decompression bomb")
        frames = steps_of_file(source)
    if arguments.show_steps:
        print(f"Film strip: {save_png(draw_filmstrip(frames), out)}")
    else:
        from PIL import Image

        print(f"Image: {save_png(Image.fromarray(frames[-1][1]), out)}")
    return 0


def _convert_folder(source: Path, arguments: argparse.Namespace) -> int:
    from ..photos.files import SUFFIXES
    from ..photos.folder import convert_folder
    from ..photos.store import BAD_NAME

    if arguments.output is None:
        raise ValueError(f"a folder of photos requires -o OUT, got only {source}")
    if Path(arguments.output).suffix.lower() in SUFFIXES:
        raise ValueError(
            "the output for a folder of photos must be a folder, got image file "
            f"{arguments.output}"
        )
    try:
        done = convert_folder(
            source, arguments.output, threads=arguments.threads, progress=True
        )
    except KeyboardInterrupt:
        print("Stopped. Run the same command again to continue.", file=sys.stderr)
        raise
    for split, n in done.n_images.items():
        print(f"{split}: {n:,} images in {len(done.classes)} classes")
    if done.n_skipped:
        print(
            "Skipped files without a photo suffix, or outside of the class folders: "
            f"{done.n_skipped:,}"
        )
    print(f"Written to {done.out}")
    if not done.n_bad:
        return 0
    bad = done.out / BAD_NAME
    print(f"Photos that could not be converted: {done.n_bad:,}", file=sys.stderr)
    with open(bad, encoding="utf-8") as lines:
        for line in islice(lines, _SHOWN):
            print(f"  {line_of(line)}", file=sys.stderr)
    if done.n_bad > _SHOWN:
        print(f"  and {done.n_bad - _SHOWN:,} more, in {bad}", file=sys.stderr)
    return 1
