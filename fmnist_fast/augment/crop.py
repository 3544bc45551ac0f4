"""Crops, padding and flips, which copy pixels unchanged (src/augment/crop.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from .._checks import checked_flag
from .._core import PADDING_MODES
from ._arguments import MAX_SIDE, borders, one_of, optional
from ._flat import Fields, Flat
from ._transform import Transform, pair


class _CropBase(Transform):
    """Base class of transforms that pad an image and cut a rectangle out of it.

    `_borders` returns the padding as left, top, right and bottom. The place of the
    rectangle is random where the rectangle is smaller than the padded image.
    """

    _kind = "crop"
    size: object
    padding: object
    fill: int | None = 0  # for subclasses without this parameter
    padding_mode: str = "constant"  # for subclasses without this parameter

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
            padded = f" ({padded_height}x{padded_width} with padding)" * is_padded
            raise self._error(
                f"size must be at most the image's {height}x{width}{padded}, got "
                f"{new_height}x{new_width}.\n"
                "Pass a larger padding or pad_if_needed=True."
            )
        mode = self.padding_mode
        for border, length in ((max(left, right), width), (max(top, bottom), height)):
            limit = {"reflect": length - 1, "symmetric": length}.get(mode, MAX_SIDE)
            if border > limit:
                raise self._error(
                    f"padding must be at most {limit} with padding_mode={mode!r} and "
                    f"an image of {height}x{width}, got {border}"
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
    """Crop a rectangle of fixed size at a random location.

    Parameters
    ----------
    size : int or (height, width)
        Size of the result in pixels, 1..65536. One number makes a square.
    padding : int, (x, y), (left, top, right, bottom) or None, default None
        Pixels to add on each side before the crop, 0..65536. ``(x, y)`` adds x pixels
        left and right, and y pixels above and below. None means no padding.
    pad_if_needed : bool, default False
        Whether to pad an image that is smaller than `size`. The missing pixels are
        added on both sides, so that the location is still random.
    fill : int in 0..255 or None, default 0
        Gray level of the padding with "constant". None means 0, the background of
        Fashion-MNIST.
    padding_mode : {"constant", "edge", "reflect", "symmetric"}, default "constant"
        Content of the padding. "constant" is `fill`, "edge" repeats the outermost
        pixels, "reflect" mirrors the image without repeating the outermost pixels, and
        "symmetric" mirrors it and repeats them.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range. `Loader` raises it if `size` is larger than
        the padded image. It also raises it if a mirrored padding is too wide: "reflect"
        must add fewer pixels than the image's side, and "symmetric" at most as many.

    Notes
    -----
    Torchvision's `fill` can also be a color; here it is one gray level.

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
    """Crop the center of the image.

    An image that is smaller than `size` is padded with black.

    Parameters
    ----------
    size : int or (height, width)
        Size of the result in pixels, 1..65536. One number makes a square.

    Raises
    ------
    TypeError
        `size` has a wrong type.
    ValueError
        `size` is outside its range.

    Notes
    -----
    The result is equal to torchvision's.
    """

    size: int | Sequence[int]

    def _borders(self, height: int, width: int) -> tuple[int, ...]:
        new_height, new_width = pair(self.size)
        # As in torchvision, half a pixel is rounded down for padding and to the even
        # number for cropping.
        top, left = (
            (new - old) // 2 if new > old else -round((old - new) / 2)
            for new, old in ((new_height, height), (new_width, width))
        )
        return left, top, new_width - width - left, new_height - height - top


@dataclass(frozen=True)
class _PlacedCrop(_CropBase):
    """Crop of a FiveCrop, at the top or the bottom, and at the left or the right."""

    size: int | Sequence[int]
    crops: FiveCrop
    at_bottom: bool
    at_right: bool

    def _borders(self, height: int, width: int) -> tuple[int, ...]:
        new_height, new_width = pair(self.size)
        y, x = new_height - height, new_width - width
        if x > 0 or y > 0:
            raise self.crops._error(
                f"size must be at most the image's {height}x{width}, got "
                f"{new_height}x{new_width}.\nPass a smaller size, or a Pad in augment."
            )
        return (
            x * self.at_right,
            y * self.at_bottom,
            x * (not self.at_right),
            y * (not self.at_bottom),
        )


