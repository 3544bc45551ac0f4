"""The whole pipeline in slow, obvious numpy. The core must give the same bits.

This file has the order of an epoch, the conversion of pixels, the batches of an epoch,
the search for the end of a gzip member, and the parser of PNG rows. The random numbers
are in reference_draws.py, and the transforms in reference_steps.py.

Each function was written from the comments in the C headers and from the sources that
they name (papers, RFCs, specifications). None was written from the C code, so that a
mistake in the C code is not repeated here. Tests compare the results bit for bit.
"""

import functools
import math

import numpy as np
import reference_steps
from reference_draws import MASK, draw

ROUNDS = 8  # FM_PERMUTATION_ROUNDS in src/permutation.h


def gzip_ends_after(content, isize):
    """Return whether only zeros follow the first place of `isize` in `content`.

    `isize` takes four bytes, the lowest first (RFC 1952, section 2.3). The twin of
    fm_gzip_ends_after (src/gzip.h).

    Parameters
    ----------
    content : bytes
    isize : int in 0..2**32-1
    """
    _, found, rest = content.partition(isize.to_bytes(4, "little"))
    return bool(found) and not rest.strip(b"\0")


def _even_side(side):
    """Return the smallest even side of at least `side` and 16."""
    side = max(16, side)
    return side + side % 2


def _round_value(x, key, side, wide):
    """Return a number in [0, side) made of `x` and `key`, 32 bits each.

    The mixing function is lowbias32 of C. Wellons' hash-prospector, without its last
    shift. The high half of a product takes the place of a remainder (D. Lemire, "Fast
    random integer generation in an interval", 2019). Without `wide`, only the upper 16
    bits enter the product. The twin of round_value (src/permutation.h).
    """
    x = x ^ key
    x ^= x >> 16
    x = x * 0x7FEB352D & MASK
    x ^= x >> 15
    x = x * 0x846CA68B & MASK
    return x * side >> 32 if wide else (x >> 16) * side >> 16


def _permute(x, a, b, keys):
    """Return the number in [0, a * b) that a Feistel network maps `x` to.

    The halves of x are x % a and x // a. In each round, a value made of one half and a
    key is added to the other half, modulo its side. Source: Black and Rogaway, "Ciphers
    with arbitrary finite domains", section 5.
    """
    left, right = x % a, x // a
    wide = max(a, b) > 1 << 16
    for i in range(0, ROUNDS, 2):
        left = (left + _round_value(right, keys[i], a, wide)) % a
        right = (right + _round_value(left, keys[i + 1], b, wide)) % b
    return right * a + left


