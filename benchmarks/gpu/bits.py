"""Batches that the device fills have the bytes of `Loader`.

Batches of `Loader` are copied to the device, and every byte is compared there, because
this takes less time than copying batches back. Some epochs are compared on the host
too, with nothing of PyTorch's between the bytes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch

import fmnist_fast as ff

from .bench import CROP_FLIP, Bench

DTYPES = ("float32", "float16", "bfloat16", "uint8")
_LABELS = ("int64", "int32", "onehot", "uint8")  # one for each of DTYPES
_TURN = ff.RandomRotation(20, interpolation="bilinear")
RECIPES: dict[str, Any] = {
    "plain": None,
    "crop, flip": CROP_FLIP,
    "standard": "standard",
    "standard+erasing": "standard+erasing",
    "strong": "strong",
    "trivial augment": [ff.TrivialAugmentWide()],
    "rand augment": [ff.RandAugment(3, magnitude=25, interpolation="bilinear")],
    "crop reflect": [ff.RandomCrop(28, padding=5, padding_mode="reflect")],
    "crop symmetric": [ff.RandomCrop(28, padding=9, padding_mode="symmetric")],
    "pad edge": [ff.Pad((1, 2, 3, 7), padding_mode="edge"), ff.RandomVerticalFlip()],
    "alternating flip": [ff.RandomHorizontalFlip(mode="alternating")],
    "rotation": [ff.RandomRotation(180, fill=255)],
    "affine": [
        ff.RandomAffine(
            30, (0.1, 0.4), (0.5, 1.5), (-10, 10, -5, 20), interpolation="bilinear"
        )
    ],
    "affine, affine": [_TURN, ff.RandomAffine(0, translate=(0.2, 0.3)), _TURN],
    "elastic": [ff.ElasticTransform(alpha=50.0, sigma=5.0)],
    "resize up": [ff.Resize((40, 31))],
    "perspective": [ff.RandomPerspective(0.8, p=0.9, fill=30)],
    "zoom out": [ff.RandomZoomOut(fill=20, p=0.9)],
    "resized crop": [ff.RandomResizedCrop((28, 28), scale=(0.3, 1.0))],
    "tones": [
        ff.RandomInvert(),
        ff.RandomSolarize(60),
        ff.RandomAutocontrast(),
        ff.RandomPosterize(3),
        ff.ColorJitter(0.5, 0.5),
        ff.RandomEqualize(),
    ],
    "blur": [ff.GaussianBlur((7, 5), sigma=(0.1, 2.0))],
    "sharpness": [ff.RandomAdjustSharpness(2.5, p=1.0)],
    "noise": [ff.GaussianNoise(mean=0.1, sigma=0.2)],
    "salt and pepper": [ff.SaltAndPepperNoise((0.0, 0.5), 0.3)],
    "auto augment": [ff.AutoAugment("cifar10", interpolation="bilinear")],
    "order": [ff.RandomOrder([_TURN, ff.RandomInvert(), ff.Cutout(14), *CROP_FLIP])],
    "erasing random": [ff.RandomErasing(1.0, value="random"), *CROP_FLIP],
    "nested": [
        ff.RandomApply([ff.RandomChoice([_TURN, ff.Cutout(14)]), *CROP_FLIP], p=0.8)
    ],
    "mixes": [*CROP_FLIP, ff.RandomChoice([ff.MixUp(alpha=0.2), ff.CutMix()])],
}


def tasks(bench: Bench) -> dict[str, Callable[[], dict]]:
    """Return the tasks of the section."""
    return {
        "fill": partial(compare_fill, bench, as_graph=False),
        "fill in a graph": partial(compare_fill, bench, as_graph=True),
        **{name: partial(compare_recipe, bench, name) for name in RECIPES},
        "on the host": partial(compare_on_host, bench),
        "resumed": partial(compare_resumed, bench),
        "CupyLoader": partial(compare_cupy, bench),
    }


class Comparison:
    """Counts of bytes that were compared, and of those that differ.

    The second count stays on the device, so that a comparison waits for nothing.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._n_bytes = device, 0
        self._differ = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, batch: Iterable[Any], expected: Iterable[np.ndarray]) -> None:
        """Compare the tensors of a batch with the arrays of `Loader`."""
        for tensor, array in zip(batch, expected, strict=True):
            dtype = str(tensor.dtype).removeprefix("torch.")
            name = array.dtype.name
            if (dtype, name) == ("bfloat16", "uint16"):  # numpy without ml_dtypes
                name = dtype
            if (tuple(tensor.shape), dtype) != (array.shape, name):
                raise ValueError(
                    f"a batch must have {name} {array.shape}, got {dtype} "
                    f"{tuple(tensor.shape)}"
                )
            wanted = torch.from_numpy(array.reshape(-1).view(np.uint8))
            got = tensor.contiguous().reshape(-1).view(torch.uint8)
            self._differ += (got != wanted.to(self._device)).sum()
            self._n_bytes += array.nbytes

    def add_all(self, batches: Iterable[Any], expected: Iterable[Any]) -> Comparison:
        """Compare runs of batches, which must be equally long."""
        for batch, arrays in zip(batches, expected, strict=True):
            self.add(batch, arrays)
        return self

    def result(self) -> dict[str, Any]:
        """Wait for the device, and return the counts."""
        n_differing = int(self._differ)
        is_equal = n_differing == 0 and self._n_bytes > 0
        return {"bytes": self._n_bytes, "differ": n_differing, "ok": is_equal}


