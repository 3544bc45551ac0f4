"""Augmented batches do not depend on threads, prefetching and resuming."""

import json

import pytest
from helpers.against_reference import RAW, dataset_of, same, wanted

import fmnist_fast as ff


def strong(height, width):
    """Return transforms of every sort, for images of one size."""
    return [
        ff.RandomCrop((height, width), padding=2),
        ff.RandomHorizontalFlip(mode="alternating"),
        ff.TrivialAugmentWide(interpolation="bilinear"),
        ff.RandomErasing(value="random"),
        ff.RandomChoice([ff.MixUp(alpha=0.4), ff.CutMix()]),
    ]


@pytest.mark.parametrize("prefetch", [1, 2, 50])
def test_threads_and_prefetch_give_equal_bytes(odd, prefetch):
    dataset, transforms = odd.select(range(150)), strong(5, 7)
    options = {"batch_size": 16, "shuffle": True, "seed": 9, **RAW}
    want = [wanted(dataset, transforms, epoch=epoch, **options) for epoch in range(2)]
    for threads in (1, 2, 8):
        loader = ff.Loader(
            dataset, augment=transforms, threads=threads, prefetch=prefetch, **options
        )
        for batches in want:
            assert same(list(loader), batches, threads)


def test_large_batches_filled_by_several_threads_give_equal_bytes():
    """Each batch has 4 MB, so that threads fill it together."""
    dataset = dataset_of(128, 128, 75)
    transforms = [ff.RandomCrop(128, padding=9), ff.RandomHorizontalFlip(), ff.CutMix()]
    options = {"batch_size": 64, "shuffle": True, "label_dtype": "onehot"}
    want = wanted(dataset, transforms, **options)
    for threads in (1, 2, 8):
        got = list(ff.Loader(dataset, augment=transforms, threads=threads, **options))
        assert same(got, want, threads)


def test_resuming_at_every_batch_gives_equal_bytes(odd):
    dataset = odd.select(range(60))
    options = {"batch_size": 16, "shuffle": True, "seed": 6, **RAW}
    options["augment"] = strong(5, 7)
    run = ff.Loader(dataset, **options)
    batches, states = [], [run.state_dict()]
    for _ in range(2):
        for batch in run:
            batches.append(batch)
            states.append(json.loads(json.dumps(run.state_dict())))
    for k, state in enumerate(states):
        resumed = ff.Loader(dataset, **options, threads=1 + k % 3)
        resumed.load_state_dict(state)
        rest = []
        while resumed.epoch < 2:
            rest += list(resumed)
        assert same(rest, batches[k:], k)


def test_resuming_with_another_batch_size_mixes_batches_of_the_new_size(odd):
    dataset, transforms = odd.select(range(60)), strong(5, 7)
    options = {"shuffle": True, "seed": 6, **RAW}
    before = ff.Loader(dataset, 10, augment=transforms, **options)
    iterator = iter(before)
    next(iterator), next(iterator)
    after = ff.Loader(dataset, 13, augment=transforms, **options)
    after.load_state_dict(before.state_dict())
    assert same(
        list(after), wanted(dataset, transforms, batch_size=13, position=20, **options)
    )
