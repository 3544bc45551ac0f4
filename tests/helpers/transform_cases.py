"""Lists of transforms to compare with the reference, by kind.

Each function takes the height and the width of the images, and returns lists of
transforms by a name that says what the case covers.
"""

import fmnist_fast as ff


def crops(h, w):
    least = h // 2 + 1, w // 2 + 1
    return {
        "crop": [ff.RandomCrop((h, w), padding=4)],
        "crop fill": [ff.RandomCrop((h, w), padding=(1, 2, 30, 4), fill=201)],
        "crop edge": [ff.RandomCrop((h, w), padding=(3, 40), padding_mode="edge")],
        "crop reflect": [
            ff.RandomCrop((h, w), padding=(w - 1, h - 1), padding_mode="reflect")
        ],
        "crop symmetric": [
            ff.RandomCrop((h, w), padding=(w, h), padding_mode="symmetric")
        ],
        "narrow crop edge": [
            ff.RandomCrop((h, min(w, 31)), padding=(90, 40), padding_mode="edge"),
            ff.RandomHorizontalFlip(),
        ],
        "narrow crop reflect": [
            ff.RandomCrop(
                (h, min(w, 32)), padding=(w - 1, h - 1), padding_mode="reflect"
            ),
            ff.RandomHorizontalFlip(mode="alternating"),
            ff.RandomVerticalFlip(mode="alternating"),
        ],
        "narrow crop symmetric": [
            ff.RandomCrop(
                (h, min(2 * w, 20)), padding=(w, h, w, 0), padding_mode="symmetric"
            ),
            ff.RandomVerticalFlip(),
            ff.RandomHorizontalFlip(),
            ff.RandomErasing(0.8, value=200),
        ],
        "crop to less": [ff.RandomCrop(least)],
        "crop to more": [ff.RandomCrop((h + 5, w + 33), padding=35, fill=3)],
        "center crop": [ff.CenterCrop(least)],
        "pad": [ff.Pad(3, fill=9)],
        "pad edge": [ff.Pad((1, 2, 3, 70), padding_mode="edge")],
        "pad reflect": [ff.Pad((w - 1, h - 1, 0, h - 1), padding_mode="reflect")],
        "pad symmetric": [ff.Pad((0, h, w, 0), padding_mode="symmetric")],
        "flip": [ff.RandomHorizontalFlip()],
        "flip always": [ff.RandomHorizontalFlip(p=1.0)],
        "flip never": [ff.RandomHorizontalFlip(p=0.0)],
        "flip alternating": [ff.RandomHorizontalFlip(mode="alternating")],
        "flips alternating": [
            ff.RandomHorizontalFlip(mode="alternating"),
            ff.RandomHorizontalFlip(),
            ff.RandomVerticalFlip(mode="alternating"),
            ff.RandomHorizontalFlip(mode="alternating"),
        ],
        "flip vertical": [ff.RandomVerticalFlip(0.3)],
        "flip both": [ff.RandomVerticalFlip(), ff.RandomHorizontalFlip(0.7)],
        "crop, flip": [ff.RandomCrop((h, w), padding=3), ff.RandomHorizontalFlip()],
        "crop edge, flip both": [
            ff.RandomCrop((h + 2, w + 1), padding=(5, 2, 1, 9), padding_mode="edge"),
            ff.RandomVerticalFlip(0.4),
            ff.RandomHorizontalFlip(),
        ],
        "as many flips as are drawn in advance": [
            *[ff.RandomHorizontalFlip(0.6), ff.RandomVerticalFlip()] * 2,
        ],
        "one flip more": [
            *[ff.RandomHorizontalFlip(0.6), ff.RandomVerticalFlip()] * 2,
            ff.RandomHorizontalFlip(),
        ],
        "flip, crop": [
            ff.RandomHorizontalFlip(),
            ff.RandomCrop(least, padding=2, fill=8),
            ff.RandomVerticalFlip(),
        ],
        "crop, crop": [
            ff.RandomCrop((h, w), padding=4, fill=1),
            ff.RandomHorizontalFlip(),
            ff.RandomCrop((h, w), padding=5, fill=2),
            ff.RandomVerticalFlip(),
        ],
        "pad, flip, pad": [
            ff.Pad((min(2, w), min(3, h)), padding_mode="symmetric"),
            ff.RandomHorizontalFlip(),
            ff.Pad(3, padding_mode="edge"),
            ff.RandomCrop((h, w)),
        ],
    }


