"""Photos to convert, in arrays, files and folders."""

import io
import subprocess
from pathlib import Path

import numpy as np
import pytest

GROUND = 253  # #fdfdfd, the background of the photos in the paper


def picture(height=60, width=40, seed=0):
    """Return random colors on a light background.

    The margins are 10, 12, 5 and 7 pixels at the top, bottom, left and right.
    """
    pixels = np.full((height, width, 3), GROUND, np.uint8)
    inner = pixels[10 : height - 12, 5 : width - 7]
    inner[:] = np.random.default_rng(seed).integers(0, 200, inner.shape, np.uint8)
    return pixels


def saved(pillow, image, format, **options):
    """Return an image that was saved to a file in memory and opened again."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return pillow.open(io.BytesIO(file.getvalue()))


def by_imagemagick(*words, pixels=None):
    """Return the result of Debian's ImageMagick for RGB pixels or a file in `words`."""
    program = Path("/usr/bin/convert")
    if not program.exists():
        pytest.skip("ImageMagick is not installed at /usr/bin/convert")
    content = None
    if pixels is not None:
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        words = ("-size", size, "-depth", "8", "rgb:-", *words)
        content = np.ascontiguousarray(pixels).tobytes()
    done = subprocess.run(
        [program, *words, "pnm:-"], input=content, capture_output=True, check=True
    )
    from PIL import Image

    with Image.open(io.BytesIO(done.stdout)) as image:
        return np.asarray(image)


def draw(path, seed, size=(40, 50)):
    """Write a picture of random colors in the format of the suffix; return its path."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    pixels = np.full((size[1], size[0], 3), 253, np.uint8)
    pixels[5:-5, 5:-5] = rng.integers(0, 200, (size[1] - 10, size[0] - 10, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def draw_folder(root):
    """Write 24 photos of classes bag, hat and shoe, half of them in subfolders."""
    for i in range(24):
        name = ("shoe", "bag", "hat")[i % 3]
        below = "" if i % 2 else "more/"
        draw(root / name / f"{below}{i}.{('png', 'bmp')[i % 2]}", i)
    return root


def contents(folder):
    """Return the bytes of all files below a folder, by their relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
