"""Batches as TensorFlow tensors, or as a tf.data.Dataset.

from fmnist_fast.frameworks.tensorflow import TensorFlowLoader
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any

from .._checks import hinting
from .._loader.options import image_shape
from ..dataset import Dataset
from ..loader import Loader
from ._adapter import Adapter, AdapterIterator, check_columns, importing

with importing("tensorflow", "TensorFlow. Run: pip install tensorflow"):
    import tensorflow as tf

Batch = tuple[tf.Tensor, ...]
_from_dlpack = tf.experimental.dlpack.from_dlpack


class TensorFlowLoader(Adapter):
    """Batches of a dataset as TensorFlow tensors.

    It works like :class:`fmnist_fast.Loader`: each iteration yields ``(images,
    labels)`` for one epoch, and the next iteration yields the next epoch. `with_index`
    and `columns` add tensors of one dimension.

    Parameters
    ----------
    dataset : Dataset
        Dataset to take the samples from.
    batch_size : int in 1..2**40, default 256
        Rows of a batch, for one rank.
    layout : {"NHWC", "NCHW", "NHW", "flat"}, default "NHWC"
        Order of the dimensions of the images. TensorFlow's convolutions require "NHWC"
        on a CPU.
    **options
        Keyword arguments of `Loader`: shuffle, shuffle_block, seed, dtype, normalize,
        label_dtype, augment, drop_last, shard, threads, prefetch, weights, order,
        repeats, steps, augment_seed, with_index, columns, views, channels.

    Attributes
    ----------
    loader : Loader
        Loader that fills the batches.

    Raises
    ------
    TypeError
        An argument has a wrong type, as for `Loader`.
    ValueError
        An argument has a wrong value, as for `Loader`.

    Notes
    -----
    Determinism: The batches of `Loader` with the same options have the same values.

    Thread safety: Use an iterator in one thread at a time. Several iterators of a
    loader may be in use at once, and each has a different epoch.

    Buffers: The tensors are on the CPU and share the memory of the batch, without a
    copy. The memory is reused only when no tensor refers to it. The tensors of
    `to_tf_data` are copies.
    """

    @hinting(Loader.__init__)
    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 256,
        *,
        layout: str = "NHWC",
        **options: Any,
    ) -> None:
        super().__init__(dataset, batch_size=batch_size, layout=layout, **options)
        check_columns(self.loader, "TensorFlow", _shared)

    def __iter__(self) -> Iterator[Batch]:
        """Return an iterator over the batches of the next epoch."""
        kind = _bfloat16_tensors if self.loader.dtype == "bfloat16" else _tensors
        return AdapterIterator(self.loader, kind)

    @property
    def element_spec(self) -> tuple[tf.TensorSpec, ...]:
        """Return the shapes and dtypes of a batch.

        The number of rows is None, because the last batch of an epoch may be short.
        With `drop_last` or `steps`, the number of rows is `batch_size`. With `views`,
        it comes after the number of views.
        """
        loader = self.loader
        size = loader.batch_size if loader.drop_last or loader.steps else None
        shape = image_shape(loader.image_sides, loader.layout, loader.channels)
        views, label_views = loader._view_axes
        if loader.label_dtype == "onehot":
            n_classes = len(loader.dataset.classes)
            labels = tf.TensorSpec((*label_views, size, n_classes), "float32")
        else:
            labels = tf.TensorSpec((size,), loader.label_dtype)
        indices = [tf.TensorSpec((size,), "int64")] * loader.with_index
        values = loader._column_values.values()
        columns = [tf.TensorSpec((size,), column.dtype) for column in values]
        images = tf.TensorSpec((*views, size, *shape), loader.dtype)
        return images, labels, *indices, *columns

    def to_tf_data(self) -> tf.data.Dataset:
        """Return the batches as a ``tf.data.Dataset``.

        Each iteration over the result yields the next epoch of this loader. After
        `load_state_dict`, the first iteration yields the rest of an epoch. The result
        takes no batches ahead of the consumer, so `state_dict` is exact. If you add a
        ``prefetch``, batches are taken ahead and `state_dict` counts them too.

        Returns
        -------
        tf.data.Dataset
            Batches with the shapes and dtypes of `element_spec`.
        """
        batches = tf.data.Dataset.from_generator(
            lambda: iter(self.loader), output_signature=self.element_spec
        )
        options = tf.data.Options()
        options.autotune.enabled = False
        options.experimental_optimization.inject_prefetch = False
        options.threading.private_threadpool_size = 1  # one thread calls Python
        return batches.with_options(options)


def _shared(array: Any) -> tf.Tensor:
    """Return a tensor that shares the memory of an array."""
    return _from_dlpack(array.__dlpack__())


def _tensors(batches: Iterable[Any]) -> Generator[Batch]:
    """Yield tensors that share the memory of the batches' arrays."""
    for batch in batches:
        yield tuple(map(_shared, batch))


def _bfloat16_tensors(batches: Iterable[Any]) -> Generator[Batch]:
    """Yield tensors whose images are bfloat16, which numpy can't export with DLPack."""
    for images, *others in batches:
        bits = _shared(images.view("uint16"))
        yield tf.bitcast(bits, tf.bfloat16), *map(_shared, others)