def warps(h, w):
    turn = ff.RandomRotation(20, interpolation="bilinear")
    shift = ff.RandomAffine(0, translate=(0.2, 0.3), interpolation="bilinear")
    return {
        "rotation": [ff.RandomRotation(15)],
        "rotation bilinear": [turn],
        "rotation all around": [
            ff.RandomRotation(180, interpolation="bilinear", fill=255)
        ],
        "rotation off center": [
            ff.RandomRotation((30, 90), interpolation="bilinear", center=(w, 0))
        ],
        "affine": [
            ff.RandomAffine((-30, 40), (0.1, 0.4), (0.5, 1.5), (-10, 10, -5, 20))
        ],
        "affine bilinear": [
            ff.RandomAffine(
                degrees=(-170, 40),
                translate=(1.0, 0.5),
                scale=(0.2, 2.0),
                shear=(-40, 30, -20, 20),
                interpolation="bilinear",
                fill=100,
                center=(1, h / 3),
            )
        ],
        "affine far away": [
            ff.RandomAffine(90, scale=(1e-6, 1e-3), interpolation="bilinear", fill=7)
        ],
        "affine close up": [
            ff.RandomAffine(90, scale=(30, 1e6), interpolation="bilinear", fill=7)
        ],
        "identity": [ff.RandomRotation(0, interpolation="bilinear", fill=50)],
        "affine, affine, affine": [turn, shift, turn],
        "affine, fill, affine": [
            turn,
            shift,
            ff.RandomRotation(20, interpolation="bilinear", fill=99),
            ff.RandomRotation(20, fill=99),
        ],
        "affine, flip, affine": [turn, ff.RandomHorizontalFlip(), shift],
        "affine, tone, affine": [turn, ff.RandomInvert(), shift],
        "elastic": [ff.ElasticTransform(alpha=50.0, sigma=5.0)],
        "elastic nearest": [
            ff.ElasticTransform([30.0, 90.0], [1.0, 2.5], interpolation="nearest")
        ],
        "elastic one way": [ff.ElasticTransform((0.0, 40.0), (0.0, 3.0))],
        "elastic rough": [ff.ElasticTransform(5.0, 0.3, fill=255)],
        "elastic wild": [ff.ElasticTransform(1e6, 60.0, fill=31)],
        "affine, elastic": [turn, ff.ElasticTransform(20.0, 3.0)],
        "perspective": [ff.RandomPerspective()],
        "perspective nearest": [
            ff.RandomPerspective(0.7, 0.9, interpolation="nearest", fill=40)
        ],
        "perspective of any corners": [ff.RandomPerspective(1.0, 1.0, fill=255)],
        "perspective of the same corners": [ff.RandomPerspective(0.0, 1.0, fill=9)],
        "affine, perspective, affine": [turn, ff.RandomPerspective(0.3, 0.8), shift],
    }


