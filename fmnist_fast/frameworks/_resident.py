"""A loader whose batches the kernels of devices fill, as plain C on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .._core import MAX_SHARED_NBYTES
from .._loader.pipelines import new_program
from ..augment import CFunction, Transform
from ..loader import Loader

_ADVICE = "With resident=False, this loader works."


class ResidentLoader(Loader):
    """Loader that fills its batches as a device does, with the same bytes.

    Raises
    ------
    TypeError
        An argument has a wrong type, as for `Loader`.
    ValueError
        An argument has a wrong value, as for `Loader`; `augment` has Python or C
        functions; `shuffle_block` is given; or the images are too large for the shared
        memory of a device.
    """

    _is_resident = True

    def _reset(self) -> None:
        _check(self)
        super()._reset()


def _check(loader: Loader) -> None:
    """Raise ValueError if the kernels of devices can't fill the batches of a loader."""
    functions = list(_functions(loader._compiled.source if loader._compiled else ()))
    if functions:
        raise ValueError(
            "resident=True requires augment without functions of your own, got "
            f"{' and '.join(map(repr, functions))}.\n{_ADVICE}"
        )
    if loader.shuffle_block is not None:
        raise ValueError(
            "resident=True requires shuffle_block=None, got "
            f"{loader.shuffle_block}.\n{_ADVICE}"
        )
    nbytes = new_program(loader).shared_nbytes
    if nbytes > MAX_SHARED_NBYTES:
        height, width = loader.dataset.images.shape[1:]
        raise ValueError(
            "resident=True requires at most "
            f"{MAX_SHARED_NBYTES:,} bytes of shared memory for an image, got "
            f"{nbytes:,} for images of {height}x{width} pixels and augment="
            f"{loader.augment!r}.\n{_ADVICE}"
        )


def _functions(items: Iterable[Any]) -> Iterator[Any]:
    """Yield the Python and C functions of the user, also those inside groups."""
    for item in items:
        if isinstance(item, Transform) and not isinstance(item, CFunction):
            yield from _functions(getattr(item, "transforms", ()))
        else:
            yield item
