"""Rank and world of this process, from the launcher that started it.

A process that has joined a group of Ray Train, PyTorch or JAX gets them from there. Any
other process reads the environment variables of torchrun, Open MPI or SLURM.

Processes inherit these variables, so several launchers may have set theirs. SLURM, for
example, may start a shell, or a torchrun on each node, which starts the processes. The
innermost launcher counts. If it can't be determined, all launchers must agree.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import NamedTuple

_TORCHRUN = ("RANK", "WORLD_SIZE")
_OPEN_MPI = ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")
_SLURM = ("SLURM_PROCID", "SLURM_NTASKS")
RANK_VARIABLES = (_TORCHRUN, _OPEN_MPI, _SLURM)
_BY_TORCHRUN = "TORCHELASTIC_RUN_ID"  # only torchrun sets it
# srun sets it to the number of processes that it starts. In the shell of a batch job it
# is not set, and SLURM_NTASKS is the number of processes that srun would start.
_BY_SRUN = "SLURM_STEP_NUM_TASKS"
MAX_WORLD = 2**20


class _LauncherRank(NamedTuple):
    """Rank and world according to one launcher."""

    text: str  # for messages
    rank: int
    world: int
    is_innermost: bool  # whether this launcher itself started this process


def shard_from_environment() -> tuple[int, int]:
    """Return the rank of this process and the number of processes.

    Raises
    ------
    ValueError
        No launcher is found. One of a pair of variables is missing, is not an integer
        or is out of range. SLURM started this process alone. Two launchers contradict
        each other. The message has the variables and their values.
    """
    launchers = [
        _ray_train(),
        _torch(),
        _jax(),
        # Without torchrun's mark, these were set by hand or are left over in a shell.
        _variables(_TORCHRUN, is_innermost=_BY_TORCHRUN in os.environ),
        # On a SLURM cluster, mpirun starts its daemons by srun, so mpirun is inside.
        _variables(_OPEN_MPI, is_innermost=True),
    ]
    launchers.append(_slurm(is_only=not any(launchers)))
    known = [launcher for launcher in launchers if launcher is not None]
    if not known:
        variables = "; ".join(" and ".join(names) for names in RANK_VARIABLES)
        raise ValueError(
            f"shard='env' found no rank. These variables are not set: {variables}.\n"
            "This process is not a worker of Ray Train, and neither torch.distributed "
            "nor jax.distributed is initialized.\n"
            "Start the processes with torchrun, mpirun or srun. After "
            "torch.multiprocessing.spawn, call init_process_group first.\n"
            "Or pass shard=(rank, world), or shard=None for a single process."
        )
    inner, *others = known
    for outer in others:
        if not (inner.is_innermost or _encloses(outer, inner)):
            raise ValueError(
                f"shard='env' found two ranks: {inner.text}, but {outer.text}.\n"
                "Unset variables that are left over, or pass shard=(rank, world)."
            )
    return inner.rank, inner.world


def _encloses(outer: _LauncherRank, inner: _LauncherRank) -> bool:
    """Return whether processes of `outer` may have started those of `inner`.

    Then each process of `outer` started the same number of processes, in the order of
    ranks.
    """
    n_inner, rest = divmod(inner.world, outer.world)
    return rest == 0 and inner.rank // n_inner == outer.rank


def _slurm(*, is_only: bool) -> _LauncherRank | None:
    """Return SLURM's rank, unless SLURM only started another launcher's shell."""
    if _BY_SRUN in os.environ:
        return _variables((_SLURM[0], _BY_SRUN))
    rank, world = (os.environ.get(name) for name in _SLURM)
    if rank not in (None, "0") or (rank, world) in ((None, None), ("0", "1")):
        return _variables(_SLURM)
    if not is_only:
        return None
    raise ValueError(
        f"shard='env' found {_settings(_SLURM)}, but {_BY_SRUN} is not set.\n"
        "SLURM started one process without srun, so only one shard would be read.\n"
        "Start the processes with srun or torchrun, or pass shard=None."
    )


def _variables(
    names: tuple[str, str], *, is_innermost: bool = False
) -> _LauncherRank | None:
    """Return the rank in a pair of variables, or None if neither is set."""
    values = [os.environ.get(name) for name in names]
    if values == [None, None]:
        return None
    settings = _settings(names)
    try:
        rank, world = int(values[0]), int(values[1])  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(
            f"shard='env' requires integers in {' and '.join(names)}, got {settings}"
        ) from None
    if not 1 <= world <= MAX_WORLD:
        raise ValueError(
            f"shard='env' requires {names[1]} in 1..{MAX_WORLD}, got {settings}"
        )
    if not 0 <= rank < world:
        raise ValueError(
            f"shard='env' requires {names[0]} in 0..{world - 1}, got {settings}"
        )
    return _LauncherRank(settings, rank, world, is_innermost)


def _settings(names: tuple[str, str]) -> str:
    """Return the variables and their values for a message."""
    return ", ".join(
        f"{name}={os.environ[name]}" if name in os.environ else f"{name} not set"
        for name in names
    )


def _ray_train() -> _LauncherRank | None:
    """Return the rank from Ray Train, if this process is one of its workers."""
    train = sys.modules.get("ray.train")
    if train is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            context = train.get_context()
            rank, world = context.get_world_rank(), context.get_world_size()
    except (RuntimeError, Warning):
        return None  # a process of Ray that is not a training worker
    if world == 1 and ".v2." not in train.get_context.__module__:
        return None  # older versions give a world of 1 in every process
    return _LauncherRank(f"Ray Train says rank {rank} of {world}", rank, world, True)


def _torch() -> _LauncherRank | None:
    """Return the rank from torch.distributed, if this process has joined a group."""
    distributed = sys.modules.get("torch.distributed")
    is_initialized = getattr(distributed, "is_initialized", None)  # if it was built
    if distributed is None or is_initialized is None or not is_initialized():
        return None
    rank, world = distributed.get_rank(), distributed.get_world_size()
    text = f"torch.distributed says rank {rank} of {world}"
    return _LauncherRank(text, rank, world, False)


def _jax() -> _LauncherRank | None:
    """Return the rank from jax.distributed, if this process has joined it."""
    jax = sys.modules.get("jax")
    is_initialized = getattr(getattr(jax, "distributed", None), "is_initialized", None)
    if jax is None or is_initialized is None or not is_initialized():
        return None
    rank, world = jax.process_index(), jax.process_count()
    text = f"jax.distributed says rank {rank} of {world}"
    return _LauncherRank(text, rank, world, False)
