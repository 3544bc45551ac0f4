"""JaxBatches, whose batches are a pure function of the step."""

from __future__ import annotations

import math
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import lax

from ..._checks import checked_dtype, checked_integer, hinting
from ..._core import MAX_EPOCH
from ..._loader.options import DropLast
from ...dataset import Dataset
from ...loader import Loader
from . import order
from .arguments import seed_words, step_word
from .canvas import Canvas
from .data import Data, check_shapes, data_of, taken
from .formats import LABEL_DTYPES, converted, labels_of
from .plan import Plan, View, plan_of
from .transforms import Draws, run
from .words import Key, Pair, Word, computed_once, word

Batch = tuple[jax.Array, ...]


@jax.tree_util.register_pytree_node_class
class JaxBatches:
    """Batches of a dataset in JAX's memory, as a pure function of the step.

    ``batches(step)`` returns the arrays ``(images, labels)`` of batch `step`, counted
    from 0 through all epochs. They have the bytes of `Loader` with the same options.
    The function works inside ``jax.jit``, ``jax.lax.scan``, ``jax.vmap`` and
    ``jax.shard_map``, and a step is all that a training loop has to save. `with_index`
    and `columns` add arrays of one dimension. Indices are int32. Without JAX's 64-bit
    mode, columns of 64 bits become 32 bits. docs/frameworks.md lists the transforms.

    Parameters
    ----------
    dataset : Dataset
        Dataset to take the samples from. Its images are copied to JAX's memory.
    batch_size : int in 1..2**40, default 256
        Rows of a batch, for one rank.
    sharding : jax.Device or jax.sharding.NamedSharding, optional
        Device of the dataset, or a sharding that spreads its rows over several devices
        or repeats them on each, as for ``jax.device_put``. By default, JAX's default
        device. On a mesh with explicit axes, each device gets whole batches.
    begin_epoch : int in 0..2**32-1, default 0
        Epoch of step 0. A step has 32 bits, and reaches later epochs only with this.
    label_dtype : {"int32", "uint8", "onehot"}, default "int32"
        Data type of the labels, as for `JaxLoader`.
    drop_last : bool or "wrap", default True
        As for `Loader`. All batches have one size, so False requires that the batches
        of all ranks divide the rows evenly.
    shard : (rank, world), "env" or None, default None
        As for `Loader`. The rank may be the name of an axis of ``jax.shard_map`` or
        ``jax.vmap`` of size `world`: then it is the index on this axis.
    **options
        Keyword arguments of `Loader`: shuffle, seed, dtype, normalize, layout, augment,
        weights, order, repeats, steps, augment_seed, with_index, columns, views,
        channels. `threads` and `prefetch` have no effect.

    Attributes
    ----------
    steps_per_epoch : int
        Number of batches of an epoch.

    Raises
    ------
    TypeError
        An argument has a wrong type, as for `Loader`, or `sharding` is neither a device
        nor a NamedSharding.
    ValueError
        An argument has a wrong value, as for `Loader`; `augment` has a function or a
        transform that needs floats of 64 bits; `order` is a function; `shuffle_block`
        or `slots` are given; an epoch has no batch, or a short one; an epoch and a
        batch have more than 2**32 positions together; or a column has integers that
        don't fit 32 bits.
    MemoryError
        The dataset does not fit into the memory of a device.

    Notes
    -----
    Determinism: The bytes depend on the options, the seed and the step, not on the
    transformations of JAX around the call. Columns of 64 bits keep them if JAX's 64-bit
    mode is on when the batches are made. Nothing else depends on this mode.

    Pytree: The arrays of the dataset and the seed are leaves. Pass batches
    to a compiled function as an argument. A function that refers to them as a global
    variable or in a closure has the dataset as a constant. Batches that differ only in
    the seed share a compilation.

    Thread safety: Batches are immutable, and threads may share them.

    Buffers: The results belong to you and may be donated.
    """

    @hinting(Loader.__init__)
    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 256,
        *,
        sharding: Any = None,
        begin_epoch: int = 0,
        label_dtype: str = "int32",
        drop_last: DropLast = True,
        shard: Any = None,
        **options: Any,
    ) -> None:
        begin_epoch = checked_integer("begin_epoch", begin_epoch, 0, MAX_EPOCH)
        rank, shard = _rank_of(shard)
        # Loader refuses drop_last with steps. True is the default here: it is left out.
        if options.get("steps") is None or drop_last is not True:
            options["drop_last"] = drop_last
        loader: Loader = Loader(
            dataset,
            batch_size,
            label_dtype=checked_dtype("label_dtype", label_dtype, LABEL_DTYPES),
            shard=shard,
            **options,
        )
        self._plan = plan_of(loader, loader.rank if rank is None else rank, begin_epoch)
        checked_integer("begin_epoch", begin_epoch, 0, self._plan.last_epoch)
        self._data = data_of(loader, sharding)

    def __init_subclass__(cls, **options: Any) -> None:
        """Make a derived class a pytree too."""
        super().__init_subclass__(**options)
        jax.tree_util.register_pytree_node_class(cls)

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of batches of an epoch."""
        return self._plan.steps_per_epoch

    def __call__(self, step: Any) -> Batch:
        """Return the batch of a step.

        Parameters
        ----------
        step : int or integer array of shape ()
            Number of the batch, from 0 in epoch `begin_epoch` on. The value of a traced
            step is not checked, and counts modulo 2**32.

        Returns
        -------
        tuple of Array
            Images, labels and further fields.

        Raises
        ------
        TypeError
            `step` is not an integer, or has axes: then call ``jax.vmap(batches)``.
        ValueError
            `step` is negative or after the last epoch, which is 2**32 - 1; the axis
            that `shard` names has another size; or a transformation of JAX has divided
            the dataset or the seed.
        NameError
            The axis that `shard` names does not exist around the call.
        """
        return self._at(self._data.seed, step)

    def at(self, seed: Any, step: Any) -> Batch:
        """Return the batch of a step for another seed.

        ``jax.vmap(batches.at, in_axes=(0, None))(seeds, step)`` returns a batch for
        each seed. A given `augment_seed` stays.

        Parameters
        ----------
        seed : int in 0..2**64-1, integer array of shape (), or uint32 array (2,)
            Seed, or its two words of 32 bits, the lower one first. A traced seed of one
            word counts modulo 2**32.
        step : int or integer array of shape ()
            Number of the batch, as for a call.

        Returns
        -------
        tuple of Array
            Images, labels and further fields.

        Raises
        ------
        TypeError, ValueError, NameError
            As for a call, also for `seed`.
        """
        return self._at(seed_words(seed), step)

    def _at(self, seed: Any, step: Any) -> Batch:
        return cast("Batch", _batch(self, seed, step_word(step, self._plan.last_step)))

    def tree_flatten(self) -> tuple[tuple[Data], Plan]:
        """Return the arrays, and the plan, which JAX knows when it compiles a call."""
        return (self._data,), self._plan

    @classmethod
    def tree_unflatten(cls, plan: Plan, children: tuple[Data]) -> JaxBatches:
        """Return batches with these arrays and this plan."""
        self = object.__new__(cls)
        self._plan, (self._data,) = plan, children
        return self

    def __repr__(self) -> str:
        plan = self._plan
        n, (height, width) = plan.n_images, plan.sides
        return (
            f"{type(self).__name__}({n:,} images of {height}x{width}, {plan.text}: "
            f"{plan.steps_per_epoch} batches an epoch)"
        )


@jax.jit
def _batch(batches: JaxBatches, seed: jax.Array, step: jax.Array) -> Batch:
    """Return a batch. seed: uint32 (2,); step: uint32 ()."""
    # The caller may have set JAX to refuse mixed types or ranks.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        plan, data = batches._plan, jax.tree.map(jnp.asarray, batches._data)
        check_shapes(data, (plan.n_images, math.prod(plan.sides)))
        seed, step = jnp.asarray(seed), jnp.asarray(step)
        return _made(plan, data, (seed[0], seed[1]), step)


def _made(plan: Plan, data: Data, seed: Pair, step: Word) -> Batch:
    epoch, position = order.epoch_and_positions(plan, step, _rank(plan))
    index = order.indices(plan, data.table, seed, epoch, position)
    (index,) = computed_once(index)
    if data.augment_seed is not None:
        seed = data.augment_seed[0], data.augment_seed[1]
    key = Key(seed, epoch, position)
    images = [_view(plan, data, view, key, index) for view in plan.views]
    labels, *columns = (taken(values, index) for values in (data.labels, *data.columns))
    return (
        jnp.stack(images) if plan.has_views else images[0],
        labels_of(labels, plan.label_dtype, plan.n_classes),
        *columns,
    )


def _view(plan: Plan, data: Data, view: View, key: Key, index: Word) -> jax.Array:
    canvas = Canvas(data.images, plan.sides, index)
    canvas = run(view.transforms, canvas, Draws(key, index, view.draws_view))
    numbers = plan.dtype, plan.layout, plan.scale, plan.bias
    return converted(canvas.pixels(), canvas.shape[1:], *numbers)


def _rank(plan: Plan) -> Word:
    """Return the rank, which may be the index on an axis."""
    name = plan.rank
    if isinstance(name, int):
        return word(name)
    shard = f"shard=({name!r}, {plan.world})"
    try:
        world = lax.psum(1, name)  # type: ignore[no-untyped-call]
    except NameError:
        raise NameError(
            f"{shard} requires an axis {name!r} around the call.\nCall the batches in "
            "jax.shard_map or in jax.vmap(..., axis_name=...)."
        ) from None
    if world != plan.world:
        raise ValueError(f"{shard} requires an axis of {plan.world} ranks, got {world}")
    return lax.axis_index(name).astype(jnp.uint32)


def _rank_of(shard: Any) -> tuple[str | None, Any]:
    """Return the name of the axis that gives the rank, and a shard for `Loader`."""
    if isinstance(shard, (tuple, list)) and len(shard) == 2:
        name, world = shard
        if isinstance(name, str):
            return name, (0, world)
    return None, shard
