"""Convert a photo to a Fashion-MNIST image in the seven conversion steps of the paper.

Each conversion step is a function. The first one, `to_rgb`, takes the same images as
`convert`. The other functions take an RGB image. The result may share memory with it.

Source: Xiao, Rasul, Vollgraf, arXiv:1708.07747, section 2. The paper uses the words of
ImageMagick, so this module does what ImageMagick 6 does where the paper says no more:
-fuzz 5% -trim, -sample, -adaptive-sharpen 1x1, -extent, -negate, -colorspace Gray.
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
# 8192x8192 pixels take about 0.5 GB, or twice as much for an image that has to be
# turned or has transparent pixels.
MAX_PIXELS = 1 << 26

# The paper trims "within 5 % of the maximum possible intensity in RGB space". The
# maximum is the diagonal of the color cube, sqrt(3) * 255. The square of 5 % of it is
# 487.7, rounded down because squared distances are integers.
_TRIM_LIMIT = int(3 * (0.05 * 255) ** 2)
_WHITE = 255
# These are the weights of Rec. 709 luma in parts of 100,000. Their sum is exact.
_LUMA = np.array([21266, 71516, 7218])
_LUMA_SCALE = 100_000
_OUTLINE_THRESHOLD = 0.5  # least strength of an outline, in 0..1, that is sharpened

_OUTLINES = np.full((3, 3), -1.0)
_OUTLINES[1, 1] = 8.0


@_core.default_floats
def _kernels() -> tuple[np.ndarray, np.ndarray]:
    """Return the kernels that blur and sharpen."""
    gaussian = np.array(
        [[math.exp(-(x * x + y * y) / 2) for x in (-1, 0, 1)] for y in (-1, 0, 1)]
    )
    gaussian /= gaussian.sum()
    # Twice the pixel minus its blurred neighborhood adds the detail that a blur
    # removes.
    sharper = -gaussian
    sharper[1, 1] = 2.0
    return gaussian, sharper / sharper.sum()


_GAUSSIAN, _SHARPER = _kernels()


def convert(image: PIL.Image.Image | np.ndarray) -> np.ndarray:
    """Convert a photo to a Fashion-MNIST image.

    Parameters
    ----------
    image : PIL.Image.Image or ndarray
        Photo on a background of one color, upright or with an EXIF tag for its
        orientation. An array is uint8: gray (height, width), RGB (height, width, 3) or
        RGBA (height, width, 4). Transparent pixels become white. The current frame of
        an animation is converted. Color profiles are not applied.

    Returns
    -------
    ndarray, uint8 (28, 28)
        Bright object on a black background.

    Raises
    ------
    TypeError
        `image` is neither a Pillow image nor an array.
    ValueError
        `image` has another dtype, shape or mode, is empty or blank, or has more than
        2**26 pixels.
    OSError
        Pillow can't decode the file that `image` was opened from.
    """
    for _, pixels in convert_in_steps(image):
        gray = pixels
    return gray


def convert_in_steps(
    image: PIL.Image.Image | np.ndarray,
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the result of each conversion step.

    Parameters
    ----------
    image : PIL.Image.Image or ndarray
        Photo, as for `convert`.

    Yields
    ------
    name : str
        Name of the conversion step, as in `STEPS`.
    pixels : ndarray, uint8 (height, width, 3)
        Result of the conversion step. The last result is uint8 (28, 28).

    Raises
    ------
    TypeError, ValueError, OSError
        `convert` would raise the same exception.
    """
    pixels: Any = image
    for name, step in STEPS:
        pixels = step(pixels)
        yield name, pixels


# ---- conversion steps -------------------------------------------------------------


@_core.default_floats  # Pillow may compute with floats
def to_rgb(image: PIL.Image.Image | np.ndarray) -> np.ndarray:
    """Decode to 8-bit RGB, upright and on white, as conversion step 1.

    The paper converts to a PNG file here.

    Parameters
    ----------
    image : PIL.Image.Image or ndarray
        Photo, as for `convert`.

    Returns
    -------
    ndarray, uint8 (height, width, 3)
        Image in RGB.

    Raises
    ------
    TypeError
        `image` is neither a Pillow image nor an array.
    ValueError
        `image` has another dtype, shape or mode, is empty, or has more than 2**26
        pixels.
    OSError
        Pillow can't decode the file that `image` was opened from.
    """
    if isinstance(image, np.ndarray):
        return _rgb_of_array(image)
    if not (hasattr(image, "mode") and hasattr(image, "getexif")):
        raise TypeError(
            f"image must be a Pillow image or an ndarray, got {type(image).__name__}"
        )
    _check_size(*image.size)
    return _rgb_of_pillow(image)


def trim(pixels: np.ndarray) -> np.ndarray:
    """Cut off margins that have the color of a corner, as conversion step 2.

    Rows and columns are cut off while all their pixels are within 5 % of the color of a
    corner. The top left corner counts for the top and left margins, the top right
    corner for the right margin, and the bottom left corner for the bottom margin.

    Parameters
    ----------
    pixels : ndarray, uint8 (height, width, 3)
        Image in RGB.

    Returns
    -------
    ndarray, uint8 (height, width, 3)
        View of the rest of the image.

    Raises
    ------
    ValueError
        `pixels` has another dtype or shape, or is empty. Or the image is blank: all its
        pixels are within 5 % of the color of a corner.
    """
    _check_rgb(pixels)
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    top, bottom, left, right = _core.photo_box(pixels, _TRIM_LIMIT)
    if top == height:
        raise ValueError(
            f"the image is blank: all of its {width}x{height} pixels are within 5 % of "
            "the color of a corner"
        )
    # Two corners of different colors may together cut off all rows or all columns.
    # Then all of them are kept.
    rows = slice(top, bottom) if top < bottom else slice(None)
    columns = slice(left, right) if left < right else slice(None)
    return pixels[rows, columns]


