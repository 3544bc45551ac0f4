"""Normalization of a Loader: its check, and the numbers that it stands for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .._checks import one_line
from .._core import default_floats
from ..dataset import Dataset

Numbers = float | tuple[float, ...]  # one for all channels, or one for each
NormalizeLike = str | Sequence[Any] | np.ndarray | Dataset | None
Normalize = str | tuple[Numbers, Numbers] | None  # what is in use
_NORMALIZE = (
    "'auto', 'dataset', 'unit', None, a Dataset, or a pair of numbers (mean, std)"
)


class Normalization(NamedTuple):
    """A normalization with its numbers, and the title of whose statistics they are.

    A number for each channel is a tuple. One number for all channels is a float.
    """

    normalize: Normalize
    mean: Numbers
    std: Numbers
    scale: Numbers
    bias: Numbers
    of: str


@default_floats
def checked_normalize(
    normalize: Any, dtype: str, dataset: Dataset, channels: int
) -> Normalization:
    """Check `normalize`, and return it with the numbers that it stands for.

    Only "dataset", which "auto" is for floats, and a Dataset may read all pixels.
    """
    normalize, means, stds, of = _statistics(normalize, dtype, dataset, channels)
    pairs = [_scale_and_bias(normalize, m, s) for m, s in zip(means, stds)]
    scales, biases = zip(*pairs)
    mean, std = _numbers(means), _numbers(stds)
    if isinstance(normalize, tuple):
        normalize = mean, std
    return Normalization(normalize, mean, std, _numbers(scales), _numbers(biases), of)


def _numbers(values: tuple[float, ...]) -> Numbers:
    """Return one number if there is one, and otherwise all of them."""
    return values[0] if len(values) == 1 else values


def _statistics(
    normalize: Any, dtype: str, dataset: Dataset, channels: int
) -> tuple[Normalize, tuple[float, ...], tuple[float, ...], str]:
    """Return the normalization in use, its means and stds, and whose they are."""
    if isinstance(normalize, str) and normalize == "auto":
        normalize = None if dtype == "uint8" else "dataset"
    if normalize is None:
        return None, (0.0,), (1 / 255,), ""
    if dtype == "uint8":
        raise ValueError(
            f"dtype='uint8' requires normalize=None or 'auto', got {normalize!r}"
        )
    if isinstance(normalize, str) and normalize == "unit":
        return normalize, (0.0,), (1.0,), ""
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
        return (mean, std), (mean,), (std,), of
    if isinstance(normalize, str):
        raise ValueError(f"normalize must be {_NORMALIZE}, got {normalize!r}")
    given = _pairs(normalize, channels)
    pairs = [
        _checked_pair(pair, f" in channel {i}" * (len(given) > 1))
        for i, pair in enumerate(given)
    ]
    means, stds = zip(*pairs)
    return (means[0], stds[0]), means, stds, ""


def _pairs(pair: Any, channels: int) -> list[tuple[Any, Any]]:
    """Return the mean and the standard deviation of each channel.

    If `normalize` has one number for all channels, they are returned once. Each may be
    a number or a sequence, as in torchvision's `Normalize`.
    """
    is_several = isinstance(pair, (tuple, list)) or getattr(pair, "ndim", 0) > 0
    items = list(pair) if is_several else []
    sizes = [
        len(x) if isinstance(x, (tuple, list)) else math.prod(np.shape(x))
        for x in items
    ]
    if len(items) == 2 and max(sizes) > 1:
        wrong = [size for size in sizes if size not in (1, channels)]
        if wrong and channels == 1:
            got = f"{sizes[0]} and {sizes[1]}"
            got = f"{sizes[0]} of each" if sizes[0] == sizes[1] else got
            raise ValueError(
                "normalize must have one mean and one standard deviation, because "
                f"images have one channel, got {got}.\nPass one of each, such as "
                "normalize=(0.286, 0.353), or pass channels=3."
            )
        if wrong:
            raise ValueError(
                f"normalize must have 1 or {channels} means and as many standard "
                f"deviations, because images have {channels} channels, got {sizes[0]} "
                f"and {sizes[1]}.\nPass normalize=((m, m, m), (s, s, s))."
            )
        each = [
            list(item) if size > 1 else [item] * channels
            for item, size in zip(items, sizes)
        ]
        return list(zip(*each))
    if len(items) != 2 or None in map(_number_of, items):
        hint = ".\nPass its .normalize." if hasattr(pair, "normalize") else ""
        if len(items) == 3:  # a mean for each color
            hint = ".\nPass one of each, such as normalize=(0.286, 0.353)."
            if channels == len(items):
                hint = ".\nPass normalize=((m, m, m), (s, s, s))."
        got = one_line(repr(pair), 60)
        raise TypeError(f"normalize must be {_NORMALIZE}, got {got}{hint}")
    return [(items[0], items[1])]


def _checked_pair(pair: tuple[Any, Any], place: str) -> tuple[float, float]:
    """Check a mean and a standard deviation, and return them as floats."""
    mean, std = map(_number_of, pair)
    if mean is None or std is None:
        raise TypeError(
            f"normalize must be {_NORMALIZE}, got {one_line(repr(pair), 60)}{place}"
        )
    if not (math.isfinite(mean) and math.isfinite(std) and std > 0):
        raise ValueError(
            "normalize=(mean, std) must be finite numbers with std > 0, got "
            f"({mean}, {std}){place}"
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
            f"({mean}, {std}){place}{hint * is_likely}"
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
