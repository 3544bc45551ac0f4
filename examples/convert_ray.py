"""Convert a folder of photos to many IDX files, in parallel on a Ray cluster.

    pip install "ray[data]" "fmnist_fast[image]"
    python convert_ray.py photos out --photos-per-file 10000

`photos` has a subfolder for each class, or the subfolders train and test, which have a
subfolder for each class. All nodes of the cluster must see `photos` and `out` under the
same paths. The program divides the list of photos into parts, which Ray converts in
parallel. Each part becomes an image file and a label file:

    out/train-00000-images-idx3-ubyte    out/train-00000-labels-idx1-ubyte
    out/train-00001-images-idx3-ubyte    ...

`fmnist_fast.load_files("out/train-*-images-idx3-ubyte")` loads them as one dataset. Its
images, labels and order are the same as those of `fmnist_fast.convert_folder`.

Photos that can't be converted are listed in out/bad-photos.txt and on stderr, and the
exit code is 1. All files are written to the folder out.part, which is renamed to `out`
when it is complete.
"""

import argparse
import glob
import itertools
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np

import fmnist_fast as ff
from fmnist_fast.photos.files import Photo, PhotoFolder, steps_of_file


def convert_part(part):
    """Write the two files of a part on any node, and return what happened."""
    images, labels, bad = [], [], []
    for line in part["photos"].splitlines():
        photo = Photo.from_line(line)
        path = Path(part["folder"]) / photo.path
        try:
            # The last conversion step returns the Fashion-MNIST image.
            images.append(steps_of_file(path)[-1][1])
            labels.append(photo.label)
        except ff.FormatError as error:
            bad.append(f"{photo.path}: {str(error).removeprefix(f'{path}: ')}\n")
        except OSError as error:
            bad.append(f"{photo.path}: {error.strerror or error}\n")
    if images:
        # Labels come first, so that every image file has a label file even if the
        # program stops here. write_idx never leaves an incomplete file.
        name = part["out"] + "-{}-ubyte"
        dtype = np.uint8 if part["n_classes"] <= 256 else np.int32
        ff.write_idx(name.format("labels-idx1"), np.array(labels, dtype))
        ff.write_idx(name.format("images-idx3"), np.stack(images))
    text = "".join(bad).encode("utf-8", "backslashreplace")
    return {"name": part["out"], "n_images": len(images), "bad": text}


def list_parts(folder, unfinished, part_size):
    """Return the parts, with at most `part_size` photos each, and the class names."""
    source, parts = PhotoFolder(folder), []
    photos, classes = source.photos(), source.classes
    for split, group in itertools.groupby(photos, key=lambda photo: photo.split):
        for number in itertools.count():
            lines = [photo.to_line() for photo in itertools.islice(group, part_size)]
            if not lines:
                break
            out = str(unfinished / f"{split}-{number:05}")
            part = {"folder": str(folder), "photos": b"".join(lines), "out": out}
            parts.append(part | {"n_classes": len(classes)})
    return parts, classes


def check_paths(folder, out):
    """Raise an error if the folders can't be used."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: there is no such folder of photos")
    if out.exists():
        raise FileExistsError(f"{out} already exists. Remove it, or name another.")
    if out.is_relative_to(folder):
        raise ValueError(f"{out} must not be in {folder}, the folder of photos")


def convert_parts(parts, address):
    """Convert the parts on the cluster, and return their results in order."""
    import ray

    if not ray.is_initialized():
        # Without an address, Ray uses $RAY_ADDRESS or starts a cluster on this machine.
        ray.init(address)
    # Each part is a block by itself, and so a task by itself.
    dataset = ray.data.from_items(parts, override_num_blocks=max(1, len(parts)))
    return sorted(dataset.map(convert_part).take_all(), key=lambda row: row["name"])


def finish(unfinished, out, rows, card):
    """List the bad photos, rename the folder to `out`, and return the exit code."""
    bad = b"".join(row["bad"] for row in rows)
    n_images, n_bad = sum(row["n_images"] for row in rows), bad.count(b"\n")
    if bad:
        (unfinished / "bad-photos.txt").write_bytes(bad)
        print(f"Photos that could not be converted: {n_bad}", file=sys.stderr)
        print(bad.decode(), end="", file=sys.stderr)
    if n_images == 0:
        shutil.rmtree(unfinished)
        print(f"None of {n_bad} photos could be converted.", file=sys.stderr)
        return 1
    card_file = unfinished / "dataset.json"
    card_file.write_text(json.dumps(card, indent=1))
    if any(unfinished.glob("train-*")):
        train = ff.load_files(
            f"{glob.escape(str(unfinished))}/train-*-images-idx3-ubyte"
        )
        if train.std > 0:  # loaders normalize other splits by these numbers too
            card |= {"mean": train.mean, "std": train.std}
            card_file.write_text(json.dumps(card, indent=1))
    unfinished.rename(out)
    print(f"Wrote {n_images} images in {len(card['classes'])} classes to {out}")
    return 1 if bad else 0


def main(words=None):
    """Run the program, and return its exit code."""
    parser = argparse.ArgumentParser(description="Convert photos on a Ray cluster.")
    parser.add_argument(
        "folder", type=Path, help="photos, with a subfolder for each class"
    )
    parser.add_argument("out", type=Path, help="folder to create")
    parser.add_argument(
        "--photos-per-file",
        type=int,
        default=10_000,
        metavar="N",
        help="most photos in one IDX file; default: 10000",
    )
    parser.add_argument("--address", help="address of the cluster, as for ray.init")
    arguments = parser.parse_args(words)
    folder, out = map(os.path.abspath, (arguments.folder, arguments.out))
    folder, out, unfinished = Path(folder), Path(out), Path(f"{out}.part")
    try:
        if arguments.photos_per_file < 1:
            raise ValueError(
                f"--photos-per-file must be at least 1, got {arguments.photos_per_file}"
            )
        check_paths(folder, out)
        parts, classes = list_parts(folder, unfinished, arguments.photos_per_file)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    shutil.rmtree(unfinished, ignore_errors=True)  # left by an interrupted run
    unfinished.mkdir()
    rows = convert_parts(parts, arguments.address)
    card = {"name": folder.resolve().name, "classes": classes}
    return finish(unfinished, out, rows, card)


if __name__ == "__main__":
    sys.exit(main())
