"""The comparison with other loaders, as far as it goes without them: contenders that
cheat are found out, the tables and goals say what was measured, and a run goes through.
"""

import ast
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import cli
from fmnist_fast.commands import bench

TREE = Path(__file__).resolve().parents[1]
sys.path.append(str(TREE))

from benchmarks import checks, goals, peers, publish, scaling, tables, work  # noqa: E402
from benchmarks.comparison import Comparison, Options  # noqa: E402
from benchmarks.data import Data  # noqa: E402
from benchmarks.process import ContenderError, Process  # noqa: E402

# A contender that does the work, until FAULT; see FAULTS.
FAKE = """
import os, sys, time
import numpy as np
from .numpy import one_batch, prepared

FAULT = {fault!r}

def versions():
    if FAULT == "doesn't start":
        raise ImportError("no module named nothing")
    return {{"fake": "1"}}

def settings(work):
    return [] if FAULT == "can't" else [{{}}]

def epochs(data, work):
    images, labels = prepared(data, work), data.labels.astype(np.int64)
    rng, n_epochs = np.random.default_rng(0), 0
    while True:
        order = rng.permutation(len(images))
        if FAULT == "skips":
            order[5] = order[6]
        if FAULT == "stops early":
            order = order[:-1]
        if FAULT == "not shuffled":
            order = np.arange(len(images))
        if FAULT == "same order":
            order = np.random.default_rng(3).permutation(len(images))
        yield epoch(data, work, images, labels, order, rng, n_epochs)
        n_epochs += 1

def epoch(data, work, images, labels, order, rng, n_epochs):
    for begin in range(0, len(order), work.batch_size):
        rows = order[begin : begin + work.batch_size]
        if FAULT == "hangs" and n_epochs:
            time.sleep(60)
        if FAULT == "dies" and begin:
            print("Killed by a fake fault", file=sys.stderr)
            os._exit(3)
        if FAULT == "raises" and begin:
            raise RuntimeError("first line\\nthe worker is out of memory")
        x, y = one_batch(images, labels, rows, data, work, rng)
        if FAULT == "raises later" and n_epochs > 1:
            raise RuntimeError("the second epoch is too much")
        if FAULT == "wrong labels":
            y = y[::-1]
        if FAULT == "float labels":
            y = y.astype(np.float32)
        if FAULT == "flat":
            x = x.reshape(len(x), -1)
        if FAULT == "other scale":
            x = x * np.float32(1.01)
        if FAULT == "changed" :
            x = x + np.float32(1) * data.scale
        if FAULT == "one offset" and work.augment:
            y0, x0 = rng.integers(0, 9, 2)
            window = images[rows, y0 : y0 + 28, x0 : x0 + 28]
            x = (window * data.scale + data.bias).astype(np.float32)[:, None]
        if FAULT == "no flips" and work.augment:
            y0, x0 = rng.integers(0, 9, (2, len(rows), 1, 1))
            down, across = y0 + np.arange(28)[:, None], x0 + np.arange(28)
            window = images[rows[:, None, None], down, across]
            x = (window * data.scale + data.bias).astype(np.float32)[:, None]
        if FAULT == "prints":
            print("not an answer")
        yield x, y
"""

FAULTS = {  # what is said of it
    "skips": ("plain", "1 images don't come, 1 come once too often"),
    "stops early": ("plain", r"wanted float32 \(\d+, 1, 28, 28\), got float32"),
    "not shuffled": ("plain", "not shuffled: 1.00 in order"),
    "same order": ("plain", "not shuffled: 1.00 in order"),
    "wrong labels": ("plain", "labels don't fit"),
    "float labels": ("plain", "wanted integer labels .* got float32"),
    "flat": ("plain", r"wanted float32 .* got float32 \(128, 784\)"),
    "other scale": ("plain", "grey levels off"),
    "changed": ("plain", "come once too often|pixels are 1 to 256"),
    "one offset": ("crop_flip", "offsets never come|not uniform|has only"),
    "no flips": ("crop_flip", "81 of 162 offsets never come"),
    "dies": ("plain", "ended with 3: Killed by a fake fault"),
    "raises": ("plain", "RuntimeError: the worker is out of memory"),
    "raises later": ("plain", "RuntimeError: the second epoch is too much"),
    "doesn't start": (None, "ImportError: no module named nothing"),
}