def sizes(h, w):
    less = max(1, h // 2), max(1, w // 3)
    return {
        "resize up": [ff.Resize((2 * h, w + 3))],
        "resize down": [ff.Resize(less)],
        "resize down without antialias": [ff.Resize(less, antialias=False)],
        "resize nearest": [ff.Resize((h + 5, less[1]), interpolation="nearest")],
        "resize to the same": [ff.Resize((h, w))],
        "resize bicubic up": [ff.Resize((h + 4, 2 * w), "bicubic")],
        "resize bicubic down": [ff.Resize(less, "bicubic")],
        "resize bicubic up without antialias": [
            ff.Resize((2 * h, w + 3), "bicubic", antialias=False)
        ],
        "resize bicubic down without antialias": [
            ff.Resize(less, "bicubic", antialias=False)
        ],
        "resize bicubic to the same": [ff.Resize((h, w), "bicubic")],
        "resized crop": [ff.RandomResizedCrop((h, w))],
        "resized crop, small": [ff.RandomResizedCrop(less, scale=(0.3, 0.9))],
        "resized crop, nearest": [
            ff.RandomResizedCrop((h, 40), (0.01, 0.4), interpolation="nearest")
        ],
        "resized crop, bicubic": [
            ff.RandomResizedCrop((h, w), (0.01, 0.9), interpolation="bicubic")
        ],
        "resized crop, bicubic without antialias": [
            ff.RandomResizedCrop(
                (9, 40), (0.001, 0.9), (0.2, 5.0), "bicubic", antialias=False
            )
        ],
        "resized crop falls back": [ff.RandomResizedCrop((9, 8), (1, 1), (0.1, 0.2))],
        "resized crop without antialias": [
            ff.RandomResizedCrop((4, 5), ratio=(0.2, 5.0), antialias=False)
        ],
        "zoom out": [ff.RandomZoomOut()],
        "zoom out far": [ff.RandomZoomOut(77, (4, 5), 0.9)],
        "zoom out nearest": [
            ff.RandomZoomOut(9, (1.5, 3), 1.0, interpolation="nearest")
        ],
        "zoom out without antialias": [ff.RandomZoomOut(0, (2, 3), antialias=False)],
        "zoom out to the same": [ff.RandomZoomOut(3, (1, 1), 1.0)],
        "flips, zoom out, crop": [
            ff.RandomHorizontalFlip(),
            ff.RandomVerticalFlip(),
            ff.RandomZoomOut(200, (1.2, 2.5), 0.8),
            ff.RandomCrop((h, w), padding=2),
        ],
        "pad, resize, crop": [ff.Pad(2), ff.Resize((20, 30)), ff.RandomCrop((7, 29))],
    }


def tones(h, w):
    return {
        "invert": [ff.RandomInvert()],
        "solarize": [ff.RandomSolarize(100, p=0.8)],
        "autocontrast": [ff.RandomAutocontrast(p=1.0)],
        "equalize": [ff.RandomEqualize(p=1.0)],
        "brightness": [ff.ColorJitter(brightness=0.9)],
        "contrast": [ff.ColorJitter(contrast=(0.0, 3.0))],
        "jitter": [ff.ColorJitter(brightness=(0.3, 2.0), contrast=0.7)],
        "jitter, jitter": [ff.ColorJitter(0.9, 0.9), ff.ColorJitter(0.3, 0.3)],
        "tone, tone": [
            ff.RandomInvert(),
            ff.RandomSolarize(60),
            ff.RandomAutocontrast(),
            ff.RandomPosterize(3),
            ff.ColorJitter(0.5, 0.5),
            ff.RandomEqualize(),
            ff.RandomInvert(),
        ],
        **{f"posterize {n}": [ff.RandomPosterize(n)] for n in (1, 4, 8)},
    }


def filters(h, w):
    kernel = min(7, 2 * w - 1), min(5, 2 * h - 1)
    large = min(23, 2 * w - 1), min(23, 2 * h - 1)
    return {
        "blur": [ff.GaussianBlur(min(3, *kernel))],
        "blur sharp": [ff.GaussianBlur(kernel, sigma=(0.05, 0.5))],
        "blur wide": [ff.GaussianBlur(kernel, sigma=(1.0, 90.0))],
        "blur narrow": [ff.GaussianBlur(large, sigma=(0.2, 1.5))],
        "blur of one pixel": [ff.GaussianBlur(1)],
        **{
            f"sharpness {factor}": [ff.RandomAdjustSharpness(factor, p=1.0)]
            for factor in (0, 0.5, 2, 10.5)
        },
        "noise": [ff.GaussianNoise()],
        "noise bright": [ff.GaussianNoise(mean=0.3, sigma=0.8)],
        "noise, noise": [ff.GaussianNoise(sigma=0.02), ff.GaussianNoise(sigma=0.1)],
        "erasing": [ff.RandomErasing()],
        "erasing value": [ff.RandomErasing(1.0, (0.1, 0.9), (0.1, 9), value=200)],
        "erasing random": [ff.RandomErasing(1.0, (0.1, 0.9), value="random")],
        "erasing a pixel": [ff.RandomErasing(1.0, (0.0, 0.002), value=200)],
        "erasing nothing": [ff.RandomErasing(1.0, (0.0, 0.0), value=200)],
        "erasing too much": [ff.RandomErasing(1.0, (1.0, 1.0), value=200)],
        "cutout": [ff.Cutout(max(1, min(h, w) // 2))],
        "cutout of one pixel": [ff.Cutout(1)],
        "salt and pepper": [ff.SaltAndPepperNoise(0.4)],
        "salt": [ff.SaltAndPepperNoise((0.1, 0.9), 1.0, p=0.7)],
        "pepper": [ff.SaltAndPepperNoise(0.5, 0.0)],
        "mostly pepper": [ff.SaltAndPepperNoise((0.2, 0.6), 0.1)],
        "salt and pepper everywhere": [ff.SaltAndPepperNoise(1.0, 0.3)],
        "salt and pepper nowhere": [ff.SaltAndPepperNoise(0.0)],
    }


def policies(h, w):
    tone = ff.RandomApply([ff.RandomInvert(), ff.RandomEqualize()], p=0.4)
    turn = ff.RandomRotation(40, interpolation="bilinear")
    return {
        "apply": [ff.RandomApply([turn, ff.RandomHorizontalFlip()], p=0.5)],
        "choice": [ff.RandomChoice([ff.RandomVerticalFlip(1.0), turn, tone])],
        "choice with weights": [ff.RandomChoice([turn, tone], p=[0.1, 0.9])],
        "nested": [
            turn,
            ff.RandomApply(
                [
                    ff.RandomChoice(
                        [
                            ff.Compose([turn, tone]),
                            ff.RandomChoice([tone, ff.RandomErasing(1.0)]),
                            ff.RandomHorizontalFlip(1.0),
                        ]
                    ),
                    turn,
                ],
                p=0.8,
            ),
            turn,
        ],
        "trivial augment": [ff.TrivialAugmentWide()],
        "trivial augment bilinear": [
            ff.TrivialAugmentWide(interpolation="bilinear", fill=128)
        ],
        "rand augment": [ff.RandAugment()],
        "rand augment bilinear": [
            ff.RandAugment(3, magnitude=25, interpolation="bilinear", fill=5)
        ],
        "auto augment": [ff.AutoAugment()],
        "auto augment cifar10": [ff.AutoAugment("cifar10", "bilinear", 9)],
        "auto augment svhn": [ff.AutoAugment("svhn")],
    }


def orders(h, w):
    turn = ff.RandomRotation(40, interpolation="bilinear")
    shift = ff.RandomAffine(0, translate=(0.3, 0.2), interpolation="bilinear")
    tone = ff.RandomApply([ff.RandomInvert(), ff.RandomEqualize()], p=0.4)
    box = ff.RandomErasing(1.0, value="random")
    flips = [ff.RandomHorizontalFlip(0.7), ff.RandomVerticalFlip()]
    return {
        "order of one": [ff.RandomOrder([turn])],
        "order of two": [ff.RandomOrder([turn, tone])],
        "order of three": [ff.RandomOrder([tone, shift, turn])],
        "order of flips and boxes": [
            ff.RandomOrder([*flips, ff.Cutout(max(1, h // 2))])
        ],
        "order of many": [
            ff.RandomOrder([ff.RandomInvert(0.5), ff.RandomSolarize(99), box] * 10)
        ],
        "most in an order": [ff.RandomOrder([*flips, turn, shift] * 8)],
        "order of groups": [
            ff.RandomOrder(
                [
                    ff.Compose([tone, turn]),
                    ff.RandomApply([shift, *flips], p=0.6),
                    ff.RandomChoice([box, ff.RandomSolarize(60, p=1.0), tone]),
                    ff.Compose([ff.Pad(2), ff.RandomCrop((h, w))]),
                ]
            )
        ],
        "order, order": [
            ff.RandomOrder([turn, tone]),
            ff.RandomOrder([box, shift, *flips]),
        ],
        "orders in a choice": [
            ff.RandomChoice(
                [ff.RandomOrder([turn, *flips]), ff.RandomOrder([tone, box]), shift]
            ),
            ff.RandomApply([ff.RandomOrder([tone, turn])]),
            ff.RandomCrop((h, w), padding=2),
        ],
    }


def boxes(h, w):
    """Return boxes that are painted before and after crops and flips."""
    flips = [ff.RandomHorizontalFlip(), ff.RandomVerticalFlip()]
    box = ff.RandomErasing(p=0.8, scale=(0.1, 0.6), value=200)
    return {
        "box": [box],
        "box, flips": [box, *flips],
        "flips, box, flips": [*flips, box, *flips],
        "two boxes": [ff.Cutout(max(1, h // 2), fill=9), box, *flips],
        "box, crop": [box, *flips, ff.RandomCrop((h, w), padding=3, fill=7)],
        "crop, box, crop": [
            ff.RandomCrop((h, w), padding=(5, 2), fill=31),
            *flips,
            box,
            ff.RandomCrop((max(1, h - 1), max(1, w - 1))),
            box,
        ],
        "box, turn, box": [box, ff.RandomRotation(20), box],
        "box, tone, box": [box, ff.RandomInvert(), box],
        "pad far, box": [ff.Pad((40, 3), fill=8), *flips, box],
    }


KINDS = [crops, warps, sizes, tones, filters, boxes, policies, orders]
