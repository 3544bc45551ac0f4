"""Advice for arrays of other types and shapes, which is followed as it is written."""

import re

import numpy
import numpy as np
import pytest

from fmnist_fast import Dataset

N, SIDE = 6, 8
PIXELS = np.random.default_rng(0).integers(0, 256, (N, SIDE, SIDE), np.uint8)
PIXELS[0, 0, :2] = 0, 255
COLORS = np.repeat(PIXELS[..., None], 3, axis=3)
LABELS = np.array([2, 0, 1, 2, 1, 0])
FLAT = PIXELS.reshape(N, -1)


def message_of(images, labels):
    with pytest.raises((TypeError, ValueError)) as raised:
        Dataset.from_arrays(images, labels)
    return str(raised.value)


def followed(message, **names):
    """Return the values of the expressions that a message tells to pass."""
    (text,) = re.findall(r"\nPass (.+)\.$", message)
    names["numpy"] = numpy
    return [eval(part, names) for part in text.split(", and classes=")]


@pytest.mark.parametrize(
    "images, advice",
    [
        (PIXELS[..., None], "images[..., 0]"),
        (PIXELS[:, None], "images[:, 0]"),
        (FLAT, "images.reshape(-1, 8, 8)"),
        (FLAT.T.copy().T, "numpy.ascontiguousarray(images.reshape(-1, 8, 8))"),
        (PIXELS.astype(np.int64), "images.astype('uint8')"),
        (PIXELS.astype(np.float32), "images.round().astype('uint8')"),
        (PIXELS / 255, "(images * 255).round().astype('uint8')"),
        (np.float16(PIXELS / 255), "(images * 255).round().astype('uint8')"),
        (PIXELS / 127.5 - 1, "((images + 1) * 127.5).round().astype('uint8')"),
        (PIXELS.astype(np.uint16) * 257, "(images / 257).round().astype('uint8')"),
        ((PIXELS / 255)[..., None], "(images[..., 0] * 255).round().astype('uint8')"),
        (PIXELS.tolist(), "numpy.asarray(images).astype('uint8')"),
        (list(PIXELS), "numpy.asarray(images)"),
        (np.repeat(PIXELS, 2, 0)[::2], "numpy.ascontiguousarray(images)"),
        (np.asfortranarray(PIXELS), "numpy.ascontiguousarray(images)"),
        (COLORS, "(images @ [0.299, 0.587, 0.114]).round().astype('uint8')"),
        (COLORS / 255, None),
        (COLORS.transpose(0, 3, 1, 2), None),
        (np.concatenate([COLORS, COLORS[..., :1]], 3), None),
        (np.c_[LABELS, FLAT], None),  # a column of labels before the pixels
        (PIXELS.transpose(1, 2, 0).copy(), None),
    ],
)
def test_advice_for_images(images, advice):
    message = message_of(images, LABELS)
    if advice is not None:
        assert message.endswith(f"\nPass {advice}.")
    (right,) = followed(message, images=images)
    assert np.array_equal(Dataset.from_arrays(right, LABELS).images, PIXELS)


def test_advice_for_binary_images():
    (right,) = followed(message_of(PIXELS > 99, LABELS), images=PIXELS > 99)
    assert np.array_equal(right, (PIXELS > 99) * np.uint8(255))
    assert Dataset.from_arrays(right, LABELS).images is right


@pytest.mark.parametrize("image", [PIXELS[1], FLAT[1], PIXELS[1] / 255])
def test_advice_for_one_image(image):
    (right,) = followed(message_of(image, [3]), images=image)
    assert np.array_equal(Dataset.from_arrays(right, [3]).images, PIXELS[1:2])
    (labels,) = followed(message_of(right, 3), labels=3)
    assert labels == [3]


@pytest.mark.parametrize("kind", ["torch", "torch with gradients", "jax", "pandas"])
def test_advice_for_tensors_and_tables(kind):
    package = pytest.importorskip(kind.split()[0])
    images = {
        "torch": lambda: package.tensor(PIXELS),
        "torch with gradients": lambda: package.tensor(
            PIXELS[:, None] / 255, requires_grad=True
        ),
        "jax": lambda: package.numpy.array(PIXELS / 255),
        "pandas": lambda: package.DataFrame(np.c_[LABELS, FLAT]),
    }[kind]()
    (right,) = followed(message_of(images, LABELS), images=images)
    assert np.array_equal(Dataset.from_arrays(right, LABELS).images, PIXELS)
    if kind == "pandas":
        images = package.Series(list(PIXELS))
        (right,) = followed(message_of(images, LABELS), images=images)
        assert np.array_equal(right, PIXELS)


