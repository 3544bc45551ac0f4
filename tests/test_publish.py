"""Tables, goals, charts and pages, from results made by hand."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import pages, publish
from benchmarks.command import FIGURES
from benchmarks.comparison import goals, scaling, tables

TREE = Path(__file__).resolve().parents[1]
DOCS = TREE / "docs"
MACHINE = {
    "processor": "a processor",
    "cores": "2",
    "python": "3.12",
    "numpy": "2.4",
    "time": "2026-01-02T03:04:05",
}


def entry(seconds, ours, **more):
    return {
        "setting": {"threads": 2},
        "tried": [],
        "seconds": [seconds] * 5,
        "cpu": [2 * seconds] * 5,
        "ours": [ours] * 5 if ours else [],
        **more,
    }


@pytest.fixture
def result():
    """Return a run that reached some goals and missed others."""
    kinds = {
        "fmnist_fast": "ours",
        "probe": "floor",
        "numpy": "loop",
        "ffcv": "library",
    }
    kinds |= {"torchvision": "library", "opencv": "loop"}
    contenders = {
        name: {"title": name, "kind": kind, "note": "", "versions": {name: "1"}}
        for name, kind in kinds.items()
    }
    contenders["dali"] = {
        "title": "DALI",
        "kind": "library",
        "note": "",
        "missing": "x",
    }
    plain = {
        "fmnist_fast": entry(0.002, None),
        "probe": entry(0.001, 0.002),
        "numpy": entry(0.014, 0.002),
        "ffcv": entry(0.018, 0.002),
        "torchvision": entry(8, 0.002),
        "opencv": {"none": "not what it is for"},
    }
    affine = {"fmnist_fast": entry(0.02, None), "opencv": entry(0.3, 0.02)}
    affine["ffcv"] = {"error": "angles go up to 20"}
    faster = {"fmnist_fast": entry(0.002, None), "ffcv": entry(0.001, 0.002)}
    faster["probe"] = entry(0.0018, 0.002)
    sizes = {
        f"plain_{size}": {"fmnist_fast": entry(seconds, None)}
        for size, seconds in ((32, 0.0035), (512, 0.002))
    }
    start = {"cached": [], "memory": [50 * 2**20]}
    return {
        "machine": MACHINE,
        "n_images": 60000,
        "data": "fashion-mnist",
        "rounds": 5,
        "contenders": contenders,
        "works": {"plain": plain, "affine": affine, "uint8": faster, **sizes},
        "start": {
            "fmnist_fast": {"cold": [0.2], **start, "cached": [0.1]},
            "numpy": {"cold": [0.3], **start, "memory": [2**20]},
        },
    }


def test_goals_are_reached_or_missed(result):
    verdicts = {goal["name"]: goal["verdict"] for goal in goals.judge(result)}
    assert verdicts == {
        "shuffle + normalize: the best library": "missed: 9.0 times (ffcv)",
        "shuffle + normalize: the best hand-written loop": "reached: 7.0 times (numpy)",
        "shuffle + normalize: torchvision + DataLoader": (
            "reached: 4,000.0 times (torchvision)"
        ),
        "crop + flip: the best library": "not measured",
        "crop + flip: torchvision + DataLoader": "not measured",
        "affine: the OpenCV loop": "reached: 15.0 times (opencv)",
        "shuffle + normalize: share of the memory floor": "missed: 50% (probe)",
        "crop + flip: share of the memory floor": "not measured",
        "uint8: share of the memory floor": "reached: 90% (probe)",
        "epoch in batches of 32, relative to 512": "missed: 1.75 times as long "
        "(fmnist_fast)",
        "cold start from .gz: fastest of all": "reached: the best other takes "
        "1.50 times as long (numpy)",
        "memory: least of all": "missed: the best other takes 0.02 times as much "
        "(numpy)",
    }


def test_a_ratio_is_the_median_of_rounds():
    rounds = {"seconds": [3, 8, 2, 4], "ours": [1, 1, 1, 2]}
    assert goals.ratio(rounds) == 2.5
    assert goals.ratio({"seconds": [3, 8, 2], "ours": [1, 1, 1]}) == 3


def test_tables_say_who_wins_and_who_failed(result):
    table = tables.works_table(result, ["plain", "affine", "uint8"])
    assert table.splitlines() == [
        "|  | shuffle + normalize | + affine, bilinear | shuffle, uint8 |",
        "| --- | --- | --- | --- |",
        "| fmnist_fast | **2** | **20** | **2** |",
        "| numpy | 14 (7 times) | - | - |",
        "| ffcv | 18 (9 times) | failed | 1 (0.5 times) |",
        "| torchvision | 8,000 (4,000 times) | - | - |",
        "| opencv | - | 300 (15 times) | - |",
    ]
    assert tables.wins(result) == [
        "ffcv, shuffle, uint8, batch 128 (50% of the time of fmnist_fast)",
        "numpy, memory (2% of the memory of fmnist_fast)",
    ]
    assert "| shuffle + normalize, batch 128 | 2 | 1 | 50% |" in tables.floor_table(
        result
    )
    assert "| fmnist_fast | 200 | 100 | 50 |" in tables.start_table(result)
    assert "FAILED: angles go up to 20" in tables.details_table(result)


@pytest.fixture
def tree(tmp_path):
    """Return a checkout that has only the pages with blocks of figures."""
    (tmp_path / "docs" / "images").mkdir(parents=True)
    for path, blocks in pages.BLOCKS.items():
        marked = [f"<!-- figures: {name} -->\nOLD\n{pages.END}\n" for name in blocks]
        (tmp_path / path).write_text("\n".join(["before", *marked, "after\n"]))
    return tmp_path


@pytest.fixture
def parts():
    """Return figures of all modules of benchmarks/micro, each of them 0.5."""
    names = {
        "bench_start": "import_ms copy_ms gz_ms decompress_ms",
        "bench_loader": "uint8_over_float32 float16_over_float32 "
        "bfloat16_over_float32 order_over_epoch",
        "bench_frameworks": "torch_over_numpy tensorflow_over_numpy "
        "keras_over_numpy tf_data_over_numpy",
        "bench_photos": "photos_per_s kilobytes over_decoding n_photos",
        "bench_processes": "with_cache_mib with_cache_ratio without_cache_mib "
        "without_cache_ratio",
        "bench_sampling": "with_index_over_plain weights_over_plain order_over_plain "
        "function_over_plain selection_over_plain steps_over_plain rows_over_weights "
        "batches_over_weights select_us selection_bytes loader_us client_us",
    }
    figures = {module: text.split() for module, text in names.items()}
    figures["bench_augment"] = ["affine", "crop + flip"]
    figures["bench_views"] = [
        *("crop + flip, batch 128", "crop + flip, batch 512"),
        *("simclr, batch 128", "simclr, batch 512"),
        *("two views, torchvision", "three channels, torchvision"),
        *(
            f"{layout}, {dtype}, batch {size}"
            for layout in ("NCHW", "NHWC")
            for dtype in ("float32", "bfloat16")
            for size in (256, 4096)
        ),
    ]
    figures["bench_jax"] = [
        *("jax_over_numpy", "jax_over_array", "jax_over_numpy_copy"),
        "crop + flip, JaxBatches_ms",
        *(
            f"crop + flip, {kind} over JaxBatches"
            for kind in ("JaxLoader", "tf.data", "torchvision")
        ),
        *(
            f"{name}, {figure}"
            for name in ("cast", "unit", "default")
            for figure in (
                *("JaxBatches_ms", "over JaxLoader"),
                *("over given order", "over own order"),
            )
        ),
        *(f"seeds, {name}, scans over map" for name in ("plain", "standard")),
    ]
    figures["bench_load_files"] = [
        *("n_images", "sequential", "in blocks of 1024", "shuffled")
    ]
    accesses = 'ds["image"][0]', 'ds[0]["image"]'
    figures["bench_rows"] = ["ours_s", "pillow_s"] + [
        f"{whose}{access}_us" for access in accesses for whose in ("", "datasets' ")
    ]
    return {
        module: {"machine": MACHINE, "figures": dict.fromkeys(names, 0.5)}
        for module, names in figures.items()
    }


@pytest.fixture
def figures(result, parts):
    """Return the contents of a file of figures, without curves."""
    accuracies = {
        "fmnist_fast": {"accuracy": 93.5, "deviation": 0.2},
        "torchvision": {"accuracy": 93.6, "deviation": 0.1},
        **{name: {"accuracy": 80.0} for name in ("sklearn", "sklearn_fit")},
    }
    speed = {"seconds": 45.0, "waiting": 0.2}
    cnn = {"torchvision": 10.6, "fmnist_fast": 9.2, "saved": 0.13}
    names = ("accuracy", "seconds", "cpu_seconds", "prepare_seconds")
    speedrun = {"n_runs": 20, "machine": {"threads": 2}}
    speedrun |= {name: 90.125 for name in names}
    speedrun |= {f"{name}_deviation": 0.5 for name in names}
    training = {
        part: {"machine": MACHINE, "quick": False, "figures": values}
        for part, values in {
            "accuracy": accuracies,
            "speed": dict.fromkeys(("fmnist_fast", "torchvision"), speed),
            "gain": {"cnn": cnn, "mlp": cnn | {"torchvision": 18.4, "saved": 0.5}},
            "speedrun": speedrun,
            "jax": {
                "jax": {"accuracy": 89.5, "seconds": 1.04},
                "ensemble": {"accuracy": 85.5, "deviation": 0.3, "seconds": 7.96},
            },
        }.items()
    }
    names = ("registers", "stack", "spill stores", "spill loads", "shared")
    made = {"seconds": 1.5, "cubin bytes": 200_400}
    kernels = {
        "machine": MACHINE,
        "nvrtc": "13.0",
        "source bytes": 99_600,
        "row bytes": {"crops": 2848, "blurs": 9000},
        "architectures": {
            "sm_75": made | {"kernels": {"fill": dict(zip(names, range(5)))}},
            "sm_90": made | {"seconds": 2, "kernels": {}},
        },
    }
    return {
        "comparison": result,
        "parts": parts,
        "training": training,
        "device_kernels": kernels,
        "differences": json.loads(FIGURES.read_text("utf-8"))["differences"],
    }


@pytest.fixture
def curves(monkeypatch):
    """Return the curves of a scaling run over few images."""
    monkeypatch.setattr(scaling, "N", 300)
    monkeypatch.setattr(scaling, "PIXELS", 300 * 784)
    monkeypatch.setattr(scaling, "ROUND_SECONDS", 0)
    return scaling.measure(1000, rounds=1)


def test_publish_writes_figures_and_charts(figures, curves, tree, capsys):
    image = pytest.importorskip("PIL.Image")
    publish.publish(figures | {"scaling": curves}, tree)
    readme = (tree / "README.md").read_text()
    assert readme.startswith("before\n") and readme.endswith("after\n")
    assert "| numpy | 14 (7 times) |" in readme
    assert "It is 7 times faster than the numpy, the fastest loop" in readme
    assert "It is 9 times faster than ffcv, the fastest other library." in readme
    assert "`import fmnist_fast` takes 0.5 ms after numpy." in readme
    gain = " ".join(readme.split())
    assert "200 steps take 9.2 s instead of 10.6 s, 13% less and no more." in gain
    assert "an epoch takes 9.2 s instead of 18.4 s, 50% less." in gain
    page = (tree / "docs" / "comparison.md").read_text()
    assert "- DALI: not installed: `x`." in page
    assert "the highest cost per image" in page
    for name in ("plain", "affine", "scaling"):
        assert f"images/comparison-{name}.png" in page
        with image.open(tree / "docs" / "images" / f"comparison-{name}.png") as picture:
            assert picture.width == 900
    for path in pages.BLOCKS:
        assert "OLD" not in (tree / path).read_text()
    page = (tree / "docs" / "training.md").read_text(encoding="utf-8")
    assert "| `train_torch.py --seeds 3` | 93.50 ± 0.20% | 45.0 | 0.2% |" in page
    assert "| `train_jax.py` | 89.50% | 1.0 |  |" in page
    assert "| `ensemble_jax.py` | 85.50 ± 0.30% | 8.0 |  |" in page
    page = (tree / "docs" / "speedrun.md").read_text(encoding="utf-8")
    assert "| | mean of 20 runs |" in page and "| threads | 2 |" in page
    assert "| accuracy on the test images | 90.12 ± 0.50% |" in page
    page = (tree / "docs" / "sampling.md").read_text(encoding="utf-8")
    assert "| `order=`, an array | 0.50 |" in page
    assert "`select` of 10 rows takes 0.5 µs." in page
    assert "| `views=2`, the transforms of SimCLR | 0.50 | 0.50 |" in page
    assert "| bfloat16, NHWC | 50% | 50% |" in page
    page = (tree / "docs" / "frameworks.md").read_text(encoding="utf-8")
    assert "| `JaxLoader`, which copies | 0.5 |" in page
    assert (
        "| a bare gather, whose order is given | 2 times | 2 times | 2 times |" in page
    )
    assert "| `tf.image` mapped in a `tf.data.Dataset` | 0.5 times |" in page
    page = " ".join((tree / "CONTRIBUTING.md").read_text().split())
    assert "has 100 KB. NVRTC 13.0 makes 200 to 200 KB of it" in page
    assert "For 28x28 pixels, these are 2.8 KB for crops, 9.0 KB for blurs." in page
    assert (
        "in 1.5 to 2.0 s." in page and "| sm_75 | `fill` | 0 | 1 | 2 | 3 | 4 |" in page
    )
    publish.publish(figures, tree)  # again, and without curves
    assert (tree / "README.md").read_text() == readme


def test_the_newest_device_is_on_the_page():
    nothing = "**The benchmark has not been run on a CUDA device yet.**"
    dry = {"section": "beside", "name": "a plain", "ms": 7, "device": "dry run"}
    block = pages.BLOCKS["docs/training.md"]["gpu"]
    assert block({}) == block({"gpu": [dry]}) == nothing
    goals = [
        {"goal": "a", "asked": "at most 0", "measured": 0},
        {"goal": "b", "asked": "at least 9", "measured": None},
    ]
    versions = MACHINE | {"driver": "13.0", "torch": "2.11"}
    lines = [dry, dry | {"device": "OLD"}]
    for section, figures in (
        ("beside", {"name": "whole epoch plain", "ms": 1.234}),
        ("beside", {"name": "whole epoch crop_flip", "ms": 0.5}),
        ("beside", {"name": "dali plain", "skipped": "x"}),
        ("machine", {"name": "machine", **versions}),
        ("summary", {"name": "summary", "goals": goals}),
    ):
        lines.append({"section": section, **figures, "device": "NVIDIA H100"})
    text = block({"gpu": lines})
    assert "| whole epoch | 1.23 | 0.5 |" in text and "| a | at most 0 | 0 |" in text
    assert "| b | at least 9 | not measured |" in text and "| dali" not in text
    assert "Device: NVIDIA H100, CUDA 13.0, PyTorch 2.11." in " ".join(text.split())
    assert "OLD" not in text
    assert "| whole epoch | 1.23 | 0.5 |" in block({"gpu": lines[:-1]})  # it was ended


def test_publish_needs_all_figures_and_blocks(figures, tree):
    before = (tree / "README.md").read_text()
    with pytest.raises(ValueError, match="the figures have no comparison"):
        publish.publish({}, tree)
    comparison, training = figures["comparison"], figures["training"]
    synthetic = comparison | {"data": "synthetic"}
    with pytest.raises(ValueError, match="must be of fashion-mnist, got synthetic"):
        publish.publish(figures | {"comparison": synthetic}, tree)
    quick = training | {"speed": training["speed"] | {"quick": True}}
    with pytest.raises(ValueError, match=r"training: .* not be those of --quick"):
        publish.publish(figures | {"training": quick}, tree)
    partial = {key: comparison[key] for key in comparison.keys() - {"rounds"}}
    with pytest.raises(
        ValueError, match=r"comparison\.md: a figure is missing: 'rounds'"
    ):
        publish.publish(figures | {"comparison": partial}, tree)
    with pytest.raises(
        ValueError, match=r"docs/photos.md: block photos needs 'photos_"
    ):
        del figures["parts"]["bench_photos"]["figures"]["photos_per_s"]
        publish.publish(figures, tree)
    with pytest.raises(ValueError, match=r"README.md must have one block .* got none"):
        (tree / "README.md").write_text("no blocks")
        publish.publish(figures, tree)
    assert (tree / "docs" / "photos.md").read_text().count("OLD") == 1
    assert not list((tree / "docs" / "images").iterdir()) and "OLD" in before


@pytest.mark.parametrize("path", [*pages.BLOCKS, "docs/comparison.md"])
def test_the_pages_have_the_figures_of_the_file(path):
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    text = (TREE / path).read_text(encoding="utf-8")
    if path == "docs/comparison.md":
        result, curves = figures["comparison"], figures["scaling"]
        assert text == publish.docs_page(result, curves, pages.README_WORKS)
    else:
        assert text == pages.fill(path, text, figures)


# Speeds. Sizes and limits of a page have other units, or are in code.
MEASURED = re.compile(
    r"\d ?(ms|[uµμn]s|(milli|micro|nano)?seconds per|(milli|micro|nano)seconds)\b"
    r"|\d ?(x|times) (faster|slower|as (long|fast))\b|twice as fast"
    r"|\d ?(photos|images|epochs|MB|MiB|GB)( a | per |/)s(econd)?\b"
)


def measured(path, text):
    """Return whether a page has a figure outside of its blocks."""
    words = pages.without_blocks(path, text).replace("&nbsp;", " ").split()
    return bool(MEASURED.search(" ".join(words)))


@pytest.mark.parametrize(
    "path",
    ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in DOCS.glob("*.md"))],
)
def test_no_measured_figure_is_outside_of_a_block(path):
    if path != "docs/comparison.md":
        assert not measured(path, (TREE / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "It takes 5.4 ms.",
        "6.9 times\nfaster than",
        "7x faster",
        "279 photos\nper second",
        "3 µs",
        "2 MB/s",
        "5&nbsp;ms",
        "0.9 seconds per epoch",
        f"<!-- figures: other -->\n5 ms\n{pages.END}",
    ],
)
def test_a_planted_figure_is_found(text):
    block = f"<!-- figures: rows -->\nIt takes 5.4 ms.\n{pages.END}"
    assert not measured("docs/dataset.md", f"Text.\n{block}\nText.")
    assert measured("docs/dataset.md", f"{block}\n{text}")


def test_cost_that_grows_is_missed():
    points = [
        {"images": n, "seconds": [n * cost]}
        for n, cost in ((1000, 1e-8), (10000, 1.4e-8))
    ]
    curve = {"curves": {"images": {"points": points}}}
    assert scaling.flatness(curve).endswith(
        "1.40 times the lowest. Goal: at most 1.3 times, missed"
    )
    points[1]["seconds"] = [1.2e-4]
    assert scaling.flatness(curve).endswith(
        "1.20 times the lowest. Goal: at most 1.3 times, reached"
    )
