"""Several processes at once: their shared memory, and runs of torchrun.

Ranks of torchrun are killed, resumed in another number, or have uneven batches.
"""

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
from helpers.dataset_files import write_synthetic
from helpers.loopback import require_loopback

import fmnist_fast as ff

# ---- one decoded copy for all processes of a machine --------------------------------

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture(scope="module")
def measure():
    """Return the function of benchmarks/micro/sharing.py that measures memory."""
    path = Path(__file__).parents[1] / "benchmarks" / "micro" / "sharing.py"
    spec = importlib.util.spec_from_file_location("sharing", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.measure


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Write 40,000 images to a .gz file, and return its folder."""
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
    """Set an empty cache folder, and return it."""
    monkeypatch.setenv("FMNIST_FAST_DATA", str(large))
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def copies(folder):
    return sorted((folder / "decoded").glob("*"))


@linux
def test_four_processes_take_the_memory_of_one(cold, measure):
    one, checksum = measure(1, cache=True)
    four, checksum_of_four = measure(4, cache=True)
    assert 30 << 20 < sum(four) <= 1.2 * sum(one)
    assert checksum_of_four == checksum


@linux
def test_without_the_cache_four_processes_take_the_memory_of_four(cold, measure):
    """This control shows that the measurement notices memory that is not shared."""
    (one,), checksum = measure(1, cache=False)
    four, checksum_of_four = measure(4, cache=False)
    assert sum(four) > 3 * one > 90 << 20
    assert checksum_of_four == checksum and not copies(cold)


@linux
def test_four_processes_that_start_at_once_make_one_copy(cold, measure):
    """If each made a copy, only one file would remain, but the memory would differ."""
    four, checksum = measure(4, cache=True)
    one, checksum_of_one = measure(1, cache=True)
    assert 30 << 20 < sum(four) <= 1.2 * sum(one)
    assert checksum_of_one == checksum
    # No lock file and no incomplete file remains.
    names = ["train-images-idx3", "train-labels-idx1"]
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
    # Otherwise, restarted ranks may connect to the addresses of the ranks before:
    # github.com/pytorch/pytorch/issues/135712.
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
}


# torchrun that imports the slower half of PyTorch before it forks the ranks. Otherwise,
# each rank imports it at each start, which takes longer than the rest of the test.
FORKING = """
import torch._dynamo
from torch.distributed import run
run.main()
"""


def torchrun(n_ranks, program, *words, n_restarts=0, fork=True):
    """Run a program of tests/helpers on `n_ranks` ranks, and return the result."""
    require_loopback()
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
    """Return the samples of each step, those of rank 0 first."""
    steps = {}
    for rank in range(world):
        of_rank = {}
        for line in (folder / f"{rank}-of-{world}").read_text().splitlines():
            step, *samples = map(int, line.split())
            # A step that is repeated after a restart has the same samples.
            assert of_rank.setdefault(step, samples) == samples
        for step, samples in of_rank.items():
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
    """torchrun restarts all ranks, which resume from the checkpoint of rank 0."""
    done = torchrun(4, "elastic.py", tmp_path, "--kill-at", 33, n_restarts=1)
    # torchrun reports the killed rank or one that waited for it, whichever fails first.
    assert "failed (exitcode: " in done.stderr and (tmp_path / "killed").exists()
    log = (tmp_path / "0-of-4").read_text()
    assert [log.count(f"\n{step} ") for step in (28, 29, 32, 34)] == [1, 2, 2, 1]
    assert trained_on(tmp_path, 4) == trained_on(undisturbed, 4)
    want, got = (torch.load(path / "weights.pt") for path in (undisturbed, tmp_path))
    assert want.keys() == got.keys()
    for name, weights in want.items():
        assert torch.equal(weights, got[name]), name


@unix
def test_two_ranks_resume_a_run_of_four(undisturbed, tmp_path):
    """They resume in the middle of the second epoch, from a checkpoint of four."""
    shutil.copy(undisturbed / "step-063.pt", tmp_path)
    torchrun(2, "elastic.py", tmp_path)
    want, after = trained_on(undisturbed, 4), trained_on(tmp_path, 2)
    assert sorted(after) == list(range(64, 85))
    assert after == {step: want[step] for step in after}
    before = {step: want[step] for step in range(43, 64)}
    assert samples_of(before | after) == list(range(1000))


@unix
def test_uneven_ends_hang_no_rank():
    """The last two rows, for four ranks, are dropped, wrapped, or handled by Join."""
    counts = json.loads(torchrun(4, "uneven.py").stdout)
    assert counts == {
        "drop": ["2"] * 4,
        "wrap": ["3"] * 4,
        "join": ["3", "3", "2", "2"],
        "nothing": ["2!", "2!", "2", "2"],  # the control: two ranks time out
    }


# ---- docs/processes.md --------------------------------------------------------------

PROGRAMS = re.findall(
    r"```python\n(.*?)```",
    (Path(__file__).parents[1] / "docs" / "processes.md").read_text("utf-8"),
    re.DOTALL,
)


@unix
def test_the_program_of_the_page_runs_on_two_ranks(tmp_path, monkeypatch):
    write_synthetic(tmp_path, 1000, 100)
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path))
    (tmp_path / "train.py").write_text(PROGRAMS[0])
    printed = torchrun(2, tmp_path / "train.py", fork=False).stdout
    # Both ranks print at once, so their lines may be joined.
    lines = re.findall(r"rank \d: 8 batches an epoch", printed)
    assert sorted(lines) == [f"rank {rank}: 8 batches an epoch" for rank in range(2)]


def test_the_state_example_of_the_page_runs():
    names = {}
    exec(compile(PROGRAMS[1], "docs/processes.md", "exec"), names)
    assert len(names["seen"]) == 3 * 4 + 2 * 7
