"""A whole augmentation in slow, obvious Python, exact to the bit.

This file runs the flat list of core transforms over an image, and mixes images and
labels of a batch. The transforms of single images are in reference_geometry.py and
reference_pixels.py. An augmentation, `compiled` below, is a result of
fmnist_fast.augment.compile_transforms: its `transforms` are tuples (kind, p,
parameters), depth first.

The code was written from the comments in src/augment/*.h alone, never from the C code.
A Python float stands for a double of C. A number of numpy is a float32 where no other
type is named.
"""

import functools
import math
from types import SimpleNamespace

import numpy as np
import reference_geometry as geometry
import reference_pixels as pixels
from reference_draws import Draws, draw

F = np.float32
MIXUP, CUTMIX = range(2)  # enum fm_mix_kind in src/augment/mix.h


# ---- transforms of single images ----------------------------------------------------

TRANSFORMS = {
    "crop": geometry.crop,
    "flip": geometry.flip,
    "elastic": geometry.elastic,
    "resize": geometry.resize,
    "resized_crop": geometry.resized_crop,
    "tone": pixels.tone,
    "jitter": pixels.jitter,
    "blur": pixels.blur,
    "sharpness": pixels.sharpness,
    "noise": pixels.noise,
    "erasing": pixels.erasing,
    "cutout": pixels.cutout,
    "user": pixels.user,
}


def is_run(kind, p, transform, draws, sample):
    """Return whether a transform runs. A coin decides that with probability p.

    An alternating flip reads no coin. It flips the sample in every second epoch, and a
    random bit of the sample says whether epoch 0 is one of these epochs. `sample` is
    the sample's row in the dataset. The twin of struct fm_flip (src/augment/window.h).
    """
    if kind == "flip" and transform.alternating:
        seed, epoch, _, operation = draws.key
        first = draw(seed, 0, sample, operation, 0)[0] >> 31
        return (epoch + first) % 2 == 1
    return draws.coin(p)


def chosen(transforms, begin, end, draws):
    """Return the index of the group that a choice takes.

    The groups lie one after another in transforms[begin:end]. The first one whose
    `until`, a cumulative probability times 2**32, is above the next word is taken.
    """
    word = draws.word()
    while begin < end:
        _, _, parameters = transforms[begin]
        if word < parameters["until"]:
            return begin
        begin += 1 + parameters["n_inner"]
    raise AssertionError("the last `until` must be 2**32")


def run(compiled, image, seed, epoch, position, sample):
    """Return one image after all transforms, uint8 (height, width).

    Transform i of the flat list draws as operation i + 1. Consecutive affine maps are
    composed, so that the image is resampled once: an affine map is kept as pending, and
    applied before the next transform that is not affine. Maps with another
    interpolation or fill are not composed. A group runs the `n_inner` transforms behind
    it, and a choice runs one of the groups behind it. The twin of fm_steps_run
    (src/augment/steps.h).

    Parameters
    ----------
    compiled : Compiled
    image : uint8 array of shape (height, width)
    seed, epoch : int
    position : int
        Position of the sample in the epoch.
    sample : int
        Row of the sample in the dataset, which only alternating flips read.
    """
    transforms = compiled.transforms
    pending = None  # (m, interpolation, fill) of the affine maps not applied yet

    def apply_pending(image):
        return image if pending is None else geometry.warp(image, *pending)

    def walk(begin, end):
        nonlocal image, pending
        i = begin
        while i < end:
            kind, p, parameters = transforms[i]
            draws = Draws(seed, epoch, position, i + 1)
            transform = SimpleNamespace(**parameters)
            after = i + 1 + parameters.get("n_inner", 0)
            if is_run(kind, p, transform, draws, sample):
                if kind == "group":
                    walk(i + 1, after)
                elif kind == "choice":
                    group = chosen(transforms, i + 1, after, draws)
                    walk(group, group + 1 + transforms[group][2]["n_inner"])
                elif kind == "affine":
                    m = geometry.affine_map(transform, draws)
                    options = transform.interpolation, transform.fill
                    if pending is not None and pending[1:] == options:
                        m = geometry.compose(pending[0], m)
                    else:
                        image = apply_pending(image)
                    pending = (m, *options)
                else:
                    image, pending = apply_pending(image), None
                    image = TRANSFORMS[kind](image, transform, draws)
            i = after

    walk(0, len(transforms))
    image = apply_pending(image)
    assert image.dtype == np.uint8 and image.shape == (compiled.height, compiled.width)
    return image


