"""The plan of a JaxBatches: all that its compiled functions know before they run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..._core import MAX_EPOCH, default_floats
from ..._loader.options import shown
from ...augment import Transform
from ...loader import Loader
from .formats import MAX_SCALE, MIN_SCALE
from .transforms import CoreTransform, is_possible, nested

_MOST = 2**32  # positions of an epoch and a batch, and steps
_MOST_INDEX = 2**31 - 1  # JAX's indices have a sign
_ADVICE = "Use JaxLoader."


@dataclass(frozen=True)
class View:
    """How a view of a batch is made.

    Attributes
    ----------
    transforms : tuple of CoreTransform
        Core transforms, each with those inside it.
    draws_view : int
        View whose random numbers it draws.
    """

    transforms: tuple[CoreTransform, ...]
    draws_view: int


@dataclass(frozen=True)
class Plan:
    """Numbers and names that are known when a function is compiled.

    Attributes
    ----------
    kind : {"plain", "permuted", "listed", "weighted"}
        How positions become rows of the dataset: see src/sampler.h.
    n, repeats, n_positions : int
        Indices of an epoch, consecutive positions with the same index, and their
        product.
    capacity : int
        Size of a cell of the alias table, if `kind` is "weighted".
    batch_size, n_global : int
        Rows of a batch on this rank, and on all ranks.
    rank : int or str
        Number of this rank, or the name of the axis whose index it is.
    world : int
        Number of ranks.
    begin_epoch, steps_per_epoch : int
        Epoch of step 0, and batches of an epoch.
    wraps, is_endless : bool
        Whether the last batch of an epoch is filled up with its first samples, and
        whether batches go on with the next pass over the rows.
    n_images : int
        Images of the dataset.
    sides : tuple of int
        Height and width of the dataset's images.
    views : tuple of View
    has_views : bool
        Whether the images have an axis of views.
    dtype, layout, label_dtype : str
        As for `Loader`.
    scale, bias : tuple of float
        Numbers of each channel.
    n_classes : int
    text : str
        The options, without seeds, which are no part of the plan.
    """

    kind: str
    n: int
    repeats: int
    n_positions: int
    capacity: int
    batch_size: int
    n_global: int
    rank: int | str
    world: int
    begin_epoch: int
    steps_per_epoch: int
    wraps: bool
    is_endless: bool
    n_images: int
    sides: tuple[int, int]
    views: tuple[View, ...]
    has_views: bool
    dtype: str
    layout: str
    label_dtype: str
    scale: tuple[float, ...]
    bias: tuple[float, ...]
    n_classes: int
    text: str = field(compare=False)

    @property
    def last_epoch(self) -> int:
        """Return the last epoch, all of which must lie in the first 2**32 passes."""
        n_epochs = MAX_EPOCH + 1
        if self.is_endless:
            n_samples = self.steps_per_epoch * self.n_global
            n_epochs = min(n_epochs, (MAX_EPOCH + 1) * self.n_positions // n_samples)
        return n_epochs - 1

    @property
    def last_step(self) -> int:
        """Return the last step, in the last epoch or of 32 bits."""
        n_epochs = self.last_epoch + 1 - self.begin_epoch
        return min(n_epochs * self.steps_per_epoch, _MOST) - 1


def plan_of(loader: Loader, rank: int | str, begin_epoch: int) -> Plan:
    """Return the plan for the batches of a loader, or raise ValueError.

    `rank` takes the place of the loader's rank.
    """
    _check(loader)
    _check_sizes(loader)
    epochs = loader._epochs
    return Plan(
        **_order_of(loader),
        batch_size=loader.batch_size,
        n_global=epochs.n_global,
        rank=rank,
        world=loader.world,
        begin_epoch=begin_epoch,
        steps_per_epoch=len(loader),
        wraps=epochs.last == "wrap",
        is_endless=epochs.last == "next",
        **_images_of(loader),
        label_dtype=loader.label_dtype,
        n_classes=len(loader.dataset.classes),
        text=_text_of(loader, rank, begin_epoch),
    )


def _text_of(loader: Loader, rank: int | str, begin_epoch: int) -> str:
    """Return the options without seeds, and with the rank as it was given."""
    left_out = ("seed", "augment_seed", "threads", "prefetch")
    values = {k: v for k, v in loader._options().items() if k not in left_out}
    values["shard"] = rank, loader.world
    text = shown(values, loader._normalized_as)
    return f"{text}, begin_epoch={begin_epoch}" if begin_epoch else text


def _order_of(loader: Loader) -> dict[str, Any]:
    """Return the fields that say how positions become rows."""
    positions = loader._positions
    kind = "permuted" if loader.shuffle else "plain"
    if positions.order is not None:
        kind = "listed"
    if positions.weights is not None:
        kind = "weighted"
    return {
        "kind": kind,
        "n": positions.n // loader.repeats,
        "repeats": loader.repeats,
        "n_positions": positions.n,
        "capacity": positions.weights.capacity if positions.weights else 0,
    }


def _images_of(loader: Loader) -> dict[str, Any]:
    """Return the fields that say how images are made."""
    scale, bias = zip(*_numbers(loader))
    views = tuple(
        View(nested(view.transforms), view.draws_view) if view else View((), 0)
        for view in loader._compiled_views
    )
    return {
        "n_images": len(loader.dataset),
        "sides": loader.dataset.images.shape[1:],
        "views": views,
        "has_views": loader.views is not None,
        "dtype": loader.dtype,
        "layout": loader.layout,
        "scale": scale,
        "bias": bias,
    }


def _check(loader: Loader) -> None:
    """Raise ValueError for options whose batches JAX can't make with the same bytes."""
    names = list(dict.fromkeys(_impossible_in(loader)))
    if names:
        raise ValueError(
            "JaxBatches requires transforms that are exact in integers, got "
            f"{', '.join(names)}.\nIt takes crops, pads, flips, Cutout, RandomInvert, "
            "RandomPosterize, RandomSolarize, RandomAutocontrast and RandomEqualize.\n"
            "Use JaxLoader for others."
        )
    if loader.shuffle_block is not None:
        raise ValueError(
            "JaxBatches requires shuffle_block=None, got "
            f"{loader.shuffle_block}.\n{_ADVICE}"
        )
    if loader._slots:
        raise ValueError(
            f"JaxBatches requires slots=None, got {len(loader._slots)} slots.\n"
            f"{_ADVICE}"
        )
    order = loader._positions.order
    if order is not None and order.is_function:
        raise ValueError(
            "JaxBatches requires an array of rows as order, got the function "
            f"{order!r}.\nPass the rows of all epochs one after another, with steps."
        )
    for scale, bias in _numbers(loader):
        if not MIN_SCALE <= abs(scale) <= MAX_SCALE or 0 < abs(bias) < MIN_SCALE:
            raise ValueError(
                "JaxBatches requires normalize with a std in 2**-107..2**92 and a mean "
                f"of 0 or at least 2**-100 times the std, got {loader.normalize!r}"
            )


