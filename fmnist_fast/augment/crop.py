"""Crops, padding and flips: exact copies of pixels (src/augment/window.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from .._checks import checked_flag
from .._core import PADDING_MODES
from ._arguments import MAX_SIDE, borders, one_of, optional
from ._flat import Fields
from ._transform import Transform, pair


class _CropBase(Transform):
    """Steps that cut a rectangle out of an image that is padded first.

    `_borders` gives left, top, right and bottom of the padding; where the rectangle is
    smaller than the padded image, its place is random.
    """

    _kind = "crop"
    size: object
    padding: object
    fill: int | None = 0  # where it isn't a parameter, as `padding_mode`
    padding_mode: str = "constant"

    def _size(self, height: int, width: int) -> tuple[int, int]:
        return pair(self.size)

    def _borders(self, height: int, width: int) -> tuple[int, ...]:
        return cast("tuple[int, ...]", self.padding)

    def _fields(self, height: int, width: int) -> Fields:
        new_height, new_width = self._size(height, width)
        left, top, right, bottom = self._borders(height, width)
        padded_height, padded_width = height + top + bottom, width + left + right
        if padded_height < new_height or padded_width < new_width:
            is_padded = (padded_height, padded_width) != (height, width)
            padded = f", {padded_height}x{padded_width} with padding" * is_padded
            raise self._error(
                f"a crop of {new_height}x{new_width} is larger than the image, "
                f"{height}x{width}{padded}: pad more, or set pad_if_needed=True"
            )
        mode = self.padding_mode
        for border, length in ((max(left, right), width), (max(top, bottom), height)):
            most = {"reflect": length - 1, "symmetric": length}.get(mode, MAX_SIDE)
            if border > most:
                raise self._error(
                    f"{mode} padding of this image, {height}x{width}, must be at most "
                    f"{most}, got {border}"
                )
        return {
            "top": -top,
            "left": -left,
            "n_tops": padded_height - new_height + 1,
            "n_lefts": padded_width - new_width + 1,
            "height": new_height,
            "width": new_width,
            "mode": PADDING_MODES[mode],
            "fill": self.fill,
        }


@dataclass(frozen=True)
class RandomCrop(_CropBase):
    """Cut out a rectangle at a random place.

    Parameters
    ----------
    size : int or (height, width)
        Of the result, in pixels, 1..65536.
    padding : int, (x, y) or (left, top, right, bottom), optional
        Pixels to add around the image first.
    pad_if_needed : bool
        Add what is missing on either side of an image that is smaller than `size`.
    fill : int in 0..255
        Grey level of the padding. 0 is Fashion-MNIST's background.
    padding_mode : "constant", "edge", "reflect" or "symmetric"
        What the padding shows: `fill`, the outermost pixels, or the image mirrored,
        without or with the outermost pixels repeated.

    Notes
    -----
    When it is compiled for a loader: ValueError if `size` is larger than the padded
    image, or the padding too wide to be mirrored (reflect: below the side; symmetric:
    at most the side).

    Examples
    --------
    >>> RandomCrop(28, padding=4).padding
    (4, 4, 4, 4)
    """

    size: int | Sequence[int]
    padding: int | Sequence[int] | None = None
    pad_if_needed: bool = False
    fill: int | None = 0
    padding_mode: str = "constant"
    _checks = {"padding": optional(borders), "pad_if_needed": checked_flag}

    def _borders(self, height: int, width: int) -> tuple[int, ...]:
        new_height, new_width = pair(self.size)
        left, top, right, bottom = cast("tuple[int, ...]", self.padding or (0,) * 4)
        x = max(0, new_width - width - left - right) if self.pad_if_needed else 0
        y = max(0, new_height - height - top - bottom) if self.pad_if_needed else 0
        return left + x, top + y, right + x, bottom + y


@dataclass(frozen=True)
class CenterCrop(_CropBase):
    """Cut out the middle; where the image is smaller, pad it with black.

    Parameters
    ----------
    size : int or (height, width)
        Of the result, in pixels, 1..65536.
    """

    size: int | Sequence[int]

    def _borders(self, height: int, width: int) -> tuple[int, ...]:
        new_height, new_width = pair(self.size)
        # Padding rounds down, cropping to the even number: so does torchvision.
        top, left = (
            (new - old) // 2 if new > old else -round((old - new) / 2)
            for new, old in ((new_height, height), (new_width, width))
        )
        return left, top, new_width - width - left, new_height - height - top


@dataclass(frozen=True)
class Pad(_CropBase):
    """Add pixels around the image.

    Parameters
    ----------
    padding : int, (x, y) or (left, top, right, bottom)
        Pixels to add, 0..65536.
    fill : int in 0..255
        Grey level of the padding.
    padding_mode : "constant", "edge", "reflect" or "symmetric"
        As in `RandomCrop`.
    """

    padding: int | Sequence[int]
    fill: int | None = 0
    padding_mode: str = "constant"
    _checks = {"padding": borders}

    def _size(self, height: int, width: int) -> tuple[int, int]:
        left, top, right, bottom = self._borders(height, width)
        return height + top + bottom, width + left + right


@dataclass(frozen=True)
class _Flip(Transform):
    p: float = 0.5
    mode: str = "random"
    _kind = "flip"
    _checks = {"mode": one_of(["random", "alternating"])}
    _vertical = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode == "alternating" and self.p != 0.5:
            raise self._error(
                f"mode='alternating' flips every second time: p must be 0.5, got "
                f"{self.p}"
            )

    def _fields(self, height: int, width: int) -> Fields:
        alternating = int(self.mode == "alternating")
        return {"vertical": self._vertical, "alternating": alternating}


@dataclass(frozen=True)
class RandomHorizontalFlip(_Flip):
    """Mirror left and right.

    Parameters
    ----------
    p : float in 0..1
        Probability.
    mode : "random" or "alternating"
        "alternating" flips each image in every second epoch, the first at random for
        each, so that two epochs show both sides of all: the derandomised flip of
        Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498.
        `p` must be 0.5.

    Examples
    --------
    >>> RandomHorizontalFlip(mode="alternating")
    RandomHorizontalFlip(p=0.5, mode='alternating')
    """


@dataclass(frozen=True)
class RandomVerticalFlip(_Flip):
    """Mirror top and bottom.

    Parameters
    ----------
    p : float in 0..1
        Probability.
    mode : "random" or "alternating"
        As in `RandomHorizontalFlip`.
    """

    _vertical = 1