def fake(folder, fault):
    """The contender with this fault, as a peer in the environment of the tests."""
    name = "fake_" + "".join(c if c.isalnum() else "_" for c in fault)
    file = folder / f"{name}.py"
    file.write_text(FAKE.format(fault=fault))
    return peers.Peer(name, f"{fault} (fake)", "library", file, None)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """One run of ours, numpy's and all fakes, on 4000 synthetic images."""
    folder = tmp_path_factory.mktemp("fakes")
    names = ["", "prints", "can't", *FAULTS]
    fakes = [fake(folder, fault) for fault in names]
    absent = peers.Peer("absent", "Absent", "library", folder / "absent.py", "absent")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FMNIST_FAST_DATA", raising=False)
        options = Options(2, ("plain", "crop_flip"), 300, 0.2, 1, 4000)
        run = Comparison([*peers.chosen(["numpy"]), *fakes, absent], folder, options)
        try:
            run.start()
            for name in options.works:
                list(run.run_work(work.WORKS[name]))
            list(run.run_start())
        finally:
            run.close()
    return run.result


def entry_of(comparison, fault, name="plain"):
    title = f"{fault} (fake)"
    found = [n for n, a in comparison["contenders"].items() if a["title"] == title]
    return comparison["works"][name].get(found[0])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_shown_as_failure(comparison, fault):
    name, said = FAULTS[fault]
    if name is None:
        about = next(
            a for a in comparison["contenders"].values() if a["title"].startswith(fault)
        )
        assert about["error"] == said
        return
    entry = entry_of(comparison, fault, name)
    assert not goals.is_measured(entry)
    text = tables.ratio_text(entry)
    assert text.startswith("FAILED: ")
    with pytest.raises(ContenderError, match=said):
        raise ContenderError(text)
    assert "failed" in tables.works_table(comparison, [name])


@pytest.mark.parametrize("contender", ["fmnist_fast", "numpy", "", "prints"])
@pytest.mark.parametrize("name", ["plain", "crop_flip"])
def test_who_does_the_work_is_timed(comparison, contender, name):
    if contender in comparison["contenders"]:
        entry = comparison["works"][name][contender]
    else:
        entry = entry_of(comparison, contender, name)
    assert goals.is_measured(entry), entry
    assert all(seconds > 0 for seconds in entry["seconds"])
    if contender != "fmnist_fast":
        assert len(entry["seconds"]) == len(entry["ours"]) == len(entry["cpu"]) == 2


def test_who_is_not_there_or_can_not_is_listed(comparison):
    about = comparison["contenders"]["absent"]
    assert about["missing"] == "python -m benchmarks --install absent"
    assert tables.ratio_text(entry_of(comparison, "can't")) == "- (not what it is for)"


def test_start_and_memory_are_measured(comparison):
    for name in ("fmnist_fast", "numpy"):
        entry = comparison["start"][name]
        assert "error" not in entry and entry["cold"][0] > 0
        assert entry["memory"][0] > 4000 * 784
    assert comparison["start"]["fmnist_fast"]["cached"]
    assert not comparison["start"]["numpy"]["cached"]


def test_the_result_is_json(comparison):
    assert json.loads(json.dumps(comparison)) == comparison


def test_a_contender_that_hangs_is_ended(tmp_path):
    peer = fake(tmp_path, "hangs")
    images = np.zeros((200, 28, 28), np.uint8)
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "labels.npy", images[:, 0, 0])
    process = Process(Path(sys.executable), peer.file, tmp_path / "own", limit=120)
    try:
        plain = work.WORKS["plain"].to_json()
        process.ask("open", work=plain, setting={}, part=1)
        process.ask("time", seconds=0)
        process.limit = 0.5
        with pytest.raises(ContenderError, match=r"no answer to 'time' within 0.5 s"):
            process.ask("time", seconds=0)
        with pytest.raises(ContenderError, match="its process was ended before 'time'"):
            process.ask("time", seconds=0)
    finally:
        process.close()


# ---- checks -------------------------------------------------------------------------


def ours(data, augment, batch_size=128):
    """Two epochs with these steps."""
    dataset = ff.Dataset.from_arrays(data.images, data.labels)
    loader = ff.Loader(
        dataset,
        batch_size,
        shuffle=True,
        augment=augment,
        normalize=(data.mean, data.std),
    )
    return [loader, loader]


AFFINE = {
    "degrees": 10,
    "translate": (0.1, 0.1),
    "scale": (0.9, 1.1),
    "interpolation": "bilinear",
}


