"""The blocks of README.md and docs/ that hold measured figures, and what they say.

A block stands between `<!-- figures: NAME -->` and `<!-- end of figures -->`. Each
function of `BLOCKS` returns its text from the contents of the file of figures.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from . import devices, differences, jax_figures
from .comparison import tables
from .comparison.environments import FLOOR, OURS
from .comparison.goals import is_measured, ratio
from .markdown import columns, machines, percent, wrapped
from .work import WORKS

END = "<!-- end of figures -->"
_BLOCK = re.compile(rf"<!-- figures: (\w+) -->\n.*?{END}", re.DOTALL)
README_WORKS = ["plain", "crop_flip", "affine"]
_NO_MORE = "No other loader was faster than fmnist_fast in this run."


def fill(path: str, text: str, figures: dict) -> str:
    """Return the text of a page with its blocks written from `figures`.

    Raises
    ------
    ValueError
        The page does not have exactly the blocks of `BLOCKS`, or a figure is missing.
    """
    blocks = BLOCKS[path]
    names = _BLOCK.findall(text)
    if sorted(names) != sorted(blocks):
        raise ValueError(
            f"{path} must have one block of figures for each of {', '.join(blocks)}, "
            f"got {', '.join(names) or 'none'}"
        )

    def block(match: re.Match) -> str:
        try:
            body = blocks[match[1]](figures)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}: block {match[1]} needs {error}, which was not measured"
            ) from None
        return f"<!-- figures: {match[1]} -->\n{body}\n{END}"

    return _BLOCK.sub(block, text)


def without_blocks(path: str, text: str) -> str:
    """Return the text of a page without the blocks that `fill` writes."""
    blocks = BLOCKS.get(path, {})
    return _BLOCK.sub(lambda match: "" if match[1] in blocks else match[0], text)


# ---- README.md --------------------------------------------------------------------


def _comparison(figures: dict) -> str:
    result = figures["comparison"]
    works = result["works"]
    first = README_WORKS[0]
    seconds = tables.median(works[first][OURS]["seconds"])
    head = (
        f"An epoch over the {result['n_images']:,} training images takes "
        f"{tables.milliseconds(seconds)} ms: shuffled, normalized, float32, in batches "
        f"of {WORKS[first].batch_size}."
    )
    table_head = (
        f"The table has milliseconds per epoch. {tables.BRACKETS} Each loader has its "
        "own virtual environment and the fastest of its settings. Its output is "
        "checked before it is timed."
    )
    bars = f"![{WORKS[first].title}: bars](docs/images/comparison-{first}.png)"
    won = tables.wins(result)
    better = f"Where others are better: {'; '.join(won)}." if won else _NO_MORE
    rest = (
        f"{better} [docs/comparison.md](docs/comparison.md) has the method, all "
        f"contenders, versions and settings. {machines([result])}"
    )
    table = tables.works_table(result, README_WORKS)
    leads = "\n".join(f"- {wrapped(line, 2)}" for line in _leads(result, first))
    parts = [wrapped(head), leads, wrapped(table_head), table, bars, wrapped(rest)]
    return "\n\n".join(parts)


def _leads(result: dict, work: str) -> list[str]:
    """Return a sentence on the fastest contender of each kind."""
    kinds = {
        "loop": "the {title}, the fastest loop written by hand",
        "library": "{title}, the fastest other library",
        "torchvision": "{title}",
    }
    lines = []
    for kind, words in kinds.items():
        ratios = {
            name: ratio(entry)
            for name, entry in result["works"][work].items()
            if is_measured(entry)
            and name not in (OURS, FLOOR)
            and kind in (name, result["contenders"][name]["kind"])
        }
        if ratios:
            best = min(ratios, key=ratios.__getitem__)
            who = words.format(title=result["contenders"][best]["title"])
            lines.append(f"It is {tables.times(ratios[best])} faster than {who}.")
    return lines


def _parts(figures: dict) -> str:
    start, loader = _part(figures, "bench_start"), _part(figures, "bench_loader")
    dtypes = ("uint8", "float16", "bfloat16")
    shares = {name: percent(loader[f"{name}_over_float32"]) for name in dtypes}
    lines = [
        f"`import fmnist_fast` takes {start['import_ms']:.1f} ms after numpy.",
        f"The first batch is ready {start['copy_ms']:.0f} ms after the call of `load`, "
        "if the decoded copy is in the cache folder.",
        f"It is ready {start['gz_ms']:.0f} ms after the call if the `.gz` files are "
        f"decompressed first, which takes libdeflate {start['decompress_ms']:.0f} ms.",
        f"An epoch in uint8 takes {shares['uint8']} of the time of one in float32. "
        "Most of it is spent on reading images at random places in memory.",
        f"An epoch in float16 takes {shares['float16']} of the time of one in float32, "
        f"and bfloat16 takes {shares['bfloat16']}. Half precision saves memory.",
        "Computing the order takes "
        f"{percent(loader['order_over_epoch'])} of an epoch's time.",
    ]
    text = "\n".join(f"- {wrapped(line, 2)}" for line in lines)
    return f"{text}\n\n{wrapped(_measured(figures, 'bench_start', 'bench_loader'))}"


def _gain(figures: dict) -> str:
    part = figures["training"]["gain"]
    cnn, mlp = part["figures"]["cnn"], part["figures"]["mlp"]
    text = (
        "The table above measures loaders alone. This is training, compared with "
        "training behind torchvision's dataset and a DataLoader with two workers. With "
        f"a CNN that trains on a CPU, 200 steps take {_instead(cnn)} and no more. The "
        "network takes the rest of the time, and no loader makes it faster. With a "
        "small MLP, the loader is nearly the whole time: an epoch takes "
        f"{_instead(mlp)}."
    )
    return f"{wrapped(text)}\n\n{wrapped(_measured_training([part]))}"


def _instead(seconds: dict) -> str:
    """Return a phrase that compares the seconds of both loaders."""
    ours, theirs = seconds["fmnist_fast"], seconds["torchvision"]
    return f"{ours:.3g} s instead of {theirs:.3g} s, {percent(seconds['saved'])} less"


# ---- docs/ ------------------------------------------------------------------------


def _adapters(figures: dict) -> str:
    adapters = _part(figures, "bench_frameworks") | _part(figures, "bench_jax")
    rows = {
        "`TorchLoader` on the CPU": "torch_over_numpy",
        "`TensorFlowLoader`": "tensorflow_over_numpy",
        "`KerasLoader`, a batch at a time": "keras_over_numpy",
        "`JaxLoader`, which copies": "jax_over_numpy",
        "`TensorFlowLoader.to_tf_data()`": "tf_data_over_numpy",
    }
    times = {name: f"{adapters[key]:.3g}" for name, key in rows.items()}
    table = columns("adapter", "time of an epoch, relative to `Loader`", times)
    return f"{table}\n\n{wrapped(_measured(figures, 'bench_frameworks', 'bench_jax'))}"


def _transforms(figures: dict) -> str:
    ratios = _part(figures, "bench_augment")
    ordered = sorted(ratios.items(), key=lambda item: item[1])
    times = {name: f"{value:.2g}" for name, value in ordered}
    table = columns("transforms", "time of an epoch, relative to a plain epoch", times)
    return f"{table}\n\n{wrapped(_measured(figures, 'bench_augment'))}"


def _rows(figures: dict) -> str:
    rows = _part(figures, "bench_rows")
    lines = ["| | fmnist_fast | datasets | |", "|---|---|---|---|"]
    for access in ('ds["image"][0]', 'ds[0]["image"]'):
        ours, theirs = rows[f"{access}_us"], rows[f"datasets' {access}_us"]
        faster = f"{tables.times(theirs / ours)} faster"
        lines.append(f"| `{access}` | {ours:.2g} µs | {theirs:.3g} µs | {faster} |")
    text = (
        f"`from_huggingface` converts the training images, 60,000 rows with a PNG file "
        f"each, in {rows['ours_s']:.2g} s. Pillow decodes the same files in "
        f"{rows['pillow_s']:.2g} s on one thread."
    )
    measured = wrapped(_measured(figures, "bench_rows"))
    return "\n".join([*lines, "", wrapped(text), "", measured])


def _files(figures: dict) -> str:
    files = _part(figures, "bench_load_files")
    shares = {
        order.replace("1024", "1,024"): percent(files[order])
        for order in ("sequential", "in blocks of 1024", "shuffled")
    }
    right = "speed relative to 60,000 shuffled images in memory"
    head = (
        f"{files['n_images']:,.0f} images in 20 files, read from the system's page "
        "cache with two threads:"
    )
    measured = wrapped(_measured(figures, "bench_load_files"))
    return "\n\n".join([wrapped(head), columns("order", right, shares), measured])


def _photos(figures: dict) -> str:
    photos = _part(figures, "bench_photos")
    duration = tables.times(photos["over_decoding"])
    text = (
        f"`fmnist-fast convert` converts {photos['photos_per_s']:.0f} photos per "
        f"second with two threads. It takes {duration} as long as Pillow needs "
        "to decode the same photos. Both times include the start of a process. The "
        f"{photos['n_photos']:.0f} photos are JPEG files of 762x1000 pixels and "
        f"{photos['kilobytes']:.0f} KB."
    )
    return f"{wrapped(text)}\n\n{wrapped(_measured(figures, 'bench_photos'))}"


def _processes(figures: dict) -> str:
    memory = _part(figures, "bench_processes")
    text = (
        "Four processes that each read the whole training set took "
        f"{memory['with_cache_mib']:.0f} MiB beyond their imports, "
        f"{memory['with_cache_ratio']:.2f} times the memory of one process. Without "
        f"the cache they took {memory['without_cache_mib']:.0f} MiB, "
        f"{memory['without_cache_ratio']:.2f} times the memory of one."
    )
    return f"{wrapped(text)}\n\n{wrapped(_measured(figures, 'bench_processes'))}"


def _sampling(figures: dict) -> str:
    sampling = _part(figures, "bench_sampling")
    rows = {
        "`with_index=True`": "with_index",
        "`weights=`": "weights",
        "`order=`, an array": "order",
        "`order=`, a function that returns an array": "function",
        "`shuffle=True`, of a selection": "selection",
        "`steps=`": "steps",
    }
    times = {n: f"{sampling[f'{key}_over_plain']:.2f}" for n, key in rows.items()}
    rows_each, rows_at_once = (
        tables.times(sampling[f"{kind}_over_weights"]) for kind in ("rows", "batches")
    )
    us = {
        name: tables.factor(sampling[f"{name}_us"])
        for name in ("select", "loader", "client")
    }
    return "\n\n".join(
        [
            columns("loader", "time of an epoch, relative to a plain one", times),
            wrapped(
                "All epochs have 60,000 normalized images in batches of 128, and the "
                "plain one is shuffled. A `TorchLoader` with `weights` is "
                f"{rows_each} faster than `WeightedRandomSampler` and a `DataLoader` "
                "of a `TensorDataset` of normalized floats. It is "
                f"{rows_at_once} faster than these with a `BatchSampler`, which "
                "indexes the tensors once for each batch. The DataLoaders have no "
                "worker or two, whichever takes less time, and one thread of PyTorch."
            ),
            wrapped(
                f"`select` of 10 rows takes {us['select']} µs. Each of "
                f"100,000 such selections has {sampling['selection_bytes']:.0f} bytes. "
                "A loader of one of 1,000 federated clients takes "
                f"{us['loader']} µs, and with an epoch over the client's images "
                f"{us['client']} µs."
            ),
            wrapped(_measured(figures, "bench_sampling")),
        ]
    )


def _views(figures: dict) -> str:
    views = _part(figures, "bench_views")
    rows = {
        "`views=2`, `RandomCrop` and `RandomHorizontalFlip`": "crop + flip",
        "`views=2`, the transforms of SimCLR": "simclr",
    }
    lines = ["| loader | batches of 128 | of 512 |", "|---|---|---|"]
    for name, key in rows.items():
        ratios = (f"{views[f'{key}, batch {size}']:.2f}" for size in (128, 512))
        lines.append(f"| {name} | {' | '.join(ratios)} |")
    floor = ["| `channels=3` | batches of 256 | of 4,096 |", "|---|---|---|"]
    for dtype in ("float32", "bfloat16"):
        for layout in ("NCHW", "NHWC"):
            keys = (f"{layout}, {dtype}, batch {size}" for size in (256, 4096))
            shares = " | ".join(percent(views[key]) for key in keys)
            floor.append(f"| {dtype}, {layout} | {shares} |")
    pairs, channels = (
        tables.times(views[f"{name}, torchvision"])
        for name in ("two views", "three channels")
    )
    return "\n\n".join(
        [
            wrapped("The time of an epoch with two views, relative to one view:"),
            "\n".join(lines),
            wrapped(
                "The speed of an epoch with three channels, shuffled and normalized, "
                "relative to the memory floor. It is a C loop that reads the same rows "
                "and writes as many bytes, without arithmetic, in the fastest of "
                "several variants:"
            ),
            "\n".join(floor),
            wrapped(
                f"With SimCLR's transforms, pairs come {pairs} faster than those of "
                "torchvision's transforms and a DataLoader. With `channels=3`, gray "
                f"images come {channels} faster than by `Grayscale`, `Normalize` and a "
                "DataLoader. The DataLoaders have no worker or two, whichever takes "
                "less time, and one thread of PyTorch."
            ),
            wrapped(_measured(figures, "bench_views")),
        ]
    )


def _training(figures: dict) -> str:
    parts = [figures["training"][part] for part in ("accuracy", "speed", "jax")]
    accuracy, speed, jax = (part["figures"] for part in parts)
    accuracy, speed = accuracy | jax, speed | jax
    rows = {
        "`train_torch.py --seeds 3`": "fmnist_fast",
        "the same with `--loader torchvision --workers 2`": "torchvision",
        "`train_jax.py`": "jax",
        "`ensemble_jax.py`": "ensemble",
        "`train_sklearn.py`, `partial_fit`": "sklearn",
        "`train_sklearn.py`, `fit`": "sklearn_fit",
    }
    lines = [
        "| command | accuracy on the test images | seconds per epoch | waiting |",
        "|---|---|---|---|",
    ]
    for command, name in rows.items():
        percents = f"{accuracy[name]['accuracy']:.2f}"
        if "deviation" in accuracy[name]:
            percents += f" ± {accuracy[name]['deviation']:.2f}"
        cells = [f"{percents}%", "", ""]
        if name in speed:
            cells[1:] = [
                f"{speed[name]['seconds']:.1f}",
                f"{speed[name]['waiting']:.1f}%" if "waiting" in speed[name] else "",
            ]
        lines.append(f"| {command} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", wrapped(_measured_training(parts))])


def _gains(figures: dict) -> str:
    part = figures["training"]["gain"]
    networks = {
        "CNN, 1,199,882 weights, 200 steps": "cnn",
        "MLP, 101,770 weights, an epoch": "mlp",
    }
    lines = [
        "| network | behind torchvision | behind fmnist_fast | saved |",
        "|---|---|---|---|",
    ]
    for title, name in networks.items():
        each = part["figures"][name]
        seconds = f"{each['torchvision']:.3g} s | {each['fmnist_fast']:.3g} s"
        lines.append(f"| {title} | {seconds} | {percent(each['saved'])} |")
    return "\n".join([*lines, "", wrapped(_measured_training([part]))])


def _speedrun(figures: dict) -> str:
    part = figures["training"]["speedrun"]
    result = part["figures"]
    rows = {
        "threads": result["machine"]["threads"],
        "accuracy on the test images": f"{_spread(result, 'accuracy')}%",
        "seconds": _spread(result, "seconds"),
        "seconds of CPU time": _spread(result, "cpu_seconds"),
        "seconds to prepare, which do not count": _spread(result, "prepare_seconds"),
    }
    table = columns("", f"mean of {result['n_runs']} runs", rows)
    return f"{table}\n\n{wrapped(_measured_training([part]))}"


def _spread(result: dict, name: str) -> str:
    """Return a mean with its standard deviation."""
    deviation = result[f"{name}_deviation"]
    return f"{result[name]:.2f} ± {deviation:.2f}"


# ---- what these share -------------------------------------------------------------


def _part(figures: dict, module: str) -> dict[str, float]:
    """Return the figures of a module of micro/."""
    return figures["parts"][module]["figures"]


def _measured(figures: dict, *modules: str) -> str:
    """Return a sentence that says by which command, where and when it was measured."""
    names = " ".join(f"benchmarks/micro/{module}.py" for module in modules)
    parts = [figures["parts"][module] for module in modules]
    return f"Measured by `pytest {names}`. {machines(parts)}"


def _measured_training(parts: list[dict]) -> str:
    """Return a sentence that says how some parts of --training were measured."""
    if any(part["quick"] for part in parts):
        raise ValueError("training: the figures must not be those of --quick")
    return f"Measured by `python -m benchmarks --training`. {machines(parts)}"


BLOCKS: dict[str, dict[str, Callable[[dict], str]]] = {
    "README.md": {"comparison": _comparison, "gain": _gain, "parts": _parts},
    "CONTRIBUTING.md": {"kernels": devices.kernels},
    "docs/augmentation.md": {
        "differences": differences.block,
        "transforms": _transforms,
    },
    "docs/dataset.md": {"rows": _rows},
    "docs/files.md": {"files": _files},
    "docs/frameworks.md": {"adapters": _adapters, "jax": jax_figures.block},
    "docs/photos.md": {"photos": _photos},
    "docs/processes.md": {"processes": _processes},
    "docs/sampling.md": {"sampling": _sampling, "views": _views},
    "docs/speedrun.md": {"speedrun": _speedrun},
    "docs/training.md": {"gain": _gains, "gpu": devices.gpu, "training": _training},
}


def pages(figures: dict[str, Any], read: Callable[[str], str]) -> dict[str, str]:
    """Return the text of each page with blocks; `read` returns the text of today."""
    return {path: fill(path, read(path), figures) for path in BLOCKS}
