"""The memory of processes that each read the whole training set, at the same time.

Each is started as `python sharing.py CACHE`, where CACHE is 1 or 0.
"""

import subprocess
import sys
import zlib


def read_training_set(cache):
    """Stop twice for somebody to look: after the imports, and after an epoch."""
    import fmnist_fast as ff

    load = ff.load  # which is imported when it is asked for
    next(iter(ff.Loader(ff.synthetic(10, 1)[0], 5, threads=1)))  # imports, threads
    wait("imported")
    train = load("train", cache=cache)
    checksum = 0
    for images, labels in ff.Loader(train, 128, shuffle=True, threads=1):
        checksum = zlib.crc32(labels, zlib.crc32(images, checksum))
    wait(f"{checksum:08x}")


def wait(word):
    print(word, flush=True)
    sys.stdin.readline()


def measure(n_processes, cache):
    """The bytes that each of `n_processes` takes beyond what its imports do.

    Of memory that processes share each has its part: the proportional set size. All
    must have read the same. Returns the sizes, and the checksum of what was read.
    """
    words = [sys.executable, __file__, str(int(cache))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [subprocess.Popen(words, **pipes) for _ in range(n_processes)]
    try:
        (before, _), (after, words) = (look_at(processes) for _ in range(2))
    finally:
        for process in processes:
            process.stdin.close()
            process.stdout.close()
            process.wait()
    (checksum,) = set(words)
    return [end - start for start, end in zip(before, after)], checksum


def look_at(processes):
    """Their sizes and words when all have come to the next stop; lets them go on."""
    words = [process.stdout.readline().decode().strip() for process in processes]
    if not all(words):
        raise RuntimeError("a process has ended early")
    sizes = [pss_nbytes(process.pid) for process in processes]
    for process in processes:
        process.stdin.write(b"\n")
        process.stdin.flush()
    return sizes, words


def pss_nbytes(pid):
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        fields = dict(line.split(":", 1) for line in lines if ":" in line[:20])
    return int(fields["Pss"].split()[0]) * 1024


if __name__ == "__main__":
    read_training_set(cache=sys.argv[1] == "1")
