"""Several views of each sample equal the reference, and are like one loader each."""

import ctypes

import numpy as np
import pytest
from helpers.against_reference import dataset_of, same, wanted
from helpers.loader_cases import viewings
from hypothesis import given, settings
from hypothesis import strategies as st

import fmnist_fast as ff
from fmnist_fast._core import MAX_VIEWS

FLIP = ff.RandomHorizontalFlip()
ALTERNATING = ff.RandomHorizontalFlip(mode="alternating")
ONEHOT = {"label_dtype": "onehot"}


def crop(height, width):
    return ff.RandomCrop((height, width), padding=2)


def views_of(height, width):
    """Return options of loaders with views, for images of one size."""
    few = [crop(height, width), FLIP]
    noisy = [*few, ff.RandomErasing(), ff.GaussianNoise()]
    size = (height + 1) // 2, (width + 1) // 2
    other = [ff.Resize(size), ff.RandomInvert()]
    mixes = ff.RandomChoice([ff.MixUp(), ff.CutMix()])
    return {
        "one": {"augment": few, "views": 1},
        "two": {"augment": noisy, "views": 2},
        "unchanged": {"views": 3},
        "63": {"augment": [FLIP, ff.RandomInvert()], "views": MAX_VIEWS},
        "alternating": {"augment": [ALTERNATING], "views": 4},
        "resized": {"augment": other, "views": 2},
        "list": {"views": [None, [ff.RandomHorizontalFlip(p=1.0)], noisy, FLIP]},
        "list of one": {"views": [noisy]},
        "sizes": {"views": [other, [ff.RandomCrop(size)], ff.CenterCrop(size)]},
        "mixed": {"augment": [*few, mixes], "views": 3, **ONEHOT},
        "only mixed": {"augment": ff.MixUp(), "views": 2, **ONEHOT},
        "mixed second": {"views": [few, [FLIP, ff.MixUp()], None], **ONEHOT},
        "mixed first": {"views": [[ff.CutMix()], noisy], **ONEHOT},
        "five": {"augment": noisy, "views": ff.FiveCrop(size)},
        "ten": {"augment": few, "views": ff.TenCrop(size, vertical_flip=True)},
        "five mixed": {"augment": [FLIP, ff.MixUp()], "views": ff.FiveCrop(size)}
        | ONEHOT,
    }


def bits(batches):
    """Return batches with bfloat16 images as their bits, as the reference has them."""
    return [
        (x.view(np.uint16) if x.dtype.name == "bfloat16" else x, *fields)
        for x, *fields in batches
    ]


def check(dataset, epochs=(0, 3), **options):
    """Check epochs of a loader against the reference."""
    options = {"batch_size": 16, "shuffle": True, "seed": 2**63 + 5, **options}
    with ff.Loader(dataset, threads=2, **options) as loader:
        for epoch in epochs:
            loader.set_epoch(epoch)
            assert same(bits(loader), wanted(dataset, epoch=epoch, **options)), epoch


FORMATS = [
    ("float32", "NCHW", 1),
    ("float32", "NHWC", 3),
    ("float16", "flat", 3),
    ("bfloat16", "NHWC", 1),
    ("uint8", "NHW", 1),
    ("uint8", "NCHW", 3),
]


@pytest.mark.parametrize("name", views_of(5, 7))
@pytest.mark.parametrize("shape", [(5, 7), (8, 8), (1, 1)], ids=str)
def test_views_equal_reference(shape, name, cpu_level):
    """Epochs have a short last batch. Formats take turns, to save time."""
    options = views_of(*shape)[name]
    n = 2 + list(views_of(*shape)).index(name) + sum(shape)
    for dtype, layout, channels in (FORMATS[n % 6], FORMATS[(n + 3) % 6]):
        format = {"dtype": dtype, "layout": layout, "channels": channels}
        check(dataset_of(*shape, 21), **format, **options)


@pytest.mark.parametrize("name", views_of(28, 28))
def test_views_of_garments_equal_reference(small, name, cpu_level):
    check(small.select(range(20)), (2,), batch_size=9, **views_of(28, 28)[name])


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(28, 28), (9, 8), (9, 7)], ids=str)
def test_large_batches_equal_those_of_each_view(shape, channels, layout, cpu_level):
    """Batches of 4 MB are written past the caches, in pieces by several threads."""
    n = 1 + (4 << 20) // (3 * 4 * channels * shape[0] * shape[1])
    images = np.random.default_rng(2).integers(0, 256, (n, *shape), dtype=np.uint8)
    data = ff.Dataset.from_arrays(images, np.arange(n) % 3)
    options = {"batch_size": n, "channels": channels, "layout": layout, "threads": 2}
    views = [None, [ff.RandomHorizontalFlip(p=1.0)], [ff.RandomInvert(p=1.0)]]
    ((got, labels),) = ff.Loader(data, views=views, **options)
    assert got.shape[:2] == (3, n) and np.array_equal(labels, data.labels)
    for view, augment in enumerate(views):
        ((want, _),) = ff.Loader(data, augment=augment, **options)
        assert np.array_equal(got[view], want)


