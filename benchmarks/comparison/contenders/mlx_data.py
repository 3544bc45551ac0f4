"""MLX Data: a shuffled buffer, a stream of batches, and its own crop and flip."""

import importlib.metadata

import mlx.data as dx

from ... import work as works
from ...usage import usable_cores
from ...work import each_of
from .numpy import normalized


def versions():
    return {"mlx-data": importlib.metadata.version("mlx-data")}


def settings(work):
    """Return the settings: batches by the buffer or the stream, and threads.

    MLX Data has no affine maps and no erasing.
    """
    if {"affine", "erasing"} & set(work.augment):
        return []
    return each_of(batch_by=["buffer", "stream"], threads=[0, 1, usable_cores()])


def epochs(data, work, batch_by, threads):
    images = data.images[..., None]
    buffer = dx.buffer_from_vector(
        [{"image": x, "label": y} for x, y in zip(images, data.labels)]
    )

    def finish(batch):
        """Return float32 (n, 1, 28, 28) for bytes (n, 28, 28, 1), in the same order."""
        return normalized(batch[..., 0], data)

    def epoch():
        rows = buffer.shuffle()
        if "crop" in work.augment:
            for side in (0, 1):
                rows = rows.pad("image", side, works.PADDING, works.PADDING, 0)
            rows = rows.image_random_crop("image", 28, 28)
            rows = rows.image_random_h_flip("image", works.FLIP_P)
        if batch_by == "buffer":
            stream = rows.batch(work.batch_size).to_stream()
        else:
            stream = rows.to_stream().batch(work.batch_size)
        if work.dtype == "float32":
            stream = stream.key_transform("image", finish)
        if threads:
            stream = stream.prefetch(4 * threads, threads)
        for batch in stream:
            images = batch["image"]
            yield (
                images if work.dtype == "float32" else images[:, None, :, :, 0],
                batch["label"],
            )

    while True:
        yield epoch()