# ---- mixing -------------------------------------------------------------------------


def mix_draw(compiled, seed, epoch, position, index, n_rows):
    """Return how one sample of a global batch is mixed, or None if it is not.

    The twin of fm_mix_draw (src/augment/mix.h).

    Parameters
    ----------
    position : int
        Position of the sample in the epoch.
    index : int
        Row of the sample in the global batch.
    n_rows : int
        Rows of the global batch.

    Returns
    -------
    tuple (kind, partner, share, box) or None
        Kind of mix, row of the partner in the global batch, float32 weight of the
        sample's own label, and for CutMix the slices of rows and columns that come from
        the partner.
    """
    p, parameters = compiled.mix
    draws = Draws(seed, epoch, position, len(compiled.transforms) + 1)
    if not draws.coin(p) or n_rows == 1:
        return None
    pick = draws.word()
    kind, alpha, _ = next(kind for kind in parameters["kinds"] if pick < kind[2])
    partner = draws.below(n_rows - 1)
    partner += partner >= index
    share = draws.beta(alpha)
    if kind == MIXUP:
        return kind, partner, F(share), None
    height, width = compiled.height, compiled.width
    cx, cy = draws.below(width), draws.below(height)
    r = 0.5 * math.sqrt(1 - share)
    half_w, half_h = int(r * width), int(r * height)
    left, right = max(cx - half_w, 0), min(cx + half_w, width)
    top, bottom = max(cy - half_h, 0), min(cy + half_h, height)
    area = (right - left) * (bottom - top)
    box = slice(top, bottom), slice(left, right)
    return kind, partner, F(1 - area / (width * height)), box


def mix_pixels(own, other, mixture):
    """Return the image `own` mixed with its partner's image `other`.

    `mixture` is a result of `mix_draw`. The twin of fm_mix_apply (src/augment/mix.h).
    """
    kind, _, share, box = mixture
    if kind == MIXUP:
        return geometry.to_pixels(
            share * own.astype(F) + (F(1) - share) * other.astype(F)
        )
    out = own.copy()
    out[box] = other[box]
    return out


def batch(compiled, images, samples, rows, seed, epoch, position):
    """Return the augmented images of some rows of a global batch, and their shares.

    A partner is augmented by its own transforms before it is mixed, and may lie in the
    shard of another rank.

    Parameters
    ----------
    compiled : Compiled
    images : uint8 array of shape (n, height, width)
        Images of the dataset.
    samples : integer array
        Row in the dataset of each sample of the global batch.
    rows : integer array
        Rows of the global batch to return.
    seed, epoch : int
    position : int
        Position of the first sample of the global batch.

    Returns
    -------
    uint8 array of shape (len(rows), out_height, out_width)
    list of (partner, share)
        Row of the partner in the global batch, and float32 weight of the sample's own
        label. A sample that is not mixed is its own partner with a share of 1.
    """

    @functools.cache
    def augmented(i):
        sample = int(samples[i])
        return run(compiled, images[sample], seed, epoch, position + i, sample)

    out, shares = [], []
    for i in rows.tolist():
        mixture = None
        if compiled.mix is not None:
            mixture = mix_draw(compiled, seed, epoch, position + i, i, len(samples))
        if mixture is None:
            out.append(augmented(i))
            shares.append((i, F(1)))
        else:
            out.append(mix_pixels(augmented(i), augmented(mixture[1]), mixture))
            shares.append(mixture[1:3])
    return np.stack(out), shares


def soft_labels(labels, n_classes, rows, shares):
    """Return float32 labels of rows of a global batch, mixed by their shares.

    Parameters
    ----------
    labels : integer array
        Label of each sample of the global batch.
    n_classes : int
    rows : integer array
        Rows of the global batch to return.
    shares : list of (partner, share)
        Result of `batch` for these rows.

    Returns
    -------
    float32 array of shape (len(rows), n_classes)
    """
    onehot = np.eye(n_classes, dtype=F)[labels]
    return np.stack(
        [
            share * onehot[i] + (F(1) - share) * onehot[partner]
            for i, (partner, share) in zip(rows, shares)
        ]
    )
