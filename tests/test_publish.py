"""Tables, goals, pictures and pages, of results made by hand."""

from pathlib import Path

import pytest

from benchmarks.comparison import goals, publish, scaling, tables

TREE = Path(__file__).resolve().parents[1]


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
    faster["probe"] = entry(0.0018, 0.002)
    sizes = {
        f"plain_{size}": {"fmnist_fast": entry(seconds, None)}
        for size, seconds in ((32, 0.0035), (512, 0.002))
    }
    start = {"cached": [], "memory": [50 * 2**20]}
    return {
        "machine": {"processor": "a processor", "cores": "2"},
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
        "plain: the best library": "missed: 9.0 x (ffcv)",
        "plain: the best hand-written loop": "reached: 7.0 x (numpy)",
        "plain: torchvision + DataLoader": "reached: 4,000.0 x (torchvision)",
        "crop + flip: the best library": "not measured",
        "crop + flip: torchvision + DataLoader": "not measured",
        "affine: the OpenCV loop": "reached: 15.0 x (opencv)",
        "plain: share of the memory floor": "missed: 50% (probe)",
        "crop + flip: share of the memory floor": "not measured",
        "uint8: share of the memory floor": "reached: 90% (probe)",
        "batch 32 beside batch 512": "missed: 1.75 x (fmnist_fast)",
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
    assert scaling.flatness(curve).endswith("1.40 x, goal 1.3: missed")
    points[1]["seconds"] = [1.2e-4]
    assert scaling.flatness(curve).endswith("1.20 x, goal 1.3: reached")
