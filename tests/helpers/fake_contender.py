"""A contender of the benchmark that works in numpy, except for one fault."""

from benchmarks.comparison.environments import Contender

# The source of the contender. FAULT is one of FAULTS below.
FAKE = """
import os, sys, time
import numpy as np
from .numpy import one_batch, prepared

FAULT = {fault!r}

def versions():
    if FAULT == "doesn't start":
        raise ImportError("no module named nothing")
    return {{"fake": "1"}}

def settings(work):
    if FAULT == "one setting fails":
        return [{{"bad": True}}, {{"bad": False}}]
    return [] if FAULT == "can't" else [{{}}]

def epochs(data, work, bad=False):
    if bad:
        os._exit(1)
    images, labels = prepared(data, work), data.labels.astype(np.int64)
    rng, n_epochs = np.random.default_rng(0), 0
    while True:
        order = rng.permutation(len(images))
        if FAULT == "skips":
            order[5] = order[6]
        if FAULT == "stops early":
            order = order[:-1]
        if FAULT == "not shuffled":
            order = np.arange(len(images))
        if FAULT == "same order":
            order = np.random.default_rng(3).permutation(len(images))
        yield epoch(data, work, images, labels, order, rng, n_epochs)
        n_epochs += 1

def epoch(data, work, images, labels, order, rng, n_epochs):
    for begin in range(0, len(order), work.batch_size):
        rows = order[begin : begin + work.batch_size]
        if FAULT == "hangs" and n_epochs:
            time.sleep(60)
        if FAULT == "dies" and begin:
            print("Killed by a fake fault", file=sys.stderr)
            os._exit(3)
        if FAULT == "raises" and begin:
            raise RuntimeError("first line\\nthe worker is out of memory")
        x, y = one_batch(images, labels, rows, data, work, rng)
        if FAULT == "raises later" and n_epochs > 1:
            raise RuntimeError("the second epoch is too much")
        if FAULT == "wrong labels":
            y = y[::-1]
        if FAULT == "float labels":
            y = y.astype(np.float32)
        if FAULT == "flat":
            x = x.reshape(len(x), -1)
        if FAULT == "other scale":
            x = x * np.float32(1.01)
        if FAULT == "changed" :
            x = x + np.float32(1) * data.scale
        if FAULT == "one offset" and work.augment:
            y0, x0 = rng.integers(0, 9, 2)
            crop = images[rows, y0 : y0 + 28, x0 : x0 + 28]
            x = (crop * data.scale + data.bias).astype(np.float32)[:, None]
        if FAULT == "no flips" and work.augment:
            y0, x0 = rng.integers(0, 9, (2, len(rows), 1, 1))
            down, across = y0 + np.arange(28)[:, None], x0 + np.arange(28)
            crop = images[rows[:, None, None], down, across]
            x = (crop * data.scale + data.bias).astype(np.float32)[:, None]
        if FAULT == "prints":
            print("not an answer")
        yield x, y
"""

FAULTS = {  # the work that shows each fault, and the message of the benchmark
    "skips": ("plain", "1 images are missing, 1 come again"),
    "stops early": ("plain", r"images must be float32 \(\d+, 1, 28, 28\), got float32"),
    "not shuffled": ("plain", "not shuffled: correlation 1.00"),
    "same order": ("plain", "not shuffled: correlation 1.00"),
    "wrong labels": ("plain", "labels are wrong"),
    "float labels": ("plain", "labels must be integers .* got float32"),
    "flat": ("plain", r"images must be float32 .* got float32 \(128, 784\)"),
    "other scale": ("plain", "gray levels off"),
    "changed": ("plain", "are missing|pixels are 1 to 256"),
    "one offset": ("crop_flip", "offsets never occur|not uniform|has only"),
    "no flips": ("crop_flip", "81 of 162 offsets never occur"),
    "dies": ("plain", "exit code 3: Killed by a fake fault"),
    "raises": ("plain", "RuntimeError: the worker is out of memory"),
    "raises later": ("plain", "RuntimeError: the second epoch is too much"),
    "doesn't start": (None, "ImportError: no module named nothing"),
}


def fake(folder, fault):
    """Return the contender with this fault, in the environment of the tests."""
    name = "fake_" + "".join(c if c.isalnum() else "_" for c in fault)
    file = folder / f"{name}.py"
    file.write_text(FAKE.format(fault=fault))
    return Contender(name, f"{fault} (fake)", "library", file, None)
