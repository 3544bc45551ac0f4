"""Scripts that read files which become shorter, each in a process of its own."""

import subprocess
import sys
import textwrap

# Pixels and labels are never 0, so zeros in place of a missing part are noticed. A row
# has 1024 pixels, and the first page of a file has rows 0 to 2 and the header.
PREAMBLE = textwrap.dedent(
    """
    import faulthandler, gc, mmap, os, signal, sys, threading, time
    from pathlib import Path
    import numpy as np
    import fmnist_fast as ff
    from fmnist_fast import _core
    from fmnist_fast._io import files

    N = 5000
    folder = Path(sys.argv[1])
    os.environ["FMNIST_FAST_CACHE"] = str(folder / "cache")

    def write(k, suffix=""):
        images = folder / f"part{k}-images-idx3-ubyte{suffix}"
        rng = np.random.default_rng(k)
        ff.write_idx(images, rng.integers(1, 256, (N, 32, 32), np.uint8))
        ff.write_idx(str(images).replace("images-idx3", "labels-idx1"),
                     rng.integers(1, 10, N, np.uint8))
        return images

    def load():
        return ff.load_files(folder / "part*")

    def expect(function, name):
        try:
            function()
            gc.collect()  # Python raises the error of a numpy read after a call
        except ff.FormatError as error:
            text = str(error)
            assert text.startswith(f"{name}: part of the file can't be read"), text
            assert text.endswith("Load the dataset again. Replace files that are in "
                                 "use instead of writing to them."), text
        else:
            raise SystemExit("no error")

    def foreign_map():
        path = folder / "foreign"
        path.write_bytes(bytes(1 << 16))
        with open(path, "rb") as file:
            foreign = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        os.truncate(path, 0)
        return foreign
    """
)


def run(folder, code, *options):
    """Run a script with files in `folder`. It must end within a minute."""
    script = PREAMBLE + textwrap.dedent(code)
    command = [sys.executable, *options, "-c", script, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def check(folder, code, *options):
    """Run a script, which must succeed."""
    done = run(folder, code, *options)
    assert done.returncode == 0, (done.returncode, done.stderr[-3000:])
