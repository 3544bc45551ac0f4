"""Checks of a Loader's options, and their conversion to the core's arguments."""

from __future__ import annotations

import itertools
import math
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
    one_line,
)
from .._core import (
    LABEL_DTYPES,
    MAX_COLUMNS,
    MAX_SHUFFLE_BLOCK,
    SLOT_ALIGNMENT,
    default_floats,
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
NormalizeLike = str | Sequence[Any] | np.ndarray | Dataset | None
Normalize = str | tuple[float, float] | None  # what is in use
# With the mean, the std, the scale, the bias, and the title of whose they are.
Normalization = tuple[Normalize, float, float, float, float, str]
# Batches, without and with the indices.
Pair = tuple[np.ndarray, np.ndarray]
Triple = tuple[np.ndarray, np.ndarray, np.ndarray]
MAX_ROWS = MAX_SHUFFLE_BLOCK  # in a batch
_MAX_REPEATS = 2**20
NAMES = (
    *("batch_size", "shuffle", "shuffle_block", "seed", "dtype", "normalize", "layout"),
    *("label_dtype", "augment", "drop_last", "shard", "threads", "prefetch"),
    *("weights", "order", "repeats", "steps", "augment_seed", "with_index", "columns"),
)
_NORMALIZE = (
    "'auto', 'dataset', 'unit', None, a Dataset, or a pair of numbers (mean, std)"
)
_USUAL: dict[str, Any] = {
    "shuffle_block": None,
    "label_dtype": "int64",
    "augment": None,
}
_USUAL |= {"drop_last": False, "shard": (0, 1), "prefetch": 4, "weights": None}
_USUAL |= {"order": None, "repeats": 1, "steps": None, "augment_seed": None}
_USUAL |= {"with_index": False, "columns": ()}


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
    usual = _USUAL | {"threads": checked_threads(None, values["augment"])}
    parts = []
    for name, value in values.items():
        text = repr(value)
        if isinstance(value, tuple) and name == "normalize":
            text = repr(tuple(float(f"{number:.4g}") for number in value))
            text += f" of {normalized_as}" * bool(normalized_as)
        if name not in usual or value != usual[name]:
            parts.append(f"{name}={text}")
    return ", ".join(parts)


def checked_threads(value: Any, augment: Any) -> int:
    """Check `threads`, and return it or the default for a loader with `augment`."""
    if value is None:
        value = config.default_threads(transforms=augment is not None)
    return checked_integer("threads", value, 1, 256)


def checked_drop_last(value: Any) -> DropLast:
    """Check `drop_last`, and return it as a plain bool or "wrap"."""
    if isinstance(value, str) and value == "wrap":
        return "wrap"
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"drop_last must be True, False or 'wrap', got {value!r}")
    return bool(value)


@default_floats
def checked_normalize(normalize: Any, dtype: str, dataset: Dataset) -> Normalization:
    """Check `normalize`, and return it with the numbers that it stands for.

    Only "dataset", which "auto" is for floats, and a Dataset may read all pixels.
    """
    normalize, mean, std, of = _statistics(normalize, dtype, dataset)
    return normalize, mean, std, *_scale_and_bias(normalize, mean, std), of


def _statistics(
    normalize: Any, dtype: str, dataset: Dataset
) -> tuple[Normalize, float, float, str]:
    """Return the normalization in use, its mean and std, and whose they are."""
    if isinstance(normalize, str) and normalize == "auto":
        normalize = None if dtype == "uint8" else "dataset"
    if normalize is None:
        return None, 0.0, 1 / 255, ""
    if dtype == "uint8":
        raise ValueError(
            f"dtype='uint8' requires normalize=None or 'auto', got {normalize!r}"
        )
    if isinstance(normalize, str) and normalize == "unit":
        return normalize, 0.0, 1.0, ""
    if isinstance(normalize, str) and normalize == "dataset":
        normalize = dataset
    if isinstance(normalize, Dataset):
        mean, std, of = normalize._whole.statistics
        if std == 0:
            raise ValueError(
                "normalize='dataset' requires a standard deviation above 0, got 0, "
                f"because all pixels of this dataset are equal: {of}.\n"
                "Pass another normalize, such as 'unit'."
            )
        return (mean, std), mean, std, of
    if isinstance(normalize, str):
        raise ValueError(f"normalize must be {_NORMALIZE}, got {normalize!r}")
    mean, std = _checked_pair(normalize)
    return (mean, std), mean, std, ""