def test_other_numbers_of_threads_and_batches_ahead_make_the_same(small):
    options = {"augment": "strong", "views": 3, "batch_size": 100, "channels": 3}
    first = [tuple(map(np.copy, batch)) for batch in ff.Loader(small, **options)]
    for threads, prefetch in [(1, 1), (3, 2), (8, 7)]:
        loader = ff.Loader(small, threads=threads, prefetch=prefetch, **options)
        assert same(list(loader), first)


# ---- samples, orders and ends --------------------------------------------------------

SAMPLINGS = {
    "drop_last": {"drop_last": True},
    "wrap": {"drop_last": "wrap"},
    "steps": {"steps": 5},
    "weights": {"weights": "balanced", "shuffle": False},
    "order": {"order": [3, 1, 20, 3, 7, -1], "shuffle": False, "repeats": 2},
    "blocks": {"shuffle_block": 4},
    "seeds": {"augment_seed": 9},
}
MIXED = {"views": [[ff.MixUp()], [FLIP, ff.CutMix()], None], **ONEHOT}
TWO = {"augment": [crop(5, 7), FLIP], "views": 2}


@pytest.mark.parametrize("options", [TWO, MIXED], ids=["two", "mixed"])
@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
@pytest.mark.parametrize("shard", [(0, 1), (0, 3), (2, 3)], ids=str)
def test_samplings_equal_reference(shard, sampling, options):
    data = dataset_of(5, 7, 23)._with(extra={"row": np.arange(23), "x": np.arange(23)})
    fields = {"with_index": True, "columns": ["x"]}
    options = options | fields | sampling | {"batch_size": 4, "shard": shard}
    check(data, (0, 2), **options)


@pytest.mark.parametrize("options", [TWO, MIXED], ids=["two", "mixed"])
def test_shards_make_up_the_batch_of_one_process(odd, options):
    options = {"shuffle": True, **options}
    whole = list(ff.Loader(odd, 30, **options))
    shards = [ff.Loader(odd, 10, shard=(rank, 3), **options) for rank in range(3)]
    n_batches = 0
    for (x, y), *parts in zip(whole, *shards):
        assert np.array_equal(np.concatenate([part[0] for part in parts], axis=1), x)
        axis = int(y.ndim == 3)
        assert np.array_equal(np.concatenate([part[1] for part in parts], axis), y)
        n_batches += 1
    assert n_batches == len(whole)


@pytest.mark.parametrize("options", [TWO, MIXED], ids=["two", "mixed"])
def test_a_state_resumes_in_other_batches(odd, options):
    options = {"shuffle": True, "seed": 3, **options}
    loader = ff.Loader(odd, 30, **options)
    batches = iter(loader)
    for _ in range(2):
        next(batches)
    state = loader.state_dict()
    assert state["position"] == 60
    if options["views"] == 2:  # mixes depend on the rows of a global batch
        resumed = ff.Loader(odd, 7, shard=(1, 2), **options)
        resumed.load_state_dict(state)
        want = wanted(odd, batch_size=7, shard=(1, 2), position=60, **options)
        assert same(list(resumed), want)
    resumed = ff.Loader(odd, 30, **options)
    resumed.load_state_dict(state)
    assert same(list(resumed), list(batches))


def test_selections_and_several_files_equal_reference(small, small_in_files):
    rows = np.random.default_rng(3).permutation(1000)[:37]
    options = {"batch_size": 10, "channels": 3, "layout": "NHWC", "normalize": "unit"}
    options |= {"views": [None, "standard"]}
    for data in (small.select(rows), small_in_files.select(rows)):
        check(data, (1,), **options)
    assert same(*(list(ff.Loader(d, **options)) for d in (small, small_in_files)))


# ---- what views are ------------------------------------------------------------------


