"""Checks of a Loader's options, and their conversion to the core's arguments."""

from __future__ import annotations

import itertools
import operator
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .. import config
from .._checks import (
    checked_dtype,
    checked_integer,
    checked_name,
    checked_seed,
)
from .._core import (
    LABEL_DTYPES,
    MAX_CHANNELS,
    MAX_COLUMNS,
    MAX_SHUFFLE_BLOCK,
    SLOT_ALIGNMENT,
)
from ..dataset import Dataset
from .ranks import MAX_WORLD, shard_from_environment

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # in all versions of Python, with defaults

    Index = TypeVar(
        "Index", Literal[False], Literal[True], bool, default=Literal[False]
    )
    Columns = TypeVar("Columns", bound=Sequence[str], default=tuple[()])
else:
    from typing import TypeVar

    Index, Columns = TypeVar("Index"), TypeVar("Columns")

LAYOUTS = ("NCHW", "NHWC", "NHW", "flat")
DropLast = bool | Literal["wrap"]
# Batches, without and with the indices.
Pair = tuple[np.ndarray, np.ndarray]
Triple = tuple[np.ndarray, np.ndarray, np.ndarray]
MAX_ROWS = MAX_SHUFFLE_BLOCK  # in a batch
_MAX_REPEATS = 2**20
NAMES = (
    *("batch_size", "shuffle", "shuffle_block", "seed", "dtype", "normalize", "layout"),
    *("label_dtype", "augment", "drop_last", "shard", "threads", "prefetch"),
    *("weights", "order", "repeats", "steps", "augment_seed", "with_index", "columns"),
    *("channels", "views"),
)
_USUAL: dict[str, Any] = {
    "shuffle_block": None,
    "label_dtype": "int64",
    "augment": None,
}
_USUAL |= {"drop_last": False, "shard": (0, 1), "prefetch": 4, "weights": None}
_USUAL |= {"order": None, "repeats": 1, "steps": None, "augment_seed": None}
_USUAL |= {"with_index": False, "columns": (), "channels": 1, "views": None}


def checked_dataset(dataset: Any) -> Dataset:
    """Return `dataset` if it is a Dataset."""
    if not isinstance(dataset, Dataset):
        hint = "Make one from arrays with Dataset.from_arrays(images, labels)."
        if isinstance(dataset, str):
            hint = f"Load it first: Loader(load({dataset!r}))."
        if isinstance(getattr(dataset, "dataset", None), Dataset):
            is_subset = hasattr(dataset, "indices")  # of PyTorch, otherwise a loader
            hint = f"Pass dataset.dataset{'.select(dataset.indices)' * is_subset}."
        raise TypeError(
            f"dataset must be a Dataset, got {type(dataset).__name__}.\n{hint}"
        )
    return dataset


def checked_batch_size(value: Any) -> int:
    """Check `batch_size`, which is None in PyTorch for single rows."""
    if value is None:
        raise TypeError(
            "batch_size must be an integer, got None.\n"
            "For single rows, loop over the dataset."
        )
    return checked_integer("batch_size", value, 1, MAX_ROWS)


def shown(values: dict[str, Any], normalized_as: str) -> str:
    """Return the options as a repr shows them, without some that are defaults.

    `normalized_as` says whose statistics `normalize` is, if it is a dataset's.
    """
    threads = checked_threads(None, values["augment"], values["views"])
    usual = _USUAL | {"threads": threads}
    parts = []
    for name, value in values.items():
        text = repr(value)
        if isinstance(value, tuple) and name == "normalize":
            text = repr(tuple(map(_rounded, value)))
            text += f" of {normalized_as}" * bool(normalized_as)
        if name not in usual or value != usual[name]:
            parts.append(f"{name}={text}")
    return ", ".join(parts)


def _rounded(numbers: Any) -> Any:
    """Return a number, or a tuple of numbers, with four digits."""
    if isinstance(numbers, tuple):
        return tuple(map(_rounded, numbers))
    return float(f"{numbers:.4g}")


