"""Seconds until the first batch of a process: kernels are compiled, or in the cache.

python -m benchmarks.gpu.build DEVICE    # one process, which prints a line of JSON
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TREE = Path(__file__).parents[2]


def tasks(bench: Any) -> dict[str, Callable[[], dict]]:
    """Return the tasks of the section."""
    return {"first batch": lambda: first_batches(bench.device.type)}


def first_batches(device: str) -> dict[str, float]:
    """Return the seconds of two processes, the first with an empty cache folder."""
    with tempfile.TemporaryDirectory() as folder:
        cold, cached = (first_batch([], device, folder) for _ in range(2))
    return {"cold_s": cold, "cached_s": cached}


def first_batch(
    program: list[str], device: str, folder: str, most_seconds: float | None = None
) -> float:
    """Return the seconds to the first batch in a new process, started by `program`."""
    words = [*program, sys.executable, "-m", "benchmarks.gpu.build", device]
    env = os.environ | {"FMNIST_FAST_CACHE": folder}
    options = {"cwd": TREE, "env": env, "capture_output": True, "text": True}
    process = subprocess.run(words, timeout=most_seconds, **options)
    if process.returncode:
        raise RuntimeError((process.stderr.strip() or process.stdout.strip())[-2000:])
    return json.loads(process.stdout.strip().splitlines()[-1])["seconds"]


def main(device: str) -> None:
    """Measure and print."""
    from . import driver

    driver.install()
    import torch

    import fmnist_fast as ff
    from fmnist_fast.frameworks.torch import TorchLoader

    train, _ = ff.synthetic(640, 10)
    torch.zeros(1, device=device).item()  # starts CUDA
    begin = time.perf_counter()
    options = {"resident": True, "shuffle": True, "augment": "strong"}
    images, _ = next(iter(TorchLoader(train, 64, device=device, **options)))
    images.sum().item()  # waits for the device
    print(json.dumps({"seconds": time.perf_counter() - begin}))


if __name__ == "__main__":
    main(sys.argv[1])
