"""Conversion from and to Hugging Face datasets, compared with their own decoding."""

import io
import os
import sys

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import Dataset
from fmnist_fast._dataset import huggingface
from fmnist_fast._io.png import write_png

hf = pytest.importorskip("datasets")
Image = pytest.importorskip("PIL.Image")

CLASSES = ["a", "b", "c"]
IMAGES = np.random.default_rng(0).integers(0, 256, (7, 6, 5), np.uint8)
LABELS = [2, 0, 1, 1, 0, 2, 2]


def file_of(array, format="PNG", **options):
    """Return an image file as bytes."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, format, **options)
    return file.getvalue()


def dataset_of(files, labels=None, feature=None, label_feature=None, **names):
    """Return a datasets.Dataset of image files, given as bytes or as rows."""
    labels = [0] * len(files) if labels is None else labels
    image, label = names.get("image", "image"), names.get("label", "label")
    features = hf.Features(
        {
            image: feature or hf.Image(),
            label: label_feature or hf.ClassLabel(names=CLASSES),
        }
    )
    rows = [
        file
        if file is None or isinstance(file, dict)
        else {"bytes": file, "path": None}
        for file in files
    ]
    return hf.Dataset.from_dict({image: rows, label: labels}, features=features)


def decoded(ds, image="image"):
    """Return the images of a datasets.Dataset, decoded by that package."""
    return np.stack([np.asarray(row[image]) for row in ds])


@pytest.fixture(scope="module")
def seven():
    """Return a datasets.Dataset of IMAGES and LABELS."""
    return dataset_of([file_of(image) for image in IMAGES], LABELS)


# ---- from_huggingface -------------------------------------------------------------


def test_pixels_labels_and_classes(seven):
    dataset = Dataset.from_huggingface(seven)
    assert np.array_equal(dataset.images, IMAGES)
    assert np.array_equal(dataset.images, decoded(seven))
    assert dataset.labels.tolist() == LABELS and dataset.labels.dtype == np.uint8
    assert dataset.classes == ("a", "b", "c")
    assert (dataset.name, dataset.split_name, dataset.synthetic) == (None, None, False)


@pytest.mark.parametrize("size", [1, 2, 3, 16])
def test_conversion_in_slices_of_any_size(seven, size, monkeypatch):
    monkeypatch.setattr(huggingface, "_SLICE", size)
    assert np.array_equal(Dataset.from_huggingface(seven).images, IMAGES)


def test_selected_shuffled_and_concatenated_rows(seven):
    shuffled = seven.shuffle(seed=1).select([6, 2, 2, 0])
    both = hf.concatenate_datasets([seven.select(range(2, 5)), shuffled])
    for ds in (shuffled, both, seven.with_format("numpy").select([3])):
        dataset = Dataset.from_huggingface(ds)
        assert np.array_equal(dataset.images, decoded(ds.with_format(None)))
        assert dataset.labels.tolist() == ds.with_format(None)["label"][:]


def test_a_dataset_loaded_from_disk(seven, tmp_path):
    seven.save_to_disk(tmp_path / "saved", num_shards=2)
    dataset = Dataset.from_huggingface(hf.load_from_disk(tmp_path / "saved"))
    assert np.array_equal(dataset.images, IMAGES) and dataset.labels.tolist() == LABELS


def test_files_of_other_kinds_are_decoded_by_pillow():
    smooth = np.add.outer(np.arange(24) * 5, np.arange(16) * 3).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    files = [
        file_of(smooth),
        file_of(smooth, "JPEG"),
        file_of(smooth, "BMP"),
        file_of(smooth, "PNG", exif=exif),
    ]
    ds = dataset_of(files)
    images = Dataset.from_huggingface(ds).images
    assert np.array_equal(images, decoded(ds))
    assert np.array_equal(images[3], smooth[::-1, ::-1])


def test_files_by_path(tmp_path, no_hang):
    (tmp_path / "a.png").write_bytes(file_of(IMAGES[3]))
    path = str(tmp_path / "a.png")
    ds = dataset_of([{"bytes": None, "path": path}])
    assert np.array_equal(Dataset.from_huggingface(ds).images, IMAGES[3:4])
    (tmp_path / "a.png").unlink()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)
        with pytest.raises(ff.FormatError, match=r"row 0: .* must be a file, got"):
            Dataset.from_huggingface(ds)
        os.unlink(path)
    with pytest.raises(ff.FormatError, match=r"row 0: can't read the file: .*a\.png"):
        Dataset.from_huggingface(ds)


def test_the_mode_of_the_feature_is_followed():
    color = np.stack([IMAGES[0]] * 3, axis=-1)
    ds = dataset_of([file_of(color), file_of(IMAGES[1])], feature=hf.Image(mode="L"))
    dataset = Dataset.from_huggingface(ds)
    assert np.array_equal(dataset.images, decoded(ds))
    ds = dataset_of([file_of(IMAGES[1])], feature=hf.Image(mode="RGB"))
    with pytest.raises(ValueError, match=r"row 0: images must be grayscale .* 'RGB'"):
        Dataset.from_huggingface(ds)


def test_the_hint_for_color_images_works_as_printed():
    ds = dataset_of([file_of(np.stack([IMAGES[0]] * 3, axis=-1))], image="photo")
    with pytest.raises(ValueError) as caught:
        Dataset.from_huggingface(ds, image="photo")
    hint = str(caught.value).partition("Convert them with ")[2].rstrip(".")
    ds = eval(hint, {"ds": ds, "datasets": hf})
    dataset = Dataset.from_huggingface(ds, image="photo")
    assert np.array_equal(dataset.images, decoded(ds, "photo"))


@pytest.mark.parametrize("mode", [None, "L", "RGB", "I"])
@pytest.mark.parametrize(
    "dtype, format, got",
    [
        (np.uint16, "PNG", "'I;16'"),
        (np.uint16, "TIFF", "'I;16'"),
        (np.int32, "TIFF", "'I'"),
        (np.float32, "TIFF", "'F'"),
    ],
)
def test_more_than_8_bits_are_refused_for_any_mode_of_the_column(
    mode, dtype, format, got
):
    deep = (IMAGES[0] * 257.0).astype(dtype)
    ds = dataset_of([file_of(deep, format)], feature=hf.Image(mode=mode))
    with pytest.raises(ValueError, match=f"(?s)row 0: .*got mode {got}.*from_arrays"):
        Dataset.from_huggingface(ds)


def test_columns_by_other_names_and_plain_integers():
    files = [file_of(image) for image in IMAGES]
    value = hf.Value("int32")
    names = {"image": "photo", "label": "kind"}
    ds = dataset_of(files, LABELS, label_feature=value, **names)
    dataset = Dataset.from_huggingface(ds, **names)
    assert np.array_equal(dataset.images, IMAGES)
    assert dataset.labels.tolist() == LABELS and dataset.classes == ("0", "1", "2")


@pytest.mark.parametrize("row", [0, 3, 6])
@pytest.mark.parametrize(
    "bad, error, message",
    [
        (None, ValueError, "has no image"),
        (b"", ff.FormatError, "can't decode the image: cannot identify"),
        (b"no image", ff.FormatError, "can't decode the image: cannot identify"),
        (file_of(IMAGES[0])[:60], ff.FormatError, "can't decode the image: "),
        (file_of(np.zeros((6, 5, 3), np.uint8)), ValueError, "grayscale .* got 'RGB'"),
        (file_of(np.zeros((6, 5), np.uint16)), ValueError, "8 bits, got mode 'I;16'"),
        (file_of(np.zeros((5, 6), np.uint8)), ValueError, r"\(., .\), got \(., .\)"),
    ],
    ids=range(7),
)
def test_bad_images_are_named_by_their_row(row, bad, error, message):
    files = [file_of(image) for image in IMAGES]
    files[row] = bad
    # If row 0 has another size, row 1 is the first that differs from it.
    named_row = 1 if row == 0 and "got (" in message.replace("\\", "") else row
    with pytest.raises(error, match=f"^row {named_row}:? .*{message}"):
        Dataset.from_huggingface(dataset_of(files))


def test_a_changed_byte_of_a_png_never_changes_pixels():
    """Pillow alone accepts wrong checksums. Damage to the last chunk is harmless."""
    content, n_noticed = write_png(IMAGES[0]), 0
    for i in range(8, len(content)):
        changed = bytearray(content)
        changed[i] ^= 0x10
        ds = dataset_of([bytes(changed)], LABELS[:1])
        try:
            pixels = Dataset.from_huggingface(ds).images[0]
        except ValueError as error:
            assert str(error).startswith("row 0: ")
            n_noticed += 1
        else:
            assert np.array_equal(pixels, IMAGES[0])
            assert i >= len(content) - 12  # in the chunk that ends the file
    assert n_noticed >= len(content) - 8 - 12


def test_the_first_of_several_bad_rows_is_named(seven):
    files = [file_of(image) for image in IMAGES]
    files[2] = files[5] = b"bad"
    with pytest.raises(ff.FormatError, match="row 2: can't decode the image"):
        Dataset.from_huggingface(dataset_of(files))


@pytest.mark.parametrize("missing", [None, -1])
def test_missing_labels(missing):
    labels = [*LABELS[:4], missing, *LABELS[5:]]
    ds = dataset_of([file_of(image) for image in IMAGES], labels)
    with pytest.raises(ValueError, match=r"row 4 has no label\.\n.* with ds\.filter"):
        Dataset.from_huggingface(ds)
    some = ds.filter(lambda label: label not in (None, -1), input_columns="label")
    assert len(Dataset.from_huggingface(some)) == 6


def test_invalid_arguments(seven):
    with pytest.raises(
        TypeError, match=r"must be a datasets\.Dataset, got builtins\.s"
    ):
        Dataset.from_huggingface("fashion_mnist")
    both = hf.DatasetDict({"train": seven})
    with pytest.raises(TypeError, match=r"DatasetDict\.\nPass one of its splits\.$"):
        Dataset.from_huggingface(both)
    with pytest.raises(TypeError, match=r"got builtins\.dict$"):
        Dataset.from_huggingface(seven[:2])
    for name in ("image", "label"):
        message = (
            rf"a column 'x', got \['image', 'label'\]\.\nPass {name}=\"NAME\" with"
        )
        with pytest.raises(ValueError, match=message):
            Dataset.from_huggingface(seven, **{name: "x"})
    with pytest.raises(
        TypeError, match=r"column 'label' must be a datasets\.Image, got"
    ):
        Dataset.from_huggingface(seven, image="label")
    texts = dataset_of([file_of(IMAGES[0])], ["a"], label_feature=hf.Value("string"))
    with pytest.raises(
        TypeError, match=r"ClassLabel or integers, got .*\n.* with ds\.class_"
    ):
        Dataset.from_huggingface(texts)
    with pytest.raises(ValueError, match="ds must have at least one row, got 0"):
        Dataset.from_huggingface(seven.select([]))


def test_the_advice_for_a_streamed_dataset_works(seven):
    streamed = seven.to_iterable_dataset()
    with pytest.raises(TypeError, match=r"IterableDataset\.\nPass ") as raised:
        Dataset.from_huggingface(streamed)
    advice = str(raised.value).splitlines()[1].removeprefix("Pass ").removesuffix(".")
    ours = Dataset.from_huggingface(eval(advice, {"datasets": hf, "ds": streamed}))
    assert np.array_equal(ours.images, Dataset.from_huggingface(seven).images)


@pytest.mark.parametrize("call", ["from", "to"])
def test_without_datasets(monkeypatch, odd, call):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r"package datasets .*pip install datasets"):
        Dataset.from_huggingface(None) if call == "from" else odd.to_huggingface()


def test_without_pillow(monkeypatch, seven):
    jpeg = dataset_of([file_of(IMAGES[0], "JPEG")])
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert len(Dataset.from_huggingface(seven)) == 7
    with pytest.raises(ImportError, match=r"row 0 is not a plain PNG .*install pillow"):
        Dataset.from_huggingface(jpeg)


# ---- to_huggingface ---------------------------------------------------------------


def test_a_round_trip(odd):
    ds = odd.to_huggingface()
    assert ds.features["label"].names == list(odd.classes)
    assert np.array_equal(decoded(ds), odd.images)
    assert ds["label"][:] == odd.labels.tolist()
    dataset = Dataset.from_huggingface(ds)
    assert np.array_equal(dataset.images, odd.images)
    assert np.array_equal(dataset.labels, odd.labels)
    assert dataset.classes == odd.classes


@pytest.mark.parametrize(
    "hub_name, name, license",
    [
        ("kmnist", "kmnist", "CC BY-SA 4.0"),
        ("fashion_mnist", "fashion-mnist", "MIT"),
        ("my_photos", "my_photos", ""),
        (None, None, ""),
    ],
)
def test_names_and_cards_are_kept(odd, hub_name, name, license):
    dataset = Dataset.from_arrays(odd.images, odd.labels, name=name)
    ds = dataset.to_huggingface()
    assert ds.info.license.startswith(license)
    ds.info.dataset_name = hub_name
    converted = Dataset.from_huggingface(ds)
    assert converted.name == name and converted.fingerprint == dataset.fingerprint
    assert converted.info.citation == dataset.info.citation
    assert converted.info.license == dataset.info.license


def test_synthetic_stays_synthetic(small):
    ds = small.select(slice(9)).to_huggingface().shuffle(seed=0)
    assert "SYNTHETIC" in ds.info.description
    dataset = Dataset.from_huggingface(ds)
    assert dataset.split_name == str(ds.split) == "train"
    assert dataset.synthetic and "SYNTHETIC" in repr(dataset) + str(dataset.info)


def test_files_keep_the_mark_of_synthetic_images(small, tmp_path):
    ds = small.select(slice(9)).to_huggingface()
    path, cache = str(tmp_path / "drawn.parquet"), str(tmp_path / "cache")
    ds.to_parquet(path)
    ds.save_to_disk(tmp_path / "saved")
    for read in (
        hf.Dataset.from_parquet(path, cache_dir=cache),
        hf.load_from_disk(tmp_path / "saved"),
    ):
        some = read.filter(lambda label: label > 0, input_columns="label")
        dataset = Dataset.from_huggingface(some)
        assert dataset.synthetic and dataset.name == "synthetic"
        assert "SYNTHETIC" in repr(dataset)


def test_an_empty_dataset(odd):
    ds = odd.select([]).to_huggingface()
    assert len(ds) == 0 and ds.column_names == ["image", "label"]


def test_parquet_files_can_be_written_and_read(odd, tmp_path):
    path = str(tmp_path / "odd.parquet")
    odd.to_huggingface().to_parquet(path)
    ds = hf.Dataset.from_parquet(path, cache_dir=str(tmp_path / "cache"))
    dataset = Dataset.from_huggingface(ds)
    assert np.array_equal(dataset.images, odd.images) and not dataset.synthetic
