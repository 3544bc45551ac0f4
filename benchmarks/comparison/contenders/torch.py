"""The loop that people write by hand in PyTorch, a batch at a time."""

import math

import torch

from ... import work as works
from ...work import each_of, threads

ROWS, COLUMNS = torch.arange(28)[:, None], torch.arange(28)


def versions():
    return {"torch": torch.__version__}


def settings(work):
    """Return the settings: threads, and floats once or in every epoch."""
    ahead = [False, True] if work.dtype == "float32" and not work.augment else [False]
    return each_of(threads=threads(), ahead=ahead)


def uniform(n, low, high):
    return torch.rand(n) * (high - low) + low


def crop_flip(padded, rows):
    """Return rows of padded images, uint8 (n, 28, 28), each with its crop and flip."""
    top, left = torch.randint(0, 2 * works.PADDING + 1, (2, len(rows), 1, 1))
    flips = torch.rand(len(rows), 1, 1) < works.FLIP_P
    columns = torch.where(flips, COLUMNS.flip(0), COLUMNS)
    return padded[rows[:, None, None], top + ROWS, left + columns]


def erase(images):
    """Blacken a rectangle of some of the images."""
    n = len(images)
    area = 28 * 28 * uniform((n, 1, 1), *works.ERASING_SCALE)
    ratio = uniform((n, 1, 1), *map(math.log, works.ERASING_RATIO)).exp()
    height = (area * ratio).sqrt().round().clamp(1, 27)
    width = (area / ratio).sqrt().round().clamp(1, 27)
    height *= torch.rand(n, 1, 1) < works.ERASING_P
    top = (torch.rand(n, 1, 1) * (29 - height)).floor()
    left = (torch.rand(n, 1, 1) * (29 - width)).floor()
    inside = (ROWS >= top) & (ROWS < top + height)
    inside = inside & (COLUMNS >= left) & (COLUMNS < left + width)
    return images.masked_fill_(inside, 0)


def affine(images):
    """Return gray levels, float32 (n, 28, 28), after an affine map of each image."""
    n = len(images)
    angle = torch.deg2rad(uniform(n, -works.DEGREES, works.DEGREES))
    scale = uniform(n, *works.SCALE)
    # affine_grid has coordinates from -1 to 1, so a share of a side counts twice.
    shift = uniform((n, 2), -2 * works.TRANSLATE, 2 * works.TRANSLATE)
    cos, sin = angle.cos() / scale, angle.sin() / scale
    linear = torch.stack([cos, sin, -sin, cos], 1).view(n, 2, 2)
    maps = torch.cat([linear, -linear @ shift[:, :, None]], 2)
    grid = torch.nn.functional.affine_grid(maps, (n, 1, 28, 28), align_corners=False)
    moved = torch.nn.functional.grid_sample(
        images[:, None].float(), grid, mode="bilinear", align_corners=False
    )
    return moved[:, 0]


def prepared(data, work):
    """Return the images that `augmented` takes: padded, if they are to be cropped."""
    images = torch.from_numpy(data.images)
    if "crop" not in work.augment:
        return images
    return torch.nn.functional.pad(images, (works.PADDING,) * 4)


def augmented(images, rows, work):
    """Return augmented rows of the images of `prepared`, in gray levels."""
    if "affine" in work.augment:
        return affine(images[rows])
    if not work.augment:
        return images[rows]
    batch = crop_flip(images, rows)
    return erase(batch) if "erasing" in work.augment else batch


def normalized(batch, data):
    """Return float32 (n, 1, 28, 28) for gray levels (n, 28, 28)."""
    return batch.float().mul_(float(data.scale)).add_(float(data.bias))[:, None]


def epochs(data, work, threads, ahead):
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    images, labels = prepared(data, work), torch.from_numpy(data.labels).long()
    if ahead:
        images = normalized(images, data)[:, 0]

    def epoch():
        for rows in torch.randperm(len(images)).split(work.batch_size):
            batch = augmented(images, rows, work)
            if work.dtype == "float32" and not ahead:
                yield normalized(batch, data), labels[rows]
            else:
                yield batch[:, None], labels[rows]

    while True:
        yield epoch()
