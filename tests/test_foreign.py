"""Objects of other libraries in `augment=` are refused when the loader is made."""

import functools
import importlib.util
import re

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast.augment import parse_transforms

CALLABLE = r"functions must be callable as function\(images, labels, rng\), got "


def refused(small, item, text):
    """Return whether the loader and the containers refuse an item with this text."""
    for call in (
        lambda: ff.Loader(small, augment=item),
        lambda: ff.Loader(small, augment=[ff.RandomInvert(), item]),
        lambda: ff.Compose([item]),
        lambda: ff.RandomApply([item]),
        lambda: ff.RandomChoice([ff.RandomInvert(), item]),
    ):
        with pytest.raises(TypeError, match=re.escape(text)):
            call()
    return True


def torchvision_or_skip():
    pytest.importorskip("torch", reason="torchvision needs torch")
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    import helpers.any_torchvision  # noqa: F401

    # isort: split
    import torchvision.transforms as v1
    from torchvision.transforms import v2

    return v1, v2


def test_transforms_of_torchvision(small):
    for module in torchvision_or_skip():
        F, crop = module.functional, module.RandomCrop(28, 4)
        for item, text in [
            (
                crop,
                "got torchvision's RandomCrop.\nPass ff.RandomCrop with the same ar",
            ),
            (module.Resize, "got torchvision's Resize.\nPass ff.Resize with the same"),
            (module.Compose([crop]), "Compose.\nPass the list of its transforms"),
            (
                module.Compose(
                    [module.PILToTensor(), module.Normalize((0.1307,), [0.3])]
                ),
                "Its PILToTensor: It isn't needed. Loader returns float32 arrays, and "
                "TorchLoader tensors.\nIts Normalize: Pass normalize=(0.1307, 0.3)",
            ),
            (
                module.RandomApply([module.RandomRotation(3)]),
                "RandomApply.\nPass ff.RandomApply with the same arguments.\nIts Random"
                "Rotation: Pass ff.RandomRotation with the same arguments.",
            ),
            (
                module.Normalize((0.25,), (0.5,)),
                "Pass normalize=(0.25, 0.5) to Load",
            ),
            (module.Normalize([0.5] * 2, [1] * 2), "Pass normalize=(mean, std) to"),
            (
                module.Normalize([0.5, 0.25, 1], [1] * 3),
                "Pass normalize=((0.5, 0.25, 1), (1, 1, 1)), channels=3 to Loader.",
            ),
            (module.FiveCrop(20), "Pass views=ff.FiveCrop(size) to Loader."),
            (module.TenCrop(20), "Pass views=ff.TenCrop(size) to Loader."),
            (
                module.AutoAugment(),
                "AutoAugment.\nPass ff.AutoAugment with the same arguments.",
            ),
            (
                module.AugMix(),
                "AutoAugment, RandAugment and TrivialAugmentWide are the nearest.",
            ),
            (
                module.RandomOrder([module.RandomRotation(3)]),
                "RandomOrder.\nPass ff.RandomOrder with the same arguments.\nIts Random"
                "Rotation: Pass ff.RandomRotation with the same arguments.",
            ),
            (module.Lambda(len), "Pass a function(images, labels, rng) at the end of"),
            (F.hflip, "Pass ff.RandomHorizontalFlip(p=1)."),
            (F.adjust_gamma, "It isn't available. ff.ColorJitter is the nearest."),
            (functools.partial(F.resize, size=[14]), "resize.\nPass ff.Resize(size)."),
            (F.get_dimensions, "The transforms are names of the package"),
        ]:
            assert refused(small, item, text)


def test_a_normalization_of_numbers(small):
    v1, _ = torchvision_or_skip()
    item = v1.Normalize(0.25, 0.5)
    assert refused(small, item, "Normalize.\nPass normalize=(0.25, 0.5) to Loader.")


def test_every_functional_of_torchvision_with_an_equivalent():
    from fmnist_fast._equivalents import _FUNCTIONS

    v1, v2 = torchvision_or_skip()
    known = {*dir(v1.functional), *dir(v2.functional)}
    assert set(" ".join(_FUNCTIONS).split()) <= known


def test_subclasses_of_torchvisions_transforms(small):
    _, v2 = torchvision_or_skip()
    own = type("Own", (v2.Transform,), {})
    assert refused(small, own(), "got torchvision's Own.\nThe transforms are names of")


def test_modules_of_torch(small):
    torch = pytest.importorskip("torch")

    class Brighten(torch.nn.Module):
        def forward(self, images, labels, rng):
            return images + 1, labels

    ((images, _),) = ff.Loader(small, 1000, augment=Brighten(), normalize=None)
    assert np.array_equal(images[:, 0], small.images + 1.0)
    for module in (torch.nn.Flatten(), torch.nn.Sequential(Brighten())):
        with pytest.raises(
            TypeError, match=f"{CALLABLE}{type(module).__name__}.*input"
        ):
            ff.Loader(small, augment=module)