@pytest.mark.parametrize(
    "change, said",
    [
        ({"interpolation": "nearest"}, "not bilinear"),
        ({"degrees": 20}, "angles go up to"),
        ({"degrees": 5}, "angles have a deviation"),
        ({"scale": (0.8, 1.2)}, "scales go up to"),
        ({"scale": None}, "scales have a deviation"),
        ({"translate": None}, "shifts down have a deviation"),
    ],
)
def test_affine_maps_are_checked(change, said, tmp_path):
    whole = Data(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), tmp_path)
    data = checks.Blobs().data(whole, 0.2, tmp_path)
    affine, plain = work.WORKS["affine"], dict(AFFINE)
    degrees = plain.pop("degrees")
    good = ours(data, [ff.RandomAffine(degrees, **plain)])
    checks.Blobs().verify(data, affine, good)
    options = {**AFFINE, **change}
    degrees = options.pop("degrees")
    with pytest.raises(checks.CheckError, match=said):
        checks.Blobs().verify(
            data, affine, ours(data, [ff.RandomAffine(degrees, **options)])
        )


def test_affine_maps_of_a_whole_batch_are_found_out(tmp_path):
    whole = Data(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), tmp_path)
    data = checks.Blobs().data(whole, 0.2, tmp_path)
    steps = [ff.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), interpolation="bilinear")]

    def one_map_each():
        for x, y in ours(data, steps)[0]:
            yield np.repeat(x[:1], len(x), axis=0), y

    with pytest.raises(checks.CheckError, match=r"deviate by 0.000 only|deviation"):
        checks.Blobs().verify(data, work.WORKS["affine"], [one_map_each()])


@pytest.mark.parametrize(
    "options, said",
    [
        ({"p": 1}, "erased in 1?[0-9]{2}% of the images"),
        ({"p": 0.2}, "erased in [12][0-9]% of the images"),
        ({"scale": (0.02, 0.04)}, "of an image is erased|sizes of rectangles"),
        ({"scale": (0.1, 0.1), "ratio": (1, 1)}, "is erased|sizes of rectangles"),
    ],
)
def test_erasing_is_checked(options, said, tmp_path):
    whole = Data(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), tmp_path)
    data, erasing = checks.White().data(whole, 0.3, tmp_path), work.WORKS["erasing"]
    checks.White().verify(data, erasing, ours(data, [ff.RandomErasing()]))
    with pytest.raises(checks.CheckError, match=said):
        checks.White().verify(data, erasing, ours(data, [ff.RandomErasing(**options)]))


@pytest.mark.parametrize(
    "steps, said",
    [
        ([ff.RandomCrop(28, padding=8)], "moved by more than 4 pixels"),
        ([ff.RandomCrop(28, padding=3)], "offsets never come"),
    ],
)
def test_crops_are_checked(steps, said, tmp_path):
    whole = Data(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), tmp_path)
    data = checks.Marks().data(whole, 0.3, tmp_path)
    flips = [*steps, ff.RandomHorizontalFlip()]
    with pytest.raises(checks.CheckError, match=said):
        checks.Marks().verify(data, work.WORKS["crop_flip"], ours(data, flips))


def test_two_epochs_drawn_alike_are_found_out(tmp_path):
    whole = Data(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), tmp_path)
    data = checks.Marks().data(whole, 0.3, tmp_path)
    steps = [ff.RandomCrop(28, padding=4), ff.RandomHorizontalFlip()]
    once = [(x.copy(), y.copy()) for x, y in ours(data, steps)[0]]
    with pytest.raises(checks.CheckError, match="100% of two epochs were drawn alike"):
        checks.Marks().verify(data, work.WORKS["crop_flip"], [once, once])


# ---- peers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "peer", peers.read_peers().values(), ids=lambda peer: peer.name
)
def test_contenders_have_the_functions(peer):
    """Told without importing them: their libraries aren't here."""
    text = peer.file.read_text(encoding="utf-8")
    body = ast.parse(text).body
    names = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    for node in body:
        if isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
    assert {"versions", "settings", "epochs"} <= names
    assert len(text.splitlines()) <= 250
    assert peer.kind in ("ours", "floor", "loop", "library")
    assert peer.environment is None or peer.environment in peers.read_peers()
    assert peer.environment != peer.name or peer.requires


def test_every_contender_is_listed():
    files = {
        path.stem for path in (TREE / "benchmarks" / "contenders").glob("[a-z]*.py")
    }
    assert files == set(peers.read_peers())


def test_pip_lines_put_what_was_asked_for_first():
    peer = peers.read_peers()["torchvision"]
    lines = peer.pip_lines({"torch": "torch==2.13.0", "torchvision": "torchvision<1"})
    assert lines == [
        ["install", "torch==2.13.0"],
        ["install", "numpy", "pillow"],
        ["install", "--no-deps", "torchvision<1"],
    ]
    assert peers.read_peers()["numpy"].pip_lines({}) == []


