"""Compare converting photos of 762x1000 pixels with decoding them in Pillow.

pytest benchmarks/micro/bench_photos.py
"""

import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast.photos.files import image_or_reason

from .conftest import interleaved

Image = pytest.importorskip("PIL.Image")

SIZE = (762, 1000)
GARMENT = (600, 800)

CONVERT = """
import sys
import fmnist_fast as ff

assert ff.convert_folder(*sys.argv[1:], threads=2).n_bad == 0
"""

DECODE = """
import pathlib, sys
from concurrent.futures import ThreadPoolExecutor
from PIL import Image
import fmnist_fast  # makes the start take as long as that of the other program

def decode(path):
    with Image.open(path) as image:
        image.load()

with ThreadPoolExecutor(2) as threads:
    list(threads.map(decode, pathlib.Path(sys.argv[1]).rglob("*.jpg")))
"""

MEMORY = """
import json, os, sys
import fmnist_fast as ff

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE")

few, many, out = sys.argv[1:]
ff.convert_folder(few, f"{out}-few", threads=2)
before = resident()
ff.convert_folder(many, f"{out}-many", threads=2)
print(json.dumps(resident() - before))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, request):
    """Create photos of drawn garments with camera noise, about 110 KB each."""
    n = 24 if request.config.getoption("benchmark_disable") else 240
    root = tmp_path_factory.mktemp("photos")
    garments = ff.synthetic(n, 10)[0]
    rng = np.random.default_rng(0)
    for i, row in enumerate(garments):
        image = Image.fromarray(255 - row["image"]).resize(GARMENT)
        pixels = np.asarray(image.convert("RGB")) + rng.normal(0, 6, (800, 600, 3))
        photo = Image.new("RGB", SIZE, (253, 253, 253))
        garment = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        photo.paste(garment, (81, 100))
        path = root / "all" / str(row["label"])
        path.mkdir(parents=True, exist_ok=True)
        photo.save(path / f"{i:04}.jpg", quality=90)
        if i < 12:
            few = root / "few" / "0"
            few.mkdir(parents=True, exist_ok=True)
            shutil.copy(path / f"{i:04}.jpg", few)
    return root


def in_fresh_process(code, *arguments):
    """Run a program as the command does, with memory that was not used before.

    Memory that was used before would hide the time of page faults.
    """
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True)


def test_photos_a_second(folder, tmp_path, rounds, report, figure, measured):
    """Converting takes less than four times as long as decoding.

    Both include the start of a process. A pool of processes shows how much time threads
    lose.
    """
    paths = sorted((folder / "all").rglob("*.jpg"))
    nbytes = sum(path.stat().st_size for path in paths) / len(paths)

    def convert():
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        in_fresh_process(CONVERT, folder / "all", tmp_path / "out")

    convert()
    train = ff.load("train", root=tmp_path / "out")
    assert len(train) == len(paths)
    for path, image in list(zip(paths, train.images))[::50]:
        with Image.open(path) as photo:
            assert np.array_equal(ff.convert(photo), image)
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(2) as processes:
        contenders = {
            "convert_folder": convert,
            "Pillow, decoding only": lambda: in_fresh_process(DECODE, folder / "all"),
            "converting in processes": lambda: processes.map(image_or_reason, paths),
        }
        times = interleaved(contenders, min(rounds, 9))
    report(
        f"{len(paths)} photos of {SIZE[0]}x{SIZE[1]} pixels, {nbytes / 1e3:.0f} KB, "
        "2 threads or processes"
    )
    for name, seconds in times.items():
        middle, best = (len(paths) / f(seconds) for f in (statistics.median, min))
        report(f"  {name:24} {middle:5.0f} photos/s, at best {best:.0f}")
    ours, decoding = (statistics.median(list(times.values())[i]) for i in (0, 1))
    report(f"  convert_folder takes {ours / decoding:.2f} times as long as decoding")
    figure("photos_per_s", len(paths) / ours)
    figure("over_decoding", ours / decoding)
    figure("n_photos", len(paths))
    figure("kilobytes", nbytes / 1e3)
    if measured:
        assert ours < 4 * decoding


def test_memory_stays_flat(folder, tmp_path, report, measured):
    """Twenty times as many photos need no more memory."""
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("there is no /proc/self/statm")
    arguments = [folder / "few", folder / "all", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    more = json.loads(done.stdout)
    n_photos = len(list((folder / "all").rglob("*.jpg")))
    report(f"resident memory after {n_photos} more photos: {more / 1e6:+.1f} MB")
    if measured:
        assert more < 16e6  # a decoded photo has 5 MB
