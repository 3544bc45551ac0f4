"""Compare augmented epochs with plain epochs and with a loop over OpenCV.

    pytest benchmarks/micro/bench_augment.py

Ratios are of medians from interleaved rounds: float32, batch 128, 2 threads.
"""

import resource
import sys

import numpy as np
import pytest

import fmnist_fast as ff

from .bench_loader import NOISE, drain
from .conftest import compare, interleaved

# The bounds of the ratios. Milliseconds are for the machine that README.md names.
CROP_FLIP_OVER_PLAIN = 1.5
ERASING_OVER_PLAIN = 1.8
OPENCV_OVER_OURS = 12
AFFINE_MS, OTHER_MS, ELASTIC_MS = 40, 60, 120
PERSPECTIVE_OVER_AFFINE = 1.5
COST_PER_PIXEL_SPREAD = 1.5

CROP_FLIP = [ff.RandomCrop(28, padding=4), ff.RandomHorizontalFlip()]
AFFINE = ff.RandomAffine(
    15, translate=(0.1, 0.1), scale=(0.9, 1.1), shear=5, interpolation="bilinear"
)
OTHERS = {
    "crop, reflected": [ff.RandomCrop(28, padding=4, padding_mode="reflect")],
    "crop, reflected + alternating flip": [
        ff.RandomCrop(28, padding=4, padding_mode="reflect"),
        ff.RandomHorizontalFlip(mode="alternating"),
    ],
    "resize to 32": [ff.Resize(32)],
    "resize to 32, bicubic": [ff.Resize(32, "bicubic")],
    "resize to 14": [ff.Resize(14)],
    "resized crop": [ff.RandomResizedCrop(28)],
    "perspective, bilinear": [ff.RandomPerspective(p=1)],
    "zoom out": [ff.RandomZoomOut(p=1)],
    "rotation, nearest": [ff.RandomRotation(15)],
    "jitter": [ff.ColorJitter(brightness=0.4, contrast=0.4)],
    "invert": [ff.RandomInvert(p=1)],
    "solarize": [ff.RandomSolarize(128, p=1)],
    "posterize": [ff.RandomPosterize(4, p=1)],
    "autocontrast": [ff.RandomAutocontrast(p=1)],
    "equalize": [ff.RandomEqualize(p=1)],
    "blur 3": [ff.GaussianBlur(3)],
    "blur 5": [ff.GaussianBlur(5)],
    "sharpness": [ff.RandomAdjustSharpness(2, p=1)],
    "noise": [ff.GaussianNoise()],
    "erasing, random": [ff.RandomErasing(p=1, value="random")],
    "cutout": [ff.Cutout(8)],
    "mixup": [ff.MixUp()],
    "cutmix": [ff.CutMix()],
    "TrivialAugment": [ff.TrivialAugmentWide(interpolation="bilinear")],
    "RandAugment": [ff.RandAugment(interpolation="bilinear")],
    "recipe strong": "strong",
    "salt and pepper": [ff.SaltAndPepperNoise()],
    "AutoAugment": [ff.AutoAugment(interpolation="bilinear")],
    "order of three": [
        ff.RandomOrder(
            [
                ff.RandomInvert(p=1),
                ff.RandomPosterize(4, p=1),
                ff.RandomHorizontalFlip(p=1),
            ]
        )
    ],
}


def loader(data, augment=None, **options):
    """Return a loader of shuffled batches, with two threads."""
    labels = "onehot" if augment in (OTHERS["mixup"], OTHERS["cutmix"]) else "int64"
    return ff.Loader(
        data,
        128,
        shuffle=True,
        threads=2,
        augment=augment,
        label_dtype=labels,
        **options,
    )


def check_epoch(data, epoch):
    """Check that every sample comes once, by its label.

    The labels of a mixed row have the sum 1.
    """
    counts, mixed = np.zeros(10), 0.0
    for _, y in epoch:
        if y.ndim == 2:
            mixed += float(y.sum(dtype=np.float64))
        else:
            counts += np.bincount(y, minlength=10)
    if mixed:
        assert abs(mixed - len(data)) < 0.1
    else:
        assert np.array_equal(counts, np.bincount(data.labels, minlength=10))


def milliseconds(text):
    return float(text.split(" ms")[0])


def test_crop_flip_erasing_against_plain(
    train, rounds, measured, report, figure, benchmark
):
    loaders = {
        "plain": loader(train),
        "crop + flip": loader(train, CROP_FLIP),
        "crop + flip + erasing": loader(train, [*CROP_FLIP, ff.RandomErasing()]),
    }
    for epoch in loaders.values():
        check_epoch(train, epoch)
    times = interleaved(
        {name: lambda x=x: drain(x) for name, x in loaders.items()}, rounds
    )
    bounds = {
        "crop + flip": CROP_FLIP_OVER_PLAIN,
        "crop + flip + erasing": ERASING_OVER_PLAIN,
    }
    for name, bound in bounds.items():
        ratio, text = compare(times, name, "plain")
        report(f"{name}: {text}, {ratio:.2f} times as long")
        benchmark.extra_info[f"{name} / plain"] = ratio
        figure(name, ratio)
        if measured:
            assert ratio < bound * NOISE
    benchmark(lambda: drain(loaders["crop + flip"]))