@pytest.mark.parametrize(
    "module, name, text",
    [
        ("albumentations.core", "HorizontalFlip", "Use RandomHorizontalFlip."),
        ("albumentations.core", "ToTensorV2", "It isn't needed."),
        ("ffcv.transforms", "NormalizeImage", "Pass normalize=(mean, std) to Loader"),
        ("ffcv.transforms", "ToTorchImage", "It isn't needed."),
        ("imgaug.augmenters", "Affine", "Use RandomAffine."),
        ("kornia.augmentation", "RandomErasing", "Pass ff.RandomErasing with the same"),
        ("keras.src.layers", "RandomFlip", "Use RandomHorizontalFlip."),
        ("keras.src.layers", "Strange", "The transforms are names of the package"),
    ],
)
def test_transforms_of_other_libraries(small, module, name, text):
    members = {"__module__": module, "__call__": lambda self, *images: images}
    assert refused(small, type(name, (), members)(), f"{name}.\n{text}")


@pytest.mark.parametrize(
    "item, text",
    [
        (ff.RandomInvert, "got the class RandomInvert.\nCall it: RandomInvert(...)"),
        ("RandomCrop", "got 'RandomCrop'.\nPass ff.RandomCrop(...)."),
        ("RandomCorp", "got 'RandomCorp'. Did you mean 'RandomCrop'?"),
        ("ToTensor", "got 'ToTensor'.\nIt isn't needed."),
        (3, "must contain only transforms, got 3"),
    ],
)
def test_classes_texts_and_numbers(small, item, text):
    with pytest.raises(TypeError, match=re.escape(text)):
        ff.Loader(small, augment=[item])
    with pytest.raises(TypeError, match=re.escape(text)):
        ff.RandomApply([item])


def test_texts_in_place_of_a_recipe(small):
    for text, hint in [
        ("RandomCrop", r"got 'RandomCrop'\.\nPass ff\.RandomCrop\(\.\.\.\)\."),
        ("randaugment", r"got 'randaugment'\.\nPass ff\.RandAugment\(\.\.\.\)\."),
        ("random_crop", r"got 'random_crop'\.\nPass ff\.RandomCrop\(\.\.\.\)\."),
        ("autoaugment", r"got 'autoaugment'\.\nPass ff\.AutoAugment\(\.\.\.\)\."),
        ("AugMix", r"got 'AugMix'\.\nIt isn't available\. AutoAugment"),
        (
            "SomeOf",
            r"got 'SomeOf'\.\nIt isn't available\. RandomChoice and RandomOrder",
        ),
        ("SaltAndPepper", r"got 'SaltAndPepper'\.\nUse SaltAndPepperNoise\."),
        ("stong", r"got 'stong'\. Did you mean 'strong'\?"),
    ]:
        with pytest.raises(ValueError, match=hint):
            ff.Loader(small, augment=text)
    with pytest.raises(ValueError, match=r"unknown transform 'ToTensor'\.\nIt isn't n"):
        parse_transforms("ToTensor()")


def two(images, labels):
    return images, labels


def four(images, labels, rng, more):
    return images, labels


class Method:
    def wrong(self, images):
        return images

    def right(self, images, labels, rng):
        return images, labels


@pytest.mark.parametrize(
    "function, shown",
    [
        (two, r"two\(images, labels\)"),
        (four, r"four\(images, labels, rng, more\)"),
        (lambda x: x, r"<lambda>\(x\)"),
        (Method().wrong, r"wrong\(images\)"),
        (functools.partial(two, rng=1), r"two\(images, labels\)"),
        (functools.partial(four, 1, 2), r"four\(images, labels, rng, more\)"),
        (np.flip, r"flip\(m, axis=None\)"),
        (np.add, r"add\(.*\)"),
    ],
)
def test_functions_with_other_arguments(small, function, shown):
    with pytest.raises(TypeError, match=rf"^augment: {CALLABLE}{shown}"):
        ff.Loader(small, augment=[ff.RandomInvert(), function])
    with pytest.raises(TypeError, match=rf"^Compose: transforms: {CALLABLE}{shown}"):
        ff.Compose([function])
    with pytest.raises(ValueError, match="must not contain Python functions"):
        ff.RandomApply([function])


@pytest.mark.parametrize(
    "function",
    [
        lambda images, labels, rng: (images, labels),
        lambda *batch: batch[:2],
        lambda images, labels, rng, more=1: (images, labels),
        functools.partial(four, more=2),
        Method().right,
        min,  # has no signature
    ],
)
def test_functions_that_fit(small, function):
    assert ff.Loader(small, augment=function).has_functions
    assert ff.Loader(small, augment=ff.Compose([function])).has_functions
