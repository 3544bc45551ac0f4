"""Number of usable cores."""

import os

from fmnist_fast._io.cores import usable_cores


def test_usable_cores_is_at_least_one():
    assert 1 <= usable_cores() <= os.cpu_count()


def test_cores_without_affinity(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert usable_cores() == os.cpu_count()
