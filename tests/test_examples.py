"""The training programs of examples/ learn, each with the real framework."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.moving_in import MOVED

EXAMPLES = Path(__file__).parents[1] / "examples"
QUICK = ("--quick", "--synthetic")
STATS = "In the last epoch: The loop waited "


def run_example(name, *words):
    """Run an example with warnings as errors, and return its output."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *words],
        capture_output=True,
        text=True,
        timeout=300,
        # With more threads than cores, threads mostly wait for each other.
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def accuracies(text):
    """Return the printed accuracies in percent."""
    return [float(percents) for percents in re.findall(r"accuracy ([\d.]+)%", text)]


def check_epochs(text):
    """Check for two epochs, shares of time in 0..100 %, and over 50 % accuracy.

    Chance alone reaches 10 %.
    """
    shares = re.findall(r"([\d.]+)% of it in next\(loader\)", text)
    assert len(shares) >= 2 and all(0 <= float(share) <= 100 for share in shares)
    assert accuracies(text)[1] > 50


def test_every_example_is_run_here():
    names = {path.name for path in EXAMPLES.glob("*.py")}
    # test_ray.py, test_speedrun.py, test_moving_in.py
    elsewhere = {"convert_ray.py", "speedrun.py", *MOVED.values()}
    assert names - elsewhere == {
        "ensemble_jax.py",
        "train_jax.py",
        "train_sklearn.py",
        "train_torch.py",
    }


@pytest.mark.parametrize("loader", ["fmnist_fast", "torchvision"])
def test_pytorch(loader):
    pytest.importorskip("torch")
    if importlib.util.find_spec(loader) is None:
        pytest.skip(f"{loader} is not installed")
    words = "--workers", "1", "--seeds", "2", "--loader", loader
    text = run_example("train_torch.py", *QUICK, *words)
    check_epochs(text)
    lines, summary = text.splitlines()[:-1], text.splitlines()[-1]
    stats = [line for line in lines if line.startswith(STATS)]
    assert len(stats) == (2 if loader == "fmnist_fast" else 0)
    lines = [line for line in lines if line not in stats]
    assert len(lines) == 4 and all(line.startswith(f"{loader}, seed") for line in lines)
    assert summary.startswith(f"{loader}, 2 x 2 epochs: ")
    printed = accuracies(text)
    assert printed[-1] == pytest.approx((printed[1] + printed[3]) / 2, abs=0.011)


def test_pytorch_on_the_published_files(real_root):
    pytest.importorskip("torch")
    check_epochs(run_example("train_torch.py", "--quick"))


def test_jax():
    pytest.importorskip("jax")
    lines = run_example("train_jax.py", *QUICK).splitlines()
    assert len(lines) == 2
    for epoch, line in enumerate(lines, 1):
        assert re.fullmatch(rf"epoch {epoch}: \d+\.\d\d s, accuracy \d\d\.\d\d%", line)
    assert accuracies(lines[-1])[0] > 50


def test_ensemble(tmp_path):
    for package in ("jax", "matplotlib"):
        pytest.importorskip(package)
    path = tmp_path / "a.png"
    words = "--networks", "8", "--output", str(path)
    *lines, last = run_example("ensemble_jax.py", *QUICK, *words).splitlines()
    assert last == f"Picture: {path}" and path.read_bytes()[1:4] == b"PNG"
    form = r"accuracy ([\d.]+)% \+- ([\d.]+)%, from ([\d.]+)% to ([\d.]+)%"
    assert len(lines) == 3
    for line in lines:
        mean, deviation, low, high = map(float, re.search(form, line).groups())
        # Each seed has other weights and batches.
        assert low < mean < high and 0 < deviation < high - low
    assert low > 50


def test_ensemble_on_the_published_files(real_root, tmp_path):
    for package in ("jax", "matplotlib"):
        pytest.importorskip(package)
    words = "--quick", "--networks", "1", "--output", str(tmp_path / "a.png")
    *_, line, _ = run_example("ensemble_jax.py", *words).splitlines()
    assert "+- 0.00%" in line and accuracies(line)[0] > 50


@pytest.mark.parametrize(
    "words, absent, message",
    [
        (["--output", "none/a.png"], [], "--output: there is no folder none"),
        (["--networks", "0"], [], "--networks, --epochs and --batch-size must be at"),
        ([], ["matplotlib"], "requires matplotlib.\nRun: pip install matplotlib"),
    ],
)
def test_ensemble_fails_before_it_trains(words, absent, message, tmp_path):
    for package in ("jax", "matplotlib"):
        pytest.importorskip(package)
    code = (
        "import runpy, sys\n"
        f"sys.modules.update(dict.fromkeys({absent}))\n"
        f"sys.argv = ['ensemble_jax.py', *{words}]\n"
        f"runpy.run_path({str(EXAMPLES / 'ensemble_jax.py')!r}, run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode != 0 and message in done.stderr and not done.stdout


def test_scikit_learn():
    pytest.importorskip("sklearn")
    text = run_example("train_sklearn.py", *QUICK)
    in_batches, at_once = accuracies(text)
    assert in_batches > 50 and at_once > 50
    assert text.startswith(STATS)
