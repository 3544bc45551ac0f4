"""Several processes at once: real runs of torchrun, killed, stopped and uneven; the
memory that processes share."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast.synthetic import write_synthetic

# ---- one decoded copy for all processes of a machine --------------------------------

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture(scope="module")
def measure():
    """The function that the benchmark measures with."""
    path = Path(__file__).parents[1] / "benchmarks" / "micro" / "sharing.py"
    spec = importlib.util.spec_from_file_location("sharing", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.measure


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A folder of 40,000 images in a .gz file."""
    folder = tmp_path_factory.mktemp("large")
    small, _ = ff.synthetic(1000, 100)
    for stem, column in (("images-idx3", small.images), ("labels-idx1", small.labels)):
        items = np.concatenate([column] * 40)
        ff.write_idx(folder / f"train-{stem}-ubyte.gz", items)
    card = {"name": "large", "classes": list(small.classes)}
    (folder / "dataset.json").write_text(json.dumps(card))
    return folder


@pytest.fixture
def cold(large, tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("FMNIST_FAST_DATA", str(large))
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def copies(folder):
    return sorted((folder / "decoded").glob("*"))


@linux
def test_four_processes_take_the_memory_of_one(cold, measure):
    one, checksum = measure(1, cache=True)
    four, same = measure(4, cache=True)
    assert 30 << 20 < sum(four) <= 1.2 * sum(one)
    assert same == checksum


@linux
def test_without_the_cache_they_do_not(cold, measure):
    """The control."""
    (one,), checksum = measure(1, cache=False)
    four, same = measure(4, cache=False)
    assert sum(four) > 3 * one > 90 << 20
    assert same == checksum and not copies(cold)


@linux
def test_four_that_start_at_once_make_one_copy(cold, measure):
    """Not one each, of which only the last would stay; see the sizes."""
    four, checksum = measure(4, cache=True)
    one, same = measure(1, cache=True)
    assert 30 << 20 < sum(four) <= 1.2 * sum(one)
    assert same == checksum
    names = ["train-images-idx3", "train-labels-idx1"]  # no lock, nothing half-written
    assert [path.name.partition("-ubyte")[0] for path in copies(cold)] == names


# ---- torchrun -----------------------------------------------------------------------

try:
    import torch
except ImportError:
    torch = None
unix = pytest.mark.skipif(
    torch is None or sys.platform == "win32",
    reason="torchrun needs PyTorch with gloo and libuv",
)


TORCHRUN = {
    "OMP_NUM_THREADS": "1",
    # Else ranks that are started again may meet the addresses of those before:
    # github.com/pytorch/pytorch/issues/135712.
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
}


# torchrun with PyTorch's slower half imported before its ranks are forked from it: four
# interpreters that import it, once more at each restart, take longer than all they do.
FORKING = """
import torch._dynamo
from torch.distributed import run
run.main()
"""


def torchrun(n_ranks, program, *words, n_restarts=0, fork=True):
    """What a program of this folder prints on `n_ranks` ranks."""
    launcher = [sys.executable, "-m", "torch.distributed.run"]
    if fork:
        launcher = [sys.executable, "-c", FORKING, "--start-method=fork", "--run-path"]
    launcher += [f"--nproc-per-node={n_ranks}", f"--max-restarts={n_restarts}"]
    launcher += ["--standalone", str(Path(__file__).parent / "helpers" / program)]
    done = subprocess.run(
        [*launcher, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | TORCHRUN,
    )
    assert done.returncode == 0, done.stderr
    return done


def trained_on(folder, world):
    """The samples of each step, of all ranks in their order."""
    steps = {}
    for rank in range(world):
        mine = {}
        for line in (folder / f"{rank}-of-{world}").read_text().splitlines():
            step, *samples = map(int, line.split())
            # What is done again after a restart is the same.
            assert mine.setdefault(step, samples) == samples
        for step, samples in mine.items():
            steps.setdefault(step, []).extend(samples)
    return steps


def samples_of(steps):
    return sorted(sample for samples in steps.values() for sample in samples)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    torchrun(4, "elastic.py", folder)
    return folder


@unix
def test_an_undisturbed_run_sees_every_sample_once_an_epoch(undisturbed):
    steps = trained_on(undisturbed, 4)
    assert [len(steps[step]) for step in (1, 42, 43, 84)] == [24, 16, 24, 16]
    for epoch in range(2):
        part = {step: steps[step] for step in range(1 + 42 * epoch, 43 + 42 * epoch)}
        assert samples_of(part) == list(range(1000))


@unix
def test_a_rank_that_is_killed_changes_nothing(undisturbed, tmp_path):
    """torchrun starts all ranks again; they go on from the checkpoint of rank 0."""
    done = torchrun(4, "elastic.py", tmp_path, "--kill-at", 33, n_restarts=1)
    # Or of a rank that was waiting for the killed one, whichever torchrun sees first.
    assert "failed (exitcode: " in done.stderr and (tmp_path / "killed").exists()
    log = (tmp_path / "0-of-4").read_text()
    assert [log.count(f"\n{step} ") for step in (28, 29, 32, 34)] == [1, 2, 2, 1]
    assert trained_on(tmp_path, 4) == trained_on(undisturbed, 4)
    want, got = (torch.load(path / "weights.pt") for path in (undisturbed, tmp_path))
    assert want.keys() == got.keys()
    for name, weights in want.items():
        assert torch.equal(weights, got[name]), name


@unix
def test_two_ranks_go_on_where_four_were(undisturbed, tmp_path):
    """In the middle of the second epoch, from a checkpoint of four."""
    shutil.copy(undisturbed / "step-063.pt", tmp_path)
    torchrun(2, "elastic.py", tmp_path)
    want, after = trained_on(undisturbed, 4), trained_on(tmp_path, 2)
    assert sorted(after) == list(range(64, 85))
    assert after == {step: want[step] for step in after}
    before = {step: want[step] for step in range(43, 64)}
    assert samples_of(before | after) == list(range(1000))


@unix
def test_uneven_ends_hang_no_rank():
    """What is left over, two rows for four ranks, is dropped, filled up, or joined."""
    counts = json.loads(torchrun(4, "uneven.py").stdout)
    assert counts == {
        "drop": ["2"] * 4,
        "wrap": ["3"] * 4,
        "join": ["3", "3", "2", "2"],
        "nothing": ["2!", "2!", "2", "2"],  # the control: the first two wait in vain
    }


# ---- docs/processes.md --------------------------------------------------------------

RECIPES = re.findall(
    r"```python\n(.*?)```",
    (Path(__file__).parents[1] / "docs" / "processes.md").read_text("utf-8"),
    re.DOTALL,
)


@unix
def test_the_program_of_the_page_runs_on_two_ranks(tmp_path, monkeypatch):
    write_synthetic(tmp_path, 1000, 100, 0)
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path))
    (tmp_path / "train.py").write_text(RECIPES[0])
    printed = torchrun(2, tmp_path / "train.py", fork=False).stdout
    # Both print at once, so that lines may run into each other.
    found = re.findall(r"rank \d: 8 batches an epoch", printed)
    assert sorted(found) == [f"rank {rank}: 8 batches an epoch" for rank in range(2)]


def test_the_states_of_the_page_are_as_it_says():
    names = {}
    exec(compile(RECIPES[1], "docs/processes.md", "exec"), names)
    assert len(names["seen"]) == 3 * 4 + 2 * 7
