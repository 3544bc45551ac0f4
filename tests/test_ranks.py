"""shard="env": the sources of the rank, and their precedence."""

import json
import os
import shutil
import socket
import subprocess
import sys
import types
import warnings

import pytest

import fmnist_fast as ff
from fmnist_fast._loader.ranks import RANK_VARIABLES

MARKS = ("TORCHELASTIC_RUN_ID", "SLURM_STEP_NUM_TASKS")


@pytest.fixture(autouse=True)
def no_ranks(monkeypatch):
    for name in [*MARKS, *(name for pair in RANK_VARIABLES for name in pair)]:
        monkeypatch.delenv(name, raising=False)
    for name in ("jax", "ray.train", "torch.distributed"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.fixture
def shard(small, monkeypatch):
    """Return a function that returns rank and world of a loader in an environment."""

    def shard(environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))
        loader = ff.Loader(small, 10, shard="env")
        return loader.rank, loader.world

    return shard


def torchrun(rank, world, *, by_hand=False):
    variables = {"RANK": rank, "WORLD_SIZE": world}
    return variables if by_hand else variables | {"TORCHELASTIC_RUN_ID": "none"}


def mpirun(rank, world):
    return {"OMPI_COMM_WORLD_RANK": rank, "OMPI_COMM_WORLD_SIZE": world}


def srun(rank, world):
    return batch_shell(rank, world) | {"SLURM_STEP_NUM_TASKS": world}


def batch_shell(rank, world):
    return {"SLURM_PROCID": rank, "SLURM_NTASKS": world}


# ---- environment variables ----------------------------------------------------------


@pytest.mark.parametrize("start", [torchrun, mpirun, srun])
@pytest.mark.parametrize("rank, world", [(0, 1), (0, 3), (2, 3)])
def test_variables_of_each_launcher(shard, start, rank, world):
    assert shard(start(rank, world)) == (rank, world)


@pytest.mark.parametrize(
    "environment, expected",
    {
        "torchrun on each node": (srun(1, 2) | torchrun(5, 8), (5, 8)),
        "nodes in another order": (srun(0, 2) | torchrun(5, 8), (5, 8)),
        "torchrun with fewer nodes left": (srun(3, 4) | torchrun(2, 6), (2, 6)),
        "torchrun in a batch shell": (batch_shell(0, 8) | torchrun(3, 4), (3, 4)),
        "by hand in a batch shell": (
            batch_shell(0, 8) | torchrun(3, 4, by_hand=True),
            (3, 4),
        ),
        "a shell without a number": ({"SLURM_PROCID": 0} | torchrun(3, 4), (3, 4)),
        "an allocation's shell": ({"SLURM_NTASKS": 2} | torchrun(3, 4), (3, 4)),
        "torchrun by mpirun": (mpirun(1, 2) | torchrun(7, 8), (7, 8)),
        "mpirun's daemons by srun": (srun(1, 2) | mpirun(2, 8), (2, 8)),
        "by hand, the same": (srun(2, 8) | torchrun(2, 8, by_hand=True), (2, 8)),
        "by hand, one SLURM task": (srun(0, 1) | torchrun(2, 4, by_hand=True), (2, 4)),
        "by hand, on each node": (srun(1, 2) | torchrun(5, 8, by_hand=True), (5, 8)),
        "a job of one task": (batch_shell(0, 1), (0, 1)),
        "a step of an allocation": (
            srun(1, 2) | {"SLURM_NTASKS": 8},
            (1, 2),
        ),
        "old SLURM": (batch_shell(2, 3), (2, 3)),
    }.values(),
    ids=str,
)
def test_launchers_inside_launchers(shard, environment, expected):
    assert shard(environment) == expected


