"""Transforms that map each gray level to another (src/augment/tone.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ._arguments import LARGE, around, integer, number, optional
from ._flat import Fields, FlatTransform, constant, drawn, tone
from ._transform import Transform, pair

_factor = optional(around(1.0, 0.0, LARGE, 2))


@dataclass(frozen=True)
class ColorJitter(Transform):
    """Change brightness and contrast by random factors, in random order.

    Parameters
    ----------
    brightness : float, (low, high) or None, default None
        Range of the factor that multiplies gray levels, 0..1e6. The factor is drawn
        uniformly. One number b means ``(max(0, 1 - b), 1 + b)``. None means no change.
    contrast : float, (low, high) or None, default None
        Range of the factor that multiplies differences from the image's mean gray
        level, as for `brightness`. None means no change.
    saturation : float, (low, high) or None, default None
        Checked as `brightness`, without effect on grayscale images.
    hue : float, (low, high) or None, default None
        Range in -0.5..0.5, without effect on grayscale images. One number h, 0..0.5,
        means ``(-h, h)``.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range.

    Notes
    -----
    Brightness is equal to torchvision's for the same factor. Contrast differs by at
    most one gray level: images of one gray level keep it here, and torchvision makes
    some of them darker.
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
    """Base class of transforms with one table of gray levels and a probability."""

    _value = ""  # name of the parameter that the table depends on, or ""
    p: float

    def _to_core(self, height: int, width: int) -> list[FlatTransform]:
        value = float(getattr(self, self._value)) if self._value else 0.0
        return [tone(self._kind, constant(value), self.p)]


@dataclass(frozen=True)
class RandomInvert(_Tone):
    """Invert the gray levels with a given probability.

    Parameters
    ----------
    p : float in 0..1, default 0.5
        Probability of the change.

    Raises
    ------
    TypeError
        `p` is not a number.
    ValueError
        `p` is outside its range.

    Notes
    -----
    The result is equal to torchvision's.
    """

    p: float = 0.5
    _kind = "invert"


@dataclass(frozen=True)
class RandomPosterize(_Tone):
    """Reduce the number of bits of each pixel with a given probability.

    Parameters
    ----------
    bits : int in 0..8
        Number of the highest bits to keep. The other bits become 0.
    p : float in 0..1, default 0.5
        Probability of the change.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range.

    Notes
    -----
    The result is equal to torchvision's.
    """

    bits: int
    p: float = 0.5
    _kind, _value = "posterize", "bits"
    _checks = {"bits": integer(0, 8)}


@dataclass(frozen=True)
class RandomSolarize(_Tone):
    """Invert the bright pixels with a given probability.

    Parameters
    ----------
    threshold : float in 0..255
        Lowest gray level that is inverted.
    p : float in 0..1, default 0.5
        Probability of the change.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range.

    Notes
    -----
    The result is equal to torchvision's.
    """

    threshold: float
    p: float = 0.5
    _kind, _value = "solarize", "threshold"
    _checks = {"threshold": number(0, 255)}


@dataclass(frozen=True)
class RandomAutocontrast(_Tone):
    """Maximize the contrast with a given probability.

    The darkest pixel of the image becomes 0, and the brightest becomes 255.

    Parameters
    ----------
    p : float in 0..1, default 0.5
        Probability of the change.

    Raises
    ------
    TypeError
        `p` is not a number.
    ValueError
        `p` is outside its range.

    Notes
    -----
    The result is equal to torchvision's.
    """

    p: float = 0.5
    _kind = "autocontrast"


@dataclass(frozen=True)
class RandomEqualize(_Tone):
    """Equalize the histogram with a given probability.

    The gray levels become about equally frequent.

    Parameters
    ----------
    p : float in 0..1, default 0.5
        Probability of the change.

    Raises
    ------
    TypeError
        `p` is not a number.
    ValueError
        `p` is outside its range.

    Notes
    -----
    The result is equal to torchvision's.
    """

    p: float = 0.5
    _kind = "equalize"
