"""A program: epochs over images between two pages that nobody may read.

    python guarded_images.py HEIGHT WIDTH

Reading a byte before or behind the images ends it by a signal.
"""

import ctypes
import mmap
import sys

import numpy as np

import fmnist_fast as ff

height, width = (int(word) for word in sys.argv[1:])
n_bytes = np.lcm(mmap.PAGESIZE, height * width)
mapped = mmap.mmap(-1, int(n_bytes) + 2 * mmap.PAGESIZE)
address = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
protect = ctypes.CDLL(None, use_errno=True).mprotect
for page in (address, address + mmap.PAGESIZE + int(n_bytes)):
    if protect(ctypes.c_void_p(page), ctypes.c_size_t(mmap.PAGESIZE), 0):
        raise OSError(ctypes.get_errno(), "mprotect")
flat = np.frombuffer(mapped, np.uint8, n_bytes, mmap.PAGESIZE)
flat[:] = np.arange(n_bytes) % 251
images = flat.reshape(-1, height, width)
copied = ff.Dataset.from_arrays(images.copy(), np.zeros(len(images), np.uint8))
guarded = ff.Dataset.from_arrays(images, np.zeros(len(images), np.uint8))
size = height, width
for augment in (
    None,
    [ff.RandomCrop(size, padding=4), ff.RandomHorizontalFlip(), ff.RandomErasing()],
    [ff.RandomVerticalFlip(), ff.Cutout(3), ff.Pad(2)],
    [ff.RandomAffine(20, interpolation="bilinear")],
    [ff.Resize((9, 33)), ff.GaussianBlur(3)],
    [ff.ElasticTransform()],
    [ff.RandomEqualize(p=1), ff.RandomAdjustSharpness(2, p=1)],
):
    for level in ff._core.cpu_levels():
        ff._core.set_cpu_level(level)
        epochs = [
            ff.Loader(data, 64, shuffle=True, augment=augment)
            for data in (guarded, copied)
        ]
        for (ours, _), (theirs, _) in zip(*epochs):
            if ours.tobytes() != theirs.tobytes():
                raise RuntimeError(f"{augment} at {level} depends on what is around")
