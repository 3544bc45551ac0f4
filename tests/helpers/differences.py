"""The differences of each transform from torchvision's, in gray levels.

`python tests/helpers/differences.py [-o FILE]` prints them for the test images of
Fashion-MNIST and for noise. With -o it also puts them into a file of figures.
"""

from __future__ import annotations

import argparse
import ast
import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path[:0] = map(str, Path(__file__).parents[1:3])

import fmnist_fast as ff
from benchmarks import machine
from benchmarks.differences import line
from benchmarks.files import merge_json
from helpers.against_torchvision import F, augmented, torch, torchvision_each
from helpers.torchvision_functions import theirs

N_REAL, N_NOISE = 2000, 300
N_SLOW = 200, 50  # images of elastic warps, whose reference is slow
# The transforms of each row. Torchvision gets the same parameters.
ROWS = """
RandomCrop(28, padding=4)
RandomCrop(28, padding=4, padding_mode="reflect")
CenterCrop(24)
Pad(2, fill=128)
RandomHorizontalFlip(p=1.0)
RandomVerticalFlip(p=1.0)
FiveCrop(24)
TenCrop(24)
Resize(32)
Resize(14)
Resize(14, antialias=False)
Resize(14, interpolation="nearest")
Resize(46, interpolation="nearest")
Resize(32, interpolation="bicubic")
Resize(14, interpolation="bicubic")
RandomResizedCrop(28)
RandomResizedCrop(28, interpolation="nearest")
RandomResizedCrop(28, interpolation="bicubic")
RandomZoomOut(p=1.0)
RandomZoomOut(p=1.0, interpolation="nearest")
RandomRotation(30)
RandomRotation((90, 90))
RandomRotation(30, interpolation="bilinear")
RandomRotation(30, interpolation="bilinear", fill=None)
RandomRotation(30, interpolation="bilinear", fill=128)
RandomAffine(10, (0.1, 0.1), (0.8, 1.2), 10)
RandomAffine(10, (0.1, 0.1), (0.8, 1.2), 10, "bilinear")
RandomAffine(10, (0.1, 0.1), (0.8, 1.2), 10, "bilinear", fill=None)
RandomAffine(0, (0.1, 0.1), interpolation="bilinear")
RandomRotation(30), RandomAffine(0, scale=(0.8, 1.2))
RandomPerspective(p=1.0)
RandomPerspective(p=1.0, fill=None)
ElasticTransform()
ElasticTransform(fill=None)
ColorJitter(brightness=0.5)
ColorJitter(contrast=0.5)
RandomInvert(p=1.0)
RandomPosterize(3, p=1.0)
RandomSolarize(128, p=1.0)
RandomAutocontrast(p=1.0)
RandomEqualize(p=1.0)
GaussianBlur(3)
GaussianBlur(7)
RandomAdjustSharpness(2, p=1.0)
RandomAdjustSharpness(1.3, p=1.0)
GaussianNoise()
RandomErasing(p=1.0)
TrivialAugmentWide()
TrivialAugmentWide(interpolation="bilinear")
RandAugment(num_ops=1)
RandAugment()
AutoAugment()
AutoAugment(interpolation="bilinear")
AutoAugment("cifar10")
AutoAugment("svhn")
""".strip().splitlines()
FLAT_FACTOR = 0.9  # of contrast; every instruction set of torch counts the same
# Transforms that no function of torchvision can be compared with.
ABSENT = {
    "Cutout": "torchvision has none",
    "SaltAndPepperNoise": "torchvision has none",
    "CFunction": "torchvision has none",
    "MixUp": "torchvision mixes images of floats only",
    "CutMix": "torchvision draws one rectangle for a whole batch",
}
# Their functions in torchvision sum floats. Another processor may round otherwise.
FLOATS = """
Resize RandomResizedCrop RandomZoomOut RandomRotation RandomAffine RandomPerspective
ElasticTransform ColorJitter GaussianBlur RandomAdjustSharpness TrivialAugmentWide
RandAugment AutoAugment
""".split()


@functools.cache
def transforms_of(row: str) -> list:
    """Return the transforms of a row."""
    return list(eval(f"[{row}]", {name: getattr(ff, name) for name in ff.__all__}))


def fill_of(row: str) -> tuple | int | None:
    """Return the fill that a row passes to torchvision, or () for its default."""
    values = {
        keyword.arg: ast.literal_eval(keyword.value)
        for call in ast.walk(ast.parse(row))
        if isinstance(call, ast.Call)
        for keyword in call.keywords
    }
    return values.get("fill", ())


