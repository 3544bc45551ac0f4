"""Batches as TensorFlow tensors, and as a tf.data.Dataset.

from fmnist_fast.frameworks.tensorflow import TensorFlowLoader
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._checks import hinting
from .._loader.options import image_shape
from ..dataset import Dataset
from ..loader import Loader
from ._adapter import Adapter, importing

with importing("tensorflow", "TensorFlow: pip install tensorflow"):
    import tensorflow as tf

Batch = tuple[tf.Tensor, tf.Tensor]


class TensorFlowLoader(Adapter):
    """A :class:`fmnist_fast.Loader` whose batches are TensorFlow tensors.

    Iterating gives ``(images, labels)`` for one epoch; iterating again gives the next.

    Parameters
    ----------
    dataset : Dataset
    batch_size : int
        Of one rank.
    layout : "NHWC", "NCHW", "NHW" or "flat"
        TensorFlow's convolutions want "NHWC" on a CPU.
    **options
        As for Loader: shuffle, seed, dtype, normalize, label_dtype, augment, drop_last,
        shard, threads, prefetch.

    Raises
    ------
    TypeError, ValueError
        As Loader.

    Notes
    -----
    Determinism: as Loader.

    Buffers: tensors lie on the CPU and share the memory of the batch, without a copy,
    which is not used again while a tensor refers to it. Those of `to_tf_data` are
    copies.
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

    def __iter__(self) -> Iterator[Batch]:
        return _tensors(iter(self.loader), self.loader.dtype)

    @property
    def element_spec(self) -> tuple[tf.TensorSpec, tf.TensorSpec]:
        """Shapes and dtypes of a batch.

        Its size is None, as the last of an epoch may be short, but with drop_last.
        """
        loader = self.loader
        size = loader.batch_size if loader.drop_last else None
        shape = image_shape(loader.image_sides, loader.layout)
        if loader.label_dtype == "onehot":
            labels = tf.TensorSpec((size, len(loader.dataset.classes)), "float32")
        else:
            labels = tf.TensorSpec((size,), loader.label_dtype)
        return tf.TensorSpec((size, *shape), loader.dtype), labels

    def to_tf_data(self) -> tf.data.Dataset:
        """The batches as a ``tf.data.Dataset``.

        Every iteration over it is the next epoch of this loader, or what a loaded state
        left of it. It does not take batches ahead, so that `state_dict` says which
        were handed out; a ``prefetch`` of your own does.
        """
        batches = tf.data.Dataset.from_generator(
            lambda: iter(self.loader), output_signature=self.element_spec
        )
        options = tf.data.Options()
        options.autotune.enabled = False
        options.experimental_optimization.inject_prefetch = False
        options.threading.private_threadpool_size = 1  # there is nothing to share
        return batches.with_options(options)


def _tensors(batches: Iterator[Any], dtype: str) -> Iterator[Batch]:
    """Tensors in the memory of the batches' arrays."""
    from_dlpack = tf.experimental.dlpack.from_dlpack
    for images, labels in batches:
        if dtype == "bfloat16":  # which numpy's DLPack doesn't know
            bits = from_dlpack(images.view("uint16").__dlpack__())
            pixels = tf.bitcast(bits, tf.bfloat16)
        else:
            pixels = from_dlpack(images.__dlpack__())
        yield pixels, from_dlpack(labels.__dlpack__())