def subsample(pixels: np.ndarray) -> np.ndarray:
    """Skip rows and columns until the longest edge is 28, as conversion step 3.

    In an image whose longest edge is below 28, rows and columns are repeated instead.

    Parameters
    ----------
    pixels : ndarray, uint8 (height, width, 3)
        Image in RGB.

    Returns
    -------
    ndarray, uint8 (height, width, 3)
        Image whose longest edge is 28.

    Raises
    ------
    ValueError
        `pixels` has another dtype or shape, or is empty.
    """
    _check_rgb(pixels)
    longest = max(pixels.shape[:2])
    rows, columns = (_kept_rows(n, longest) for n in pixels.shape[:2])
    return pixels[rows[:, None], columns]


@_core.default_floats
def sharpen(pixels: np.ndarray) -> np.ndarray:
    """Sharpen along outlines, as conversion step 4.

    The radius and the sigma of the Gaussian are 1.0.

    Parameters
    ----------
    pixels : ndarray, uint8 (height, width, 3)
        Image in RGB.

    Returns
    -------
    ndarray, uint8 (height, width, 3)
        Sharpened image.

    Raises
    ------
    ValueError
        `pixels` has another dtype or shape, or is empty.
    """
    _check_rgb(pixels)
    values = pixels / 255.0
    outlines = _stretched(np.clip(_correlate(values, _OUTLINES), 0.0, 1.0))
    outlines = _stretched(_correlate(outlines, _GAUSSIAN))
    on_outline = outlines @ (_LUMA / _LUMA_SCALE) >= _OUTLINE_THRESHOLD
    sharper = np.clip(_correlate(values, _SHARPER), 0.0, 1.0)
    levels = np.floor(255.0 * sharper + 0.5).astype(np.uint8)
    return np.where(on_outline[..., None], levels, pixels)


def center(pixels: np.ndarray) -> np.ndarray:
    """Put the image in the middle of a white canvas, as conversion step 5.

    Parameters
    ----------
    pixels : ndarray, uint8 (height, width, 3)
        Image in RGB, at most 28x28 pixels.

    Returns
    -------
    ndarray, uint8 (28, 28, 3)
        Canvas with the image.

    Raises
    ------
    ValueError
        `pixels` has another dtype or shape, is empty, or is larger than 28x28.
    """
    _check_rgb(pixels)
    height, width = pixels.shape[:2]
    if max(height, width) > SIDE:
        raise ValueError(
            f"image must be at most {SIDE}x{SIDE} pixels, the size of the canvas, got "
            f"{width}x{height}"
        )
    canvas = np.full((SIDE, SIDE, 3), _WHITE, np.uint8)
    top, left = (SIDE - height + 1) // 2, (SIDE - width + 1) // 2
    canvas[top : top + height, left : left + width] = pixels
    return canvas


def negate(pixels: np.ndarray) -> np.ndarray:
    """Invert the intensities, as conversion step 6.

    Parameters
    ----------
    pixels : ndarray, uint8 (height, width, 3)
        Image in RGB.

    Returns
    -------
    ndarray, uint8 (height, width, 3)
        Negative of the image.

    Raises
    ------
    ValueError
        `pixels` has another dtype or shape, or is empty.
    """
    _check_rgb(pixels)
    return 255 - pixels


def to_gray(pixels: np.ndarray) -> np.ndarray:
    """Convert to 8-bit gray levels, as conversion step 7.

    Parameters
    ----------
    pixels : ndarray, uint8 (height, width, 3)
        Image in RGB.

    Returns
    -------
    ndarray, uint8 (height, width)
        Luma of Rec. 709.

    Raises
    ------
    ValueError
        `pixels` has another dtype or shape, or is empty.
    """
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


# ---- parts of the conversion steps ------------------------------------------------


def _kept_rows(n: int, longest: int) -> np.ndarray:
    """Return which of `n` rows are kept if an edge of `longest` becomes 28."""
    n_kept = max(1, (2 * SIDE * n + longest) // (2 * longest))
    # The middle row of each of n_kept equal parts is kept. If the middle is between two
    # rows, the upper row is kept.
    return ((2 * np.arange(n_kept) + 1) * n - 1) // (2 * n_kept)


def _correlate(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Correlate each channel with a 3x3 kernel, repeating the pixels of the border."""
    height, width = values.shape[:2]
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="edge")
    out = np.zeros_like(values)
    for y, x in np.ndindex(3, 3):
        out += kernel[y, x] * padded[y : y + height, x : x + width]
    return out


def _stretched(values: np.ndarray) -> np.ndarray:
    """Scale the values so that the lowest is 0 and the highest is 1."""
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
    has_known_shape = array.ndim >= 2 and array.shape[2:] in ((), (1,), (3,), (4,))
    if array.dtype != np.uint8 or not has_known_shape:
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
    """Scale 16-bit gray levels to 8 bits. Pillow would clip all levels above 255."""
    values = np.asarray(image)
    # Pillow reads 16-bit PGM files as 32 bits, and before Pillow 11 PNG files too.
    is_wide = image.mode != "F" and (
        values.dtype.itemsize == 2 or image.format in ("PPM", "PNG")
    )
    if not is_wide:
        raise ValueError(
            "image must have 8 or 16 bits per channel, got 32 (Pillow's mode "
            f"{image.mode!r}). Scale its values to uint8 first."
        )
    levels = (values.astype(np.uint32) * 255 + 32767) // 65535
    transparent = image.info.get("transparency")
    if transparent is not None:
        levels[values == transparent] = _WHITE
    return _rgb_of_array(levels.astype(np.uint8))