def compare_recipe(bench: Bench, name: str) -> dict[str, Any]:
    """Compare an epoch in each data type."""
    comparison = Comparison(bench.device)
    for dtype, labels in zip(DTYPES, _LABELS):
        options = {
            "augment": RECIPES[name],
            "dtype": dtype,
            "label_dtype": "onehot" if name == "mixes" else labels,
            "seed": 3,
        }
        loader = bench.loader(**options)
        expected = ff.Loader(bench.train, 512, shuffle=True, **options)
        comparison.add_all(loader, expected)
        loader.close()
    return comparison.result()


def compare_fill(bench: Bench, as_graph: bool) -> dict[str, Any]:
    """Compare two epochs that `fill` writes into the same buffers."""
    options = {"augment": "strong", "drop_last": "wrap", "seed": 4}
    n_rows = min(512, len(bench.train) // 3)
    expected = ff.Loader(bench.train, n_rows, shuffle=True, **options)
    loader = bench.loader(n_rows, fixed_buffers=True, **options)
    fill = bench.graph(loader.fill) if as_graph else loader.fill
    loader.set_epoch(0)  # the capture took batches
    comparison = Comparison(bench.device)
    for arrays in chain(expected, expected):
        fill()
        comparison.add(loader.buffers, arrays)
    return comparison.result()


def compare_on_host(bench: Bench) -> dict[str, Any]:
    """Compare two epochs of some recipes after copying the batches to the host."""
    n_bytes = n_differing = 0
    for augment in (None, CROP_FLIP, "strong"):
        options = {"augment": augment, "seed": 5}
        loader = bench.loader(**options)
        expected = ff.Loader(bench.train, 512, shuffle=True, **options)
        runs = chain(loader, loader), chain(expected, expected)
        for batch, arrays in zip(*runs, strict=True):
            for tensor, array in zip(batch, arrays, strict=True):
                got, want = (x.tobytes() for x in (tensor.cpu().numpy(), array))
                n_bytes += len(want)
                if got != want:
                    pairs = np.frombuffer(got, np.uint8), np.frombuffer(want, np.uint8)
                    n_differing += int(np.count_nonzero(pairs[0] != pairs[1]))
    return {"bytes": n_bytes, "differ": n_differing, "ok": n_differing == 0}


def compare_resumed(bench: Bench) -> dict[str, Any]:
    """Compare an epoch that a `Loader` began, and one that `fill` began."""
    options = {"augment": CROP_FLIP, "seed": 6, "drop_last": True}
    n_rows = min(512, len(bench.train) // 5)
    expected = ff.Loader(bench.train, n_rows, shuffle=True, **options)
    taken = iter(expected)
    next(taken), next(taken)
    loader = bench.loader(n_rows, **options)
    loader.load_state_dict(expected.state_dict())
    comparison = Comparison(bench.device)
    comparison.add_all(loader, taken)
    filled = bench.loader(n_rows, fixed_buffers=True, **options)
    filled.fill(), filled.fill()
    expected.load_state_dict(filled.state_dict())
    comparison.add(filled.fill(), next(iter(expected)))
    return comparison.result()


def compare_cupy(bench: Bench) -> dict[str, Any]:
    """Compare an epoch of CupyLoader."""
    if bench.is_dry or importlib.util.find_spec("cupy") is None:
        return {"skipped": "requires CuPy and a device"}
    from fmnist_fast.frameworks.cupy import CupyLoader

    options = {"shuffle": True, "augment": CROP_FLIP, "seed": 7}
    loader = CupyLoader(bench.train, 512, resident=True, **options)

    def tensors() -> Iterator[tuple[torch.Tensor, ...]]:
        for batch in loader:
            yield tuple(map(torch.from_dlpack, batch))

    expected = ff.Loader(bench.train, 512, **options)
    return Comparison(bench.device).add_all(tensors(), expected).result()