def _checked_pair(pair: Any) -> tuple[float, float]:
    """Check a mean and a standard deviation, and return them as floats.

    Each may also be a sequence of one number, as in torchvision's `Normalize`.
    """
    is_several = isinstance(pair, (tuple, list)) or getattr(pair, "ndim", 0) > 0
    items = list(pair) if is_several else []
    mean, std = map(_number_of, items) if len(items) == 2 else (None, None)
    if mean is None or std is None:
        sizes = [len(x) if isinstance(x, (tuple, list)) else np.size(x) for x in items]
        one = ".\nPass one of each, such as normalize=(0.286, 0.353)."
        if len(items) == 2 and sizes[0] == sizes[1] > 1:
            raise ValueError(
                "normalize must have one mean and one standard deviation, because "
                f"images are grayscale, got {sizes[0]} of each{one}"
            )
        hint = ".\nPass its .normalize." if hasattr(pair, "normalize") else ""
        hint = one if len(items) == 3 else hint  # a mean for each color
        got = one_line(repr(pair), 60)
        raise TypeError(f"normalize must be {_NORMALIZE}, got {got}{hint}")
    if not (math.isfinite(mean) and math.isfinite(std) and std > 0):
        raise ValueError(
            "normalize=(mean, std) must be finite numbers with std > 0, got "
            f"({mean}, {std})"
        )
    # Other pairs may be meant to scale, such as those with a negative mean.
    if mean > 1 or (mean >= 0 and 1 < std <= 256):
        digits = max(4, *(len(f"{number}".replace(".", "")) for number in (mean, std)))
        right = [x / 255 if x > 1 else x for x in (mean, std)]
        which = "they are those" if min(mean, std) > 1 else f"{max(mean, std)} is that"
        hint = f".\nIf {which} of pixels in 0..255, pass normalize=("
        hint += f"{', '.join(f'{number:.{digits}g}' for number in right)})."
        is_likely = all(x <= 1 or 2.5 < x <= 256 for x in (mean, std))
        raise ValueError(
            "normalize=(mean, std) must be those of pixels in 0..1, so at most 1, got "
            f"({mean}, {std}){hint * is_likely}"
        )
    return mean, std


def _number_of(item: Any) -> float | None:
    """Return a number, also of a sequence of one number, or None for anything else."""
    if type(item) is float:
        return item
    if isinstance(item, (tuple, list)):
        item = item[0] if len(item) == 1 else None
    array = np.asarray(None if isinstance(item, (tuple, list)) else item)
    return (
        float(array.item()) if array.size == 1 and array.dtype.kind in "iuf" else None
    )


def _scale_and_bias(
    normalize: Normalize, mean: float, std: float
) -> tuple[float, float]:
    """Return the scale and the bias for pixels in 0..255."""
    if normalize is None:
        return 1.0, 0.0
    if normalize == "unit":
        return 1 / 255, 0.0
    scale, bias = 1 / (255 * std), -mean / std
    if max(255 * scale, abs(bias)) > float(np.finfo(np.float32).max):
        raise ValueError(
            "normalize=(mean, std) must give pixels in the range of float32, got "
            f"({mean}, {std}).\nPass a smaller mean or a larger std."
        )
    return scale, bias


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


def checked_layout(layout: Any) -> str:
    """Check `layout`, the shape of the images."""
    return checked_name("layout", layout, LAYOUTS)


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


def image_shape(sides: tuple[int, ...], layout: str) -> tuple[int, ...]:
    """Return the shape of one image of a batch, for its height and width."""
    height, width = sides
    return {
        "NCHW": (1, height, width),
        "NHWC": (height, width, 1),
        "NHW": (height, width),
        "flat": (height * width,),
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
