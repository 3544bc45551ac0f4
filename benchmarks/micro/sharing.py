"""Measure the memory of several processes that each read the whole training set.

Each process is started as `python sharing.py CACHE`, where CACHE is 1 or 0.
"""

import re
import subprocess
import sys
import zlib


def read_training_set(cache):
    """Read the training set, and stop for a measurement before and after it."""
    import fmnist_fast as ff

    # These lines import all modules and start the threads before the first measurement.
    load = ff.load
    next(iter(ff.Loader(ff.synthetic(10, 1)[0], 5, threads=1)))
    wait("imported")
    train = load("train", cache=cache)
    checksum = 0
    for images, labels in ff.Loader(train, 128, shuffle=True, threads=1):
        checksum = zlib.crc32(labels, zlib.crc32(images, checksum))
    wait(f"{checksum:08x}")


def wait(word):
    """Print a word, and wait for a line on stdin."""
    print(word, flush=True)
    sys.stdin.readline()


def measure(n_processes, cache):
    """Return the bytes of each process beyond its imports, and a checksum of the data.

    The bytes are the proportional set size: memory that processes share is divided
    among them. All processes must have the same checksum.
    """
    words = [sys.executable, __file__, str(int(cache))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [subprocess.Popen(words, **pipes) for _ in range(n_processes)]
    try:
        (before, _), (after, words) = (measured_at_stop(processes) for _ in range(2))
    finally:
        for process in processes:
            process.stdin.close()
            process.stdout.close()
            process.wait()
    (checksum,) = set(words)
    return [end - start for start, end in zip(before, after)], checksum


def measured_at_stop(processes):
    """Return sizes and words of all processes at their next stop, and continue them."""
    words = [process.stdout.readline().decode().strip() for process in processes]
    if not all(words):
        raise RuntimeError("a process ended early")
    sizes = [pss_nbytes(process.pid) for process in processes]
    for process in processes:
        process.stdin.write(b"\n")
        process.stdin.flush()
    return sizes, words


def pss_nbytes(pid):
    """Return the proportional set size of a process, without programs and libraries.

    Other programs share these, and may start or end between two measurements.
    """
    n_kib, path = 0, ""
    with open(f"/proc/{pid}/smaps") as lines:
        for line in lines:
            first, *rest = line.split(maxsplit=5)
            if not first.endswith(":"):  # the first line of a mapping
                path = rest[4].strip() if len(rest) > 4 else ""
            elif first == "Pss:" and not re.search(r"\.so(\.|$)|/bin/", path):
                n_kib += int(rest[0])
    return n_kib * 1024


if __name__ == "__main__":
    read_training_set(cache=sys.argv[1] == "1")