@pytest.mark.parametrize(
    "environment, message",
    [
        ({}, r"found no rank\. These variables are not set: RANK and WORLD_SIZE; OMP"),
        ({"RANK": 1}, "in RANK and WORLD_SIZE, got RANK=1, WORLD_SIZE not set"),
        ({"WORLD_SIZE": 2}, "in RANK and WORLD_SIZE, got RANK not set, WORLD_SIZE=2"),
        (
            {"WORLD_SIZE": 2} | srun(0, 2),
            "in RANK and WORLD_SIZE, got RANK not set, WORLD_SIZE=2",
        ),
        ({"OMPI_COMM_WORLD_RANK": 0}, "got .*, OMPI_COMM_WORLD_SIZE not set"),
        (
            {"SLURM_PROCID": 3},
            "in SLURM_PROCID and SLURM_NTASKS, got .*, SLURM_NTASKS not set",
        ),
        (
            {"SLURM_STEP_NUM_TASKS": 3},
            "got SLURM_PROCID not set, SLURM_STEP_NUM_TASKS=3",
        ),
        (torchrun("one", 2), "requires integers in .*, got RANK=one, WORLD_SIZE=2"),
        (torchrun(1, ""), "requires integers in .*, got RANK=1, WORLD_SIZE="),
        (mpirun(0, "2.0"), "requires integers in .*, got .*, OMPI_COMM_WORLD_SIZE=2.0"),
        (torchrun(4, 4), r"requires RANK in 0..3, got RANK=4, WORLD_SIZE=4"),
        (torchrun(-1, 4), r"requires RANK in 0..3, got RANK=-1, WORLD_SIZE=4"),
        (srun(8, 8), r"requires SLURM_PROCID in 0..7, got SLURM_PROCID=8, SLURM_STEP"),
        (mpirun(0, 0), r"requires OMPI_COMM_WORLD_SIZE in 1..1048576, got"),
        (torchrun(0, 2**20 + 1), r"requires WORLD_SIZE in 1..1048576, got"),
        (
            batch_shell(0, 8),
            r"SLURM_PROCID=0, SLURM_NTASKS=8, but SLURM_STEP_NUM_TASKS is not set\."
            "\nSLURM started one process without srun",
        ),
        ({"SLURM_PROCID": 0}, "SLURM_PROCID=0, SLURM_NTASKS not set, but SLURM_STEP"),
        ({"SLURM_NTASKS": 4}, "SLURM_PROCID not set, SLURM_NTASKS=4, but SLURM_STEP"),
        (
            torchrun(1, 4, by_hand=True) | batch_shell(2, 8),
            "two ranks: RANK=1, WORLD_SIZE=4, but SLURM_PROCID=2, SLURM_NTASKS=8",
        ),
        (
            torchrun(0, 8, by_hand=True) | srun(5, 8),
            "two ranks: RANK=0, WORLD_SIZE=8, but SLURM_PROCID=5, SLURM_STEP",
        ),
        (
            torchrun(0, 4, by_hand=True) | mpirun(1, 4),
            "two ranks: RANK=0, WORLD_SIZE=4, but OMPI_COMM_WORLD_RANK=1, OMPI",
        ),
    ],
    ids=str,
)
def test_messages_name_the_variables(shard, environment, message):
    with pytest.raises(ValueError, match=f"^shard='env' .*{message}"):
        shard(environment)


