"""The whole pipeline in slow, obvious numpy. The core must give the same bits.

Sources are named in the C headers; what is written here was written from those, not
from the C.
"""

import functools
import math

import numpy as np
import reference_steps
from reference_draws import MASK, draw

ROUNDS = 8


def has_gzip_header(content):
    """Whether ten bytes somewhere look like the start of a gzip member (RFC 1952)."""
    return any(
        content[i : i + 3] == b"\x1f\x8b\x08"
        and content[i + 3] < 0x20
        and content[i + 8] in (0, 2, 4)
        and (content[i + 9] < 14 or content[i + 9] == 255)
        for i in range(len(content) - 9)
    )


def _even_side(side):
    side = max(16, side)
    return side + side % 2


def _round_value(x, key, side, wide):
    x = x ^ key
    x ^= x >> 16
    x = x * 0x7FEB352D & MASK
    x ^= x >> 15
    x = x * 0x846CA68B & MASK
    return x * side >> 32 if wide else (x >> 16) * side >> 16


def _permute(x, a, b, keys):
    left, right = x % a, x // a
    wide = max(a, b) > 1 << 16
    for i in range(0, ROUNDS, 2):
        left = (left + _round_value(right, keys[i], a, wide)) % a
        right = (right + _round_value(left, keys[i + 1], b, wide)) % b
    return right * a + left


def order(n, seed, epoch, begin=0, end=None):
    """Samples at positions [begin, end): a Feistel network with cycle walking."""
    end = n if end is None else end
    root = math.isqrt(n)
    a = _even_side(root + (root * root < n))
    b = _even_side(-(-n // a))
    keys = [word for i in range(ROUNDS // 4) for word in draw(seed, epoch, 0, 0, i)]
    samples = []
    for position in range(begin, end):
        x = _permute(position, a, b, keys)
        while x >= n:
            x = _permute(x, a, b, keys)
        samples.append(x)
    return np.array(samples, dtype=np.uint64)


def order_array(n, seed, epoch, position=0):
    """The same for all n positions at once, in numpy, for sides up to 2**16.

    Of a window of a block order, `position` is 1 more than its number.
    """
    root = math.isqrt(n)
    a = _even_side(root + (root * root < n))
    b = _even_side(-(-n // a))
    keys = [
        word for i in range(ROUNDS // 4) for word in draw(seed, epoch, position, 0, i)
    ]
    keys = np.array(keys, dtype=np.uint64)
    x = _permute(np.arange(n, dtype=np.uint64), np.uint64(a), np.uint64(b), keys)
    while (x >= n).any():
        x[x >= n] = _permute(x[x >= n], np.uint64(a), np.uint64(b), keys)
    return x


def block_order(n, seed, epoch, block):
    """Samples at all positions, for a `shuffle_block`: blocks, then windows of 64."""
    words = draw(seed, epoch, 0, 0, 2)
    cut, slot = words[0] | words[1] << 32, words[2] | words[3] << 32
    circle = (np.arange(n, dtype=np.uint64) + np.uint64(cut % n)) % np.uint64(n)
    n_whole = n // block
    blocks = [
        circle[k * block : (k + 1) * block] for k in order_array(n_whole, seed, epoch)
    ]
    if n % block:
        blocks.insert(slot % (n_whole + 1), circle[n_whole * block :])
    windows = np.array_split(np.concatenate(blocks), -(-n // (64 * block)))
    return np.concatenate(
        [
            window[order_array(len(window), seed, epoch, 1 + number)]
            for number, window in enumerate(windows)
        ]
    )


# For the many epochs of few images, where walking the cycles takes longest.
_cached_order = functools.lru_cache(maxsize=32)(order_array)


def scale_and_bias(normalize, images):
    """The two float32 numbers of x * scale + bias."""
    if normalize is None:
        mean, std = 0.0, 1 / 255
    elif normalize == "unit":
        mean, std = 0.0, 1.0
    else:
        if normalize == "dataset":
            total = int(images.sum(dtype=np.int64))
            squares = int((images.astype(np.int64) ** 2).sum())
            n = images.size
            mean = total / (255 * n)
            std = math.sqrt((n * squares - total**2) / (255 * n) ** 2)
        else:
            mean, std = normalize
    return np.float32(1 / (255 * std)), np.float32(-mean / std)


def to_bfloat16_bits(x):
    """Round float32 to nearest even bfloat16; its bits as uint16."""
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def convert(images, dtype, scale, bias):
    """uint8 pixels to `dtype`; bfloat16 as uint16 bits."""
    if dtype == "uint8":
        return images
    x = images.astype(np.float32) * scale + bias
    assert x.dtype == np.float32
    if dtype == "bfloat16":
        return to_bfloat16_bits(x)
    with np.errstate(over="ignore"):
        return x.astype(dtype)


def epoch(
    images,
    labels,
    *,
    batch_size,
    shuffle=False,
    shuffle_block=None,
    seed=0,
    epoch=0,
    dtype="float32",
    normalize="dataset",
    layout="NCHW",
    label_dtype="int64",
    n_classes=10,
    drop_last=False,
    shard=(0, 1),
    position=0,
    augment=None,
):
    """All batches of one epoch, from `position` on, for one rank.

    augment: what fmnist_fast.augment.compile_transforms gives.
    """
    n, height, width = images.shape
    rank, world = shard
    samples = np.arange(n, dtype=np.uint64)
    if shuffle_block:
        samples = block_order(n, seed, epoch, shuffle_block)
    elif shuffle:
        samples = _cached_order(n, seed, epoch)
    numbers = scale_and_bias(normalize, images)
    batches = []
    for begin in range(position, n, batch_size * world):
        end = begin + batch_size * world
        if end > n and drop_last is True:
            break
        if drop_last != "wrap":
            end = min(end, n)
        whole = samples[np.arange(begin, end) % n].astype(np.int64)
        mine = np.array_split(np.arange(len(whole)), world)[rank]
        if len(mine) == 0:
            continue
        pixels = images[whole[mine]]
        y = labels[whole[mine]]
        if label_dtype == "onehot":
            y = np.eye(n_classes, dtype=np.float32)[y]
        if augment is not None:
            run = seed, epoch, begin
            pixels, shares = reference_steps.batch(augment, images, whole, mine, *run)
            height, width = pixels.shape[1:]
            if augment.mix is not None:
                y = reference_steps.soft_labels(labels[whole], n_classes, mine, shares)
        x = convert(pixels, dtype, *numbers)
        shape = {
            "NCHW": (len(x), 1, height, width),
            "NHWC": (len(x), height, width, 1),
            "NHW": (len(x), height, width),
            "flat": (len(x), height * width),
        }[layout]
        if label_dtype != "onehot":
            y = y.astype(label_dtype)
        batches.append((x.reshape(shape), y))
    return batches


def png_unfilter(filtered, height, width):
    """PNG's filters undone, pixel by pixel; `filtered` is uint8 (height, 1 + width)."""
    out = np.zeros((height + 1, width + 1), int)  # a border of zeros above and left
    for y in range(height):
        for x in range(width):
            left, above, corner = out[y + 1, x], out[y, x + 1], out[y, x]
            guess = left + above - corner
            nearest = min((left, above, corner), key=lambda pixel: abs(guess - pixel))
            foretold = [0, left, above, (left + above) // 2, nearest][filtered[y, 0]]
            out[y + 1, x + 1] = (int(filtered[y, 1 + x]) + foretold) % 256
    return out[1:, 1:].astype(np.uint8)
