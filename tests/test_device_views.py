"""Views and channels that the kernels of devices make: they have a Loader's bytes."""

import itertools
import pickle

import numpy as np
import pytest
from helpers.against_reference import dataset_of, same

import fmnist_fast as ff
from fmnist_fast._device import batches
from fmnist_fast._device.machine import Machine
from fmnist_fast.frameworks._resident import FixedBuffersLoader, ResidentLoader

DTYPES = ["float32", "float16", "bfloat16", "uint8"]
CHANNELS = {"channels": 3, "normalize": ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))}
FLIP, ONEHOT = ff.RandomHorizontalFlip(), {"label_dtype": "onehot"}
VIEWS = {
    "no axis": {"augment": "standard"},
    "one": {"views": 1, "augment": "standard"},
    "cuts": {"views": 2, "augment": "standard"},
    "fills": {"views": 3, "augment": "strong"},
    "cut and fill": {"views": [None, [ff.RandomInvert()], "standard+erasing"]},
    "crops": {"views": ff.FiveCrop(3), "augment": [ff.RandomRotation(20)]},
    "flipped crops": {"views": ff.TenCrop((3, 4))},
    "mixes": {"views": 2, "augment": [FLIP, ff.MixUp()], **ONEHOT},
    "one mix": {"views": [[FLIP], [ff.CutMix()], None], **ONEHOT},
    "shared labels": {"views": 2, "augment": "standard", **ONEHOT},
}
EPOCHS = {
    "shuffled": {"batch_size": 50, "shuffle": True},
    "dropped": {"batch_size": 60, "shuffle": True, "drop_last": True},
    "wrapped": {"batch_size": 40, "shuffle": True, "drop_last": "wrap"},
    "steps": {"batch_size": 64, "shuffle": True, "steps": 9},
    "balanced": {"batch_size": 33, "weights": "balanced"},
    "repeated": {"batch_size": 50, "order": range(90), "repeats": 3},
}


@pytest.fixture(scope="module")
def rows():
    """Return 517 images of 5x7 with a column."""
    dataset = dataset_of(5, 7, 517)
    return dataset.with_columns({"weight": np.arange(517) / 7})


@pytest.fixture(autouse=True)
def chunks(monkeypatch):
    """Let a chunk have 150 rows, so that an epoch has several, and a short batch."""
    monkeypatch.setattr(batches, "CHUNK_ROWS", 150)


def check(dataset, n_epochs=2, **options):
    """Compare epochs with those of a Loader, and return the resident loader."""
    resident, plain = (kind(dataset, **options) for kind in (ResidentLoader, ff.Loader))
    for _ in range(n_epochs):
        assert same(list(resident), list(plain), options)
    return resident


# ---- chunks -------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", EPOCHS)
@pytest.mark.parametrize("views", VIEWS)
def test_epochs(rows, views, epoch):
    fields = {"with_index": True, "columns": ["weight"]}
    for channels in ({}, CHANNELS):
        check(rows, **VIEWS[views], **EPOCHS[epoch], **channels, **fields)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "flat"])
@pytest.mark.parametrize("views", VIEWS)
def test_data_types_and_layouts(rows, views, layout, dtype):
    kind = {"dtype": dtype, "layout": layout, "channels": 3}
    if dtype != "uint8":
        kind |= CHANNELS
    check(rows, 1, batch_size=100, shuffle=True, **kind, **VIEWS[views])


@pytest.mark.parametrize("views", ["cuts", "cut and fill", "one mix"])
@pytest.mark.parametrize("drop_last", [False, True, "wrap"])
@pytest.mark.parametrize("batch_size", [1, 7, 50, 149, 400])
def test_ranks_that_resume(rows, views, drop_last, batch_size):
    options = {"shuffle": True, "drop_last": drop_last, "batch_size": batch_size}
    for rank, position in itertools.product(range(3), (0, 3 * batch_size, 511)):
        loaders = [
            kind(rows, shard=(rank, 3), **options, **CHANNELS, **VIEWS[views])
            for kind in (ResidentLoader, ff.Loader)
        ]
        for loader in loaders:
            loader.load_state_dict(loader.state_dict() | {"position": position % 517})
        assert same(*map(list, loaders))


@pytest.mark.parametrize("views", VIEWS)
def test_chunks_that_are_planned_in_parts(rows, views, monkeypatch):
    """Their parts end anywhere in a batch."""
    monkeypatch.setattr(batches, "_MAX_NBYTES", 20_000)
    options = {"batch_size": 200, "shuffle": True, "with_index": True}
    loader = check(rows, **options, **CHANNELS, **VIEWS[views])
    assert 1 < loader._pipeline.filler._most_planned < 200