def test_install_says_what_failed(tmp_path, monkeypatch, capsys):
    peer = peers.Peer(
        "fake", "Fake", "library", tmp_path / "fake.py", "fake", ["./none"]
    )
    monkeypatch.setattr(peers, "read_peers", lambda: {"fake": peer})
    monkeypatch.setattr(peers, "OURS", "fake")
    monkeypatch.setattr(peers, "FLOOR", "fake")
    assert peers.install(["fake"], tmp_path, {}) == 1
    printed = capsys.readouterr().out
    assert "pip install ./none" in printed
    assert "FAILED: Fake could not be installed" in printed
    assert peer.is_installed(
        tmp_path
    )  # its Python is there, and will say what is missing


# ---- tables, goals, pictures --------------------------------------------------------


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
    """Of a run that reached some goals and missed others."""
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
    start = {"cached": [], "memory": [50 * 2**20]}
    return {
        "machine": {"processor": "a processor", "cores": "2"},
        "n_images": 60000,
        "data": "fashion-mnist",
        "rounds": 5,
        "contenders": contenders,
        "works": {"plain": plain, "affine": affine, "uint8": faster},
        "start": {
            "fmnist_fast": {"cold": [0.2], **start, "cached": [0.1]},
            "numpy": {"cold": [0.3], **start, "memory": [2**20]},
        },
    }


def test_goals_are_reached_or_missed(result):
    verdicts = {goal["name"]: goal["verdict"] for goal in goals.judge(result)}
    assert verdicts == {
        "plain: the best library": "missed: 9.0 x (ffcv)",
        "plain: the best hand-written loop": "reached: 7.0 x (numpy)",
        "plain: torchvision + DataLoader": "reached: 4,000.0 x (torchvision)",
        "crop + flip: the best library": "not measured",
        "crop + flip: torchvision + DataLoader": "not measured",
        "affine: the OpenCV loop": "reached: 15.0 x (opencv)",
        "cold start, from .gz: best of all": "reached: 1.50 x (numpy)",
        "memory: best of all": "missed: 0.02 x (numpy)",
    }


def test_a_ratio_is_the_median_of_rounds():
    rounds = {"seconds": [3, 8, 2, 4], "ours": [1, 1, 1, 2]}
    assert goals.ratio(rounds) == 2.5
    assert goals.ratio({"seconds": [3, 8, 2], "ours": [1, 1, 1]}) == 3


def test_tables_say_who_wins_and_who_failed(result):
    table = tables.works_table(result, ["plain", "affine", "uint8"])
    assert table.splitlines() == [
        "|  | shuffle + normalise | + affine, bilinear | shuffle, uint8 |",
        "| --- | --- | --- | --- |",
        "| fmnist_fast | **2** | **20** | **2** |",
        "| numpy | 14 (7 x) | - | - |",
        "| ffcv | 18 (9 x) | failed | 1 (0.5 x) |",
        "| torchvision | 8,000 (4,000 x) | - | - |",
        "| opencv | - | 300 (15 x) | - |",
    ]
    assert tables.wins(result) == [
        "ffcv: shuffle, uint8, batch 128, 0.5 x",
        "numpy: memory, 0.02 x of ours",
    ]
    assert "| shuffle + normalise, batch 128 | 2 | 1 | 50% |" in tables.floor_table(
        result
    )
    assert "| fmnist_fast | 200 | 100 | 50 |" in tables.start_table(result)
    assert "FAILED: angles go up to 20" in tables.details_table(result)


@pytest.fixture
def tree(tmp_path):
    """A checkout with nothing in it but what is written to."""
    (tmp_path / "docs" / "images").mkdir(parents=True)
    text = f"before\n{publish.MARK}\nold\n{publish.MARK}\nafter\n"
    (tmp_path / "README.md").write_text(text)
    return tmp_path


@pytest.fixture
def curves(monkeypatch):
    """Of a scaling run over few images."""
    monkeypatch.setattr(scaling, "N", 300)
    monkeypatch.setattr(scaling, "PIXELS", 300 * 784)
    monkeypatch.setattr(scaling, "ROUND_SECONDS", 0)
    return scaling.measure(1000, rounds=1)


