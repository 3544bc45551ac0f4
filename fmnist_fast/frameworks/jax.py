"""Batches as JAX arrays, on one device or several.

from fmnist_fast.frameworks.jax import JaxLoader
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any

from .._checks import checked_dtype, hinting
from ..dataset import Dataset
from ..loader import Loader
from ._adapter import Adapter, AdapterIterator, importing

with importing("jax", "JAX. Run: pip install jax"):
    import jax

from ._jax.batches import JaxBatches
from ._jax.data import check_jax_columns
from ._jax.formats import LABEL_DTYPES

__all__ = ["JaxBatches", "JaxLoader"]

Batch = tuple[jax.Array, ...]


class JaxLoader(Adapter):
    """Batches of a dataset as JAX arrays.

    It works like :class:`fmnist_fast.Loader`: each iteration yields ``(images,
    labels)`` for one epoch, and the next iteration yields the next epoch. `with_index`
    and `columns` add arrays of one dimension. Unless JAX is set to 64 bits, it converts
    indices to int32, and 64-bit columns to 32 bits.

    Use it for what :class:`JaxBatches` refuses: other transforms, Python functions,
    short batches, and datasets larger than the device.

    Parameters
    ----------
    dataset : Dataset
        Dataset to take the samples from.
    batch_size : int in 1..2**40, default 256
        Rows of a batch, for one rank.
    sharding : jax.Device or jax.sharding.Sharding, optional
        Device of the arrays, or a sharding that spreads their rows over several
        devices, as for ``jax.device_put``. By default, JAX's default device. With
        `views`, each device gets all views of its rows, and a sharding must be a
        NamedSharding.
    label_dtype : {"int32", "uint8", "onehot"}, default "int32"
        Data type of the labels. int64 is missing because JAX converts it to int32.
        "onehot" labels are float32 (n, classes).
    **options
        Keyword arguments of `Loader`: shuffle, shuffle_block, seed, dtype, normalize,
        layout, augment, drop_last, shard, threads, prefetch, weights, order, repeats,
        steps, augment_seed, with_index, columns, views, channels. JAX's convolutions
        work best with layout "NHWC".

    Attributes
    ----------
    loader : Loader
        Loader that fills the batches.
    sharding : jax.Device, jax.sharding.Sharding or None
        Device or sharding of the arrays, as given.

    Raises
    ------
    TypeError
        `sharding` is neither a device nor a sharding, or another argument has a wrong
        type, as for `Loader`.
    ValueError
        An argument has a wrong value, as for `Loader`; the rows of a batch can't be
        divided evenly among the devices of `sharding`; `sharding` can't have an axis of
        views; or a column has integers that don't fit 32 bits.

    Notes
    -----
    Determinism: The batches of `Loader` with the same options have the same values.

    Thread safety: Use an iterator in one thread at a time. Several iterators of a
    loader may be in use at once, and each has a different epoch.

    Buffers: The arrays belong to you and may be donated. On the CPU they are copies,
    because ``jax.device_put`` would share numpy's memory even with may_alias=False. JAX
    reads a batch asynchronously, and its memory is reused only after that.
    """

    _shown = ("sharding",)

    @hinting(Loader.__init__)
    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 256,
        *,
        sharding: Any = None,
        label_dtype: str = "int32",
        **options: Any,
    ) -> None:
        labels = checked_dtype("label_dtype", label_dtype, LABEL_DTYPES)
        super().__init__(dataset, batch_size=batch_size, label_dtype=labels, **options)
        check_jax_columns(self.loader)
        self.sharding = sharding
        if sharding is None or isinstance(sharding, jax.Device):
            return
        if not isinstance(sharding, jax.sharding.Sharding):
            raise TypeError(
                "sharding must be a jax.Device, a jax.sharding.Sharding or None, got "
                f"{type(sharding).__name__}"
            )
        self._check_views()
        loader, epochs = self.loader, self.loader._epochs
        n_devices = len(sharding.device_set)
        n_last = 0 if epochs.last else epochs.n_positions % epochs.n_global
        for rows in (loader.batch_size, n_last):
            if rows % n_devices:
                raise ValueError(
                    f"a batch of {rows} rows can't be divided evenly among the "
                    f"{n_devices} devices of sharding.\nChoose another batch_size, or "
                    "pass drop_last=True or drop_last='wrap'."
                )

    def _check_views(self) -> None:
        """Raise ValueError for views whose rows a sharding can't spread."""
        sharding = self.sharding
        is_named = isinstance(sharding, jax.sharding.NamedSharding)
        if self.views is None or is_named or len(sharding.device_set) == 1:
            return
        raise ValueError(
            "sharding must be a NamedSharding or a device for batches with views, got "
            f"{type(sharding).__name__}"
        )

    def _shardings(self, n_fields: int) -> Any:
        """Return the sharding of all fields of a batch, or a tuple with that of each.

        An axis of views comes before the rows, and is not spread.
        """
        sharding, named = self.sharding, jax.sharding.NamedSharding
        if self.views is None or not isinstance(sharding, named):
            return sharding
        shardings = []
        for axes in (*self.loader._view_axes, *[()] * (n_fields - 2)):
            dimensions = *[None] * len(axes), *sharding.spec
            spec = jax.sharding.PartitionSpec(*dimensions)  # type: ignore[no-untyped-call]
            kind = sharding.memory_kind
            shardings.append(named(sharding.mesh, spec, memory_kind=kind))
        return tuple(shardings)

    def __iter__(self) -> Iterator[Batch]:
        """Return an iterator over the batches of the next epoch."""
        return AdapterIterator(self.loader, self._arrays)

    def _arrays(self, batches: Iterable[Any]) -> Generator[Batch]:
        """Yield the batches as arrays of JAX."""
        sharding = self.sharding
        if sharding is None and jax.default_backend() == "cpu":
            for batch in batches:
                yield _copied(*batch)
            return
        devices = getattr(sharding, "device_set", [sharding] if sharding else [])
        is_cpu = any(device.platform == "cpu" for device in devices)
        sharding = self._shardings(2 + self.with_index + len(self.columns))
        for batch in batches:
            arrays = tuple(array.copy() for array in batch) if is_cpu else batch
            yield jax.device_put(arrays, sharding)


@jax.jit
def _copied(*arrays: Any) -> Batch:
    """Return copies of the arrays in JAX's memory.

    JAX makes the copies asynchronously and keeps the numpy arrays alive until then. A
    compiled function has the fastest call into JAX: bench_jax.py compares the ways.
    Compiling it ahead of time, and copying several batches in a call, save nothing.
    """
    return tuple(map(jax.numpy.array, arrays))
