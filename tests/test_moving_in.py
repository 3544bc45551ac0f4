"""The pages for moving in: their tables and diffs, and the programs of the diffs."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import moving_in
from helpers.dataset_files import write_synthetic
from helpers.moving_in import MOVED

import fmnist_fast as ff

from_arrays = ff.Dataset.from_arrays
ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"
PACKAGES = {
    "from-torchvision": ("torch", "torchvision", "torchdata"),
    "from-tf-data": ("tensorflow",),
    "from-keras": ("keras",),
    "from-huggingface": ("datasets", "PIL", "torch"),
    "from-ffcv": ("torch",),
}


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a program beside small files of Fashion-MNIST.

    The files lie where torchvision and Keras would put them. There is no network.
    """
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    write_synthetic(raw, 600, 200)
    keras = tmp_path / ".keras" / "datasets" / "fashion-mnist"
    keras.mkdir(parents=True)
    for path in raw.glob("*-ubyte"):
        ff.write_idx(keras / f"{path.name}.gz", ff.read_idx(path))
    proxy = "http://127.0.0.1:9"  # nobody answers there
    environment = os.environ | {
        **dict.fromkeys(("http_proxy", "https_proxy"), proxy),
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(ROOT)]),
        **{"RANK": "0", "WORLD_SIZE": "1"},  # for shard="env"
        "FMNIST_FAST_DATA": str(tmp_path / "data"),
        "FMNIST_FAST_OFFLINE": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "huggingface"),
        "KERAS_HOME": str(tmp_path / ".keras"),
        "OMP_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "",
    }

    def run(*words):
        return subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


def page_of(name):
    """Return the path of a page. Skip the test if a package of it is missing."""
    for package in PACKAGES[name]:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    return ROOT / "docs" / f"{name}.md"


def test_every_page_is_run():
    assert {path.stem for path in (ROOT / "docs").glob("from-*.md")} == set(PACKAGES)
    assert set(moving_in.THEIRS) == set(PACKAGES)


@pytest.mark.parametrize("name", PACKAGES)
def test_both_columns_of_a_page_run_and_agree(run, name):
    done = run(TESTS / "helpers" / "moving_in.py", page_of(name))
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_cell_that_does_not_run_or_differs_is_a_fault(run, tmp_path):
    pytest.importorskip("torch")
    head = "| FFCV | fmnist_fast |\n|---|---|\n"
    sound = '| text | `train = ff.load("train", download=True)` |\n'
    page = tmp_path / "from-ffcv.md"
    for row, fault in {
        "| `a` | `len(train)` |": None,
        "| `a` | `train.nothing` |": "AttributeError: 'Dataset' object has no attribu",
        "| `a` | `threads=2` |": "RuntimeError: code must do something, got threads=2",
        "| `a` | as before |": "a row must have code in its right cell",
    }.items():
        page.write_text(
            f"```python\nimport fmnist_fast as ff\n```\n{head}{sound}{row}\n"
        )
        done = run(TESTS / "helpers" / "moving_in.py", page)
        assert done.returncode == (0 if fault is None else 1)
        assert fault is None or fault in done.stderr


@pytest.mark.parametrize("mean, std", [(0.286, 0.353), (0.1307, 0.3081), (0, 1)])
def test_pixels_differ_by_rounding_as_the_pages_say(mean, std):
    levels = np.arange(256, dtype=np.uint8)
    train = from_arrays(levels.reshape(256, 1, 1), levels % 10)
    ((pixels, _),) = ff.Loader(train, normalize=(mean, std))
    theirs = (levels.astype("f4") / 255 - np.float32(mean)) / np.float32(std)
    limit = 6e-8 if std == 1 else 5e-7
    assert 0 < abs(pixels.ravel() - theirs).max() <= limit


def test_other_values_differ():
    train = from_arrays(np.zeros((10, 2, 2), np.uint8), np.arange(10))
    loader = ff.Loader(train, 5, normalize=None)
    moving_in.compare(loader, loader)
    for left, right in [
        (1.0, 1.1),
        ("Bag", "Coat"),
        (np.zeros(3), np.zeros(4)),
        ((1, 2), (1, 3)),
        (range(9), train),
        (ff.RandomVerticalFlip(), ff.RandomHorizontalFlip()),
        (ff.Loader(train, 5, normalize=None, dtype="uint8"), loader),
        (ff.Loader(train, 5, normalize=(1, 1)), loader),
        (ff.Loader(train, 10, normalize=None), loader),
    ]:
        with pytest.raises(AssertionError):
            moving_in.compare(left, right)
    moving_in.check_row([1], [1], "")
    with pytest.raises(AssertionError, match="1 and 2 values"):
        moving_in.check_row([1], [1, 2], "")


# ---- the programs of the diffs ------------------------------------------------------


def before_and_after(name):
    """Return both programs of a page, and the numbers of lines that it changes."""
    page = page_of(name).read_text(encoding="utf-8")
    after = (ROOT / "examples" / MOVED[name]).read_text(encoding="utf-8")
    (diff,) = re.findall(r"```diff\n(.*?)\n```", page, re.DOTALL)
    lines, changes = after.splitlines(), diff.splitlines()
    before, at = [], 0
    for change in changes:
        if change.startswith("@@"):
            begin = int(re.search(r"\+(\d+)", change)[1]) - 1
            before += lines[at:begin]
            at = begin
        elif change.startswith("-"):
            before.append(change[1:])
        else:
            assert change[1:] == lines[at]
            before += [lines[at]] * (not change.startswith("+"))
            at += 1
    n_changed = [sum(line[0] == sign for line in changes) for sign in "-+"]
    return "\n".join([*before, *lines[at:], ""]), after, n_changed


@pytest.mark.parametrize("name", MOVED)
def test_the_diff_applied_backwards_gives_the_program_before(name):
    before, after, n_changed = before_and_after(name)
    compile(before, name, "exec")
    assert "fmnist_fast" not in before and "import fmnist_fast as ff" in after
    page = page_of(name).read_text(encoding="utf-8")
    pattern = r"(\d+) of its (\d+) lines were removed and (\d+) were added"
    (said,) = re.findall(pattern, page)
    assert [*map(int, said)] == [n_changed[0], before.count("\n"), n_changed[1]]
    assert max(n_changed) < 15


@pytest.mark.parametrize("which", ["before", "after"])
@pytest.mark.parametrize("name", MOVED)
def test_both_programs_train(run, tmp_path, name, which):
    program = tmp_path / "program.py"
    code = before_and_after(name)[which == "after"]
    if name == "from-torchvision":
        code = f"import helpers.any_torchvision\n{code}"
    program.write_text(code, encoding="utf-8")
    done = run(program, "--epochs", 2)
    assert done.returncode == 0, done.stderr[-3000:]
    assert float(re.findall(r"accuracy ([\d.]+)%", done.stdout)[-1]) > 30
