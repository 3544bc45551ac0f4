"""Three channels of gray images equal the reference at every instruction set."""

import copy
import pickle

import numpy as np
import pytest
from helpers.against_reference import dataset_of, same, wanted
from reference_convert import arranged, convert, scales_and_biases

import fmnist_fast as ff
from fmnist_fast._core import DTYPES

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
APART = (0.5, -3.0, 0.1), (1e4, 1e-5, 1e-36)  # float16: subnormal, infinite
NORMALIZE = [None, "unit", "dataset", (0.286, 0.353), IMAGENET, APART]
LAYOUTS = ["NCHW", "NHWC", "flat"]
EVERY_PIXEL = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)


def bits(images):
    return images.view(f"u{images.itemsize}")


def dataset(images):
    return ff.Dataset.from_arrays(images, np.zeros(len(images), np.uint8))


def expected(images, dtype, normalize, layout, channels=3):
    """Return the images of one batch in numpy, without transforms."""
    pairs = scales_and_biases(normalize, images, channels)
    return arranged([convert(images, dtype, *pair) for pair in pairs], layout)


def check(images, dtype, normalize, layout, **options):
    """Check that the only batch of a loader has the images of the reference."""
    normalize = None if dtype == "uint8" else normalize
    options |= {"dtype": dtype, "normalize": normalize, "layout": layout}
    loader = ff.Loader(dataset(images), len(images), channels=3, **options)
    ((got, _),) = loader
    want = expected(images, dtype, normalize, layout)
    assert got.shape == want.shape
    assert np.array_equal(bits(got), bits(want)), (images.shape, layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("normalize", NORMALIZE, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_pixel_value_equals_reference(dtype, normalize, layout, cpu_level):
    check(EVERY_PIXEL, dtype, normalize, layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_width_equals_reference(dtype, layout, cpu_level):
    """Rows of odd widths begin at every alignment that the data type can have."""
    rng = np.random.default_rng(1)
    for width in range(1, 131):
        images = rng.integers(0, 256, (3, 1, width), dtype=np.uint8)
        check(images, dtype, IMAGENET, layout, threads=1)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(28, 28), (13, 8), (13, 9), (7, 4), (1, 1)], ids=str)
def test_large_batches_equal_reference(shape, layout, cpu_level):
    """Batches of 4 MB are written past the caches if an image has 8 n pixels."""
    n = 1 + (4 << 20) // (12 * shape[0] * shape[1])
    images = np.random.default_rng(2).integers(0, 256, (n, *shape), dtype=np.uint8)
    check(images, "float32", IMAGENET, layout)


@pytest.mark.parametrize("n_pixels", [*range(1, 34), 784])
@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_is_written_behind_the_images(dtype, n_pixels, cpu_level):
    images = np.full((1, 1, n_pixels), 7, np.uint8)
    slots = [memory[-memory.ctypes.data % 64 :] for memory in memories(8192 * 2)]
    options = {"dtype": dtype, "normalize": None, "layout": "NHWC", "channels": 3}
    loader = ff.Loader(dataset(images), 1, prefetch=1, slots=slots, **options)
    ((got, labels),) = loader
    begin = got.ctypes.data - slots[0].ctypes.data
    slot = slots[0] if 0 <= begin < slots[0].nbytes else slots[1]
    begin = got.ctypes.data - slot.ctypes.data
    end, labels_begin = begin + got.nbytes, labels.ctypes.data - slot.ctypes.data
    assert labels_begin >= end and (slot[end:labels_begin] == 0xAB).all()
    assert (slot[labels_begin + labels.nbytes :][:64] == 0xAB).all()


def memories(nbytes):
    return [np.full(nbytes, 0xAB, np.uint8) for _ in range(2)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_transformed_images_equal_reference(dtype, layout, cpu_level):
    data = dataset_of(13, 9, 40)
    augment = [ff.Resize((12, 10)), ff.RandomHorizontalFlip(), ff.MixUp()]
    options = {"batch_size": 16, "shuffle": True, "augment": augment, "channels": 3}
    options |= {"dtype": dtype, "layout": layout, "label_dtype": "onehot"}
    options |= {"normalize": None if dtype == "uint8" else IMAGENET, "with_index": True}
    got = [
        (bits(images) if dtype == "bfloat16" else images, *others)
        for images, *others in ff.Loader(data, **options)
    ]
    assert same(got, wanted(data, **options))


def test_a_large_image_for_a_pretrained_network(small):
    augment = [ff.Resize(224)]
    options = {"augment": augment, "channels": 3, "normalize": IMAGENET}
    ((images, _),) = ff.Loader(small.select(range(5)), **options)
    assert images.shape == (5, 3, 224, 224)
    assert same(
        [(images,)], [wanted(small.select(range(5)), **options, batch_size=5)[0][:1]]
    )


@pytest.mark.parametrize("layout", [*LAYOUTS, "NHW"])
def test_one_channel_is_the_default(odd, layout):
    plain, one = (
        list(ff.Loader(odd, 100, layout=layout, **options))
        for options in ({}, {"channels": 1})
    )
    assert same(one, plain)


def test_channels_are_equal_without_numbers_of_their_own(odd):
    for normalize in ("auto", "unit", None, (0.3, 0.4), ((0.3,) * 3, (0.4,) * 3)):
        options = {"batch_size": 600, "normalize": normalize}
        ((three, _),) = ff.Loader(odd, channels=3, **options)
        one_number = (0.3, 0.4) if isinstance(normalize, tuple) else normalize
        ((one, _),) = ff.Loader(odd, **options | {"normalize": one_number})
        assert np.array_equal(three, one.repeat(3, axis=1))


# ---- arguments ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "channels, error, message",
    [
        (0, ValueError, "channels must be at least 1, got 0"),
        (2, ValueError, "channels must be 1 or 3, got 2"),
        (4, ValueError, "channels must be 1 or 3, got 4"),
        (True, TypeError, "channels must be an integer, got True"),
        ("3", TypeError, "channels must be an integer, got '3'"),
        (3.0, TypeError, r"channels must be an integer, got 3\.0"),
        (None, TypeError, "channels must be an integer, got None"),
    ],
)
def test_wrong_channels_are_refused(small, channels, error, message):
    with pytest.raises(error, match=message):
        ff.Loader(small, channels=channels)


def test_a_layout_without_channels_is_refused(small):
    message = "layout='NHW' requires channels=1, got 3.\nPass layout='NCHW' or 'NHWC'."
    with pytest.raises(ValueError, match=message):
        ff.Loader(small, channels=3, layout="NHW")


PER_CHANNEL = [
    IMAGENET,
    [list(numbers) for numbers in IMAGENET],
    np.array(IMAGENET),
    (np.array(IMAGENET[0]), list(IMAGENET[1])),
    tuple(np.array(numbers).reshape(3, 1, 1) for numbers in IMAGENET),  # broadcast
]


@pytest.mark.parametrize(
    "normalize", PER_CHANNEL, ids=lambda value: type(value).__name__
)
def test_numbers_for_each_channel(small, normalize):
    loader = ff.Loader(small, channels=3, normalize=normalize)
    assert loader.normalize == IMAGENET == (loader.mean, loader.std)
    for k, (mean, std) in enumerate(zip(*IMAGENET)):
        assert loader.scale[k] == 1 / (255 * std) and loader.bias[k] == -mean / std
    assert "normalize=((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))" in repr(loader)


def test_tensors_of_pytorch_for_each_channel(small):
    torch = pytest.importorskip("torch")
    tensors = tuple(torch.tensor(numbers, dtype=torch.float64) for numbers in IMAGENET)
    assert ff.Loader(small, channels=3, normalize=tensors).normalize == IMAGENET
    stacked = torch.stack(tensors)
    assert ff.Loader(small, channels=3, normalize=stacked).normalize == IMAGENET


def test_one_number_for_all_channels(small):
    loader = ff.Loader(small, channels=3, normalize=(0.5, IMAGENET[1]))
    assert loader.normalize == ((0.5,) * 3, IMAGENET[1])
    loader = ff.Loader(small, channels=3, normalize=([0.5], [0.25]))
    assert loader.normalize == (0.5, 0.25) == (loader.mean, loader.std)
    assert ff.Loader(small, channels=3).normalize == ff.Loader(small).normalize


@pytest.mark.parametrize(
    "channels, normalize, error, message",
    [
        (1, IMAGENET, ValueError, "one mean and one standard deviation, because images "
         "have one channel, got 3 of each.\nPass one of each, .* or pass channels=3."),
        (1, ((0.1, 0.2), 0.5), ValueError, "got 2 and 1"),
        (3, ((0.1, 0.2), 0.5), ValueError, "1 or 3 means and as many standard "
         "deviations, because images have 3 channels, got 2 and 1.\nPass normalize="),
        (3, ((), (0.1,) * 3), ValueError, "got 0 and 3"),
        (3, ((), ()), TypeError, r"pair of numbers \(mean, std\), got \(\(\), \(\)\)"),
        (3, ((0.1, "0.2", 0.3), 0.5), TypeError, r"got \('0.2', 0.5\) in channel 1"),
        (3, (np.full((1, 3), 0.5), 0.5), TypeError, r"got \(array"),
        (3, ((0.1, 0.2, 0.3), (0.5, 0.0, 0.5)), ValueError, ".0.2, 0.0. in channel 1"),
        (3, ((0.1, 0.2, np.nan), 0.5), ValueError, "finite numbers with std > 0"),
        (3, ((123.7, 116.3, 103.5), 0.5), ValueError, "at most 1, got .123.7, 0.5"),
        (3, ((0.1, 0.2, 0.3), 1e-40), ValueError, "in the range of float32"),
        (3, (0.1, 0.2, 0.3), TypeError, r"0.3\).\nPass normalize=\(\(m"),
        (1, (0.1, 0.2, 0.3), TypeError, r"got \(0.1, 0.2, 0.3\).\nPass one of each"),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_wrong_numbers_are_refused(small, channels, normalize, error, message):
    with pytest.raises(error, match=message):
        ff.Loader(small, channels=channels, normalize=normalize)


def test_pixels_of_uint8_have_no_normalization(small):
    message = "dtype='uint8' requires normalize=None or 'auto', got"
    with pytest.raises(ValueError, match=message):
        ff.Loader(small, channels=3, dtype="uint8", normalize=IMAGENET)


def test_copies_have_the_channels(small):
    options = {"channels": 3, "layout": "NHWC", "normalize": IMAGENET}
    loader = ff.Loader(small, 300, **options)
    assert "channels=3" in repr(loader)
    assert "channels" not in repr(ff.Loader(small))
    copies = copy.copy(loader), pickle.loads(pickle.dumps(loader))
    for other in (*copies, loader._replace(threads=1)):
        assert repr(other).replace("threads=1, ", "") == repr(loader)
        assert same(list(other), wanted(small, batch_size=300, **options))


def test_slots_have_room_for_all_channels(small):
    one, three = (ff.Loader(small, 100, channels=n).slot_nbytes for n in (1, 3))
    assert three - one == 2 * 100 * 784 * 4