def opencv_epoch(data, cv2, seed=0):
    """Yield batches as people write them: a warp for each image, then floats."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data))
    scale, bias = np.float32(1 / (255 * data.std)), np.float32(-data.mean / data.std)
    out = np.empty((128, 28, 28), np.uint8)
    for begin in range(0, len(order), 128):
        rows = order[begin : begin + 128]
        angles = rng.uniform(-15, 15, len(rows))
        scales = rng.uniform(0.9, 1.1, len(rows))
        shifts = rng.integers(-3, 4, (len(rows), 2))
        for i, row in enumerate(rows):
            matrix = cv2.getRotationMatrix2D((13.5, 13.5), angles[i], scales[i])
            matrix[:, 2] += shifts[i]
            cv2.warpAffine(
                data.images[row], matrix, (28, 28), dst=out[i], flags=cv2.INTER_LINEAR
            )
        x = out[: len(rows)].astype(np.float32)
        x *= scale
        x += bias
        yield x, data.labels[rows].astype(np.int64)


def test_affine_against_opencv(train, rounds, measured, report, figure, benchmark):
    cv2 = pytest.importorskip("cv2")
    cv2.setNumThreads(1)
    ours = loader(train, AFFINE)
    check_epoch(train, ours)
    check_epoch(train, opencv_epoch(train, cv2))
    plain = loader(train)
    contenders = {
        "affine": lambda: drain(ours),
        "OpenCV loop": lambda: drain(opencv_epoch(train, cv2)),
        "plain": lambda: drain(plain),
    }
    times = interleaved(contenders, min(rounds, 7))
    figure("affine with shear, bilinear", compare(times, "affine", "plain")[0])
    ratio, text = compare(times, "affine", "OpenCV loop")
    report(
        f"affine, bilinear: {text}, {1 / ratio:.1f} times faster (goal: {AFFINE_MS} ms)"
    )
    benchmark.extra_info["OpenCV loop / affine"] = 1 / ratio
    if measured:
        assert 1 / ratio > OPENCV_OVER_OURS / NOISE
    benchmark(lambda: drain(ours))


def test_perspective_against_affine(train, rounds, measured, report, benchmark):
    loaders = {
        "perspective": loader(train, OTHERS["perspective, bilinear"]),
        "affine": loader(train, AFFINE),
    }
    for epoch in loaders.values():
        check_epoch(train, epoch)
    times = interleaved(
        {name: lambda x=x: drain(x) for name, x in loaders.items()}, rounds
    )
    ratio, text = compare(times, "perspective", "affine")
    report(f"perspective: {text}, {ratio:.2f} times as long as affine with shear")
    benchmark.extra_info["perspective / affine"] = ratio
    if measured:
        assert ratio < PERSPECTIVE_OVER_AFFINE * NOISE
    benchmark(lambda: drain(loaders["perspective"]))


@pytest.mark.parametrize("name", ["elastic", *OTHERS])
def test_transform_against_plain(name, train, rounds, report, figure, benchmark):
    transforms = OTHERS.get(name, [ff.ElasticTransform()])
    ours, plain = loader(train, transforms), loader(train)
    check_epoch(train, ours)
    contenders = {name: lambda: drain(ours), "plain": lambda: drain(plain)}
    ratio, text = compare(interleaved(contenders, min(rounds, 5)), name, "plain")
    goal = ELASTIC_MS if name == "elastic" else OTHER_MS
    missed = "" if milliseconds(text) <= goal else f", more than the goal of {goal} ms"
    report(f"{name:17}: {text}{missed}")
    benchmark.extra_info[f"{name} / plain"] = ratio
    figure(name, ratio)
    benchmark(lambda: drain(plain))


@pytest.mark.parametrize(
    "name", ["crop + flip", "affine", "elastic", "blur 5", "noise"]
)
def test_cost_is_linear_in_pixels(name, rounds, measured, report):
    """Nanoseconds per pixel hardly depend on the side: 28, 64 and 128 pixels.

    The images are uint8, and the loader has one thread.
    """
    rng = np.random.default_rng(0)
    costs = {}
    for side in (28, 64, 128):
        images = rng.integers(0, 256, (2_000_000 // side**2, side, side), np.uint8)
        data = ff.Dataset.from_arrays(images, np.zeros(len(images), np.uint8))
        transforms = {
            "crop + flip": [ff.RandomCrop(side, padding=4), ff.RandomHorizontalFlip()],
            "affine": AFFINE,
            "elastic": ff.ElasticTransform(),
            **{key: OTHERS[key] for key in ("blur 5", "noise")},
        }[name]
        epoch = ff.Loader(data, 16, threads=1, augment=transforms, dtype="uint8")
        times = interleaved({side: lambda x=epoch: drain(x)}, rounds)[side]
        costs[side] = float(np.median(times)) / images.size * 1e9
    text = ", ".join(f"{cost:.2f} at {side}" for side, cost in costs.items())
    report(f"{name}: nanoseconds per pixel: {text}")
    if measured:
        # Images of 28 pixels are only reported: work that is done once per image, and
        # rows that fit a vector, change their cost per pixel.
        assert costs[128] < COST_PER_PIXEL_SPREAD * costs[64]


def test_nothing_is_allocated_per_batch(train, rounds, measured, report):
    """The largest resident size is the same after 2 epochs and after more."""
    unit = 1 if sys.platform == "darwin" else 1024
    transforms = [*CROP_FLIP, AFFINE, ff.GaussianBlur(3), ff.RandomErasing()]
    epoch = loader(train, transforms)
    peaks = []
    for n in (2, rounds):
        for _ in range(n):
            drain(epoch)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
    report(f"augmented: memory grew by {(peaks[1] - peaks[0]) / 2**20:.1f} MiB")
    assert peaks[1] - peaks[0] < 2**20