@pytest.mark.parametrize(
    "images, message",
    [
        ([PIXELS[0], PIXELS[1, :5]], r"got list\.\nAll images must have one size\.$"),
        (PIXELS / 100, r"\nScale them to 0\.\.255 first\. They are 0 to 2\.55\.$"),
        (PIXELS.view(np.int8), r"\nScale them .* They are -128 to 127\.$"),
        (PIXELS * np.nan, r"\nReplace NaN and infinite values first\.$"),
        (FLAT[:, :50][:, :48], r"\nReshape them to \(n, height, width\)\.$"),
        (PIXELS[None, None], r"\nReshape them to \(n, height, width\)\.$"),
        ("images.npy", "must be an ndarray, got str$"),
        (None, "must be an ndarray, got NoneType$"),
        (7, "must be an ndarray, got int$"),
        (np.uint8(7), "must be an ndarray, got uint8$"),
        (np.array(["a"] * N), r"got <U1 \(6,\)$"),
    ],
)
def test_images_that_no_expression_makes_right(images, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Dataset.from_arrays(images, [0, 1] if isinstance(images, list) else LABELS)


@pytest.mark.parametrize("images", [PIXELS, PIXELS[..., None], FLAT, PIXELS.tolist()])
@pytest.mark.parametrize("labels", [LABELS, LABELS.tolist()])
def test_arguments_in_the_other_order(images, labels):
    message = r"^images must come before labels, .*\.\nPass them in the other order\.$"
    with pytest.raises(ValueError, match=message):
        Dataset.from_arrays(labels, images)


NAMES = ["shoe", "bag", "hat", "shoe", "hat", "bag"]


@pytest.mark.parametrize(
    "labels, advice",
    [
        (LABELS.astype(np.float32), "labels.astype('int64')"),
        (LABELS[:, None], "labels[:, 0]"),
        (LABELS[None], "labels[0]"),
        (LABELS[:, None] + 0.0, "labels[:, 0].astype('int64')"),
        (np.eye(3)[LABELS], "labels.argmax(axis=1)"),
        (
            np.eye(3, dtype=bool)[LABELS].tolist(),
            "numpy.asarray(labels).argmax(axis=1)",
        ),
        (LABELS.astype(str), "labels.astype('int64')"),
        (list("201210"), "numpy.asarray(labels).astype('int64')"),
        (LABELS.astype(object), "labels.astype('int64')"),
        (iter(LABELS), "list(labels)"),
        (NAMES, None),
        (np.array(NAMES, dtype=object), None),
    ],
)
def test_advice_for_labels(labels, advice):
    message = message_of(PIXELS, labels)
    if advice is not None:
        assert message.endswith(f"\nPass {advice}.")
    right, *classes = followed(message, labels=labels)
    dataset = Dataset.from_arrays(PIXELS, right, classes=(classes or [None])[0])
    names = ("bag", "hat", "shoe") if classes else ("0", "1", "2")
    assert dataset.labels.tolist() == LABELS.tolist() and dataset.classes == names


def test_names_as_labels_do_not_replace_the_classes():
    message = r"got <U4 \(6,\)\.\nPass the number of the class in place of each name\.$"
    with pytest.raises(ValueError, match=message):
        Dataset.from_arrays(PIXELS, NAMES, classes=["shoe", "hat", "bag", "sock"])


def test_advice_for_booleans_as_labels():
    (right,) = followed(message_of(PIXELS, LABELS > 0), labels=LABELS > 0)
    assert Dataset.from_arrays(PIXELS, right).labels.tolist() == [1, 0, 1, 1, 1, 0]


@pytest.mark.parametrize("kind", ["series", "frame", "category", "tensor"])
def test_advice_for_labels_in_tables_and_tensors(kind):
    package = pytest.importorskip("torch" if kind == "tensor" else "pandas")
    labels = {
        "series": lambda: package.Series(LABELS.astype(float)),
        "frame": lambda: package.DataFrame({"y": LABELS}),
        "category": lambda: package.Series(LABELS.astype(str), dtype="category"),
        "tensor": lambda: package.tensor(np.eye(3)[LABELS]),
    }[kind]()
    (right,) = followed(message_of(PIXELS, labels), labels=labels)
    assert Dataset.from_arrays(PIXELS, right).labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    "labels",
    [LABELS + 0.5, LABELS * np.nan, np.full((N, 3), 1 / 3), [0, 1, None, 2, 1, 0]],
)
def test_labels_that_no_expression_makes_right(labels):
    with pytest.raises(ValueError, match=r"must be integers of shape \(n,\), .*\)$"):
        Dataset.from_arrays(PIXELS, labels)


def test_lists_of_labels_of_different_lengths():
    with pytest.raises(ValueError, match=r"got lists of different lengths$"):
        Dataset.from_arrays(PIXELS, [[1], [1, 2]])


def test_tables_with_a_column_of_labels():
    message = message_of(np.c_[LABELS, FLAT], LABELS)
    assert "\nThe first column seems to be the labels.\nPass numpy.asc" in message
