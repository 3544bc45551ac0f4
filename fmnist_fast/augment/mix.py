"""Steps that mix the images of a batch (src/augment/mix.h)."""

from __future__ import annotations

from dataclasses import dataclass

from .._core import MIX_KINDS
from ._arguments import SMALL, integer, number, optional
from ._flat import Mix
from ._transform import Transform


@dataclass(frozen=True, kw_only=True)
class _BatchMix(Transform):
    alpha: float = 1.0
    num_classes: int | None = None
    _is_mix = True
    _checks = {
        "alpha": number(SMALL, 1 / SMALL),
        "num_classes": optional(integer(1, 2**31)),
    }

    def _mix(self, n_classes: int) -> Mix:
        if self.num_classes not in (None, n_classes):
            raise self._error(
                f"num_classes must be the dataset's, {n_classes}, got "
                f"{self.num_classes}"
            )
        return 1.0, [(MIX_KINDS[self._kind], self.alpha, 1.0)]


@dataclass(frozen=True, kw_only=True)
class MixUp(_BatchMix):
    """Blend every image with another one of its batch, and their labels alike.

    Zhang et al., "mixup: Beyond empirical risk minimization", arXiv:1710.09412. Every
    image draws its own partner and share. In a list it stands behind all steps for
    single images.

    Parameters
    ----------
    alpha : float
        Of the Beta(alpha, alpha) distribution of the share, above 0.
    num_classes : int, optional
        Must be the dataset's.
    """

    _kind = "mixup"


@dataclass(frozen=True, kw_only=True)
class CutMix(_BatchMix):
    """Replace a rectangle of every image by that of another one of its batch.

    Yun et al., "CutMix: Regularization strategy to train strong classifiers with
    localizable features", arXiv:1905.04899. The labels are blended by area. Every image
    draws its own partner and rectangle. In a list it stands behind all steps for single
    images.

    Parameters
    ----------
    alpha : float
        Of the Beta(alpha, alpha) distribution of the area that is kept, above 0.
    num_classes : int, optional
        Must be the dataset's.
    """

    _kind = "cutmix"
