"""Convert a photograph to a Fashion-MNIST image by the seven steps of the paper.

Each step is a function. The first, `to_rgb`, takes and raises what `convert` does. The
others take an RGB image, uint8 (height, width, 3); they raise a ValueError for an array
that is anything else, or is empty. Each returns an RGB image, which may share memory
with the one that it took; the last, `to_gray`, returns uint8 (height, width).

Source: Xiao, Rasul, Vollgraf, arXiv:1708.07747, section 2. What the paper leaves open
is done as by ImageMagick 6, whose words it uses: -fuzz 5% -trim, -sample,
-adaptive-sharpen 1x1, -extent, -negate, -colorspace Gray.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core

if TYPE_CHECKING:
    import PIL.Image

SIDE = 28
MAX_PIXELS = 1 << 26  # 8192x8192: about 0.5 GB, twice that if turned or transparent

# "Within 5 % of the maximum possible intensity in RGB space": of the diagonal of the
# cube of colours, sqrt(3) * 255; this is the square of that, 487.7, in integers.
_CLOSE = int(3 * (0.05 * 255) ** 2)
_WHITE = 255
# Luma of Rec. 709, in parts of 100,000 that sum to one exactly.
_LUMA = np.array([21266, 71516, 7218])
_LUMA_SCALE = 100_000
_EDGE = 0.5  # how much of an outline a pixel must be on to be sharpened

_OUTLINES = np.full((3, 3), -1.0)
_OUTLINES[1, 1] = 8.0
_GAUSSIAN = np.array(
    [[math.exp(-(x * x + y * y) / 2) for x in (-1, 0, 1)] for y in (-1, 0, 1)]
)
_GAUSSIAN /= _GAUSSIAN.sum()
# What blurring takes away is added once more: twice the pixel less its neighbours.
_SHARPER = -_GAUSSIAN
_SHARPER[1, 1] = 2.0
_SHARPER /= _SHARPER.sum()


def convert(image: PIL.Image.Image | np.ndarray) -> np.ndarray:
    """Convert a photograph to a Fashion-MNIST image.

    Parameters
    ----------
    image : PIL.Image.Image or ndarray
        A picture on a ground of one color, upright or with an EXIF tag that says how
        it is turned. An array is uint8: (height, width), gray; (height, width, 3), RGB;
        (height, width, 4), RGBA. Transparent pixels become white. An animation gives
        the frame it stands at. Color profiles are not applied.

    Returns
    -------
    ndarray, uint8 (28, 28)
        Bright on black.

    Raises
    ------
    TypeError, ValueError
        `image` is something else, has more than 2**26 pixels, or is blank.
    OSError
        Pillow can't decode the file that `image` was opened from.
    """
    for _, pixels in convert_in_steps(image):
        gray = pixels
    return gray


def convert_in_steps(
    image: PIL.Image.Image | np.ndarray,
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name of each of the seven steps and what it makes of `image`.

    `convert` takes the same images and raises the same exceptions.
    """
    pixels: Any = image
    for name, step in STEPS:
        pixels = step(pixels)
        yield name, pixels


# ---- the steps --------------------------------------------------------------------


def to_rgb(image: PIL.Image.Image | np.ndarray) -> np.ndarray:
    """Decode to 8-bit RGB (the paper: a PNG file), upright, on white: step 1."""
    if isinstance(image, np.ndarray):
        return _rgb_of_array(image)
    if not (hasattr(image, "mode") and hasattr(image, "getexif")):
        raise TypeError(
            f"image must be a Pillow image or an ndarray, got {type(image).__name__}"
        )
    _check_size(*image.size)
    return _rgb_of_pillow(image)


def trim(pixels: np.ndarray) -> np.ndarray:
    """Cut off edges within 5 % of the color of their corner: step 2.

    The top and left edges are compared with the top left corner, the right edge with
    the top right one, the bottom edge with the bottom left one. The result is a view.
    Raise a ValueError for a blank image: all of it is within 5 % of a corner's color.
    """
    _check_rgb(pixels)
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    top, bottom, left, right = _core.photo_box(pixels, _CLOSE)
    if top == height:
        raise ValueError(
            f"the image is blank: all of its {width}x{height} pixels are within 5 % of "
            "the colour of a corner"
        )
    # Corners of different colors may claim all rows, or columns: then keep them.
    rows = slice(top, bottom) if top < bottom else slice(None)
    columns = slice(left, right) if left < right else slice(None)
    return pixels[rows, columns]


def subsample(pixels: np.ndarray) -> np.ndarray:
    """Make the longest edge 28 by skipping, or repeating, rows and columns: step 3."""
    _check_rgb(pixels)
    longest = max(pixels.shape[:2])
    rows, columns = (_kept(n, longest) for n in pixels.shape[:2])
    return pixels[rows[:, None], columns]


def sharpen(pixels: np.ndarray) -> np.ndarray:
    """Sharpen along outlines, by a Gaussian of radius and sigma 1.0: step 4."""
    _check_rgb(pixels)
    values = pixels / 255.0
    outlines = _stretched(np.clip(_correlate(values, _OUTLINES), 0.0, 1.0))
    outlines = _stretched(_correlate(outlines, _GAUSSIAN))
    on_outline = outlines @ (_LUMA / _LUMA_SCALE) >= _EDGE
    sharper = np.clip(_correlate(values, _SHARPER), 0.0, 1.0)
    levels = np.floor(255.0 * sharper + 0.5).astype(np.uint8)
    return np.where(on_outline[..., None], levels, pixels)


