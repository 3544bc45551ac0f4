"""Tables of grey levels (src/augment/tone.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ._arguments import LARGE, around, integer, number, optional
from ._flat import Fields, FlatTransform, constant, drawn, tone
from ._transform import Transform, pair

_factor = optional(around(1.0, 0.0, LARGE, 2))


@dataclass(frozen=True)
class ColorJitter(Transform):
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
    _kind = "jitter"
    _checks = {
        "brightness": _factor,
        "contrast": _factor,
        "saturation": _factor,
        "hue": optional(around(0.0, -0.5, 0.5, 2)),
    }

    def _fields(self, height: int, width: int) -> Fields:
        return {
            "brightness": drawn(*pair(self.brightness or (1.0, 1.0))),
            "contrast": drawn(*pair(self.contrast or (1.0, 1.0))),
        }


class _Tone(Transform):
    """A table of grey levels, used with probability p."""

    _value = ""  # the parameter that the table depends on, if there is one
    p: float

    def _flatten(self, height: int, width: int) -> list[FlatTransform]:
        value = float(getattr(self, self._value)) if self._value else 0.0
        return [tone(self._kind, constant(value), self.p)]


@dataclass(frozen=True)
class RandomInvert(_Tone):
    """Make black white, and white black.

    Parameters
    ----------
    p : float in 0..1
        Probability.
    """

    p: float = 0.5
    _kind = "invert"


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

    bits: int
    p: float = 0.5
    _kind, _value = "posterize", "bits"
    _checks = {"bits": integer(0, 8)}


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

    threshold: float
    p: float = 0.5
    _kind, _value = "solarize", "threshold"
    _checks = {"threshold": number(0, 255)}


@dataclass(frozen=True)
class RandomAutocontrast(_Tone):
    """Stretch the grey levels, so that the darkest is 0 and the brightest 255.

    Parameters
    ----------
    p : float in 0..1
        Probability.
    """

    p: float = 0.5
    _kind = "autocontrast"


@dataclass(frozen=True)
class RandomEqualize(_Tone):
    """Move the grey levels so that all are about equally frequent.

    Parameters
    ----------
    p : float in 0..1
        Probability.
    """

    p: float = 0.5
    _kind = "equalize"
