"""Which process of how many this one is, as what started it says.

A process that has joined a group of Ray Train or JAX asks that; another finds the
environment variables of torchrun, Open MPI or SLURM. These are inherited, so that
several may be set: SLURM starts a shell, say, or a torchrun on each node, which starts
the processes. Then the innermost counts; where one can't tell which that is, they must
agree.
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
_BY_TORCHRUN = "TORCHELASTIC_RUN_ID"  # by torchrun, and by nothing else
# By srun, for the processes that it starts: how many. In the shell of a batch job it is
# not set, and SLURM_NTASKS says how many srun would start.
_BY_SRUN = "SLURM_STEP_NUM_TASKS"
MAX_WORLD = 2**20


class _Claim(NamedTuple):
    words: str
    rank: int
    world: int
    is_innermost: bool  # nothing else came between it and this process


def shard_from_environment() -> tuple[int, int]:
    """Return the rank of this process and the number of processes.

    Raises ValueError, with the variables and their values, where nothing says so; where
    half of it is missing, no number or out of range; where SLURM started one process
    only; and where two sources contradict each other.
    """
    claims = [
        _ray_train(),
        _jax(),
        # Without torchrun's mark they were set by hand, or are left over in a shell.
        _variables(_TORCHRUN, is_innermost=_BY_TORCHRUN in os.environ),
        # On a cluster of SLURM mpirun has srun start its daemons.
        _variables(_OPEN_MPI, is_innermost=True),
    ]
    claims.append(_slurm(is_only=not any(claims)))
    known = [claim for claim in claims if claim is not None]
    if not known:
        variables = "; ".join(" and ".join(names) for names in RANK_VARIABLES)
        raise ValueError(
            f"shard='env' found no rank: none of these is set: {variables}; this is no "
            "worker of Ray Train; jax.distributed is not initialised. Start the "
            "processes with torchrun, mpirun or srun, or pass shard=(rank, world), or "
            "shard=None for a single process"
        )
    inner, *others = known
    for outer in others:
        if not (inner.is_innermost or _encloses(outer, inner)):
            raise ValueError(
                f"shard='env' found two answers: {inner.words}, but {outer.words}. "
                "Remove what is left over from elsewhere, or pass shard=(rank, world)"
            )
    return inner.rank, inner.world


def _encloses(outer: _Claim, inner: _Claim) -> bool:
    """Whether each process of `outer` may have started as many of `inner`, in order."""
    n_each, rest = divmod(inner.world, outer.world)
    return rest == 0 and inner.rank // n_each == outer.rank


def _slurm(*, is_only: bool) -> _Claim | None:
    """What SLURM says, unless it started but the shell that something else ran in."""
    if _BY_SRUN in os.environ:
        return _variables((_SLURM[0], _BY_SRUN))
    rank, world = (os.environ.get(name) for name in _SLURM)
    if rank not in (None, "0") or (rank, world) in ((None, None), ("0", "1")):
        return _variables(_SLURM)
    if not is_only:
        return None
    raise ValueError(
        f"shard='env' found {_words(_SLURM)}, but not {_BY_SRUN}: SLURM started one "
        "process, not by srun, and its share would be all that is read. Start the "
        "processes with srun or torchrun, or pass shard=None"
    )


def _variables(names: tuple[str, str], *, is_innermost: bool = False) -> _Claim | None:
    """What a pair of environment variables says."""
    values = [os.environ.get(name) for name in names]
    if values == [None, None]:
        return None
    words = _words(names)
    try:
        rank, world = int(values[0]), int(values[1])  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(
            f"shard='env' needs {names[0]} and {names[1]} to be integers, found {words}"
        ) from None
    if not 1 <= world <= MAX_WORLD:
        raise ValueError(
            f"shard='env' needs {names[1]} in 1..{MAX_WORLD}, found {words}"
        )
    if not 0 <= rank < world:
        raise ValueError(
            f"shard='env' needs {names[0]} in 0..{world - 1}, found {words}"
        )
    return _Claim(words, rank, world, is_innermost)


def _words(names: tuple[str, str]) -> str:
    return ", ".join(
        f"{name}={os.environ[name]}" if name in os.environ else f"{name} not set"
        for name in names
    )


def _ray_train() -> _Claim | None:
    """What Ray Train says, in one of its workers."""
    train = sys.modules.get("ray.train")
    if train is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            context = train.get_context()
            rank, world = context.get_world_rank(), context.get_world_size()
    except (RuntimeError, Warning):
        return None  # another process of Ray
    if world == 1 and ".v2." not in train.get_context.__module__:
        return None  # which older versions say of any process
    return _Claim(f"Ray Train says rank {rank} of {world}", rank, world, True)


def _jax() -> _Claim | None:
    """What JAX's distributed runtime says, if this process has joined it."""
    jax = sys.modules.get("jax")
    is_initialized = getattr(getattr(jax, "distributed", None), "is_initialized", None)
    if jax is None or is_initialized is None or not is_initialized():
        return None
    rank, world = jax.process_index(), jax.process_count()
    return _Claim(f"jax.distributed says rank {rank} of {world}", rank, world, False)
