"""``fmnist-fast convert``: photos to images like those of Fashion-MNIST."""

from __future__ import annotations

import argparse
import sys
import warnings
from itertools import islice
from pathlib import Path

from .._io.paths import expanded
from .arguments import add_shared

ABOUT = "Convert photos by the seven steps of the paper."
EXAMPLES = """  fmnist-fast convert shoe.jpg                   28x28, to shoe-28x28.png
  fmnist-fast convert shoe.jpg --show-steps           the film strip, to shoe-steps.png
  fmnist-fast convert photos -o mine             a folder to IDX files

A folder has a subfolder of photos for each class, or subfolders train and test that
have these. The same command goes on where an interrupted one stopped. Photos that
can't be converted are left out, listed in mine/bad-photos.txt, and make the exit code
1. Load the result with fmnist_fast.load("train", root="mine")."""

_SHOWN = 20  # bad photos that are printed; all are in the file


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    add_argument = command.add_argument
    add_argument("source", metavar="PHOTO|FOLDER")
    about = "the .png file, or the folder to make (needed for a folder)"
    add_argument("-o", "--output", metavar="OUT", help=about)
    about = "draw what each step makes of the photo"
    add_argument("--show-steps", action="store_true", help=about)
    add_shared(command, "--threads", "photos at the same time; default: cores")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    source = Path(expanded(arguments.source))
    if source.is_dir():
        if arguments.show_steps:
            raise ValueError(f"--show-steps is for one photo, and {source} is a folder")
        return _convert_folder(source, arguments)
    return _convert_photo(source, arguments)


def _convert_photo(source: Path, arguments: argparse.Namespace) -> int:
    from .._show.contact_sheet import save_png
    from ..photos.files import steps_of_file
    from ..photos.filmstrip import draw_filmstrip

    ending = "steps" if arguments.show_steps else "28x28"
    out = Path(expanded(arguments.output or f"{source.stem}-{ending}.png"))
    if out.is_dir():
        raise ValueError(
            f"the output for a photo must be a file, and {out} is a folder"
        )
    if out.suffix.lower() != ".png":
        raise ValueError(f"the output for a photo must end in .png, got {out}")
    with warnings.catch_warnings():  # too large a photo is an error that says so
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
        raise ValueError(f"say which folder to make of {source}: -o OUT")
    if Path(arguments.output).suffix.lower() in SUFFIXES:
        raise ValueError(
            f"the output for a folder is a folder, and {arguments.output} is called as "
            "a picture"
        )
    try:
        done = convert_folder(
            source, arguments.output, threads=arguments.threads, progress=True
        )
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        raise
    for split, n in done.n_images.items():
        print(f"{split}: {n:,} images in {len(done.classes)} classes")
    if done.n_skipped:
        print(
            "Left out, files that aren't called as photos or are in no class's folder: "
            f"{done.n_skipped:,}"
        )
    print(f"Written to {done.out}")
    if not done.n_bad:
        return 0
    bad = done.out / BAD_NAME
    print(f"Photos that could not be converted: {done.n_bad:,}", file=sys.stderr)
    with open(bad, encoding="utf-8") as lines:
        for line in islice(lines, _SHOWN):
            print(f"  {line.rstrip()}", file=sys.stderr)
    if done.n_bad > _SHOWN:
        print(f"  and {done.n_bad - _SHOWN:,} more, in {bad}", file=sys.stderr)
    return 1
