"""Figures of the programs in examples/ that train, from what they print."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import training

TEXT = {
    "train_torch.py": "fmnist_fast, seed 0, epoch 1: 45 s, accuracy 90.00%\n"
    "fmnist_fast, 3 x 2 epochs: 45.10 s an epoch, 0.2% of it in next(loader), "
    "accuracy 93.50% +- 0.20%\n",
    "train_jax.py": "epoch 1: 9.00 s, accuracy 88.00%\n"
    "epoch 2: 2.00 s, accuracy 89.00%\nepoch 3: 1.00 s, accuracy 89.50%\n",
    "ensemble_jax.py": "epoch 1: 3.50 s, accuracy 85.00% +- 0.30%, from 84.00% to "
    "86.00%\nPicture: a.png\n",
    "train_sklearn.py": "MLP: accuracy 86.00%\nSGD: accuracy 83.00%\n",
}


@pytest.fixture
def programs(monkeypatch):
    """Replace the programs by what they print, and return their command lines."""
    started = []

    def start(words, **environment):
        started.append((words, environment))
        return SimpleNamespace(name=words[0], kill=lambda: None, wait=lambda: None)

    monkeypatch.setattr(training, "_start", start)
    monkeypatch.setattr(training, "_finish", lambda process: TEXT[process.name])
    return started


@pytest.fixture
def gain():
    """Return the module that measures the gain, which needs torchvision."""
    for package in ("torch", "torchvision"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    from benchmarks import gain

    return gain


def test_accuracies_are_those_of_the_last_lines(programs):
    result = training.measure(["accuracy"], quick=False)
    torch = {"accuracy": 93.5, "deviation": 0.2}
    assert result["accuracy"]["figures"] == {
        "fmnist_fast": torch,
        "torchvision": torch,
        "sklearn": {"accuracy": 86.0},
        "sklearn_fit": {"accuracy": 83.0},
    }
    assert len(programs) == 3 and "speed" not in result
    assert all(env == {"OMP_NUM_THREADS": "1"} for _, env in programs)


def test_speeds_are_those_of_both_loaders(programs):
    result = training.measure(["speed"], quick=True)
    speed = {"seconds": 45.1, "waiting": 0.2}
    assert result["speed"]["figures"] == {"fmnist_fast": speed, "torchvision": speed}
    for words, environment in programs:
        assert words[-2:] == ["--quick", "--synthetic"] and not environment


@pytest.mark.parametrize("quick", [False, True])
def test_figures_of_the_programs_for_jax(programs, quick):
    result = training.measure(["jax"], quick)
    assert result["jax"]["figures"] == {
        "jax": {"accuracy": 89.5, "seconds": 2.0},
        "ensemble": {"accuracy": 85.0, "deviation": 0.3, "seconds": 3.5},
    }
    assert [words[0] for words, _ in programs] == ["train_jax.py", "ensemble_jax.py"]
    words = programs[1][0]
    picture = Path(words[words.index("--output") + 1])
    assert (picture == training.PICTURE) is not quick
    assert ("--quick" in words) is quick


def test_the_page_shows_the_picture():
    page = (training.EXAMPLES.parent / "docs" / "training.md").read_text("utf-8")
    assert f"](images/{training.PICTURE.name})" in page
    assert training.PICTURE.stat().st_size < 40_000


def test_a_program_that_prints_or_returns_something_else_is_an_error():
    with pytest.raises(ValueError, match="the last line has no seconds of an epoch"):
        training._speed("no figures")
    with pytest.raises(ValueError, match="the program printed no accuracy"):
        training._accuracy("accuracy 80.00%", 1)
    with pytest.raises(RuntimeError, match=r"train_jax\.py --unknown failed"):
        training._finish(training._start(["train_jax.py", "--unknown"]))


def test_no_program_is_left_after_an_error(monkeypatch):
    killed = []

    def start(words, **_):
        kill = lambda: killed.append(words[0])  # noqa: E731
        return SimpleNamespace(name=words[0], kill=kill, wait=lambda: None)

    def finish(process):
        raise RuntimeError(f"{process.name} failed")

    monkeypatch.setattr(training, "_start", start)
    monkeypatch.setattr(training, "_finish", finish)
    with pytest.raises(RuntimeError, match=r"train_torch\.py failed"):
        training.measure(["accuracy"], quick=False)
    assert len(killed) == 3


def test_the_gain_is_that_of_both_networks(gain, monkeypatch):
    monkeypatch.setattr(gain, "WORKERS", 0)
    result = training.measure(["gain"], quick=True)["gain"]
    assert result["quick"] and set(result["figures"]) == {"cnn", "mlp"}
    for seconds in result["figures"].values():
        ours, theirs = seconds["fmnist_fast"], seconds["torchvision"]
        assert seconds["saved"] == pytest.approx(1 - ours / theirs) and ours > 0


def test_the_gain_is_a_median_over_rounds_in_turn(gain, monkeypatch):
    measured, taken = iter([0, 0, 10, 9, 20, 10, 100, 80]), []

    def seconds(model, batches):
        taken.append(list(batches))
        return next(measured)

    monkeypatch.setattr(gain, "_seconds", seconds)
    loaders = {"torchvision": "abcdef", "fmnist_fast": "ABCDEF"}
    figures = gain._compare(object, 2, loaders, 3)
    assert figures.pop("saved") == pytest.approx(0.5)
    assert figures == {"torchvision": 20, "fmnist_fast": 10}
    warm_up = [[*"abcde"], [*"ABCDE"]]
    assert taken == warm_up + [[*"ab"], [*"AB"]] * 3
