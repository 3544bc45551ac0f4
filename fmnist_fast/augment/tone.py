"""Tables of grey levels (src/augment/tone.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ._checks import LARGE, around, integer, number, optional, probability
from ._transform import Flat, FlatStep, Step, constant, drawn, pair

INVERT, POSTERIZE, SOLARIZE, BRIGHTNESS, CONTRAST, AUTOCONTRAST, EQUALIZE = range(7)


def tone(kind: int, value: dict[str, Any], p: float = 1.0) -> FlatStep:
    return "tone", p, {"kind": kind, "value": value}


@dataclass(frozen=True)
class ColorJitter(Step):
    """Change brightness and contrast at random, in random order.

    Parameters
    ----------
    brightness, contrast : float or (low, high), optional
        Factor, uniform, from 0; one number b is (max(0, 1 - b), 1 + b).
    saturation : float or (low, high), optional
        Checked in the same way; does nothing to grayscale images.
    hue : float or (low, high), optional
        In -0.5..0.5; does nothing to grayscale images.
    """

    brightness: float | Sequence[float] | None = None
    contrast: float | Sequence[float] | None = None
    saturation: float | Sequence[float] | None = None
    hue: float | Sequence[float] | None = None

    def __post_init__(self) -> None:
        factor = optional(around(1.0, 0.0, LARGE, 2))
        self._check(
            brightness=factor,
            contrast=factor,
            saturation=factor,
            hue=optional(around(0.0, -0.5, 0.5, 2)),
        )

    def _compile(self, height: int, width: int) -> Flat:
        fields = {
            "brightness": drawn(*pair(self.brightness or (1.0, 1.0))),
            "contrast": drawn(*pair(self.contrast or (1.0, 1.0))),
        }
        return [("jitter", 1.0, fields)], height, width


class _Tone(Step):
    """A table of grey levels, used with probability p."""

    _kind: int
    p: float

    def __post_init__(self) -> None:
        self._check(p=probability)

    def _value(self) -> float:
        return 0.0

    def _compile(self, height: int, width: int) -> Flat:
        return [tone(self._kind, constant(self._value()), self.p)], height, width


@dataclass(frozen=True)
class RandomInvert(_Tone):
    """Make black white, and white black.

    Parameters
    ----------
    p : float in 0..1
        Probability.
    """

    _kind = INVERT
    p: float = 0.5


@dataclass(frozen=True)
class RandomPosterize(_Tone):
    """Keep only the highest bits of every pixel.

    Parameters
    ----------
    bits : int in 0..8
        Bits to keep.
    p : float in 0..1
        Probability.
    """

    _kind = POSTERIZE
    bits: int
    p: float = 0.5

    def __post_init__(self) -> None:
        self._check(bits=integer(0, 8), p=probability)

    def _value(self) -> float:
        return float(self.bits)


@dataclass(frozen=True)
class RandomSolarize(_Tone):
    """Invert the bright pixels.

    Parameters
    ----------
    threshold : float in 0..255
        Grey level from which on pixels are inverted.
    p : float in 0..1
        Probability.
    """

    _kind = SOLARIZE
    threshold: float
    p: float = 0.5

    def __post_init__(self) -> None:
        self._check(threshold=number(0, 255), p=probability)

    def _value(self) -> float:
        return self.threshold


@dataclass(frozen=True)
class RandomAutocontrast(_Tone):
    """Stretch the grey levels, so that the darkest is 0 and the brightest 255.

    Parameters
    ----------
    p : float in 0..1
        Probability.
    """

    _kind = AUTOCONTRAST
    p: float = 0.5


@dataclass(frozen=True)
class RandomEqualize(_Tone):
    """Move the grey levels so that all are about equally frequent.

    Parameters
    ----------
    p : float in 0..1
        Probability.
    """

    _kind = EQUALIZE
    p: float = 0.5
