"""Every step of an augmentation in slow, obvious Python, exact to the bit.

Steps for single images are in reference_geometry.py and reference_pixels.py.
Written from the comments in src/augment/*.h alone, never from the C. Numbers of Python
are the C's double; those of numpy are float32 unless they say something else.
"""

import functools
import math
from types import SimpleNamespace

import numpy as np
import reference_geometry as geometry
import reference_pixels as pixels
from reference_draws import Draws, draw

F = np.float32
MIXUP, CUTMIX = range(2)


# ---- steps --------------------------------------------------------------------------

STEPS = {
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


def is_run(kind, p, step, draws, sample):
    """The coin. An alternating flip has none: it turns every second epoch."""
    if kind == "flip" and step.alternating:
        seed, epoch, _, operation = draws.key
        first = draw(seed, 0, sample, operation, 0)[0] >> 31
        return (epoch + first) % 2 == 1
    return draws.coin(p)


def chosen(steps, begin, end, draws):
    """The first step of the group that a choice takes."""
    word = draws.word()
    while begin < end:
        _, _, parameters = steps[begin]
        if word < parameters["until"]:
            return begin
        begin += 1 + parameters["n_inner"]
    raise AssertionError("the last `until` must be 2**32")


def run(compiled, image, seed, epoch, position, sample):
    """All steps over one image: uint8 (height, width) in and out."""
    steps, pending = compiled.transforms, None

    def settle(image):
        return image if pending is None else geometry.warp(image, *pending)

    def walk(begin, end):
        nonlocal image, pending
        i = begin
        while i < end:
            kind, p, parameters = steps[i]
            draws = Draws(seed, epoch, position, i + 1)
            step = SimpleNamespace(**parameters)
            after = i + 1 + parameters.get("n_inner", 0)
            if is_run(kind, p, step, draws, sample):
                if kind == "group":
                    walk(i + 1, after)
                elif kind == "choice":
                    group = chosen(steps, i + 1, after, draws)
                    walk(group, group + 1 + steps[group][2]["n_inner"])
                elif kind == "affine":
                    m, rest = (
                        geometry.affine_map(step, draws),
                        (step.interpolation, step.fill),
                    )
                    if pending is not None and pending[1:] == rest:
                        m = geometry.compose(pending[0], m)
                    else:
                        image = settle(image)
                    pending = (m, *rest)
                else:
                    image, pending = settle(image), None
                    image = STEPS[kind](image, step, draws)
            i = after

    walk(0, len(steps))
    image = settle(image)
    assert image.dtype == np.uint8 and image.shape == (compiled.height, compiled.width)
    return image


# ---- mixing -------------------------------------------------------------------------


def mix_draw(compiled, seed, epoch, position, index, n_rows):
    """(kind, partner, share, box) of row `index` of a global batch; None: not mixed."""
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
    kind, _, share, box = mixture
    if kind == MIXUP:
        return geometry.to_pixels(
            share * own.astype(F) + (F(1) - share) * other.astype(F)
        )
    out = own.copy()
    out[box] = other[box]
    return out


def batch(compiled, images, samples, rows, seed, epoch, position):
    """Some rows of the global batch of `samples` that starts at `position`.

    Returns their pixels, and for each row its partner and its own share of the label.
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
    """One-hot float32 labels of `rows`, in the shares that `batch` gives."""
    onehot = np.eye(n_classes, dtype=F)[labels]
    return np.stack(
        [
            share * onehot[i] + (F(1) - share) * onehot[partner]
            for i, (partner, share) in zip(rows, shares)
        ]
    )