def _check_sizes(loader: Loader) -> None:
    """Raise ValueError unless all batches are full, and their positions fit 32 bits."""
    epochs, n = loader._epochs, loader._positions.n
    if len(loader) == 0:
        raise ValueError(
            f"JaxBatches requires at least {epochs.n_global} rows, as many as a batch "
            f"of all ranks has, got {n}.\nPass a smaller batch_size, or steps."
        )
    if not epochs.last and n % epochs.n_global:
        raise ValueError(
            f"JaxBatches requires batches of one size, but {n} rows are not a multiple "
            f"of {epochs.n_global}.\nPass drop_last=True or drop_last='wrap'."
        )
    if n + epochs.n_global > _MOST:
        raise ValueError(
            "JaxBatches requires at most 2**32 positions in an epoch and a batch, got "
            f"{n} and {epochs.n_global}.\n{_ADVICE}"
        )
    shape = loader.dataset.images.shape
    if max(shape[0], shape[1] * shape[2]) > _MOST_INDEX:
        raise ValueError(
            "JaxBatches requires at most 2**31 - 1 images, and as many pixels of each, "
            f"got the shape {shape}.\n{_ADVICE}"
        )


def _numbers(loader: Loader) -> list[tuple[float, float]]:
    """Return the scale and the bias of each channel."""
    scale, bias = (
        value if isinstance(value, tuple) else (value,) * loader.channels
        for value in (loader.scale, loader.bias)
    )
    return list(zip(scale, bias))


def _impossible_in(loader: Loader) -> Iterator[str]:
    """Yield the transforms and functions that JAX can't carry out."""
    sides = loader.dataset.images.shape[1:]
    for view in loader._compiled_views:
        if view is None:
            continue
        is_possible_view = all(is_possible(kind, f) for kind, _, f in view.transforms)
        if is_possible_view and not view.mix and not view.functions:
            continue
        names = list(_impossible(view.source, *sides))
        yield from names or [repr(loader.augment)]


@default_floats
def _impossible(items: Sequence[Any], height: int, width: int) -> list[str]:
    """Return the names of the items that JAX can't carry out, also inside others."""
    names = []
    for item in items:
        inner = getattr(item, "transforms", ())
        if not isinstance(item, Transform):
            names.append(repr(item))
        elif inner:
            names += _impossible(inner, height, width)
        elif item._is_mix or not _is_possible(item, height, width):
            names.append(type(item).__name__)
    return names


def _is_possible(item: Transform, height: int, width: int) -> bool:
    """Return whether JAX can carry out a transform without others inside it."""
    try:
        transforms = item._compile(height, width)[0]
    except ValueError:  # it fits another size, such as a crop of padded images
        return True
    return all(is_possible(kind, fields) for kind, _, fields in transforms)