def order(n, seed, epoch, begin=0, end=None):
    """Return the rows at positions [begin, end) of the shuffled order of an epoch.

    The order is a keyed permutation of [0, n): a Feistel network on [0, a) x [0, b),
    whose sides are even and near sqrt(n). A result of n or more is permuted again until
    it is below n (cycle walking). The keys are draws 0 and 1 of position 0 and
    operation 0. The twin of fm_order_fn without blocks (src/order.h).

    Returns
    -------
    uint64 array of shape (end - begin,)
    """
    end = n if end is None else end
    root = math.isqrt(n)
    a = _even_side(root + (root * root < n))
    b = _even_side(-(-n // a))
    keys = [word for i in range(ROUNDS // 4) for word in draw(seed, epoch, 0, 0, i)]
    rows = []
    for position in range(begin, end):
        x = _permute(position, a, b, keys)
        while x >= n:
            x = _permute(x, a, b, keys)
        rows.append(x)
    return np.array(rows, dtype=np.uint64)


def order_array(n, seed, epoch, position=0):
    """Return `order` for all n positions, computed at once in numpy.

    Sides are at most 2**16, so n is at most 2**32. The keys are draws of `position`: 0
    for the whole epoch, and 1 + k for block group k of a block order.

    Returns
    -------
    uint64 array of shape (n,), a permutation of range(n)
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
    """Return the rows at all positions of an epoch with `shuffle_block`.

    1. All rows form a circle, which is cut at a random row and divided into blocks of
       `block` rows. The last block may be shorter.
    2. The whole blocks are shuffled. The shorter one is inserted at a random place.
    3. The result is divided evenly into block groups of at most 64 blocks, and the rows
       of each group are shuffled.

    Words 0 and 1 of draw 2 are the cut, words 2 and 3 the place of the shorter block.
    The twin of fm_order_fn with blocks (struct fm_order in src/order.h).

    Returns
    -------
    uint64 array of shape (n,), a permutation of range(n)
    """
    words = draw(seed, epoch, 0, 0, 2)
    cut, short_place = words[0] | words[1] << 32, words[2] | words[3] << 32
    circle = (np.arange(n, dtype=np.uint64) + np.uint64(cut % n)) % np.uint64(n)
    n_whole = n // block
    blocks = [
        circle[k * block : (k + 1) * block] for k in order_array(n_whole, seed, epoch)
    ]
    if n % block:
        blocks.insert(short_place % (n_whole + 1), circle[n_whole * block :])
    groups = np.array_split(np.concatenate(blocks), -(-n // (64 * block)))
    return np.concatenate(
        [
            group[order_array(len(group), seed, epoch, 1 + number)]
            for number, group in enumerate(groups)
        ]
    )


# Tests with few images run many epochs. Cycle walking takes longest for few images,
# because both sides of the network are at least 16.
_cached_order = functools.lru_cache(maxsize=32)(order_array)


def scale_and_bias(normalize, images):
    """Return float32 `scale` and `bias`: a pixel x in 0..255 becomes x * scale + bias.

    They are 1 / (255 * std) and -mean / std, computed in double precision. The mean and
    the standard deviation of "dataset" come from exact integer sums over `images`, as
    in src/stats.h. "unit" maps pixels to 0..1, and None keeps 0..255.

    Parameters
    ----------
    normalize : "dataset", "unit", None or (mean, std)
        Mean and standard deviation as fractions of 255.
    images : uint8 array
        Images of the dataset. Only "dataset" reads them.
    """
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
    """Return the bits of float32 numbers rounded to bfloat16, as uint16.

    bfloat16 is the upper half of a float32. Halves are rounded to even.
    """
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def convert(images, dtype, scale, bias):
    """Return uint8 pixels converted to `dtype`, with bfloat16 as its uint16 bits.

    The product and the sum each round to float32, and the result is then rounded to the
    nearest `dtype`, halves to even. uint8 pixels are returned without scale and bias.
    The twin of fm_convert_fn (src/convert.h).
    """
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
    """Return all batches of one epoch, from `position` on, for one rank.

    The options are those of Loader, except the ones below. The twin of fm_batch_fill,
    fm_batching_rows and fm_batching_count (src/batch.h).

    Parameters
    ----------
    images : uint8 array of shape (n, height, width)
    labels : integer array of shape (n,)
    epoch : int
        Number of the epoch, from 0.
    n_classes : int
        Width of one-hot labels.
    shard : (rank, world)
    position : int
        Position to start at: the first one of a global batch.
    augment : Compiled or None
        Result of fmnist_fast.augment.compile_transforms. Its Python functions are not
        called.

    Returns
    -------
    list of (x, y)
        Batches in the data types and layout of the options. bfloat16 pixels are uint16
        bits. A rank whose shard of a short last batch is empty has one batch fewer.
    """
    n, height, width = images.shape
    rank, world = shard
    row_at = np.arange(n, dtype=np.uint64)  # the row at each position
    if shuffle_block:
        row_at = block_order(n, seed, epoch, shuffle_block)
    elif shuffle:
        row_at = _cached_order(n, seed, epoch)
    numbers = scale_and_bias(normalize, images)
    batches = []
    for begin in range(position, n, batch_size * world):
        end = begin + batch_size * world
        if end > n and drop_last is True:
            break
        if drop_last != "wrap":
            end = min(end, n)
        samples = row_at[np.arange(begin, end) % n].astype(np.int64)  # of all ranks
        rows = np.array_split(np.arange(len(samples)), world)[rank]  # of this rank
        if len(rows) == 0:
            continue
        pixels = images[samples[rows]]
        y = labels[samples[rows]]
        if label_dtype == "onehot":
            y = np.eye(n_classes, dtype=np.float32)[y]
        if augment is not None:
            at = seed, epoch, begin
            pixels, shares = reference_steps.batch(augment, images, samples, rows, *at)
            height, width = pixels.shape[1:]
            if augment.mix is not None:
                y = reference_steps.soft_labels(
                    labels[samples], n_classes, rows, shares
                )
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
    """Return the pixels of an 8-bit grayscale PNG whose rows are still filtered.

    The first byte of a row is its filter type: 0 None, 1 Sub, 2 Up, 3 Average, 4 Paeth.
    Each filter has stored the pixel minus a prediction from its left, above and upper
    left neighbors, modulo 256. Pixels outside the image count as 0. Source: PNG (W3C
    Recommendation, third edition), section 9. The twin of fm_png_unfilter (src/png.h).

    Parameters
    ----------
    filtered : uint8 array of shape (height, 1 + width)

    Returns
    -------
    uint8 array of shape (height, width)
    """
    out = np.zeros((height + 1, width + 1), int)  # a border of zeros above and left
    for y in range(height):
        for x in range(width):
            left, above, corner = out[y + 1, x], out[y, x + 1], out[y, x]
            slope = left + above - corner
            paeth = min((left, above, corner), key=lambda pixel: abs(slope - pixel))
            prediction = [0, left, above, (left + above) // 2, paeth][filtered[y, 0]]
            out[y + 1, x + 1] = (int(filtered[y, 1 + x]) + prediction) % 256
    return out[1:, 1:].astype(np.uint8)
