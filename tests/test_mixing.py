"""Mixed batches, compared bit for bit with the reference."""

import numpy as np
import pytest
from helpers.against_reference import RAW, dataset_of, same, wanted

import fmnist_fast as ff

MIXES = {
    "mixup": lambda: [ff.MixUp(alpha=0.2)],
    "mixup alpha 1": lambda: [ff.MixUp(alpha=1.0)],
    "mixup alpha 8": lambda: [ff.MixUp(alpha=8.0)],
    "cutmix": lambda: [ff.CutMix(alpha=1.0)],
    "cutmix edges": lambda: [ff.CutMix(alpha=0.05)],
    "one of two": lambda: [ff.RandomChoice([ff.MixUp(alpha=0.4), ff.CutMix()])],
    "after transforms": lambda: [
        ff.RandomHorizontalFlip(),
        ff.RandomRotation(10, interpolation="bilinear"),
        ff.CutMix(alpha=1.0),
    ],
}


@pytest.mark.parametrize("batch_size", [1, 2, 16, 37, 50])
@pytest.mark.parametrize("name", MIXES)
def test_mixes_equal_reference(odd, name, batch_size, cpu_level):
    dataset, transforms = odd.select(range(37)), MIXES[name]()
    options = {"batch_size": batch_size, "shuffle": True, "seed": 4, **RAW}
    got = list(ff.Loader(dataset, augment=transforms, **options))
    assert same(got, wanted(dataset, transforms, **options))
    for _, labels in got:
        assert abs(labels.sum(axis=1) - 1).max() < 1e-6


@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (33, 65)])
@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixes_of_any_shape_equal_reference(name, shape, cpu_level):
    dataset, transforms = dataset_of(*shape, 24), MIXES[name]()
    for options in (RAW, RAW | {"dtype": "float32", "normalize": "dataset"}):
        options = {"batch_size": 10, **options}
        got = list(ff.Loader(dataset, augment=transforms, **options))
        assert same(got, wanted(dataset, transforms, **options))


@pytest.mark.parametrize("drop_last", [False, True, "wrap"])
@pytest.mark.parametrize("world", [2, 3, 7])
def test_shards_of_mixed_batches_make_up_the_whole(odd, world, drop_last):
    dataset = odd.select(range(101))
    transforms = [ff.RandomCrop((5, 7), padding=1), *MIXES["one of two"]()]
    options = {"shuffle": True, "seed": 3, "drop_last": drop_last, **RAW}
    ranks = []
    for rank in range(world):
        sharded = options | {"batch_size": 5, "shard": (rank, world)}
        ranks.append(list(ff.Loader(dataset, augment=transforms, **sharded)))
        assert same(ranks[-1], wanted(dataset, transforms, **sharded))
    whole = list(ff.Loader(dataset, 5 * world, augment=transforms, **options))
    for k, (x, y) in enumerate(whole):
        parts = [batches[k] for batches in ranks if k < len(batches)]
        assert np.array_equal(np.concatenate([part[0] for part in parts]), x)
        assert np.array_equal(np.concatenate([part[1] for part in parts]), y)
