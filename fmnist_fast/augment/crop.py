"""Crops, padding and flips: exact copies of pixels (src/augment/window.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from .._checks import checked_flag
from ._checks import (
    MAX_SIDE,
    PADDING_MODES,
    borders,
    both,
    grey,
    one_of,
    optional,
    padding_mode,
    probability,
    side,
)
from ._transform import Flat, Step, pair


class _Window(Step):
    """Steps that cut a rectangle out of an image that is padded first."""

    def _window(
        self,
        image: tuple[int, int],
        size: tuple[int, int],
        borders: tuple[int, int, int, int],
        n_places: tuple[int, int] = (1, 1),
        mode: str = "constant",
        fill: int | None = 0,
    ) -> Flat:
        left, top, right, bottom = borders
        for sides, length in (((left, right), image[1]), ((top, bottom), image[0])):
            most = {"reflect": length - 1, "symmetric": length}.get(mode, MAX_SIDE)
            if max(sides) > most:
                raise self._error(
                    f"{mode} padding of this image, {image[0]}x{image[1]}, must be at "
                    f"most {most}, got {max(sides)}"
                )
        if max(size) > MAX_SIDE:
            raise self._error(
                f"images have sides up to {MAX_SIDE}, this would make "
                f"{size[0]}x{size[1]}"
            )
        crop = {
            "top": -top,
            "left": -left,
            "n_tops": n_places[0],
            "n_lefts": n_places[1],
            "height": size[0],
            "width": size[1],
            "mode": PADDING_MODES.index(mode),
            "fill": fill,
        }
        return [("crop", 1.0, crop)], *size


@dataclass(frozen=True)
class RandomCrop(_Window):
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

    def __post_init__(self) -> None:
        self._check(
            size=both(side),
            padding=optional(borders),
            pad_if_needed=checked_flag,
            fill=grey,
            padding_mode=padding_mode,
        )

    def _compile(self, height: int, width: int) -> Flat:
        sides = pair(self.size)
        left, top, right, bottom = cast("tuple[int, ...]", self.padding or (0,) * 4)
        if self.pad_if_needed:
            missing = max(0, sides[0] - height - top - bottom)
            top, bottom = top + missing, bottom + missing
            missing = max(0, sides[1] - width - left - right)
            left, right = left + missing, right + missing
        padded = height + top + bottom, width + left + right
        if padded[0] < sides[0] or padded[1] < sides[1]:
            with_padding = f", {padded[0]}x{padded[1]} with padding" * (
                padded != (height, width)
            )
            raise self._error(
                f"a crop of {sides[0]}x{sides[1]} is larger than the image, "
                f"{height}x{width}{with_padding}: pad more, or set pad_if_needed=True"
            )
        return self._window(
            (height, width),
            sides,
            (left, top, right, bottom),
            (padded[0] - sides[0] + 1, padded[1] - sides[1] + 1),
            self.padding_mode,
            self.fill,
        )


@dataclass(frozen=True)
class CenterCrop(_Window):
    """Cut out the middle; where the image is smaller, pad it with black.

    Parameters
    ----------
    size : int or (height, width)
        Of the result, in pixels, 1..65536.
    """

    size: int | Sequence[int]

    def __post_init__(self) -> None:
        self._check(size=both(side))

    def _compile(self, height: int, width: int) -> Flat:
        new_height, new_width = pair(self.size)
        # Padding rounds down, cropping to the even number: so does torchvision.
        top, left = (
            (new - old) // 2 if new > old else -round((old - new) / 2)
            for new, old in ((new_height, height), (new_width, width))
        )
        return self._window((height, width), (new_height, new_width), (left, top, 0, 0))


@dataclass(frozen=True)
class Pad(_Window):
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

    def __post_init__(self) -> None:
        self._check(padding=borders, fill=grey, padding_mode=padding_mode)

    def _compile(self, height: int, width: int) -> Flat:
        left, top, right, bottom = cast("tuple[int, int, int, int]", self.padding)
        return self._window(
            (height, width),
            (height + top + bottom, width + left + right),
            (left, top, right, bottom),
            mode=self.padding_mode,
            fill=self.fill,
        )


class _Flip(Step):
    _vertical = 0
    p: float
    mode: str

    def __post_init__(self) -> None:
        self._check(p=probability, mode=one_of(("random", "alternating")))
        if self.mode == "alternating" and self.p != 0.5:
            raise self._error(
                f"mode='alternating' flips every second time: p must be 0.5, got "
                f"{self.p}"
            )

    def _compile(self, height: int, width: int) -> Flat:
        alternating = int(self.mode == "alternating")
        fields = {"vertical": self._vertical, "alternating": alternating}
        return [("flip", self.p, fields)], height, width


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

    p: float = 0.5
    mode: str = "random"


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
    p: float = 0.5
    mode: str = "random"
