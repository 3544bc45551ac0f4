"""Scripts that tests run in separate processes, with a dataset of 3000 images."""

import subprocess
import sys
import textwrap

PREAMBLE = textwrap.dedent(
    """
    import os, signal, sys, threading, time
    import numpy as np
    import fmnist_fast as ff
    images = np.arange(3000 * 784, dtype=np.uint32).astype(np.uint8)
    dataset = ff.Dataset.from_arrays(images.reshape(3000, 28, 28), np.arange(3000) % 10)
    """
)


def script(code):
    """Return a script that makes the dataset and then runs `code`."""
    return PREAMBLE + textwrap.dedent(code)


def run_script(code):
    """Run a script in a separate process, which must end within a minute."""
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", script(code)],
        capture_output=True,
        text=True,
        timeout=60,
    )