def fixed(value: Any) -> Any:
    """Return the checked `augment` or `views`, which nobody can change any more.

    Lists are returned as tuples, and integers of any type as those of Python.
    """
    if isinstance(value, (list, tuple)):
        return tuple(map(fixed, value))
    return operator.index(value) if hasattr(value, "__index__") else value


def checked_threads(value: Any, augment: Any, views: Any) -> int:
    """Check `threads`, and return it or the default of a loader with these options."""
    if value is None:
        has_transforms = augment is not None or views is not None
        value = config.default_threads(transforms=has_transforms)
    return checked_integer("threads", value, 1, 256)


def checked_drop_last(value: Any) -> DropLast:
    """Check `drop_last`, and return it as a plain bool or "wrap"."""
    if isinstance(value, str) and value == "wrap":
        return "wrap"
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"drop_last must be True, False or 'wrap', got {value!r}")
    return bool(value)


def checked_block(block: Any) -> int | None:
    """Check the size of `shuffle_block`. `Positions` checks what it excludes."""
    if block is None:
        return None
    return checked_integer("shuffle_block", block, 1, MAX_SHUFFLE_BLOCK)


def checked_steps(steps: Any, drop_last: DropLast) -> int | None:
    """Check `steps`, which excludes `drop_last`."""
    if steps is None:
        return None
    if drop_last:
        raise ValueError(
            f"steps={steps!r} and drop_last={drop_last!r} can't be combined, because "
            "with steps every batch is full.\nLeave drop_last out."
        )
    return checked_integer("steps", steps, 1, MAX_ROWS)


def checked_repeats(value: Any) -> int:
    """Check `repeats`, the number of consecutive positions with the same row."""
    return checked_integer("repeats", value, 1, _MAX_REPEATS)


def checked_augment_seed(seed: Any) -> int | None:
    """Check the seed of transforms. None stands for the seed of the order."""
    return None if seed is None else checked_seed(seed, "augment_seed")


def checked_columns(columns: Any, dataset: Dataset) -> dict[str, np.ndarray]:
    """Check the names of columns of `extra`, and return their values."""
    if isinstance(columns, str) or not isinstance(columns, Sequence):
        hint = ".\nLeave it out." if columns is None else ""
        if isinstance(columns, str):
            hint = f".\nPass columns=[{columns!r}]."
        elif isinstance(columns, Iterable):
            hint = ".\nPass a list."
        raise TypeError(
            f"columns must be a sequence of names, got {type(columns).__name__}{hint}"
        )
    extra = dataset.extra
    if columns and not extra:
        raise ValueError(
            f"columns must be names in dataset.extra, which is empty, got {columns!r}"
        )
    if len(columns) > MAX_COLUMNS - 1:  # with_index takes one
        raise ValueError(
            f"columns must have at most {MAX_COLUMNS - 1} names, got {len(columns)}"
        )
    values: dict[str, np.ndarray] = {}
    for name in columns:
        checked_name("columns", name, extra)
        if name in values:
            raise ValueError(f"columns must be different names, got {name!r} twice")
        values[name] = _checked_column(name, extra[name])
    return values


def _checked_column(name: str, values: np.ndarray) -> np.ndarray:
    """Return the values of a column as a C-contiguous array of numbers."""
    dtype = values.dtype
    if dtype.kind not in "biuf" or not dtype.isnative or dtype.itemsize > 8:
        raise ValueError(
            "columns must have booleans, or numbers of at most 64 bits in the byte "
            f"order of this machine, got {dtype} in {name!r}"
        )
    return np.ascontiguousarray(values)


def checked_channels(channels: Any) -> int:
    """Check `channels`, the number of times that each gray pixel is written."""
    channels = checked_integer("channels", channels, 1)
    if channels not in (1, MAX_CHANNELS):
        raise ValueError(f"channels must be 1 or {MAX_CHANNELS}, got {channels}")
    return channels


def checked_layout(layout: Any, channels: int) -> str:
    """Check `layout`, the shape of the images."""
    layout = checked_name("layout", layout, LAYOUTS)
    if layout == "NHW" and channels > 1:
        raise ValueError(
            f"layout='NHW' requires channels=1, got {channels}.\n"
            "Pass layout='NCHW' or 'NHWC'."
        )
    return layout


