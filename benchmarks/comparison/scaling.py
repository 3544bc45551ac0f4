"""Curves of this library: threads, batch sizes, sides of images, numbers of images.

All points of a curve are timed in turns, so that other load on the machine
affects all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

import fmnist_fast as ff

from .. import machine
from ..usage import usable_cores

N = 60_000
PIXELS = N * 784  # in all images together, for each side
ROUND_SECONDS = 0.1
BATCH_SIZES = (1, 2, 8, 32, 128, 512, 2048, 8192)
SIDES = (28, 40, 56, 96, 128, 192, 256)
FLAT = 1.3  # for any number of images, the cost of an image may differ by this factor


def tiled(n: int, side: int = 28) -> ff.Dataset:
    """Return `n` images of random pixels, copies of at most 10,000 images."""
    rng = np.random.default_rng(0)
    some = rng.integers(0, 256, (min(n, 10_000), side, side), np.uint8)
    images = np.empty((n, side, side), np.uint8)
    for begin in range(0, n, len(some)):
        images[begin : begin + len(some)] = some[: n - begin]
    return ff.Dataset.from_arrays(images, (np.arange(n) % 10).astype(np.uint8))


def _loader(
    dataset: ff.Dataset, batch_size: int = 128, threads: int | None = None
) -> Any:
    return ff.Loader(
        dataset, batch_size, shuffle=True, threads=threads, normalize=(0.5, 0.25)
    )


def _curves(most_images: int) -> Iterator[tuple[str, str, dict[int, Any]]]:
    """Yield each curve's name, title of the x axis, and loaders by their x.

    Only the data of one curve is in memory at a time.
    """
    data = tiled(N)
    cores = range(1, usable_cores() + 1)
    yield "threads", "threads", {n: _loader(data, threads=n) for n in cores}
    yield "batch_size", "batch size", {n: _loader(data, n) for n in BATCH_SIZES}
    sides = {side: _loader(tiled(PIXELS // side**2, side)) for side in SIDES}
    yield "side", "side of an image, pixels", sides
    del sides, data
    numbers, n = {}, 1000
    while n <= most_images:
        numbers[n] = _loader(tiled(n))
        n *= 10
    yield "images", "images", numbers


def _seconds(loader: Any) -> float:
    """Return the seconds of an epoch, as the mean of those within ROUND_SECONDS."""
    n_epochs, start = 0, time.perf_counter()
    while not n_epochs or time.perf_counter() - start < ROUND_SECONDS:
        for _ in loader:
            pass
        n_epochs += 1
    return (time.perf_counter() - start) / n_epochs


def measure(most_images: int, rounds: int) -> dict:
    """Return all curves, with the seconds of an epoch in each round for each x."""
    result: dict[str, Any] = {"machine": machine.describe(), "curves": {}}
    for name, title, loaders in _curves(most_images):
        points = {x: _point(loader) for x, loader in loaders.items()}
        for k in range(rounds + 1):
            for x, loader in loaders.items():
                seconds = _seconds(loader)
                if k:  # one round to warm up
                    points[x]["seconds"].append(seconds)
        for loader in loaders.values():
            loader.close()
        result["curves"][name] = {"title": title, "points": list(points.values())}
        for x, y in cost(result, name):
            print(
                f"{name:10} {x:>9,}: {y:.4g} {UNITS.get(name, NANOSECONDS)}",
                flush=True,
            )
    print(flatness(result))
    return result


def _point(loader: Any) -> dict:
    dataset = loader.dataset
    return {
        "images": len(dataset),
        "side": dataset.images.shape[1],
        "batch_size": loader.batch_size,
        "threads": loader.threads,
        "seconds": [],
    }


NANOSECONDS = "nanoseconds per image"
UNITS = {"side": "nanoseconds per pixel", "threads": "million images per second"}


def cost(result: dict, name: str) -> list[tuple[int, float]]:
    """Return the points of a curve, in its unit of `UNITS`, by default NANOSECONDS."""
    points = []
    for point in result["curves"][name]["points"]:
        nanoseconds = float(np.median(point["seconds"])) / point["images"] * 1e9
        if name == "side":
            nanoseconds /= point["side"] ** 2
        points.append(
            (point[name], 1e3 / nanoseconds if name == "threads" else nanoseconds)
        )
    return points


def flatness(result: dict) -> str:
    """Return a sentence on whether the cost of an image depends on their number."""
    costs = [y for _, y in cost(result, "images")]
    growth = max(costs) / min(costs)
    verdict = "reached" if growth <= FLAT else "missed"
    return (
        "Over these numbers of images, the highest cost per image is "
        f"{growth:.2f} times the lowest. Goal: at most {FLAT} times, {verdict}"
    )
