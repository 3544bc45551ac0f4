"""A program: run epochs over images that lie between pages without read access.

    python guarded_images.py HEIGHT WIDTH N_PARTS

A read of a byte before or after a part of the images ends the program by a signal.
"""

import ctypes
import mmap
import sys

import numpy as np

import fmnist_fast as ff
from fmnist_fast._dataset.images import LazyImages

height, width, n_parts = (int(word) for word in sys.argv[1:])
part_nbytes = int(np.lcm(mmap.PAGESIZE, height * width))
stride = mmap.PAGESIZE + part_nbytes  # a guard, then a part
mapped = mmap.mmap(-1, n_parts * stride + mmap.PAGESIZE)
address = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
protect = ctypes.CDLL(None, use_errno=True).mprotect
for guard in range(address, address + len(mapped), stride):
    if protect(ctypes.c_void_p(guard), ctypes.c_size_t(mmap.PAGESIZE), 0):
        raise OSError(ctypes.get_errno(), "mprotect")
parts = []
for k in range(n_parts):
    begin = k * stride + mmap.PAGESIZE
    flat = np.frombuffer(mapped, np.uint8, part_nbytes, begin)
    flat[:] = (np.arange(part_nbytes) + 17 * k) % 251
    parts.append(flat.reshape(-1, height, width))
copied = np.concatenate(parts)
labels = np.zeros(len(copied), np.uint8)
copied = ff.Dataset.from_arrays(copied, labels)
images = parts[0] if n_parts == 1 else LazyImages(parts)
guarded = ff.Dataset._make(images, labels, None)
size = height, width
AUGMENTS = [
    [ff.RandomCrop(size, padding=4), ff.RandomHorizontalFlip(), ff.RandomErasing()],
    [ff.RandomVerticalFlip(), ff.Cutout(3), ff.Pad(2)],
    *[
        [ff.RandomCrop(size, padding, padding_mode=mode), ff.RandomHorizontalFlip()]
        for mode, padding in [
            ("edge", 40),
            ("reflect", (width - 1, height - 1)),
            ("symmetric", (width, height)),
        ]
    ],
    [ff.RandomAffine(20, interpolation="bilinear")],
    [ff.Resize((9, 33)), ff.GaussianBlur(3)],
    [ff.ElasticTransform()],
    [ff.RandomPerspective(p=1), ff.RandomZoomOut()],
    [ff.RandomZoomOut(p=1)],
    [ff.RandomEqualize(p=1), ff.RandomAdjustSharpness(2, p=1)],
    [ff.RandomCrop(size, padding=4), ff.CutMix()],
]
RGB = {"channels": 3, "layout": "NHWC", "normalize": None}
for augment, more in (
    (None, {}),
    (None, {"views": ff.TenCrop(1)}),
    *((None, RGB | {"dtype": dtype}) for dtype in ff._core.DTYPES),
    *((augment, {}) for augment in AUGMENTS),
):
    for level in ff._core.cpu_levels():
        ff._core.set_cpu_level(level)
        options = {"shuffle": True, "augment": augment, "label_dtype": "onehot"}
        options |= more
        if augment is None:
            options["shuffle_block"] = 5  # blocks are requested ahead, too
        epochs = [ff.Loader(data, 64, **options) for data in (guarded, copied)]
        for (guarded_images, _), (copied_images, _) in zip(*epochs):
            if guarded_images.tobytes() != copied_images.tobytes():
                raise RuntimeError(f"{options} at {level} depends on bytes around it")