@pytest.mark.parametrize("augment", [None, "standard", "strong", [FLIP, ff.MixUp()]])
def test_view_0_has_the_images_without_views(small, augment):
    options = {"batch_size": 300, "augment": augment, "shuffle": True, **ONEHOT}
    plain = [tuple(map(np.copy, batch)) for batch in ff.Loader(small, **options)]
    for n_views in (1, 2, 5):
        for (x, y), (want_x, want_y) in zip(
            ff.Loader(small, views=n_views, **options), plain, strict=True
        ):
            assert x.shape == (n_views, *want_x.shape)
            assert x[0].tobytes() == want_x.tobytes()
            is_mixed = isinstance(augment, list)
            assert y.shape == (n_views,) * is_mixed + want_y.shape
            assert (y[0] if is_mixed else y).tobytes() == want_y.tobytes()


def test_a_list_of_one_augmentation_for_all_views_equals_their_number(small):
    augment = [crop(28, 28), FLIP, ff.CutMix()]
    options = {"batch_size": 100, "shuffle": True, **ONEHOT}
    loaders = [
        ff.Loader(small, augment=augment, views=3, **options),
        ff.Loader(small, views=[augment] * 3, **options),
    ]
    assert same(*map(list, loaders))


def test_views_are_writable_parts_of_one_batch(odd):
    images, labels = next(iter(ff.Loader(odd, 100, views=2)))
    first, second = images
    assert first.flags.c_contiguous and first.flags.writeable and labels.shape == (100,)
    second[:] = 0
    assert first.any() and not images[1].any()
    assert first.ctypes.data + first.nbytes == second.ctypes.data


def test_the_most_transforms_of_a_view_draw_apart_from_the_next_view():
    """A mix of view 0 draws as the last number before those of view 1."""
    inversions = [ff.RandomInvert(p=0.5)] * 1023
    check(
        dataset_of(1, 2, 8), (0,), augment=[*inversions, ff.MixUp()], views=2, **ONEHOT
    )


FUNCTION = ctypes.CFUNCTYPE(
    None,
    ctypes.POINTER(ctypes.c_uint8),
    *[ctypes.c_int64] * 2,
    ctypes.POINTER(ctypes.c_uint32),
    ctypes.c_void_p,
)


def writer(value):
    """Return a C function that sets the first pixel, and the second one at random."""

    def write(pixels, height, width, random, data):
        pixels[0], pixels[1] = value, random[0] & 255

    return ff.CFunction(FUNCTION(write))


def test_c_functions_of_each_view():
    """Functions have a number in each program, so that views can have others."""
    data = dataset_of(3, 4, 9)
    views = [[writer(1)], None, [FLIP, writer(2), ff.RandomApply([writer(3)], p=0.5)]]
    options = {"views": views, "dtype": "uint8", "layout": "NHW"}
    check(data, (0, 1), normalize=None, **options)
    ((images, _),) = ff.Loader(data, **options)
    assert (images[0, :, 0, 0] == 1).all() and set(images[2, :, 0, 0]) == {2, 3}
    repeated = {"augment": [writer(4)], "views": 3, "dtype": "uint8", "layout": "NHW"}
    check(data, (0, 1), normalize=None, **repeated)


def test_python_functions_get_the_views_of_a_batch(odd):
    shapes = []

    def change(images, labels, rng):
        shapes.append(images.shape)
        return images[::-1], labels

    options = {"batch_size": 100, "augment": [FLIP, change]}
    for views in (2, ff.FiveCrop(4)):
        without = ff.Loader(odd, 100, augment=[FLIP], views=views)
        n_views = len(without._compiled_views)
        for (x, y), (want_x, want_y) in zip(
            ff.Loader(odd, views=views, **options), without, strict=True
        ):
            assert np.array_equal(x, want_x[::-1]) and np.array_equal(y, want_y)
        assert shapes.pop()[:2] == (n_views, 17)


def test_previews_have_the_views(odd):
    options = {"augment": [crop(5, 7), FLIP], "batch_size": 517}
    loader = ff.Loader(odd, views=3, **options)
    preview = loader.augment_preview(4, 2)
    assert preview.shape == (3, 2, 5, 7)
    raw = ff.Loader(odd, views=3, dtype="uint8", layout="NHW", **options)
    for epoch in range(2):
        ((images, _),) = raw
        assert np.array_equal(images[:, 4], preview[:, epoch])
    assert ff.Loader(odd, **options).augment_preview(4, 2).shape == (2, 5, 7)


@settings(max_examples=30)
@given(data=st.data())
def test_any_views_equal_reference(data):
    height, width = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 20))
    options, _ = data.draw(viewings(height, width))
    check(dataset_of(height, width, 7), (1,), batch_size=3, **ONEHOT, **options)
