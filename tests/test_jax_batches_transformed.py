"""JaxBatches: bytes of Loader with transforms, views, channels and data types."""

import numpy as np
import pytest
from hypothesis import given, settings

import fmnist_fast as ff

jax = pytest.importorskip("jax")
from helpers import jax_cases  # noqa: E402
from helpers.jax_cases import batch_of, difference  # noqa: E402

from fmnist_fast.frameworks.jax import JaxBatches  # noqa: E402

FLIPS = [ff.RandomHorizontalFlip(), ff.RandomVerticalFlip(mode="alternating")]


@settings(max_examples=14)
@given(jax_cases.cases())
def test_bytes_equal_those_of_a_loader(case):
    assert jax_cases.compared(case)[1] == 0


CASES = {
    "alternating flips, with the epoch": {
        "augment": [ff.RandomHorizontalFlip(mode="alternating"), ff.Pad(1)],
    },
    "alternating flips of repeated rows": {
        "augment": [ff.RandomHorizontalFlip(mode="alternating")],
        "order": [3, 3, 1, 2, 516],
        "steps": 2,
        "repeats": 2,
    },
    "views with their own numbers": {
        "augment": [*FLIPS, ff.RandomCrop((5, 7), padding=1, padding_mode="reflect")],
        "views": 3,
        "seed": 2**33,
        "augment_seed": 5,
    },
    "a list of views": {
        "views": [None, FLIPS, [ff.Cutout(3), ff.RandomPosterize(2)]],
        "weights": "balanced",
    },
    "crops as views": {
        "augment": FLIPS,
        "views": ff.TenCrop((3, 4)),
        "drop_last": "wrap",
    },
    "channels with their own numbers": {
        "channels": 3,
        "layout": "NHWC",
        "normalize": ((0.1, 0.2, 0.3), (0.5, 0.6, 0.5)),
        "dtype": "float16",
    },
    "padding on the left and top": {
        "augment": [ff.RandomCrop((5, 7), padding=(2, 1, 0, 0), fill=99)],
    },
    "padding on the right and bottom": {
        "augment": [ff.RandomCrop((5, 7), padding=(0, 0, 2, 1), fill=99)],
    },
    "an order in a choice": {
        "augment": [
            ff.RandomChoice(
                [
                    ff.RandomOrder([*FLIPS, ff.RandomInvert(0.7)]),
                    ff.RandomApply([ff.RandomEqualize(), ff.RandomSolarize(99)], 0.3),
                    ff.Compose([ff.Pad(2, fill=9), ff.RandomCrop((5, 7))]),
                ],
                [1, 2, 3],
            )
        ],
    },
}


@pytest.mark.parametrize("name", CASES)
def test_options_that_are_rarely_drawn(odd, name):
    options = {"batch_size": 16, "shuffle": True, "drop_last": True} | CASES[name]
    if options.keys() & {"weights", "order"}:
        del options["shuffle"]
    if "steps" in options:
        del options["drop_last"]
    batches = JaxBatches(odd, begin_epoch=3, **options)
    last = batches.steps_per_epoch
    steps = jax.numpy.array([0, last - 1, last, 3 * last + 1], np.uint32)
    got = jax_cases.several(jax.jit(jax.vmap(batches))(steps))
    for step, batch in zip(steps.tolist(), got, strict=True):
        n_bytes, n_differing = difference(batch, batch_of(odd, step, 3, **options))
        assert n_bytes > 0 and n_differing == 0


def test_an_epoch_of_the_standard_recipe(odd):
    options = {"batch_size": 51, "shuffle": True, "augment": "standard"}
    batches = JaxBatches(odd, **options)
    steps = jax.numpy.arange(batches.steps_per_epoch)
    got = jax_cases.several(jax.lax.map(batches, steps))
    want = [*ff.Loader(odd, drop_last=True, label_dtype="int32", **options)]
    assert len(got) == len(want) == 10
    for batch, wanted in zip(got, want):
        assert difference(batch, wanted)[1] == 0


def test_transforms_of_one_image_of_one_pixel():
    """Sides of 1 make the shortest axes."""
    dataset = ff.Dataset.from_arrays(np.array([[[7]], [[200]]], np.uint8), [0, 1])
    augment = [
        ff.RandomEqualize(1),
        ff.RandomAutocontrast(1),
        ff.RandomHorizontalFlip(),
        ff.RandomCrop(1, padding=1, padding_mode="symmetric"),
        ff.RandomInvert(),
    ]
    options = {"batch_size": 1, "augment": augment, "normalize": None}
    batches = JaxBatches(dataset, **options)
    for step in range(5):
        assert difference(batches(step), batch_of(dataset, step, **options))[1] == 0