def center(pixels: np.ndarray) -> np.ndarray:
    """Put an image of at most 28x28 in the middle of a white one of 28x28: step 5.

    Raise a ValueError for an image that is larger.
    """
    _check_rgb(pixels)
    height, width = pixels.shape[:2]
    if max(height, width) > SIDE:
        raise ValueError(
            f"image must be at most {SIDE}x{SIDE} to be put on a canvas of that size, "
            f"got {width}x{height}"
        )
    canvas = np.full((SIDE, SIDE, 3), _WHITE, np.uint8)
    top, left = (SIDE - height + 1) // 2, (SIDE - width + 1) // 2
    canvas[top : top + height, left : left + width] = pixels
    return canvas


def negate(pixels: np.ndarray) -> np.ndarray:
    """Turn light into dark and dark into light: step 6."""
    _check_rgb(pixels)
    return 255 - pixels


def to_gray(pixels: np.ndarray) -> np.ndarray:
    """Return 8-bit gray, by the luma of Rec. 709: step 7."""
    _check_rgb(pixels)
    scaled = pixels @ _LUMA  # exact, in integers
    return ((scaled + _LUMA_SCALE // 2) // _LUMA_SCALE).astype(np.uint8)


STEPS: tuple[tuple[str, Callable[[Any], np.ndarray]], ...] = (
    ("decode", to_rgb),
    ("trim", trim),
    ("subsample", subsample),
    ("sharpen", sharpen),
    ("center", center),
    ("negate", negate),
    ("gray", to_gray),
)


# ---- what they are made of --------------------------------------------------------


def _kept(n: int, longest: int) -> np.ndarray:
    """Return which of `n` rows are kept where the longest edge becomes 28."""
    n_kept = max(1, (2 * SIDE * n + longest) // (2 * longest))
    # The middle of each of n_kept equal parts; if it is between two rows, the upper.
    return ((2 * np.arange(n_kept) + 1) * n - 1) // (2 * n_kept)


def _correlate(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Correlate each channel with a 3x3 kernel; the border is repeated outwards."""
    height, width = values.shape[:2]
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="edge")
    out = np.zeros_like(values)
    for y, x in np.ndindex(3, 3):
        out += kernel[y, x] * padded[y : y + height, x : x + width]
    return out


def _stretched(values: np.ndarray) -> np.ndarray:
    """Return values from 0 to 1, whatever the least and the greatest were."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else values


def _check_rgb(pixels: np.ndarray) -> None:
    if pixels.dtype != np.uint8 or pixels.shape[2:] != (3,) or pixels.size == 0:
        raise ValueError(
            "pixels must be uint8 of shape (height, width, 3) and not empty, got "
            f"{pixels.dtype} {pixels.shape}"
        )


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(
            f"image must have at most {MAX_PIXELS:,} pixels, got {width}x{height}"
        )
    if width * height == 0:
        raise ValueError(f"image must not be empty, got {width}x{height}")


def _rgb_of_array(array: np.ndarray) -> np.ndarray:
    known = array.ndim >= 2 and array.shape[2:] in ((), (1,), (3,), (4,))
    if array.dtype != np.uint8 or not known:
        raise ValueError(
            "image must be uint8 of shape (height, width), (height, width, 3) or "
            f"(height, width, 4), got {array.dtype} {array.shape}"
        )
    height, width = array.shape[:2]
    _check_size(width, height)
    if array.shape[2:] == (4,):
        alpha = array[..., 3:].astype(np.uint16)
        over = array[..., :3] * alpha + _WHITE * (255 - alpha)
        return ((over + 127) // 255).astype(np.uint8)
    return np.broadcast_to(array.reshape(height, width, -1), (height, width, 3))


def _rgb_of_pillow(image: PIL.Image.Image) -> np.ndarray:
    from PIL import Image, ImageOps

    if image.getexif().get(0x0112, 1) != 1:  # tag "Orientation"
        image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return _rgb_of_wide(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGB", image.size, (_WHITE,) * 3)
        ground.paste(image, mask=image.getchannel("A"))
        image = ground
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _rgb_of_wide(image: PIL.Image.Image) -> np.ndarray:
    """Scale 16-bit gray to 8 bits: Pillow itself would cut all above 255."""
    values = np.asarray(image)
    # Pillow has 16-bit PGM, and PNG before Pillow 11, as 32 bits.
    is_wide = image.mode != "F" and (
        values.dtype.itemsize == 2 or image.format in ("PPM", "PNG")
    )
    if not is_wide:
        raise ValueError(
            "image must have 8 or 16 bits in a channel, got 32 (Pillow's mode "
            f"{image.mode!r}): scale its values to uint8 first"
        )
    levels = (values.astype(np.uint32) * 255 + 32767) // 65535
    transparent = image.info.get("transparency")
    if transparent is not None:
        levels[values == transparent] = _WHITE
    return _rgb_of_array(levels.astype(np.uint8))
