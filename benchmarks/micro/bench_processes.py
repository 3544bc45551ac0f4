"""Check that several processes on one machine share the decoded dataset.

FMNIST_FAST_DATA=FOLDER pytest benchmarks/micro/bench_processes.py
"""

import os
import sys

import pytest

from .sharing import measure

N_PROCESSES = 4
MIB = 2**20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("cache", [True, False])
def test_memory_of_four_processes(report, figure, tmp_path, monkeypatch, cache):
    if not os.environ.get("FMNIST_FAST_DATA"):
        pytest.skip("FMNIST_FAST_DATA does not name the published files")
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path))
    measure(1, cache)  # writes the decoded copy, if there is a cache
    one, checksum = measure(1, cache)
    several, same = measure(N_PROCESSES, cache)
    assert same == checksum
    ratio = sum(several) / sum(one)
    report(
        f"memory of {N_PROCESSES} processes, {'with' if cache else 'without'} the "
        f"cache: {sum(several) / MIB:.1f} MiB, {ratio:.2f} times as much as one, "
        f"{sum(one) / MIB:.1f} MiB"
    )
    name = "with_cache" if cache else "without_cache"
    figure(f"{name}_mib", sum(several) / MIB)
    figure(f"{name}_ratio", ratio)
    assert ratio <= 1.2 if cache else ratio > 3
