"""Operations: what a planned row does to pixels, one after another.

reference_plan.py writes a list of them, and reference_fill.py carries it out. An
operation holds everything that was drawn, so that the same list gives the same pixels.
The twin of struct fm_op (src/plan.h).

Images are uint8 (height, width). A `box` is (top, left, height, width) and lies in the
image. A `key` is two words, from which `words_of` makes random words for all pixels
(reference_draws.py).
"""

from typing import NamedTuple

# Codes in src/augment/: fm_interpolation, fm_padding_mode and fm_tone_kind. All warps
# but the nearest are bilinear, and all resizing but these two is bicubic.
NEAREST, BILINEAR = 0, 1
CONSTANT, EDGE, REFLECT, SYMMETRIC = range(4)
INVERT, POSTERIZE, SOLARIZE, BRIGHTNESS, CONTRAST, AUTOCONTRAST, EQUALIZE = range(7)


class Cut(NamedTuple):
    """Cut out a rectangle, which may reach into the padding. Then flip it."""

    top: int
    left: int
    height: int
    width: int
    mode: int = CONSTANT
    fill: int = 0  # value of constant padding
    flip_y: bool = False
    flip_x: bool = False


class Paint(NamedTuple):
    """Paint a box with one value. An empty box changes nothing."""

    box: tuple
    value: int


class PaintRandom(NamedTuple):
    """Paint a box with random bytes."""

    box: tuple
    key: tuple


class Warp(NamedTuple):
    """Read every pixel at the point that an affine map gives.

    The map has six coefficients m. It leads from output to source. Both points are
    measured from the center of the image, in pixels:

        x' = m[0] x + m[1] y + m[2]
        y' = m[3] x + m[4] y + m[5]
    """

    m: tuple
    interpolation: int
    fill: int


class Perspective(NamedTuple):
    """Read every pixel at the point that a perspective map gives.

    The map has nine float32 coefficients m (struct fm_perspective_map in
    src/augment/perspective.h).
    """

    m: tuple
    interpolation: int
    fill: int


class Elastic(NamedTuple):
    """Read every pixel at a point that smooth noise displaces."""

    key: tuple
    alpha: tuple  # strength along x and y, in pixels
    sigma: tuple  # standard deviation of the Gaussian along x and y, in pixels
    interpolation: int
    fill: int


class Resize(NamedTuple):
    """Resize a box of the image, which may be all of it."""

    box: tuple
    height: int
    width: int
    interpolation: int
    antialias: int


class Tone(NamedTuple):
    """Give every gray level a new one.

    Contrast, autocontrast and equalize depend on the pixels at their turn.
    """

    kind: int
    value: float


class Blur(NamedTuple):
    """Blur by a Gaussian of standard deviation `sigma`, in a kernel of odd sides."""

    size_y: int
    size_x: int
    sigma: float


class Sharpness(NamedTuple):
    """Smooth by a factor from 0, or sharpen by a factor above 1."""

    factor: float


class Noise(NamedTuple):
    """Add a normal number to every pixel. Its moments are fractions of 255."""

    key: tuple
    mean: float
    sigma: float


class SaltPepper(NamedTuple):
    """Make pixels white or black, by 16 random bits of each.

    A pixel becomes white if its bits are below `salt`, otherwise black if they are
    below `amount`.
    """

    key: tuple
    salt: int  # 0..65536
    amount: int  # 0..65536


class User(NamedTuple):
    """Call the C function of a user, by its address and the address of its data."""

    function: int
    data: int
    random: tuple  # four words
