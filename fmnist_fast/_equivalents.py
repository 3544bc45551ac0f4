"""The words of errors that name an equivalent for names of other libraries.

The module is imported when an error is about to be raised. `equivalent` finds the
sentences of a table, and `_TABLES` has the tables: names of the package, keywords of a
call, attributes of a class, values of an argument. Each entry may have several names,
which share a text.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

_THREADS = "Native threads fill the batches: pass threads=2, or leave it out."
_SHUFFLE = "Pass shuffle=True to Loader, which shuffles all rows in each epoch."
_SELECT = "Pass a dataset of the rows, in their order: dataset.select(rows)."
_ORDER = "Pass the rows to Loader: order=rows, or order=function of the epoch."
_WEIGHTS = "Pass weights to Loader: Loader(dataset, weights=weights)."
_LOOP = "It isn't needed. Each loop over a loader is the next epoch."
_REPEAT = f"{_LOOP}\nFor several augmentations of each row, pass repeats=k."
_MEMORY = "It isn't needed. The images are in memory or memory-mapped."
_AUGMENT = "Pass transforms to the loader: Loader(dataset, augment=[...])."
_SPLIT = 'Pass the split by name: load("train") or load("test").'
_ROOT = 'Pass the folder as root: load("train", root="data").'
_NORMALIZE = "Pass normalize=(mean, std) to Loader, or leave it out."
_FLOATS = 'Pass dtype="float32" to Loader.'
_LOAD_BOTH = 'Use load("train") and load("test").'
_TENSOR = "It isn't needed. Loader returns float32 arrays, and TorchLoader tensors."
_GRAY = "It isn't needed. All images are grayscale."
_CHANNELS = "Images are grayscale. For three channels, pass channels=3."
_COLOR = "It isn't available, because images are grayscale. ColorJitter is nearest."
_BOXES = "It isn't available, because the images have no boxes and no key points."
_FUNCTION = "Pass a function(images, labels, rng) at the end of augment=[...]."
_SIZES = "It isn't available, because all images of a batch have one size. Pass Resize."
_TRANSFORMS = "The transforms are names of the package: ff.RandomCrop(28, padding=4)."
_LOADERS = "Use Loader, or TorchLoader of fmnist_fast.frameworks.torch."

_NAMES = {
    # torchvision.transforms, versions 1 and 2
    "ToTensor ToImage PILToTensor ToPureTensor ToTensorV2 ToTorchImage": _TENSOR,
    "ToDtype ConvertImageDtype ToFloat": _FLOATS,
    "Normalize NormalizeImage Rescaling Normalization": _NORMALIZE,
    "ToPILImage": 'Use dataset.with_format("pil").',
    "RandomGrayscale ToGray": _GRAY,
    "Grayscale RGB": f"{_GRAY}\nFor three channels, pass channels=3 to the loader.",
    "RandomChannelPermutation RandomPhotometricDistort": _COLOR,
    "AutoAugmentPolicy": 'Pass the text "imagenet", "cifar10" or "svhn".',
    "AugMix": "It isn't available. AutoAugment, RandAugment and TrivialAugmentWide are "
    "the nearest.",
    "autoaugment": "Use AutoAugment, RandAugment or TrivialAugmentWide.",
    "SomeOf": "It isn't available. RandomChoice and RandomOrder are the nearest.",
    "Lambda LinearTransformation": _FUNCTION,
    "Identity": "Leave it out, or pass augment=None.",
    "JPEG ImageCompression": "It isn't available. GaussianBlur is the nearest.",
    "RandomResize RandomShortestSize": _SIZES,
    "ScaleJitter": "Pass RandomAffine(0, scale=(0.5, 1.5)), which keeps the size.",
    "RandomIoUCrop ClampBoundingBoxes ClampKeyPoints ConvertBoundingBoxFormat": _BOXES,
    "SanitizeBoundingBoxes SanitizeKeyPoints SetClampingMode": _BOXES,
    "UniformTemporalSubsample": "It isn't available, because the images are no video.",
    "Transform": "Use fmnist_fast.augment.Transform.",
    "InterpolationMode": 'Pass the text "nearest", "bilinear" or "bicubic".',
    "transforms v2 functional": _TRANSFORMS,
    # transforms of Albumentations and Keras
    "HorizontalFlip RandomFlip": "Use RandomHorizontalFlip.",
    "VerticalFlip": "Use RandomVerticalFlip.",
    "Rotate": "Use RandomRotation.",
    "Perspective": "Use RandomPerspective.",
    "Affine ShiftScaleRotate RandomTranslation RandomZoom": "Use RandomAffine.",
    "RandomBrightnessContrast RandomBrightness RandomContrast": "Use ColorJitter.",
    "CoarseDropout": "Use Cutout or RandomErasing.",
    "GaussNoise": "Use GaussianNoise.",
    "SaltAndPepper RandomSaltAndPepperNoise": "Use SaltAndPepperNoise.",
    "OneOf": "Use RandomChoice.",
    "Sequential": "Use Compose, or a list.",
    # functions and classes of torch, torchvision, Keras, Hugging Face and scikit-learn
    "DataLoader": _LOADERS,
    "ImageDataGenerator": _AUGMENT,
    "default_collate": "It isn't needed. Batches are arrays already.",
    "TensorDataset": "Use Dataset.from_arrays(images, labels).",
    "Subset": "Use dataset.select(rows).",
    "ConcatDataset concatenate concatenate_datasets": "Use dataset.concatenate(other).",
    "random_split train_test_split": "Use dataset.split(0.9, seed=0).",
    "KFold StratifiedKFold": "Use dataset.kfold(5, stratify=True).",
    "RandomSampler": _SHUFFLE,
    "SequentialSampler": "Loader does this by default.",
    "WeightedRandomSampler": _WEIGHTS,
    "Sampler SubsetRandomSampler BatchSampler": _ORDER,
    "DistributedSampler": 'Pass shard="env" to Loader.',
    "FashionMNIST fashion_mnist datasets": _LOAD_BOTH,
    "load_data load_mnist load_dataset": _LOAD_BOTH,
    "MNIST mnist": 'Use load("train", name="mnist").',
    "KMNIST": 'Use load("train", name="kmnist").',
    "EMNIST": 'Use load("train", name="emnist/balanced"), or another of its splits.',
    "QMNIST": 'Use load("train", name="qmnist").',
    "download": 'Use load("train", download=True).',
    "from_arrays from_tensor_slices": "Use Dataset.from_arrays(images, labels).",
    "from_huggingface": "Use Dataset.from_huggingface.",
    "ImageFolder image_dataset_from_directory": (
        "Convert the folder once: convert_folder(folder, out)."
    ),
    "to_categorical one_hot": 'Pass label_dtype="onehot" to Loader.',
    "AUTOTUNE": "Leave threads and prefetch out. Their defaults suit the machine.",
}
for _name in ("Torch", "Jax", "TensorFlow", "Keras", "Cupy"):
    _line = f"from fmnist_fast.frameworks.{_name.lower()} import {_name}Loader"
    _NAMES[f"{_name}Loader"] = f"Import it from its module: {_line}"
_line = "from fmnist_fast.frameworks.jax import JaxBatches"
_NAMES["JaxBatches"] = f"Import it from its module: {_line}"
_FUNCTIONS = {  # of torchvision.transforms.functional
    "hflip horizontal_flip": "Pass ff.RandomHorizontalFlip(p=1).",
    "vflip vertical_flip": "Pass ff.RandomVerticalFlip(p=1).",
    "resize": "Pass ff.Resize(size).",
    "pad": "Pass ff.Pad(padding).",
    "center_crop": "Pass ff.CenterCrop(size).",
    "crop": "Pass ff.RandomCrop(size) or ff.CenterCrop(size).",
    "resized_crop": "Pass ff.RandomResizedCrop(size).",
    "rotate": "Pass ff.RandomRotation((angle, angle)).",
    "affine": "Pass ff.RandomAffine((angle, angle)).",
    "elastic elastic_transform": "Pass ff.ElasticTransform(alpha, sigma).",
    "adjust_brightness": "Pass ff.ColorJitter(brightness=(factor, factor)).",
    "adjust_contrast": "Pass ff.ColorJitter(contrast=(factor, factor)).",
    "adjust_sharpness": "Pass ff.RandomAdjustSharpness(factor, p=1).",
    "invert": "Pass ff.RandomInvert(p=1).",
    "posterize": "Pass ff.RandomPosterize(bits, p=1).",
    "solarize": "Pass ff.RandomSolarize(threshold, p=1).",
    "autocontrast": "Pass ff.RandomAutocontrast(p=1).",
    "equalize": "Pass ff.RandomEqualize(p=1).",
    "gaussian_blur": "Pass ff.GaussianBlur(kernel_size, sigma).",
    "gaussian_noise": "Pass ff.GaussianNoise(mean, sigma).",
    "erase": "Pass ff.RandomErasing() or ff.Cutout(size).",
    "to_tensor to_image pil_to_tensor": _TENSOR,
    "to_dtype convert_image_dtype": _FLOATS,
    "normalize": _NORMALIZE,
    "adjust_hue adjust_saturation to_grayscale rgb_to_grayscale": _GRAY,
    "perspective": "Pass ff.RandomPerspective(p=1).",
    "adjust_gamma": "It isn't available. ff.ColorJitter is the nearest.",
}
_LOADER = {
    # torch.utils.data.DataLoader
    "num_workers n_workers worker_count workers nproc": _THREADS,
    "num_proc use_multiprocessing num_threads num_parallel_calls": _THREADS,
    "pin_memory pin_memory_device non_blocking": (
        'It isn\'t needed. A TorchLoader with device="cuda" copies from pinned memory.'
    ),
    "collate_fn collate": "It isn't needed. Batches are arrays already.\n"
    "A function(images, labels, rng) at the end of augment=[...] can change them.",
    "sampler batch_sampler index_sampler": (
        f"{_ORDER}\n{_WEIGHTS}\n"
        "Otherwise, pass shuffle=True, or a rank's share by shard=(rank, world).\n"
        "To set the epoch, use loader.set_epoch(epoch)."
    ),
    "indices": _ORDER,
    "persistent_workers": "It isn't needed. The threads live as long as the loader.",
    "prefetch_factor batches_ahead prefetch_size max_queue_size": "Pass prefetch=4.",
    "worker_init_fn": "It isn't needed. All random numbers come from seed=.",
    "timeout": "It isn't needed. No other process is waited for.",
    "multiprocessing_context mp_context": "It isn't needed. Threads fill the batches.",
    "in_order deterministic": "It isn't needed. Batches always come in order.",
    # tf.data, Keras, Hugging Face and FFCV
    "batch batch_dim": "Pass batch_size=256.",
    "drop_remainder drop_last_batch": "Pass drop_last=True.",
    "buffer_size shuffle_buffer": _SHUFFLE,
    "reshuffle_each_iteration": "It isn't needed. Each epoch has its own order.",
    "repeat": _REPEAT,
    "num_epochs epochs count": _LOOP,
    "infinite": "Pass steps=n, for epochs of n batches.",
    "return_index return_indices": "Pass with_index=True.",
    "os_cache cache in_memory keep_in_memory streaming recompile recache": _MEMORY,
    "pipelines": 'Pass augment=[...], dtype="float32" and normalize=(mean, std).',
    "distributed": 'Pass shard="env".',
    "rank num_replicas world_size num_shards shard_id shard_index world": (
        'Pass shard=(rank, world), or shard="env".'
    ),
    "transform transforms preprocessing_function augmentation": (
        "Pass augment=[...], with the transforms of fmnist_fast."
    ),
    "target_transform": f'Pass label_dtype="onehot" for such labels.\n{_FUNCTION}',
    "mean std rescale scale": "Pass normalize=(mean, std), for pixels in 0..1.",
    "device": "Use an adapter: TorchLoader, JaxLoader or CupyLoader takes a device.",
    "resident": "Use TorchLoader or CupyLoader, which take it.",
    "data_format channels_last": 'Pass layout="NCHW" or layout="NHWC".',
    "one_hot num_classes class_mode": 'Pass label_dtype="onehot".',
    "image_size target_size size": "Pass ff.Resize(32) in augment=[...].",
    "color_mode grayscale as_gray": _CHANNELS,
    "class_weight": "Pass it to the fit method of the model.",
    "steps_per_epoch": "Pass steps=n for epochs of n batches.",
    "sample_weight": "Pass it to KerasLoader, with the name of a column.",
    "validation_split subset": "Divide the dataset: dataset.split(0.9).",
}
_DRAWS = {  # keywords only
    "replacement num_samples": "Pass weights=..., which draws with replacement.",
}
_LOAD = {
    "kind mode set subset": _SPLIT,
    "transform transforms target_transform": _AUGMENT,
    "data_dir cache_dir path data_home data_files folder": _ROOT,
    "dataset dataset_name": 'Pass the dataset by name: load("train", name="mnist").',
    "batch_size shuffle shuffle_files num_workers batched": (
        "Pass it to the loader: Loader(dataset, batch_size=256, shuffle=True)."
    ),
    "streaming keep_in_memory in_memory num_proc": _MEMORY,
    "as_supervised return_X_y as_frame": "Use dataset.images and dataset.labels.",
    "with_info": "Use dataset.info.",
    "verify verification_mode force_reload": "Run: fmnist-fast verify",
    "normalize": "Pass it to the loader: Loader(dataset, normalize=(mean, std)).",
}
_DIVIDE = {
    "test_size": "Pass the share of the first part: split(1 - test_size).\n"
    "A number of rows works too: split(len(dataset) - count).",
    "train_size size": "Pass the share as fraction: split(0.9).",
    "lengths sizes fractions": "Pass them as fraction: split([0.8, 0.1, 0.1]).",
    "stratify_by_column by": "Pass stratify=True.",
    "shuffle": "It isn't needed. The rows of the parts are always drawn at random.",
}
_CHOOSE = {
    "indices index": "Pass rows=[0, 5, 9].",
    "labels label": "Pass classes=[8, 9], or their names.",
}
_SAMPLE = {
    "frac fraction": "Use dataset.split(0.1, seed=0)[0].",
    "k shots n_shots k_shot": "Pass per_class=5.",
    "size num count": "Pass n=100.",
    "replace weights": (
        'A loader draws rows by their weights: Loader(dataset, weights="balanced").'
    ),
}
_FOLDS = {
    "n_splits n_folds folds": "Pass k=5.",
    "shuffle": "It isn't needed. The rows of the folds are always drawn at random.",
    "stratified": "Pass stratify=True.",
}
_CLIENTS = {
    "num_partitions n_clients num_clients n_parts clients": "Pass n=100.",
    "method partitioner kind beta concentration": (
        'Use dataset.partition(100, by="dirichlet", alpha=0.5).'
    ),
    "num_classes_per_partition classes_per_client shards_per_client num_shards": (
        'Use dataset.partition(100, by="classes", classes_per_part=2).'
    ),
    "partition_by": "It isn't needed. The labels decide.",
}
_KEEP = {
    "function_args fn_kwargs": "Use functools.partial(function, k=1).",
    "input_columns": "The function gets a row: row.image and row.label.",
    "num_proc load_from_cache_file keep_in_memory desc writer_batch_size": (
        "It isn't needed. A dataset is filtered in memory."
    ),
}
_DRAW = {
    "n num num_images limit k": "Pass count=32.",
    "ncols nrow cols": "Pass columns=8.",
    "indices index": "Pass rows=[0, 5, 9].",
    "labels label": "Pass classes=[8, 9], or their names.",
    "cmap": _GRAY,
    "figsize scale": "Pass zoom=4, the pixels of the picture for each pixel.",
}
_TRANSFORM = {
    "resample": 'Pass interpolation="nearest" or interpolation="bilinear".',
    "fillcolor cval value_fill": "Pass fill=0.",
    "always_apply": "Pass p=1.",
    "seed generator rng": "Pass seed=0 to Loader.",
    "img image images": "A transform isn't called on images. " + _AUGMENT,
}
_DATASET = {
    "data train_data test_data x x_train imgs image": "Use ds.images.",
    "targets target train_labels test_labels y y_train label": "Use ds.labels.",
    "class_to_idx": (
        "Use ds.str2int(name), or dict(zip(ds.classes, itertools.count()))."
    ),
    "idx_to_class": "Use ds.int2str(label) or ds.classes.",
    "class_names label_names names": "Use ds.classes.",
    "num_classes n_classes": "Use len(ds.classes).",
    "features element_spec": "Use ds.images.shape, ds.labels.dtype and ds.classes.",
    "column_names columns keys": 'The columns are ds["image"] and ds["label"].',
    "num_rows num_examples cardinality count n": "Use len(ds).",
    "num_images n_samples": "Use len(ds).",
    "shape": "Use ds.images.shape.",
    "ndim dtype": "Use ds.images.ndim and ds.images.dtype.",
    "map apply": f"{_AUGMENT}\nFor new images: Dataset.from_arrays(images, labels).",
    "shuffle": f"{_SHUFFLE}\nOr use ds.select(rng.permutation(len(ds))).",
    "plot imshow display": "Use ds.show().",
    "normalize": _NORMALIZE,
    "batch iter unbatch": "Use Loader(ds, batch_size=256).",
    "take head limit": "Use ds.select(range(5)).",
    "skip": "Use ds.select(slice(5, None)).",
    "tail": "Use ds.select(slice(-5, None)).",
    "repeat": _REPEAT,
    "prefetch": "Use Loader(ds, prefetch=4).",
    "cache": _MEMORY,
    "train_test_split random_split": "Use ds.split(0.9, seed=0).",
    "k_fold cross_validation folds": "Use ds.kfold(5, seed=0).",
    "shard": "Use Loader(ds, shard=(rank, world)), or ds.select(range(0, len(ds), 2)).",
    "set_format with_transform set_transform transforms transform target_transform": (
        f'{_AUGMENT}\nUse ds.with_format("pil") for Pillow images.'
    ),
    "to_pandas to_dataframe": (
        "Use pandas.DataFrame(numpy.reshape(ds.images, (len(ds), -1)))"
        ".assign(label=ds.labels)."
    ),
    "numpy to_numpy as_numpy_iterator samples": "Use ds.images and ds.labels.",
    "to_torch": "Use TorchLoader of fmnist_fast.frameworks.torch.",
    "to_tf_dataset": "Use TensorFlowLoader of fmnist_fast.frameworks.tensorflow.",
    "to_dict": "Use dict(ds[:]), a dict of two arrays.",
    "sort": "Use ds.select(numpy.argsort(ds.labels, kind='stable')).",
    "unique": "Use numpy.unique(ds.labels).",
    "value_counts": "Use ds.class_counts.",
    "describe": "Use ds.info, ds.mean, ds.std and ds.class_counts.",
    "enumerate": "Use enumerate(ds).",
    "append extend join": "Use ds.concatenate(other).",
    "add_column": "Use ds.with_columns({name: values}).",
    "remove_columns rename_column cast_column class_encode_column": (
        "Use Dataset.from_arrays(images, labels, classes=names)."
    ),
    "save save_to_disk": "Use write_idx(path, ds.images), and again for ds.labels.",
    "push_to_hub to_parquet to_csv to_json": "Use that of ds.to_huggingface().",
    "raw_folder processed_folder root path": "Use ds.source.",
    "train": "Use ds.split_name.",
    "download": 'Use load("train", download=True).',
    "indices": _SELECT,
}
_EPOCHS = {
    "take skip": "Use itertools.islice(loader, n).",
    "unbatch": "Loop over the dataset, whose rows are {'image': ..., 'label': ...}.",
    "as_numpy_iterator": "Use iter(loader). Batches are numpy arrays.",
    "map": _FUNCTION,
    "next get_next": "Use next(iter(loader)).",
    "reset on_epoch_end": _LOOP,
    "cardinality num_batches n_batches": "Use len(loader).",
    "classes class_names": "Use loader.dataset.classes.",
    "images labels data targets": (
        "Use loader.dataset.images and loader.dataset.labels."
    ),
    "num_samples n": "Use len(loader.dataset).",
    "generator random_state": "Use loader.seed.",
}
_SEEDS = ("generator", "random_state", "random_seed", "rng", "key")
_DRAWING = ("split", "sample", "kfold", "partition", "show")
_TABLES_WITH_SEED = ("Loader", *(f"Dataset.{method}" for method in _DRAWING))
_TABLES = {
    "fmnist_fast": {**_NAMES, **_FUNCTIONS},
    "fmnist_fast.augment": {**_NAMES, **_FUNCTIONS},
    "Loader": {**_LOADER, **_DRAWS},
    "load": _LOAD,
    "Dataset.select": _CHOOSE,
    "Dataset.split": _DIVIDE,
    "Dataset.sample": _SAMPLE,
    "Dataset.kfold": _FOLDS,
    "Dataset.partition": _CLIENTS,
    "Dataset.filter": _KEEP,
    "Dataset.show": _DRAW,
    "transform": _TRANSFORM,
    "Dataset attribute": _DATASET,
    "Loader attribute": {**_LOADER, **_EPOCHS},
    # values of arguments
    "layout": {"channels_first": 'Pass "NCHW".', "channels_last": 'Pass "NHWC".'},
    "format": {
        "torch pt": "Use TorchLoader of fmnist_fast.frameworks.torch.",
        "tf tensorflow": "Use TensorFlowLoader of fmnist_fast.frameworks.tensorflow.",
        "jax": "Use JaxBatches or JaxLoader of fmnist_fast.frameworks.jax.",
        "np": 'Pass "numpy".',
    },
    "label_dtype": {
        "categorical": 'Pass "onehot".',
        "sparse int long": 'Pass "int64".',
    },
    "interpolation": {
        "bicubic": 'Pass "bilinear". Only Resize and RandomResizedCrop have "bicubic".',
        "lanczos": 'Pass "bilinear", or "bicubic" to Resize and RandomResizedCrop.',
        "area": 'Pass "bilinear", the closest one.',
    },
}


def equivalent(table: str, name: str, value: Any = None) -> str:
    """Return what to write in place of a name, or "" if the table doesn't have it.

    `value` is that of a keyword. For a generator of random numbers it tells the seed.
    """
    if name in _SEEDS and table in _TABLES_WITH_SEED:
        return seed_hint(value)
    if name == "train" and table == "load":
        return f'Pass the split by name: load("{"train" if value else "test"}").'
    for names, text in _TABLES.get(table, {}).items():
        if name in names.split():
            return text
    return ""


def seed_hint(generator: Any) -> str:
    """Return what to pass for an integer, or a generator of torch, numpy or Python."""
    seed = generator
    if hasattr(generator, "initial_seed"):
        seed = generator.initial_seed()
    elif hasattr(generator, "bit_generator"):
        seed = getattr(generator.bit_generator.seed_seq, "entropy", None)
    elif generator is None:
        seed = 0
    if isinstance(seed, Integral):
        return f"Pass seed={int(seed) % 2**64}."
    return "Pass the seed of your generator, such as seed=0."