@dataclass(frozen=True)
class FiveCrop(Transform):
    """Make five views of each image: crops of its corners and of its center.

    It is a value of ``Loader(views=...)``, not of `augment`. The views are top left,
    top right, bottom left, bottom right and center.

    Parameters
    ----------
    size : int or (height, width)
        Size of the crops in pixels, 1..65536. One number makes a square.

    Raises
    ------
    TypeError
        `size` has a wrong type.
    ValueError
        `size` is outside its range. `Loader` raises it if `size` is larger than the
        image after `augment`, and for FiveCrop in `augment`.

    Notes
    -----
    The transforms of `augment` come before the crops, with the same random numbers in
    all views, as in torchvision. The crops are equal to torchvision's.

    Examples
    --------
    >>> FiveCrop(24).size
    (24, 24)
    """

    size: int | Sequence[int]

    def _crops(self) -> list[Transform]:
        corners = [(False, False), (False, True), (True, False), (True, True)]
        size = self.size
        crops: list[Transform] = [_PlacedCrop(size, self, *at) for at in corners]
        return [*crops, CenterCrop(size)]

    def _transforms_of_views(self) -> list[tuple[Transform, ...]]:
        """Return the transforms of each view, as many in all views."""
        return [(crop,) for crop in self._crops()]

    def _compile(self, height: int, width: int) -> Flat:
        name = type(self).__name__
        raise ValueError(
            f"{name} must be the value of views, not of augment.\n"
            f"Pass views=ff.{self!r} to Loader."
        )


@dataclass(frozen=True)
class TenCrop(FiveCrop):
    """Make ten views of each image: those of `FiveCrop`, and those of its mirror image.

    It is a value of ``Loader(views=...)``, not of `augment`.

    Parameters
    ----------
    size : int or (height, width)
        Size of the crops in pixels, 1..65536. One number makes a square.
    vertical_flip : bool, default False
        Whether the mirror image is upside down, instead of flipped left to right.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        As for `FiveCrop`.

    Notes
    -----
    The transforms of `augment` come before the crops, with the same random numbers in
    all views, as in torchvision. The crops are equal to torchvision's.
    """

    vertical_flip: bool = False
    _checks = {"vertical_flip": checked_flag}

    def _transforms_of_views(self) -> list[tuple[Transform, ...]]:
        flip = RandomVerticalFlip if self.vertical_flip else RandomHorizontalFlip
        return [(flip(p), crop) for p in (0.0, 1.0) for crop in self._crops()]


@dataclass(frozen=True)
class Pad(_CropBase):
    """Pad the image on all sides.

    Parameters
    ----------
    padding : int, (x, y) or (left, top, right, bottom)
        Pixels to add on each side, 0..65536. ``(x, y)`` adds x pixels left and right,
        and y pixels above and below.
    fill : int in 0..255 or None, default 0
        Gray level of the padding with "constant". None means 0.
    padding_mode : {"constant", "edge", "reflect", "symmetric"}, default "constant"
        Content of the padding, as in `RandomCrop`.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range. `Loader` raises it if a mirrored padding is
        too wide, as in `RandomCrop`, or if a side of the result is above 65536.

    Notes
    -----
    Torchvision's `fill` can also be a color; here it is one gray level.
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
            raise self._error(f"mode='alternating' requires p=0.5, got {self.p}")

    def _fields(self, height: int, width: int) -> Fields:
        alternating = int(self.mode == "alternating")
        return {"vertical": self._vertical, "alternating": alternating}


@dataclass(frozen=True)
class RandomHorizontalFlip(_Flip):
    """Flip the image left to right with a given probability.

    Parameters
    ----------
    p : float in 0..1, default 0.5
        Probability of the flip.
    mode : {"random", "alternating"}, default "random"
        "random" draws in each epoch whether to flip. "alternating" flips each image in
        every second epoch, and draws for each image whether epoch 0 is flipped. Two
        consecutive epochs then show both sides of all images.

    Raises
    ------
    TypeError
        `p` is not a number.
    ValueError
        An argument is outside its range, or `p` is not 0.5 with mode="alternating".

    Notes
    -----
    Torchvision has no `mode`. "alternating" is the derandomized flip of Jordan, "94% on
    CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498.

    Examples
    --------
    >>> RandomHorizontalFlip(mode="alternating")
    RandomHorizontalFlip(p=0.5, mode='alternating')
    """


@dataclass(frozen=True)
class RandomVerticalFlip(_Flip):
    """Flip the image upside down with a given probability.

    Parameters
    ----------
    p : float in 0..1, default 0.5
        Probability of the flip.
    mode : {"random", "alternating"}, default "random"
        As in `RandomHorizontalFlip`.

    Raises
    ------
    TypeError
        `p` is not a number.
    ValueError
        An argument is outside its range, or `p` is not 0.5 with mode="alternating".

    Notes
    -----
    Torchvision has no `mode`.
    """

    _vertical = 1