def test_two_processes_of_mpirun(loopback):
    mpirun = shutil.which("mpirun")
    if mpirun is None or b"Open MPI" not in subprocess.check_output([mpirun, "-V"]):
        pytest.skip("Open MPI is not installed")
    code = (
        "import fmnist_fast as ff\n"
        "loader = ff.Loader(ff.synthetic(10, 1)[0], 5, shard='env')\n"
        "print([loader.rank, loader.world])"
    )
    as_root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    done = subprocess.run(
        [mpirun, "--oversubscribe", "-n", "2", sys.executable, "-c", code],
        env=os.environ | as_root | batch_shell("0", "8"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert sorted(done.stdout.splitlines()) == ["[0, 2]", "[1, 2]"], done.stderr


# ---- JAX ----------------------------------------------------------------------------


def fake_jax(rank, world, is_initialized=True):
    return types.SimpleNamespace(
        distributed=types.SimpleNamespace(is_initialized=lambda: is_initialized),
        process_index=lambda: rank,
        process_count=lambda: world,
    )


def test_jax_has_no_rank_before_it_is_initialized(shard, monkeypatch):
    for jax in (fake_jax(0, 1, False), types.SimpleNamespace()):
        monkeypatch.setitem(sys.modules, "jax", jax)
        with pytest.raises(
            ValueError, match=r"nor jax\.distributed is initialized\.\n"
        ):
            shard({})
    assert shard(srun(3, 8)) == (3, 8)


def test_jax_and_launchers(shard, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", fake_jax(3, 8))
    assert shard({}) == (3, 8)
    assert shard(batch_shell(0, 2)) == (3, 8)
    assert shard(srun(3, 8)) == (3, 8)
    message = "two ranks: jax.distributed says rank 3 of 8, but SLURM_PROCID=2"
    with pytest.raises(ValueError, match=message):
        shard(srun(2, 8))


JAX_PROCESS = """
import sys
rank, port = map(int, sys.argv[1:])
import fmnist_fast as ff
train, _ = ff.synthetic(100, 10)
import jax
try:
    ff.Loader(train, 10, shard="env")
except ValueError as error:
    assert "found no rank" in str(error)
else:
    raise SystemExit("found a rank before jax.distributed.initialize")
jax.distributed.initialize(f"127.0.0.1:{port}", 2, rank)
loader = ff.Loader(train, 10, shard="env")
print([loader.rank, loader.world])
jax.distributed.shutdown()
"""


def test_two_processes_of_jax_distributed(loopback):
    pytest.importorskip("jax")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", JAX_PROCESS, str(rank), port],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
        )
        for rank in range(2)
    ]
    printed = [process.communicate(timeout=120)[0] for process in processes]
    assert [json.loads(text) for text in printed] == [[0, 2], [1, 2]]


def fake_torch(rank, world, is_initialized=True):
    return types.SimpleNamespace(
        is_initialized=lambda: is_initialized,
        get_rank=lambda: rank,
        get_world_size=lambda: world,
    )


def test_torch_has_no_rank_before_it_is_initialized(shard, monkeypatch):
    for distributed in (fake_torch(0, 1, False), types.SimpleNamespace()):
        monkeypatch.setitem(sys.modules, "torch.distributed", distributed)
        with pytest.raises(ValueError, match=r"neither torch\.distributed nor jax"):
            shard({})
    with pytest.raises(ValueError, match=r"spawn, call init_process_group first\.\n"):
        shard({})


def test_torch_and_launchers(shard, monkeypatch):
    """Processes that one task of SLURM spawns have ranks within those of the task."""
    monkeypatch.setitem(sys.modules, "torch.distributed", fake_torch(3, 8))
    assert shard({}) == shard(srun(1, 4)) == (3, 8)
    assert shard(torchrun(3, 8)) == (3, 8)
    message = (
        r"two ranks: torch\.distributed says rank 3 of 8, but RANK=2, WORLD_SIZE=8"
    )
    with pytest.raises(ValueError, match=message):
        shard(torchrun(2, 8))
    monkeypatch.setitem(sys.modules, "jax", fake_jax(4, 8))
    with pytest.raises(ValueError, match=r"but jax\.distributed says rank 4 of 8"):
        shard(torchrun(3, 8))


def test_no_framework_is_imported_for_its_rank():
    code = (
        "import sys, fmnist_fast as ff\n"
        "ff.Loader(ff.synthetic(10, 1)[0], 10, shard='env')\n"
        "print([name in sys.modules for name in ('jax', 'ray', 'torch')])"
    )
    environment = os.environ | {"RANK": "0", "WORLD_SIZE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "[False, False, False]\n", done.stderr


# ---- Ray Train: a real run is in test_ray.py ----------------------------------------


def fake_ray(rank, world, *, module="ray.train.v2.api", fault=None):
    def get_context():
        if isinstance(fault, Warning):
            warnings.warn(fault, stacklevel=1)
        elif fault is not None:
            raise fault
        return types.SimpleNamespace(
            get_world_rank=lambda: rank, get_world_size=lambda: world
        )

    get_context.__module__ = module
    return types.SimpleNamespace(get_context=get_context)


def test_workers_of_ray_train(shard, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.train", fake_ray(1, 4))
    assert shard({}) == (1, 4)
    assert shard(srun(2, 8)) == (1, 4)  # srun started the daemon of the node


@pytest.mark.parametrize(
    "ray",
    [
        fake_ray(0, 1, fault=RuntimeError("not in a worker")),
        fake_ray(0, 1, fault=UserWarning("not in a worker")),
        fake_ray(0, 1, module="ray.train.context"),
    ],
)
def test_processes_of_ray_that_are_not_workers(shard, monkeypatch, ray):
    monkeypatch.setitem(sys.modules, "ray.train", ray)
    with pytest.raises(ValueError, match="This process is not a worker of Ray Train"):
        shard({})
    assert shard(torchrun(2, 3)) == (2, 3)