def checked_labels(label_dtype: Any, n_classes: int) -> str:
    """Check `label_dtype`, which must hold the numbers of all classes."""
    name = checked_dtype("label_dtype", label_dtype, LABEL_DTYPES)
    if name == "uint8" and n_classes > 256:
        raise ValueError(
            f"label_dtype='uint8' requires at most 256 classes, got {n_classes}. "
            "Pass label_dtype='int32'."
        )
    return name


def checked_shard(shard: Any) -> tuple[int, int]:
    """Check `shard`, and return rank and world."""
    if shard is None:
        return 0, 1
    if isinstance(shard, str) and shard == "env":
        return shard_from_environment()
    message = f"shard must be (rank, world), 'env' or None, got {shard!r}"
    if isinstance(shard, str):
        raise ValueError(message)
    try:
        rank, world = shard
    except (TypeError, ValueError):
        raise TypeError(message) from None
    world = checked_integer("shard's world", world, 1, MAX_WORLD)
    return checked_integer("shard's rank", rank, 0, world - 1), world


def seed_of(seed: Any, world: int) -> int:
    """Check the seed, or draw one from the system if it is None."""
    if seed is not None:
        return checked_seed(seed)
    if world > 1:
        raise ValueError(
            f"seed=None requires a single process, got {world}, because the shards of "
            "different seeds would overlap.\nPass the same seed in all processes."
        )
    return int.from_bytes(os.urandom(8), "little")


def checked_slots(slots: Any, prefetch: int) -> tuple[np.ndarray, ...]:
    """Check `slots`, and return them as arrays of bytes without a copy."""
    if slots is None:
        return ()
    if isinstance(slots, (str, bytes, np.ndarray)) or not isinstance(slots, Sequence):
        raise TypeError(
            f"slots must be a sequence of arrays or buffers, got {type(slots).__name__}"
        )
    if len(slots) <= prefetch:
        raise ValueError(
            f"slots must have more than prefetch={prefetch} elements, got "
            f"{len(slots)}.\nAdd one for each batch that you hold at the same time."
        )
    arrays = tuple(_checked_slot(i, slot) for i, slot in enumerate(slots))
    spans = sorted((slot.ctypes.data, slot.nbytes, i) for i, slot in enumerate(arrays))
    for (begin, nbytes, i), (next_begin, _, j) in itertools.pairwise(spans):
        if next_begin < begin + nbytes:
            raise ValueError(
                f"slots must not overlap, got slots[{i}] and slots[{j}], which overlap"
            )
    return arrays


def _checked_slot(i: int, slot: Any) -> np.ndarray:
    if not isinstance(slot, np.ndarray):
        try:
            slot = np.asarray(memoryview(slot))
        except TypeError:
            raise TypeError(
                f"slots[{i}] must be an array or a buffer, got {type(slot).__name__}"
            ) from None
    if not slot.flags.c_contiguous:
        raise ValueError(f"slots[{i}] must be C-contiguous, got strides {slot.strides}")
    if not slot.flags.writeable:
        raise ValueError(f"slots[{i}] must be writable, got a read-only array")
    if slot.ctypes.data % SLOT_ALIGNMENT:
        raise ValueError(
            f"slots[{i}] must start at a multiple of {SLOT_ALIGNMENT} bytes, got "
            f"{slot.ctypes.data:#x}"
        )
    return slot.reshape(-1).view(np.uint8)


def image_shape(
    sides: tuple[int, ...], layout: str, channels: int = 1
) -> tuple[int, ...]:
    """Return the shape of one image of a batch, for its height and width."""
    height, width = sides
    return {
        "NCHW": (channels, height, width),
        "NHWC": (height, width, channels),
        "NHW": (height, width),
        "flat": (channels * height * width,),
    }[layout]


def array_dtype(dtype: str) -> np.dtype:
    """Return the numpy dtype of batches: uint16 for bfloat16 without ml_dtypes."""
    if dtype != "bfloat16":
        return np.dtype(dtype)
    try:
        import ml_dtypes
    except ImportError:
        return np.dtype(np.uint16)
    return np.dtype(ml_dtypes.bfloat16)
