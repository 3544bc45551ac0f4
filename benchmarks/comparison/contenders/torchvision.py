"""What PyTorch's tutorials do: FashionMNIST, transforms, and a DataLoader."""

import torch

from ... import work as works
from ...data import FILES, idx_header, only_files, read_gz
from ...work import each_of, workers

try:
    import torchvision
except RuntimeError:  # "operator torchvision::nms does not exist": built for another
    # torch, its compiled part can't be loaded. These names are all that it misses.
    for name in ("nms", "qnms"):
        torch.library.define(
            f"torchvision::{name}",
            "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        )
    import torchvision
from torchvision import transforms as v1
from torchvision.transforms import InterpolationMode, v2

KEEPS_CACHE = True  # the files, inflated


def versions():
    return {"torchvision": torchvision.__version__, "torch": torch.__version__}


def settings(work):
    """Both kinds of transforms, with and without worker processes."""
    return each_of(transforms=["v1", "v2"], workers=workers())


def load(folder, own, cache):
    """With `cache`, only its own files are read, once these are there."""
    if cache is not None and any(cache.iterdir()):
        return only_files(cache)
    return read_gz(folder, cache or own, cache)


def steps(work, data, kind):
    """On a Pillow image, to a tensor; erased last, as the tutorials have it."""
    t = v1 if kind == "v1" else v2
    found = []
    if "crop" in work.augment:
        found.append(t.RandomCrop(28, padding=works.PADDING))
    if "flip" in work.augment:
        found.append(t.RandomHorizontalFlip(works.FLIP_P))
    if "affine" in work.augment:
        shift = (works.TRANSLATE,) * 2
        mode = InterpolationMode.BILINEAR
        found.append(
            t.RandomAffine(works.DEGREES, shift, works.SCALE, interpolation=mode)
        )
    if work.dtype == "uint8":
        return t.Compose([*found, t.PILToTensor()])
    if kind == "v1":
        found.append(v1.ToTensor())
    else:
        found += [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    found.append(t.Normalize([data.mean], [data.std]))
    if "erasing" in work.augment:
        black = float(data.bias)
        scale, ratio = works.ERASING_SCALE, works.ERASING_RATIO
        found.append(t.RandomErasing(works.ERASING_P, scale, ratio, value=black))
    return t.Compose(found)


def epochs(data, work, transforms, workers):
    torch.manual_seed(0)
    torch.set_num_threads(1)  # images are too small to share
    raw = data.folder / "FashionMNIST" / "raw"
    if not raw.exists():
        raw.mkdir(parents=True)
        for name, items in zip(FILES, (data.images, data.labels)):
            (raw / name).write_bytes(idx_header(items) + items.tobytes())
            (raw / name.replace("train", "t10k")).touch()  # which it looks for
    dataset = torchvision.datasets.FashionMNIST(
        data.folder, transform=steps(work, data, transforms)
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
