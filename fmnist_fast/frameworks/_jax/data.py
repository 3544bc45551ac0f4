"""The arrays of a JaxBatches, on a device or spread over several."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from ...loader import Loader
from .._adapter import check_columns
from .words import pair


class Data(NamedTuple):
    """Arrays that the batches are made of.

    Attributes
    ----------
    images : Array, uint8 (n, height * width)
    labels : Array, integers (n,)
    columns : tuple of Array (n,)
        Numbers of the rows, if they are asked for, and columns of ``dataset.extra``.
    table : Array or None
        Rows of a list, uint32 (n,), or the cells of an alias table, uint32 (n, 3): the
        two words of the threshold, and the other row.
    seed : Array, uint32 (2,)
        Words of the seed, the lower one first.
    augment_seed : Array, uint32 (2,), or None
        Words of the seed of transforms, or None if it is `seed`.
    """

    images: Any
    labels: Any
    columns: tuple[Any, ...]
    table: Any
    seed: Any
    augment_seed: Any


def taken(array: jax.Array, *index: jax.Array) -> jax.Array:
    """Return the elements at an index that is inside, on all devices.

    With explicit axes of a mesh, JAX does not choose where elements of an array go
    whose rows are spread.
    """
    sharding: Any = jax.typeof(array).sharding
    if any(sharding.spec):
        spec = jax.sharding.PartitionSpec()  # type: ignore[no-untyped-call]
        sharding = jax.sharding.NamedSharding(sharding.mesh, spec)
    else:
        sharding = None
    return array.at[index].get(mode="promise_in_bounds", out_sharding=sharding)


def check_shapes(data: Data, shape: tuple[int, int]) -> None:
    """Raise ValueError for a part of the arrays, where a row may not exist.

    `shape` is the one of all images.
    """
    expected = [shape, *[shape[:1]] * (1 + len(data.columns)), (2,)]
    arrays = data.images, data.labels, *data.columns, data.seed
    for array, whole in zip(arrays, expected):
        if array.shape != whole:
            raise ValueError(
                "JaxBatches requires all of its arrays, got one of shape "
                f"{array.shape} in place of {whole}.\nWith jax.shard_map, pass the "
                "batches with in_specs=PartitionSpec()."
            )


def data_of(loader: Loader, sharding: Any) -> Data:
    """Return the arrays for the batches of a loader, placed by a device or a sharding.

    Raise TypeError or ValueError for another sharding, and MemoryError if the arrays
    don't fit into the memory of a device.
    """
    check_jax_columns(loader)
    replicated = _replicated(sharding, len(loader.dataset))
    nbytes = loader.dataset.images.nbytes + loader.dataset.labels.nbytes
    try:
        # In a function that is being traced, the arrays would be those of its trace.
        with jax.ensure_compile_time_eval():
            _check_memory(nbytes, sharding)
            return _placed(loader, sharding, replicated)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise _too_large(nbytes, "a device has less free") from error


def _placed(loader: Loader, sharding: Any, replicated: Any) -> Data:
    """Return the arrays when they lie where the shardings say."""
    dataset, seed = loader.dataset, loader._augment_seed
    # Copies, because arrays of JAX may share the memory of numpy's.
    images = np.array(dataset.images).reshape(len(dataset), -1)
    rows = images, _labels(loader), tuple(map(np.array, _columns(loader)))
    seeds = _words(loader.seed), None if seed is None else _words(seed)
    placed = jax.device_put(rows, sharding)
    others = jax.device_put((_table(loader), *seeds), replicated)
    return jax.block_until_ready(Data(*placed, *others))  # type: ignore[no-untyped-call]


def _replicated(sharding: Any, n: int) -> Any:
    """Return where arrays without rows lie for a sharding of those with n rows."""
    kinds = jax.sharding
    if isinstance(sharding, kinds.NamedSharding):
        if len(sharding.spec) > 1:
            raise ValueError(
                "sharding must have a spec of at most one dimension, that of the "
                f"rows, got {sharding.spec}"
            )
        try:
            sharding.shard_shape((n,))
        except ValueError:
            raise ValueError(
                f"sharding must divide the {n} rows evenly, got {sharding.spec} on a "
                f"mesh of {dict(sharding.mesh.shape)}.\nPass a selection of the "
                "dataset, or jax.sharding.PartitionSpec()."
            ) from None
        kind, spec = sharding.memory_kind, kinds.PartitionSpec()  # type: ignore[no-untyped-call]
        return kinds.NamedSharding(sharding.mesh, spec, memory_kind=kind)
    if sharding is None or isinstance(sharding, jax.Device):
        return sharding
    if isinstance(sharding, kinds.Sharding) and len(sharding.device_set) == 1:
        return sharding
    raise TypeError(
        "sharding must be a jax.Device, a jax.sharding.NamedSharding or None, got "
        f"{type(sharding).__name__}"
    )


def _check_memory(nbytes: int, sharding: Any) -> None:
    """Raise MemoryError if a device says that it has too little memory."""
    devices = {sharding} if sharding else jax.device_put(np.zeros(())).devices()
    if isinstance(sharding, jax.sharding.Sharding):
        devices = sharding.addressable_devices
        if not sharding.is_fully_replicated:
            nbytes //= len(sharding.device_set)
    for device in devices:
        memory = device.memory_stats() or {}
        free = memory.get("bytes_limit", nbytes) - memory.get("bytes_in_use", 0)
        if "bytes_limit" in memory and nbytes > free:
            raise _too_large(nbytes, f"{device} has {free:,} bytes free")


def _too_large(nbytes: int, memory: str) -> MemoryError:
    return MemoryError(
        f"the dataset needs {nbytes:,} bytes on a device, but {memory}.\nUse JaxLoader."
    )


def _words(seed: int) -> np.ndarray:
    """Return the words of a seed, uint32 (2,)."""
    return np.array(pair(seed), np.uint32)


def _labels(loader: Loader) -> np.ndarray:
    dtype = loader.label_dtype
    return loader.dataset.labels.astype("int32" if dtype == "onehot" else dtype)


def _columns(loader: Loader) -> tuple[np.ndarray, ...]:
    """Return the numbers of the rows, if they are asked for, and the columns."""
    numbers = np.asarray(loader.dataset.rows, np.int32)
    columns = (numbers,) if loader.with_index else ()
    return *columns, *loader._column_values.values()


def _table(loader: Loader) -> np.ndarray | None:
    """Return the table of an order or of weights."""
    weights, order = loader._positions.weights, loader._positions.order
    if order is not None:
        return order.rows(0, 0)[0].astype(np.uint32)
    if weights is None:
        return None
    thresholds, others = weights.table[:, 0], weights.table[:, 1]
    words = thresholds & 0xFFFFFFFF, thresholds >> 32, others
    return np.stack(words, axis=1).astype(np.uint32)


def check_jax_columns(loader: Loader) -> None:
    """Raise ValueError for columns that JAX can't have, or would cut to 32 bits."""
    check_columns(loader, "JAX", jax.device_put)
    for name in loader.columns:
        values = np.asarray(loader.dataset.extra[name])
        dtype = jax.dtypes.canonicalize_dtype(values.dtype)
        if values.dtype.kind not in "iu" or dtype == values.dtype:
            continue
        limits = np.iinfo(dtype)
        wrong = (values < limits.min) | (values > limits.max)
        if wrong.any():
            raise ValueError(
                f"columns must have integers that fit {dtype} for JAX, got "
                f"{values[wrong.argmax()]} in {name!r}.\nCall jax.config.update("
                "'jax_enable_x64', True) first, or convert the column."
            )
