"""MixUp and CutMix, which mix the samples of a batch (src/augment/mix.h)."""

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
                f"num_classes must be {n_classes}, the dataset's number of classes, "
                f"got {self.num_classes}"
            )
        return 1.0, [(MIX_KINDS[self._kind], self.alpha, 1.0)]


@dataclass(frozen=True, kw_only=True)
class MixUp(_BatchMix):
    """Blend each sample with another sample of the batch.

    The labels are blended by the same share. The method is that of Zhang et al.,
    "mixup: Beyond empirical risk minimization", arXiv:1710.09412.

    Parameters
    ----------
    alpha : float in 1e-6..1e6, default 1.0
        Parameter of the Beta(alpha, alpha) distribution from which the share is drawn.
    num_classes : int or None, default None
        Number of classes. It must be the dataset's. None means the dataset's.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range. `Loader` raises it if `num_classes` is not the
        dataset's, if `label_dtype` is not "onehot", or if a transform of single images
        or a second mix follows.

    Notes
    -----
    In a list, a mix comes after all transforms of single images. Partners are drawn
    from the global batch, and need not be on the same rank.

    Torchvision draws one share for the batch and pairs consecutive samples. Here each
    sample draws its own partner and share. Torchvision's `labels_getter` is not
    available.
    """

    _kind = "mixup"


@dataclass(frozen=True, kw_only=True)
class CutMix(_BatchMix):
    """Replace a rectangle of each sample by that of another sample of the batch.

    The labels are blended by area. The method is that of Yun et al., "CutMix:
    Regularization strategy to train strong classifiers with localizable features",
    arXiv:1905.04899.

    Parameters
    ----------
    alpha : float in 1e-6..1e6, default 1.0
        Parameter of the Beta(alpha, alpha) distribution from which the share of the
        area that is kept is drawn.
    num_classes : int or None, default None
        Number of classes. It must be the dataset's. None means the dataset's.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        As in `MixUp`.

    Notes
    -----
    In a list, a mix comes after all transforms of single images. Partners are drawn
    from the global batch, and need not be on the same rank.

    Torchvision draws one rectangle for the batch and pairs consecutive samples. Here
    each sample draws its own partner and rectangle. Torchvision's `labels_getter` is
    not available.
    """

    _kind = "cutmix"
