"""Measure import, time to the first batch, resuming and memory in new processes.

FMNIST_FAST_DATA=FOLDER pytest benchmarks/micro/bench_start.py
"""

import json
import os
import statistics
import subprocess
import sys

import pytest

FIRST_BATCH = """
import json, sys, time
import numpy
import fmnist_fast as ff
start = time.perf_counter()
train = ff.load("train", cache={cache})
images, labels = next(iter(ff.Loader(train, 128, shuffle=True)))
seconds = time.perf_counter() - start
assert images.shape == (128, 1, 28, 28) and len(train) == 60000
print(json.dumps(seconds))
"""

DECOMPRESS = """
import json, os, time
import deflate
path = os.path.join(os.environ["FMNIST_FAST_DATA"], "train-images-idx3-ubyte.gz")
content = open(path, "rb").read()
start = time.perf_counter()
size = len(deflate.gzip_decompress(content, 47040016))
seconds = time.perf_counter() - start
assert size == 47040016
print(json.dumps(seconds))
"""

IMPORT = """
import json, time
import numpy
start = time.perf_counter()
import fmnist_fast
print(json.dumps(time.perf_counter() - start))
"""

RESUME = """
import json, time
import fmnist_fast as ff
train = ff.load("train")
loader = ff.Loader(train, 128, shuffle=True, seed=1)
loader.set_epoch(3)
for k, batch in enumerate(loader):
    if k == 399:
        state = json.dumps(loader.state_dict())
        break
assert len(state) < 200

def first(state):
    other = ff.Loader(train, 128, shuffle=True, seed=1)
    next(iter(other))  # creates threads and slots
    start = time.perf_counter()
    if state:
        other.load_state_dict(json.loads(state))
    next(iter(other))
    return time.perf_counter() - start

plain = min(first(None) for _ in range(9))
resumed = min(first(state) for _ in range(9))
print(json.dumps(resumed - plain))
"""

MEMORY = """
import json, os
import fmnist_fast as ff

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE")

train = ff.load("train", cache=False)
train.mean, len(train.fingerprint)
before = resident()
loader = ff.Loader(train, 128, shuffle=True, threads=2)
for _ in range({epochs}):
    for batch in loader:
        pass
print(json.dumps(resident() - before - loader._pipeline.slots_nbytes))
"""


def in_new_process(code, repeat=1, **environment):
    """Return the numbers that `code` prints in `repeat` processes."""
    environment = os.environ | environment
    # The first process may write bytecode, which the next ones load.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    values = []
    for _ in range(repeat):
        process = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert process.returncode == 0, process.stderr
        values.append(json.loads(process.stdout))
    return values


@pytest.fixture
def published_files():
    """Skip the test without the published files."""
    if not os.environ.get("FMNIST_FAST_DATA"):
        pytest.skip("FMNIST_FAST_DATA does not name the published files")


def test_import(report, figure, rounds):
    seconds = in_new_process(IMPORT, rounds)
    median = statistics.median(seconds)
    report(f"import fmnist_fast, after numpy: {median * 1e3:.1f} ms")
    figure("import_ms", median * 1e3)
    assert median < 0.1


def test_files_to_first_batch(report, figure, rounds, published_files, tmp_path):
    cache = str(tmp_path)
    decompress = statistics.median(in_new_process(DECOMPRESS, rounds))
    cold = in_new_process(FIRST_BATCH.format(cache=False), rounds)
    in_new_process(FIRST_BATCH.format(cache=True), FMNIST_FAST_CACHE=cache)
    warm = in_new_process(
        FIRST_BATCH.format(cache=True), rounds, FMNIST_FAST_CACHE=cache
    )
    cold, warm = statistics.median(cold), statistics.median(warm)
    report(
        f".gz files to first batch, after import: {cold * 1e3:.0f} ms, of which "
        f"libdeflate takes {decompress * 1e3:.0f} ms; from the cache: "
        f"{warm * 1e3:.1f} ms"
    )
    for name, seconds in {"gz": cold, "decompress": decompress, "copy": warm}.items():
        figure(f"{name}_ms", seconds * 1e3)
    assert warm < cold / 3


def test_resume(report, published_files):
    (extra,) = in_new_process(RESUME)
    report(f"resuming at batch 400 of epoch 3: {extra * 1e3:+.3f} ms")
    assert extra < 0.001


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory(report, measured, published_files):
    for epochs in (3, 1000) if measured else (3,):
        (extra,) = in_new_process(MEMORY.format(epochs=epochs))
        report(
            f"memory beyond dataset and slots, {epochs} epochs: {extra / 1024:.0f} KiB"
        )
        assert extra < 1 << 20
