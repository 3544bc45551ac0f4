"""Mixing two samples of a global batch: MixUp and CutMix.

The code was written from the comments in src/augment/mix.h alone, never from the C
code. A Python float stands for a double of C.
"""

import math
from typing import NamedTuple

import numpy as np
from reference_geometry import to_pixels

F = np.float32
MIXUP, CUTMIX = range(2)  # enum fm_mix_kind in src/augment/mix.h


class Mixture(NamedTuple):
    """How one sample is mixed. The twin of struct fm_mixture (src/augment/mix.h)."""

    partner: int  # row of the partner in the global batch; the own row: no mixing
    share: np.float32 = F(1)  # weight of the sample's own label
    kind: int = MIXUP
    box: tuple = ()  # CutMix: slices of the rows and columns that the partner gives


def mixture(program, key, row, n_rows):
    """Draw how one sample of a global batch is mixed.

    The partner is any other sample of the global batch. The stream is that of the
    number after the last transform, in the view of the key. The twin of fm_mix_draw
    (src/augment/mix.h).

    Parameters
    ----------
    program : Compiled
    key : Key
    row, n_rows : int
        Row of the sample in the global batch, and number of its rows.

    Returns
    -------
    Mixture
    """
    if program.mix is None:
        return Mixture(row)
    p, parameters = program.mix
    draws = key.draws(len(program.transforms))
    if not draws.coin(p) or n_rows == 1:
        return Mixture(row)
    pick = draws.word()
    kind, alpha, _ = next(kind for kind in parameters["kinds"] if pick < kind[2])
    partner = draws.below(n_rows - 1)
    partner += partner >= row
    share = draws.beta(alpha)
    if kind == MIXUP:
        return Mixture(partner, F(share))
    height, width = program.height, program.width
    cx, cy = draws.below(width), draws.below(height)
    r = 0.5 * math.sqrt(1 - share)
    half_w, half_h = int(r * width), int(r * height)
    left, right = max(cx - half_w, 0), min(cx + half_w, width)
    top, bottom = max(cy - half_h, 0), min(cy + half_h, height)
    area = (right - left) * (bottom - top)
    box = slice(top, bottom), slice(left, right)
    return Mixture(partner, F(1 - area / (width * height)), CUTMIX, box)


def mixed(own, other, mixture):
    """Return an image mixed with its partner's image, uint8 (height, width).

    The twin of fm_mix_apply (src/augment/mix.h).
    """
    if mixture.kind == MIXUP:
        share = mixture.share
        return to_pixels(share * own.astype(F) + (F(1) - share) * other.astype(F))
    out = own.copy()
    out[mixture.box] = other[mixture.box]
    return out