def test_publish_writes_tables_and_pictures(result, curves, tree, capsys):
    image = pytest.importorskip("PIL.Image")
    publish.publish([result, curves], tree)
    readme = (tree / "README.md").read_text()
    assert readme.startswith("before\n") and readme.endswith("after\n")
    assert "old" not in readme and "| numpy | 14 (7 x) |" in readme
    page = (tree / "docs" / "comparison.md").read_text()
    assert "Missed: plain: the best library." in page
    assert "- DALI: not installed: `x`." in page
    assert "cost of an image" in page
    for name in ("plain", "affine", "scaling"):
        assert f"images/comparison-{name}.png" in page
        with image.open(tree / "docs" / "images" / f"comparison-{name}.png") as picture:
            assert picture.width == 800
    publish.publish([result], tree)  # again, and without curves
    assert (tree / "README.md").read_text() == readme


def test_publish_wants_one_run(result, tree):
    with pytest.raises(ValueError, match=r"wanted the result of one comparison.*got 0"):
        publish.publish([], tree)
    (tree / "README.md").write_text("no marks")
    with pytest.raises(
        ValueError, match=r"must have <!-- comparison --> twice, found 0"
    ):
        publish.publish([result], tree)


def test_readme_has_the_marks():
    assert (TREE / "README.md").read_text(encoding="utf-8").count(publish.MARK) == 2


def test_cost_that_grows_is_missed():
    points = [
        {"images": n, "seconds": [n * cost]}
        for n, cost in ((1000, 1e-8), (10000, 1.4e-8))
    ]
    curve = {"curves": {"images": {"points": points}}}
    assert scaling.flatness(curve).endswith("1.40 x, asked 1.3: missed")
    points[1]["seconds"] = [1e-4]
    assert scaling.flatness(curve).endswith("1.00 x, asked 1.3: reached")


# ---- the floor ----------------------------------------------------------------------


@pytest.mark.skipif(
    not (shutil.which("cc") or os.environ.get("CC")), reason="no compiler"
)
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", ["plain", "uint8"])
def test_the_floor_reads_and_writes_all(name, threads, streaming, tmp_path):
    from benchmarks.contenders import probe

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1000, 28, 28), np.uint8)
    data = Data(images, rng.integers(0, 10, 1000, np.uint8), tmp_path)
    epochs = probe.epochs(data, work.WORKS[name], threads, 4, streaming)
    ((rows, labels),) = next(epochs)
    order = np.random.default_rng(0).permutation(1000)
    n_batches = 8  # of 128, the last has 104 rows
    ring = len(rows)
    for k in range(max(0, n_batches - ring), n_batches):
        wanted = order[128 * k : 128 * (k + 1)]
        slot = k % ring
        assert np.array_equal(
            rows[slot, : len(wanted)], images[wanted].reshape(-1, 784)
        )
        assert np.array_equal(labels[slot, : len(wanted)], data.labels[wanted])
    epochs.close()


def test_the_floor_needs_a_compiler(monkeypatch, tmp_path):
    from benchmarks.contenders import probe

    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(probe.shutil, "which", lambda name: None)
    with pytest.raises(
        RuntimeError, match="the memory floor needs a C compiler: set CC"
    ):
        probe.build(tmp_path)


# ---- the command --------------------------------------------------------------------


def test_quick_run_of_two(tmp_path, monkeypatch, capsys):
    """What `.ci/run` counts on: the whole way, on synthetic images."""
    monkeypatch.delenv("FMNIST_FAST_DATA", raising=False)
    kept = tmp_path / "result.json"
    command = ["bench", "--quick", "--only", "fmnist_fast", "numpy", "-o", str(kept)]
    assert cli.main(command) == 0
    printed = capsys.readouterr().out
    assert "plain: the best hand-written loop: asked 4 x" in printed
    result = json.loads(kept.read_text())
    for name in work.QUICK:
        for contender in ("fmnist_fast", "numpy"):
            assert goals.is_measured(result["works"][name][contender])
    assert set(result["contenders"]) == {"fmnist_fast", "probe", "numpy"}


@pytest.mark.parametrize(
    "words, said",
    [
        (["--only", "nobody"], "no contender 'nobody'; there are fmnist_fast, probe"),
        (["--works", "nothing"], "no work 'nothing'; there are plain, crop_flip"),
        (["--install", "nobody"], "no contender 'nobody'"),
        (["--install", "numpy", "--require", "torch"], "must be NAME=REQUIREMENT"),
    ],
)
def test_wrong_words_are_named(words, said, capsys):
    assert cli.main(["bench", *words]) == 1
    assert said in capsys.readouterr().err


def test_without_the_source_tree(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "__file__", str(tmp_path / "a" / "b" / "c" / "bench.py"))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["bench", "--quick"]) == 1
    error = capsys.readouterr().err
    assert "part of the source tree" in error and "python -m benchmarks" in error
    monkeypatch.chdir(TREE)
    assert bench._find_tree() == TREE
