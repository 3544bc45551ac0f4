"""Policies, which draw image operations of random or given strength."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ._arguments import integer, one_of
from ._flat import Fields, FlatTransform, affine, choice, constant, drawn, tone
from ._policies import POLICIES, pairs_of
from ._transform import Warp


class _Policy(Warp):
    """Base class of policies that draw one of 13 operations, all equally likely.

    These are torchvision's 14 operations except Color. The strengths below are
    TrivialAugmentWide's.
    """

    num_magnitude_bins: int
    interpolation: str
    fill: int | None
    _shear, _degrees = 0.99, 135.0  # the shear is a tangent
    _factor, _bits = 0.99, 2  # factors are 1 - 0.99 to 1 + 0.99

    def _move(self, height: int, width: int) -> tuple[float, float]:
        return 32.0, 32.0

    def _draw(self, low: float, high: float, random_sign: int = 0) -> Fields:
        return drawn(low, high, self.num_magnitude_bins, random_sign)

    def _to_core(self, height: int, width: int) -> list[FlatTransform]:
        def warp(**fields: Any) -> list[FlatTransform]:
            return [affine(self.interpolation, self.fill, **fields)]

        draw = self._draw
        move_x, move_y = self._move(height, width)
        corner = {"center_x": -width * 0.5, "center_y": -height * 0.5}
        shears = {"shear_tangent": 1, **corner}
        # Two alternatives with half of the share each: upward and downward from 1.
        factors = [draw(1.0, 1.0 + self._factor), draw(1.0, 1.0 - self._factor)]
        return choice(
            [
                (2, []),
                (2, warp(shear_x=draw(0.0, self._shear, 1), **shears)),
                (2, warp(shear_y=draw(0.0, self._shear, 1), **shears)),
                (2, warp(translate_x=draw(0.0, move_x, 1), truncate=1)),
                (2, warp(translate_y=draw(0.0, move_y, 1), truncate=1)),
                (2, warp(angle=draw(0.0, self._degrees, 1), counter_clockwise=1)),
                *((1, [tone("brightness", value)]) for value in factors),
                *((1, [tone("contrast", value)]) for value in factors),
                *((1, [("sharpness", 1.0, {"factor": value})]) for value in factors),
                (2, [tone("posterize", draw(8.0, self._bits))]),
                (2, [tone("solarize", draw(255.0, 0.0))]),
                (2, [tone("autocontrast", constant(0.0))]),
                (2, [tone("equalize", constant(0.0))]),
            ]
        )


@dataclass(frozen=True)
class TrivialAugmentWide(_Policy):
    """Apply one random operation of random strength.

    The method is that of Müller and Hutter, "TrivialAugment: Tuning-free yet
    state-of-the-art data augmentation", ICCV 2021, arXiv:2103.10158.

    Parameters
    ----------
    num_magnitude_bins : int in 2..65536, default 31
        Number of equally spaced strengths.
    interpolation : {"nearest", "bilinear"}, default "nearest"
        Interpolation of the operations that move pixels.
    fill : int in 0..255 or None, default None
        Gray level outside the image. None means 0.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range. `Loader` raises it for images with a side
        above 16384 pixels.

    Notes
    -----
    The operations are identity, shear along x or y, translation along x or y, rotation,
    brightness, contrast, sharpness, posterize, solarize, autocontrast and equalize.

    Torchvision's operation Color is omitted, because it does nothing to grayscale
    images. The 13 operations are equally likely.
    """

    num_magnitude_bins: int = 31
    interpolation: str = "nearest"
    fill: int | None = None


@dataclass(frozen=True)
class RandAugment(_Policy):
    """Apply several random operations of the same strength.

    The method is that of Cubuk et al., "RandAugment: Practical automated data
    augmentation with a reduced search space", arXiv:1909.13719.

    Parameters
    ----------
    num_ops : int in 0..32, default 2
        Number of operations, which are drawn and applied one after the other.
    magnitude : int in 0..num_magnitude_bins-1, default 9
        Strength of the operations.
    num_magnitude_bins : int in 2..65536, default 31
        Number of equally spaced strengths.
    interpolation : {"nearest", "bilinear"}, default "nearest"
        Interpolation of the operations that move pixels.
    fill : int in 0..255 or None, default None
        Gray level outside the image. None means 0.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range. `Loader` raises it for images with a side
        above 16384 pixels, and for lists with more than 32 operations.

    Notes
    -----
    The operations are those of `TrivialAugmentWide` in narrower ranges.

    Torchvision's operation Color is omitted, because it does nothing to grayscale
    images. The 13 operations are equally likely.
    """

    num_ops: int = 2
    magnitude: int = 9
    num_magnitude_bins: int = 31
    interpolation: str = "nearest"
    fill: int | None = None
    _shear, _degrees, _factor, _bits = 0.3, 30.0, 0.9, 4
    _checks = {"num_ops": integer(0, 32)}  # each is 32 core transforms, of 1,024

    def __post_init__(self) -> None:
        """Check `magnitude` last, because its limit is another argument."""
        super().__post_init__()
        self._check(magnitude=integer(0, self.num_magnitude_bins - 1))

    def _move(self, height: int, width: int) -> tuple[float, float]:
        return 150.0 / 331.0 * width, 150.0 / 331.0 * height

    def _draw(self, low: float, high: float, random_sign: int = 0) -> Fields:
        share = self.magnitude / (self.num_magnitude_bins - 1)
        value = low + (high - low) * share
        return drawn(value, value, random_sign=random_sign)

    def _to_core(self, height: int, width: int) -> list[FlatTransform]:
        return super()._to_core(height, width) * self.num_ops


@dataclass(frozen=True)
class AutoAugment(Warp):
    """Apply one of 25 pairs of operations, from a published policy.

    The method and the policies are those of Cubuk et al., "AutoAugment: Learning
    augmentation strategies from data", CVPR 2019, arXiv:1805.09501. A search found the
    pairs, and the probability and the strength of each operation.

    Parameters
    ----------
    policy : {"imagenet", "cifar10", "svhn"}, default "imagenet"
        Dataset that the policy was found for. Torchvision's ``AutoAugmentPolicy`` works
        too.
    interpolation : {"nearest", "bilinear"}, default "nearest"
        Interpolation of the operations that move pixels.
    fill : int in 0..255 or None, default None
        Gray level outside the image. None means 0.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range. `Loader` raises it for images with a side
        above 16384 pixels.

    Notes
    -----
    All pairs are equally likely. The first operation of the pair comes first, and each
    runs with its own probability. Shears, translations, rotations and changes of
    brightness, contrast and sharpness go either way, with equal probability.

    Torchvision's operation Color does nothing to grayscale images. It keeps its place
    in the pairs, so that the probabilities are the published ones.
    """

    policy: str = "imagenet"
    interpolation: str = "nearest"
    fill: int | None = None
    _checks = {"policy": one_of(POLICIES)}

    def _to_core(self, height: int, width: int) -> list[FlatTransform]:
        space = self._space(height, width)
        alternatives = []
        for pair in pairs_of(self.policy):
            transforms = []
            for name, p, strength in pair:
                if name != "Color":
                    kind, _, fields = space[name](strength)
                    transforms.append((kind, p, fields))
            alternatives.append((1.0, transforms))
        return choice(alternatives)

    def _space(
        self, height: int, width: int
    ) -> dict[str, Callable[[float], FlatTransform]]:
        """Return the core transform of each operation, by its strength in 0..1."""

        def warp(**fields: Any) -> FlatTransform:
            return affine(self.interpolation, self.fill, **fields)

        def either(value: float) -> Fields:
            return drawn(value, value, random_sign=1)

        def factor(strength: float) -> Fields:  # one of two
            return drawn(1.0 - 0.9 * strength, 1.0 + 0.9 * strength, n_levels=2)

        move_x, move_y = 150.0 / 331.0 * width, 150.0 / 331.0 * height
        corner = {"center_x": -width * 0.5, "center_y": -height * 0.5}
        shears = {"shear_tangent": 1, **corner}
        return {
            "ShearX": lambda s: warp(shear_x=either(0.3 * s), **shears),
            "ShearY": lambda s: warp(shear_y=either(0.3 * s), **shears),
            "TranslateX": lambda s: warp(translate_x=either(move_x * s), truncate=1),
            "TranslateY": lambda s: warp(translate_y=either(move_y * s), truncate=1),
            "Rotate": lambda s: warp(angle=either(30.0 * s), counter_clockwise=1),
            "Brightness": lambda s: tone("brightness", factor(s)),
            "Contrast": lambda s: tone("contrast", factor(s)),
            "Sharpness": lambda s: ("sharpness", 1.0, {"factor": factor(s)}),
            "Posterize": lambda s: tone("posterize", constant(8.0 - 4.0 * s)),
            "Solarize": lambda s: tone("solarize", constant(255.0 - 255.0 * s)),
            "AutoContrast": lambda _: tone("autocontrast", constant(0.0)),
            "Equalize": lambda _: tone("equalize", constant(0.0)),
            "Invert": lambda _: tone("invert", constant(0.0)),
        }