def images_of(row: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the images that a row changes, real ones and noise, uint8.

    A quarter turn is of images of 27x28, in which its points lie between two pixels.
    """
    is_slow = "Elastic" in row
    n_real, n_noise = N_SLOW if is_slow else (N_REAL, N_NOISE)
    height = 27 if "(90, 90)" in row else 28
    real, noise = _images()
    return real[:n_real, :height], noise[:n_noise, :height]


@functools.cache
def _images() -> tuple[np.ndarray, np.ndarray]:
    noise = np.random.default_rng(0).integers(0, 256, (N_NOISE, 28, 28), np.uint8)
    return ff.load("test").images[:N_REAL], noise


def measured(row: str) -> dict[str, dict[str, int]]:
    """Return the differences of a row: counts of pixels, and the largest one."""
    found = {}
    for name, images in zip(("real", "noise"), images_of(row)):
        images = np.ascontiguousarray(images)
        if "Crop(24)" in row and "Center" not in row:
            found[name] = counted(*_both_views(images, transforms_of(row)[0]))
        else:
            want = theirs(images, transforms_of(row), fill_of(row))
            found[name] = counted(augmented(images, transforms_of(row)), want)
    return found


def counted(ours: np.ndarray, theirs: np.ndarray) -> dict[str, int]:
    """Count the pixels that differ, and those that differ by two levels or more."""
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    levels = np.abs(ours.astype(np.int16) - theirs)
    return {
        "pixels": levels.size,
        "differ": int((levels > 0).sum()),
        "by two": int((levels > 1).sum()),
        "largest": int(levels.max()),
    }


def _both_views(images: np.ndarray, views: ff.FiveCrop) -> tuple[np.ndarray, ...]:
    """Return the crops of both, (n, views, height, width)."""
    dataset = ff.Dataset.from_arrays(images, np.zeros(len(images), np.uint8))
    options = {"dtype": "uint8", "normalize": None, "layout": "NHW"}
    loader = ff.Loader(dataset, len(images), views=views, **options)
    ((ours, _),) = loader
    function = F.ten_crop if isinstance(views, ff.TenCrop) else F.five_crop

    def crops(image: torch.Tensor, _: int) -> torch.Tensor:
        return torch.cat(function(image, list(views.size)))[None]

    return ours.swapaxes(0, 1), torchvision_each(images, crops)


def flat_images() -> dict[str, float]:
    """Count the images of one gray level that a factor of contrast changes."""
    images = np.repeat(np.arange(256, dtype=np.uint8), 64).reshape(256, 8, 8)
    transforms = [ff.ColorJitter(contrast=(FLAT_FACTOR, FLAT_FACTOR))]
    both = augmented(images, transforms), theirs(images, transforms)
    ours, other = (int((x != images).any(axis=(1, 2)).sum()) for x in both)
    return {"factor": FLAT_FACTOR, "ours": ours, "theirs": other}


def report() -> dict:
    """Return the differences of all rows, with the machine and the versions."""
    import torchvision

    return {
        "machine": machine.describe(),
        "torch": torch.__version__.partition("+")[0],
        "torchvision": torchvision.__version__.partition("+")[0],
        "capability": torch.backends.cpu.get_cpu_capability(),
        "images": {"real": N_REAL, "noise": N_NOISE, "slow": list(N_SLOW)},
        "rows": {row: measured(row) for row in ROWS},
        "absent": ABSENT,
        "flat": flat_images(),
    }


def is_same_code(capability: str, row: str) -> bool:
    """Return whether torch computes a row with code like that for a capability.

    With AVX2 or AVX512, it resizes bytes without floats, and multiplies and adds with
    one rounding.
    """
    both = {capability, torch.backends.cpu.get_cpu_capability()}
    return _is_exact(row) or len(both) == 1 or both <= {"AVX2", "AVX512"}


def _is_exact(row: str) -> bool:
    return set(re.findall(r"(\w+)\(", row)).isdisjoint(FLOATS)


def agree(row: str, kept: dict[str, dict], found: dict[str, dict]) -> bool:
    """Return whether differences are those that were published.

    They are equal unless torchvision sums floats. Then counts may differ by 5 % and 20
    pixels, and the largest difference by a tenth, or by as much as a few pixels may.
    """
    if _is_exact(row):
        return kept == found
    for a, b in zip(kept.values(), found.values(), strict=True):
        if a["pixels"] != b["pixels"]:
            return False
        if any(abs(a[k] - b[k]) > 20 + 0.05 * a[k] for k in ("differ", "by two")):
            return False
        largest = a["largest"], b["largest"]
        few = max(a["by two"], b["by two"]) <= 100
        slack = 255 if few and a["largest"] > 2 else max(1, 0.1 * a["largest"])
        if abs(largest[0] - largest[1]) > slack:
            return False
    return True


def lines(result: dict) -> Iterator[str]:
    """Yield the lines of a report."""
    for row, figures in result["rows"].items():
        yield f"{row}: {', '.join(line(figures))}"
    for name, why in result["absent"].items():
        yield f"{name}: {why}"
    yield f"images of one gray level that contrast changes: {result['flat']}"


def main() -> None:
    """Print the differences, and write them if asked."""
    parser = argparse.ArgumentParser(description="Compare with torchvision.")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    result = report()
    print(*lines(result), sep="\n")
    if arguments.output:
        merge_json(arguments.output, "differences", result)


if __name__ == "__main__":
    main()
