"""Convert a folder of photos into many IDX files, on a Ray cluster.

    pip install "ray[data]" "fmnist_fast[image]"
    python convert_ray.py photos out --shard-size 10000

`photos` has a subfolder of photos for each class, or subfolders train and test that
have these. All nodes must see it, and `out`, under the same path. Every photo goes
through the seven steps of `fmnist_fast.convert`, in the order of `convert_folder`:

    out/train-00000-images-idx3-ubyte    out/train-00000-labels-idx1-ubyte
    out/train-00001-images-idx3-ubyte    ...

Photos that can't be converted are listed in out/bad-photos.txt and on stderr; then the
exit code is 1. All is written in out.part, which becomes `out` when it is whole.
"""

import argparse
import itertools
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np

import fmnist_fast as ff
from fmnist_fast.photos.files import Photo, PhotoFolder, steps_of_file


def convert_shard(shard):
    """Write the two files of a shard, on any node; says what became of its photos."""
    images, labels, bad = [], [], []
    for line in shard["photos"].splitlines():
        photo = Photo.from_line(line)
        path = Path(shard["folder"]) / photo.path
        try:
            images.append(steps_of_file(path)[-1][1])  # ff.convert of what is there
            labels.append(photo.label)
        except ff.FormatError as error:
            bad.append(f"{photo.path}: {str(error).removeprefix(f'{path}: ')}\n")
        except OSError as error:
            bad.append(f"{photo.path}: {error.strerror or error}\n")
    if images:
        # Labels first: who looks for images finds pairs. Each file appears whole.
        name = shard["out"] + "-{}-ubyte"
        dtype = np.uint8 if shard["n_classes"] <= 256 else np.int32
        ff.write_idx(name.format("labels-idx1"), np.array(labels, dtype))
        ff.write_idx(name.format("images-idx3"), np.stack(images))
    text = "".join(bad).encode("utf-8", "backslashreplace")
    return {"name": shard["out"], "n_images": len(images), "bad": text}


def list_shards(folder, part, shard_size):
    """What there is to do, and the names of the classes."""
    source, shards = PhotoFolder(folder), []
    photos, classes = source.photos(), source.classes
    for split, group in itertools.groupby(photos, key=lambda photo: photo.split):
        for number in itertools.count():
            lines = [photo.to_line() for photo in itertools.islice(group, shard_size)]
            if not lines:
                break
            out = str(part / f"{split}-{number:05}")
            shard = {"folder": str(folder), "photos": b"".join(lines), "out": out}
            shards.append(shard | {"n_classes": len(classes)})
    return shards, classes


def check_places(folder, out):
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: there is no such folder of photos")
    if out.exists():
        raise FileExistsError(f"{out} is there already: name another, or remove it")
    if out.is_relative_to(folder):
        raise ValueError(f"{out} must not be in {folder}, the folder of photos")


def convert_shards(shards, address):
    """What became of each shard, in order."""
    import ray

    if not ray.is_initialized():
        ray.init(address)  # or $RAY_ADDRESS; else a cluster of this machine alone
    dataset = ray.data.from_items(shards, override_num_blocks=max(1, len(shards)))
    return sorted(dataset.map(convert_shard).take_all(), key=lambda row: row["name"])


def finish(part, out, rows, card):
    """Name the bad photos and make `out` of `part`; the exit code."""
    bad = b"".join(row["bad"] for row in rows)
    n_images, n_bad = sum(row["n_images"] for row in rows), bad.count(b"\n")
    if bad:
        (part / "bad-photos.txt").write_bytes(bad)
        print(f"Photos that could not be converted: {n_bad}", file=sys.stderr)
        print(bad.decode(), end="", file=sys.stderr)
    if n_images == 0:
        shutil.rmtree(part)
        print(f"None of {n_bad} photos could be converted.", file=sys.stderr)
        return 1
    (part / "dataset.json").write_text(json.dumps(card, indent=1))
    part.rename(out)
    print(f"{n_images} images in {len(card['classes'])} classes, written to {out}")
    return 1 if bad else 0


def main(words=None):
    parser = argparse.ArgumentParser(description="Convert photos on a Ray cluster.")
    parser.add_argument("folder", type=Path, help="photos, a subfolder for each class")
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("--shard-size", type=int, default=10_000, help="photos a file")
    parser.add_argument("--address", help="of the cluster")
    arguments = parser.parse_args(words)
    folder, out = map(os.path.abspath, (arguments.folder, arguments.out))
    folder, out, part = Path(folder), Path(out), Path(f"{out}.part")
    try:
        if arguments.shard_size < 1:
            raise ValueError(f"--shard-size is from 1 on, got {arguments.shard_size}")
        check_places(folder, out)
        shards, classes = list_shards(folder, part, arguments.shard_size)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    shutil.rmtree(part, ignore_errors=True)  # of a run that was interrupted
    part.mkdir()
    rows = convert_shards(shards, arguments.address)
    return finish(part, out, rows, {"name": folder.resolve().name, "classes": classes})


if __name__ == "__main__":
    sys.exit(main())