def test_the_memory_of_a_chunk_is_bounded(rows, monkeypatch):
    values = {1: 35, 2: 2 * 3 * 35}
    monkeypatch.setattr(batches, "_MAX_NBYTES", 4 * 100 * values[2])
    options = {"batch_size": 10, "views": 2, "channels": 3, "normalize": "unit"}
    assert ResidentLoader(rows, **options)._pipeline.chunk_batches == 10
    assert ResidentLoader(rows, 10)._pipeline.chunk_batches == 15
    mixed = options | VIEWS["mixes"]
    monkeypatch.setattr(batches, "_MAX_NBYTES", 4 * 100 * (values[2] + 2 * 3))
    assert ResidentLoader(rows, **mixed)._pipeline.chunk_batches == 10
    monkeypatch.setattr(batches, "_MAX_NBYTES", 4 * 100 * (values[2] + 3))
    assert ResidentLoader(rows, **mixed)._pipeline.chunk_batches == 9


def test_batches_share_the_memory_of_their_chunk(rows):
    loader = ResidentLoader(rows, 50, views=2, channels=3)
    (first, second, *_) = (images for images, _ in loader)
    assert first.shape == (2, 50, 3, 5, 7) and first.flags.c_contiguous
    begins = [x.__array_interface__["data"][0] for x in (first, second)]
    assert begins[1] - begins[0] == first.nbytes


class Counting(Machine):
    """A machine that notes its launches."""

    def __init__(self):
        self.launches = []

    def launch(self, name, stream, *numbers):
        self.launches.append((name, *numbers[:3]))
        super().launch(name, stream, *numbers)


def test_launches_of_a_chunk(rows):
    """Each channel of a cut has a thread block. A fill makes all of them."""
    machine = Counting()
    views = [None, [ff.RandomInvert()]]
    loader = ResidentLoader(rows, 50, machine=machine, views=views, channels=3)
    next(iter(loader))
    names = [name for name, *_ in machine.launches]
    assert names == ["start", "plan", "cut", "plan", "fill"]
    _, _, cut, _, fill = machine.launches
    assert cut[1:] == (450, 64, 0)
    assert fill[1:3] == (150, 128) and fill[3] > 0


# ---- fixed buffers ------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("views", VIEWS)
def test_fixed_buffers(rows, views, layout):
    options = {"batch_size": 50, "drop_last": True, "shuffle": True, "layout": layout}
    options |= {"with_index": True, **CHANNELS, **VIEWS[views]}
    fixed, plain = (kind(rows, **options) for kind in (FixedBuffersLoader, ff.Loader))
    first = fixed.buffers
    for want in [*plain, *plain, *plain]:
        assert fixed.fill() is first
        assert same([first], [want])
    want = list(plain)
    got = [tuple(array.copy() for array in batch) for batch in fixed]
    assert same(got, want)
    twin = pickle.loads(pickle.dumps(fixed))
    assert not np.shares_memory(twin.buffers[0], first[0])


def test_fixed_buffers_begin_anywhere(rows, monkeypatch):
    monkeypatch.setattr(batches, "_MAX_NBYTES", 20_000)
    options = {"batch_size": 120, "shuffle": True, "steps": 5, **CHANNELS}
    options |= VIEWS["one mix"]
    fixed, plain = (kind(rows, **options) for kind in (FixedBuffersLoader, ff.Loader))
    assert 1 < fixed._filler._most_planned < 120
    for loader in (fixed, plain):
        loader.load_state_dict(loader.state_dict() | {"epoch": 1, "position": 240})
    for want in [*plain, *plain]:
        assert same([fixed.fill()], [want])
    assert fixed.state_dict() == plain.state_dict()


# ---- as a loader --------------------------------------------------------------------


@pytest.mark.parametrize("views", ["cuts", "mixes", "crops"])
def test_states_move_between_loaders(rows, views):
    options = {"batch_size": 50, "shuffle": True, **CHANNELS, **VIEWS[views]}
    kinds = ResidentLoader, ff.Loader
    want = list(ff.Loader(rows, **options))
    for kind, other in (kinds, kinds[::-1]):
        run = kind(rows, **options)
        iterator = iter(run)
        for k in range(len(want)):
            resumed = other(rows, **options | {"seed": 9})
            resumed.load_state_dict(run.state_dict())
            assert same(list(resumed), want[k:])
            next(iterator)


def test_pictures_and_previews(small):
    pytest.importorskip("PIL.Image")
    options = {"views": 2, "augment": "strong", "channels": 3}
    resident, plain = ResidentLoader(small, **options), ff.Loader(small, **options)
    preview = resident.augment_preview(5, 4)
    assert np.array_equal(preview, plain.augment_preview(5, 4))
    assert resident.show(next(iter(resident))) == plain.show(next(iter(plain)))


def test_one_wrong_bit_of_a_view_is_found(rows):
    """A view with the numbers of another one differs."""
    options = {"batch_size": 60, "views": 2, "augment": "standard"}
    want = list(ff.Loader(rows, **options))
    loader = ResidentLoader(rows, **options)
    programs = loader._pipeline.filler._program_addresses
    loader._pipeline.filler._program_addresses = programs[:1] * 2
    with pytest.raises(AssertionError, match="differ"):
        same(list(loader), want)


def test_images_that_are_too_large_in_one_view(small):
    views = [None, [ff.Resize((300, 400)), ff.Resize((28, 28))]]
    with pytest.raises(ValueError, match=r"shared memory .* and views=\(None, "):
        ResidentLoader(small, views=views)
