"""examples/speedrun.py on a CPU: also the code for a GPU, except the CUDA graph."""

import dataclasses
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff

torch = pytest.importorskip("torch")
EXAMPLE = Path(__file__).parents[1] / "examples" / "speedrun.py"


@pytest.fixture(scope="module")
def speedrun():
    """Return the module of the program."""
    spec = importlib.util.spec_from_file_location("speedrun", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data():
    """Return few images to train and to test with."""
    return ff.synthetic(120, 100)


@pytest.fixture
def training(speedrun, data):
    """Return a function that prepares a recipe on the CPU, with batches of 40."""

    def prepare(name, **changes):
        recipe = dataclasses.replace(speedrun.RECIPES[name], batch_size=40, **changes)
        training = speedrun.Training(recipe, "cpu", *data, seed=3)
        training.prepare()
        return training

    return prepare


def weights(training):
    """Return a copy of all that the model has."""
    return [tensor.clone() for tensor in training.model.state_dict().values()]


def small_network(speedrun):
    return {"network": lambda: speedrun.residual_network(8)}


def run(*words):
    command = [sys.executable, "-W", "error", str(EXAMPLE), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_the_command_prints_each_run_and_writes_json(tmp_path):
    path = tmp_path / "result.json"
    words = "--epochs", "4", "--seeds", "2", "--seed", "5", "--json", str(path)
    done = run("--device", "cpu", "--quick", *words)
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["seed 5", "seed 6"]
    assert re.match(r"mean of 2: [\d.]+ \+- [\d.]+ s, accuracy [\d.]+ \+- ", last)
    result = json.loads(path.read_text("utf-8"))
    accuracies = [each["accuracy"] for each in result["runs"]]
    assert min(accuracies) > 50  # chance alone reaches 10
    assert result["accuracy"] == pytest.approx(np.mean(accuracies))
    assert result["accuracy_deviation"] == pytest.approx(np.std(accuracies))
    assert result["epochs"] == 4 and result["n_runs"] == 2
    assert result["machine"]["torch"] == torch.__version__


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_cuda_device_the_message_says_what_to_pass():
    done = run()
    assert done.returncode == 2
    assert "PyTorch finds no CUDA device. Pass --device cpu." in done.stderr


@pytest.mark.parametrize("words", [("--seeds", "0"), ("--epochs", "-1")])
def test_numbers_of_the_command_are_positive(words):
    assert run("--device", "cpu", *words).returncode == 2


def test_the_folder_of_the_results_exists_before_the_first_run(tmp_path):
    path = tmp_path / "missing" / "result.json"
    done = run("--device", "cpu", "--quick", "--json", str(path))
    assert done.returncode == 2 and "the folder does not exist" in done.stderr


@pytest.mark.parametrize("n_epochs", [10, 100])
def test_the_learning_rate_rises_and_falls(training, n_epochs):
    made = training("cpu", epochs=n_epochs)
    shares = []
    for step in range(made.n_steps):
        made.n_done.fill_(step)
        shares.append(made.share_of_rate().item())
    assert made.n_steps == 3 * n_epochs
    top = shares.index(max(shares))
    assert shares[: top + 1] == sorted(shares[: top + 1])
    assert shares[top:] == sorted(shares[top:], reverse=True)
    assert 0 < min(shares) and max(shares) == pytest.approx(1)
    assert shares[-1] == pytest.approx(1 / (0.9 * made.n_steps))


def test_a_step_reads_its_number_from_the_device(training):
    first, second = training("cpu"), training("cpu")
    second.n_done += 2  # as after two steps
    for each in (first, second):
        each.whiten()
    first.step()
    second.step()
    assert first.n_done == 1 and second.n_done == 3
    for a, b in zip(first.weights, second.weights, strict=True):
        assert not torch.equal(a, b)


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_the_warm_up_changes_nothing(speedrun, data, training, name):
    changes = small_network(speedrun) if name == "cuda" else {}
    prepared = training(name, **changes)
    fresh = speedrun.Training(prepared.recipe, "cpu", *data, seed=3)
    for a, b in zip(weights(prepared), weights(fresh), strict=True):
        assert torch.equal(a, b)
    assert prepared.n_done == 0 and not any(m.any() for m in prepared.momenta)
    for a, b in zip(prepared.batch(), fresh.batch(), strict=True):
        assert torch.equal(a, b)


def test_the_recipe_for_gpus_fills_two_buffers(speedrun, data, training):
    """Each batch is that of an ordinary loader, in the same memory, over two epochs."""
    made = training("cuda", epochs=2, **small_network(speedrun))
    usual = training("cuda", epochs=2, resident=False, **small_network(speedrun))
    assert made.loader.fixed_buffers and not usual.loader.fixed_buffers
    addresses = set()
    for _ in range(made.n_steps):
        images, labels = made.batch()
        addresses.add((images.data_ptr(), labels.data_ptr()))
        for ours, theirs in zip((images, labels), usual.batch(), strict=True):
            assert torch.equal(ours, theirs)
        assert images.dtype is torch.bfloat16 and images.shape == (40, 1, 28, 28)
    assert len(addresses) == 1


def test_the_recipe_for_gpus_trains(speedrun, data, training):
    made = training("cuda", epochs=8, **small_network(speedrun))
    predicted = made.run(made.n_steps)
    assert made.n_done == made.n_steps == 24
    labels = torch.tensor(data[1].labels)
    assert (predicted == labels).float().mean() > 0.5


def test_patches_are_whitened(speedrun, data):
    layer = speedrun.WhitenedPatches()
    images = torch.tensor(data[0].images)[:, None] / 255
    layer.fit(images)
    patches = torch.nn.functional.unfold(images, 4, stride=2)
    patches = patches.transpose(1, 2).flatten(0, 1)
    values = patches @ layer.weight[:16].flatten(1).T
    moments = values.T @ values / len(values)
    assert torch.equal(layer.weight[:16], -layer.weight[16:])
    assert (moments - torch.diag(moments.diag())).abs().max() < 1e-3
    assert layer(images).shape == (120, 7 * 7 * 32)


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (8, 4, 3, 3)])
def test_an_update_becomes_nearly_orthogonal(speedrun, shape):
    generator = torch.Generator().manual_seed(0)
    change = torch.randn(shape, generator=generator)
    made = speedrun.orthogonal(change)
    assert made.shape == change.shape
    values = torch.linalg.svdvals(made.flatten(1).float())
    assert values.min() > 0.3 and values.max() < 1.4
