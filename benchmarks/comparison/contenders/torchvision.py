"""FashionMNIST, transforms and a DataLoader, as in PyTorch's tutorials."""

import torch

from ... import work as works
from ...data import FILES, idx_header, only_files, read_gz
from ...work import each_of, workers

try:
    import torchvision
except RuntimeError:
    # "operator torchvision::nms does not exist": this torchvision is built for another
    # PyTorch, and its compiled part can't be loaded. It needs only these names.
    for name in ("nms", "qnms"):
        torch.library.define(
            f"torchvision::{name}",
            "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        )
    import torchvision
from torchvision import transforms as v1
from torchvision.transforms import InterpolationMode, v2

KEEPS_CACHE = True  # the decompressed files


def versions():
    return {"torchvision": torchvision.__version__, "torch": torch.__version__}


def settings(work):
    """Return the settings: both versions of transforms, and worker processes."""
    return each_of(transforms=["v1", "v2"], workers=workers())


def load(folder, own, cache):
    """Return the data; if `cache` has torchvision's files, only these are read."""
    if cache is not None and any(cache.iterdir()):
        return only_files(cache)
    return read_gz(folder, cache or own, cache)


def transform_of(work, data, version):
    """Return the transform from a Pillow image to a tensor.

    Erasing comes last, as in the tutorials.
    """
    t = v1 if version == "v1" else v2
    transforms = []
    if "crop" in work.augment:
        transforms.append(t.RandomCrop(28, padding=works.PADDING))
    if "flip" in work.augment:
        transforms.append(t.RandomHorizontalFlip(works.FLIP_P))
    if "affine" in work.augment:
        shift = (works.TRANSLATE,) * 2
        mode = InterpolationMode.BILINEAR
        transforms.append(
            t.RandomAffine(works.DEGREES, shift, works.SCALE, interpolation=mode)
        )
    if work.dtype == "uint8":
        return t.Compose([*transforms, t.PILToTensor()])
    if version == "v1":
        transforms.append(v1.ToTensor())
    else:
        transforms += [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    transforms.append(t.Normalize([data.mean], [data.std]))
    if "erasing" in work.augment:
        black = float(data.bias)
        scale, ratio = works.ERASING_SCALE, works.ERASING_RATIO
        transforms.append(t.RandomErasing(works.ERASING_P, scale, ratio, value=black))
    return t.Compose(transforms)


def epochs(data, work, transforms, workers):
    torch.manual_seed(0)
    torch.set_num_threads(1)  # an image is too small for several threads
    raw = data.folder / "FashionMNIST" / "raw"
    if not raw.exists():
        raw.mkdir(parents=True)
        for name, items in zip(FILES, (data.images, data.labels)):
            (raw / name).write_bytes(idx_header(items) + items.tobytes())
            # FashionMNIST requires that the test files exist, too.
            (raw / name.replace("train", "t10k")).touch()
    dataset = torchvision.datasets.FashionMNIST(
        data.folder, transform=transform_of(work, data, transforms)
    )
    loader = torch.utils.data.DataLoader(
        dataset,
        work.batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    while True:
        yield loader
