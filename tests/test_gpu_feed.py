"""benchmarks/gpu_feed.py on the CPU: its figures, and its checks of the data.

Its calls of CUDA need a device, so these tests leave them out.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff

torch = pytest.importorskip("torch")
pytest.importorskip("resource", reason="CPU seconds of workers need a Unix")
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the package does not contain benchmarks
from benchmarks import gpu_feed, gpu_report, gpu_sources, gpu_stress  # noqa: E402
from benchmarks.command import main  # noqa: E402
from benchmarks.gpu_sources import SOURCES, Fast, Resident, bytes_of  # noqa: E402
from benchmarks.gpu_work import Checksum, make_work, resnet18  # noqa: E402

CPU = torch.device("cpu")
WORDS = "--device cpu --quick --works checksum mlp --batch-sizes 64 256 --images 300"


@pytest.fixture
def one_thread():
    """Restrict PyTorch to one thread.

    With more threads than cores, threads mostly wait for each other.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def synthetic(small, monkeypatch, one_thread):
    """Let the benchmark use 1000 images instead of 60,000."""
    monkeypatch.delenv("FMNIST_FAST_DATA", raising=False)
    monkeypatch.setattr(ff, "synthetic", lambda: (small, None))


def total_of(images, labels, batch_size=64):
    """Return the checksum of samples in batches."""
    checksum = Checksum("cpu", 784)
    for begin in range(0, len(images), batch_size):
        rows = slice(begin, begin + batch_size)
        checksum.step(torch.from_numpy(images[rows]), torch.from_numpy(labels[rows]))
    return checksum.total()


# ---- the checksum -------------------------------------------------------------------


def test_the_checksum_depends_on_samples_and_not_on_their_order(small):
    images, labels = small.images.copy(), small.labels.astype(np.int64)
    want = Checksum.of_dataset(small)
    order = np.random.default_rng(0).permutation(len(small))
    assert total_of(images[order], labels[order], 37) == want
    assert want[1] == 1000


def swap_pixels(images, labels):
    images[3, 5, 5], images[4, 5, 5] = images[4, 5, 5] ^ 1, images[3, 5, 5] ^ 1


def swap_halves(images, labels):
    images[[3, 4], :14] = images[[4, 3], :14]


def swap_labels(images, labels):
    i, j = 0, int(np.flatnonzero(labels != labels[0])[0])
    labels[[i, j]] = labels[[j, i]]


def repeat_a_row(images, labels):
    images[3], labels[3] = images[4], labels[4]


def change_a_bit(images, labels):
    images[999, 27, 27] ^= 1


@pytest.mark.parametrize(
    "spoil", [swap_pixels, swap_halves, swap_labels, repeat_a_row, change_a_bit]
)
def test_the_checksum_detects_a_changed_sample(small, spoil):
    images, labels = small.images.copy(), small.labels.astype(np.int64)
    spoil(images, labels)
    assert total_of(images, labels) != Checksum.of_dataset(small)


# ---- sources ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("augment", [False, True])
def test_sources_without_workers_return_every_sample(small, dtype, augment, one_thread):
    for source in (Fast, Resident):
        feed = source(small, CPU, 64, dtype, augment)
        assert gpu_feed.is_whole(feed, small, CPU, augment)
        images, labels = next(iter(feed))
        assert images.shape == (64, 1, 28, 28) and images.dtype == dtype
        assert labels.dtype == torch.int64
        feed.close()


def test_resident_images_are_crops_of_the_padded_ones(small):
    feed = Resident(small, CPU, 64, torch.uint8, True)
    rows = torch.arange(64)
    padded = np.pad(small.images[:64], [(0, 0), (4, 4), (4, 4)])
    crops_of_images = np.lib.stride_tricks.sliding_window_view(
        padded, (28, 28), axis=(1, 2)
    )
    n_moved = 0
    for image, crops in zip(feed._augmented(rows).numpy(), crops_of_images):
        crops = crops.reshape(81, 28, 28)
        crops = np.concatenate([crops, crops[:, :, ::-1]])
        assert (crops == image).all(axis=(1, 2)).any()
        n_moved += not (image == crops[40]).all()
    assert n_moved > 32


@pytest.fixture
def torchvision(monkeypatch):
    """Return the source of torchvision, with one worker."""
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    source = SOURCES["torchvision"]
    monkeypatch.setattr(source, "workers", 1)
    return source


@pytest.mark.parametrize("augment", [False, True])
def test_torchvision_returns_every_sample(small, one_thread, torchvision, augment):
    feed = torchvision(small, CPU, 256, torch.float32, augment)
    assert gpu_feed.is_whole(feed, small, CPU, augment)
    feed.close()


def test_the_number_of_torchvisions_workers_is_chosen(
    small, one_thread, torchvision, monkeypatch
):
    monkeypatch.setattr(gpu_sources, "usable_cores", lambda: 2)
    few = small.select(range(300))
    n = gpu_sources.choose_workers(torchvision, few, CPU)
    assert n in (1, 2) and torchvision.workers == n


def test_bytes_of_normalized_images(small):
    images, _ = next(iter(Fast(small, CPU, 64, torch.float32, False)))
    assert images.dtype == torch.float32
    again = Fast(small, CPU, 64, torch.uint8, False)
    assert torch.equal(bytes_of(images, small), next(iter(again))[0])


# ---- rows, goals and the stress test ------------------------------------------------


class Spoiling(Fast):
    """A source that repeats the first row of each batch."""

    def __iter__(self):
        for images, labels in super().__iter__():
            images = images.clone()
            images[1] = images[0]
            yield images, labels


class Failing(Fast):
    """A source that fails in the second batch of an epoch, or when it is closed."""

    at_close = False

    def __iter__(self):
        batches = super().__iter__()
        yield next(batches)
        if not self.at_close:
            raise OSError("the first line\nthe last one")
        yield from batches

    def close(self):
        super().close()
        if self.at_close:
            raise OSError("can't be closed")


@pytest.fixture
def measured(small, monkeypatch, one_thread):
    """Return a function that measures one row with a class of sources."""

    def measured(source):
        monkeypatch.setitem(SOURCES, "fmnist_fast", source)
        case = {"work": "mlp", "batch_size": 64, "augment": False}
        return gpu_feed.measure(small, CPU, 1, source="fmnist_fast", **case)

    return measured


def test_a_row_of_spoiled_batches_is_void(measured):
    good, bad = measured(Fast), measured(Spoiling)
    assert good["void"] is None and good["seconds"] > 0 and 0 <= good["wait"] < 1
    assert good["host_seconds"] > 0
    assert bad["void"] == "checksum" and bad["wait"] is None
    assert gpu_report.row_line(bad).endswith("invalid: checksum")
    assert bad.keys() == good.keys()


def test_a_row_of_a_source_that_fails_is_void(measured, monkeypatch):
    bad = measured(Failing)
    assert bad["void"] == "OSError: the last one" and bad["seconds"] is None
    assert gpu_report.row_line(bad).endswith("invalid: OSError: the last one")
    monkeypatch.setattr(Failing, "at_close", True)
    assert measured(Failing)["void"] == "OSError: can't be closed"


def row(work, source, batch_size, **figures):
    """Return a row of the report with some figures."""
    defaults = {"wait": 0.0, "seconds": 1.0, "images_a_second": 3e7, "void": None}
    case = {"work": work, "source": source, "batch_size": batch_size}
    return case | defaults | {"augment": False} | figures


def test_goals_use_the_worst_row_that_counts():
    rows = [
        row("cnn", "fmnist_fast", 64, wait=0.5),  # too small to count
        row("cnn", "fmnist_fast", 256, wait=0.005),
        row("cnn", "fmnist_fast", 1024, wait=0.02),
        row("resnet18", "fmnist_fast", 256, seconds=1.05),
        row("resnet18", "resident", 256),
        row("checksum", "fmnist_fast", 4096, images_a_second=2.5e7),
        row("checksum", "fmnist_fast", 8192, images_a_second=1.0),
    ]
    goals = gpu_report.goals_of(rows)
    assert [goal["measured"] for goal in goals] == [0.02, 0.0, 1.05, 2.5e7]
    assert [goal["met"] for goal in goals] == [False, True, True, True]
    assert gpu_report.goal_line(goals[0]).endswith("0.01, measured 0.02: missed")
    rows[2] |= {"wait": None, "void": "checksum"}
    goals = gpu_report.goals_of(rows)
    assert goals[0]["measured"] is None and not goals[0]["met"]
    assert gpu_report.goal_line(goals[0]).endswith("not measured")


def test_slots_are_kept_for_late_copies_and_the_control_fails(small, one_thread):
    result = gpu_stress.stress(small, CPU)
    assert result == {"intact": True, "control_detected": True}


def test_resnet18_has_the_parameters_of_the_paper():
    """Ten classes and a 3x3 stem for one channel give 11.17 million parameters."""
    n = sum(weights.numel() for weights in resnet18().parameters())
    first, last = 64 * 9, 512 * 10 + 10
    stages = 4 * 64 * 64 * 9
    for n_in, n_out in ((64, 128), (128, 256), (256, 512)):
        stages += n_in * n_out * 9 + 3 * n_out * n_out * 9 + n_in * n_out
    norms = 2 * (64 + 4 * 64 + 5 * (128 + 256 + 512))
    assert n == first + stages + last + norms


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet18"])
def test_networks_learn_a_batch(small, name, one_thread):
    task = make_work(name, CPU, 784)
    images, labels = next(iter(Fast(small, CPU, 4, torch.float32, False)))
    before = [weights.clone() for weights in task._model.parameters()]
    task.step(images, labels)
    assert task._model(images).shape == (4, 10)
    for old, new in zip(before, task._model.parameters()):
        assert not torch.equal(old, new)


# ---- the command --------------------------------------------------------------------


def test_the_command_prints_and_writes_its_figures(synthetic, tmp_path, capsys):
    path = tmp_path / "figures.json"
    words = [*WORDS.split(), "--sources", "fmnist_fast", "resident"]
    assert gpu_feed.main([*words, "--json", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("300 images, CPU, ")
    assert lines[1] == "stress test: batches intact; faulty control detected"
    assert len(lines) == 2 + 8 + 4 and lines[2].startswith("checksum    64 fmnist_fast")
    figures = json.loads(path.read_text("utf-8"))
    assert len(figures["rows"]) == 8 and len(figures["goals"]) == 4
    assert figures["stress"] == {"intact": True, "control_detected": True}


def test_sources_that_are_not_installed_are_left_out(monkeypatch, capsys):
    """Not even the parent package of DALI is installed here."""

    def find_spec(name):
        if "." in name:
            raise ModuleNotFoundError(f"No module named {name.split('.')[0]!r}")
        return None

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    assert gpu_feed.parsed_options([]).sources == ["fmnist_fast", "resident"]
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["torchvision", "ffcv", "dali"]
    assert lines[0].endswith(" && pip install --no-deps torchvision")
    assert (
        "is not installed and is omitted. To install: apt-get install libopencv-dev"
        in lines[1]
    )
    assert " && pip install torch numpy" in lines[1]
    assert lines[1].endswith("install --no-deps --no-build-isolation torchvision ffcv")
    assert lines[2].endswith("To install: pip install nvidia-dali-cuda120 numpy")


def test_a_source_that_fails_does_not_end_the_run(synthetic, monkeypatch, capsys):
    monkeypatch.setattr(gpu_feed, "is_installed", lambda name: True)
    monkeypatch.setitem(SOURCES, "ffcv", Failing)
    words = "--works checksum --batch-sizes 64 --sources ffcv fmnist_fast"
    assert gpu_feed.main([*WORDS.split(), *words.split()]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "ffcv: OSError: the last one"
    assert lines[3].endswith("invalid: OSError: the last one")
    assert lines[4].startswith("checksum    64 fmnist_fast") and "ms" in lines[4]


def test_a_void_row_is_a_failure(synthetic, monkeypatch, capsys):
    monkeypatch.setitem(SOURCES, "fmnist_fast", Spoiling)
    words = "--works checksum --batch-sizes 64 --sources fmnist_fast"
    assert gpu_feed.main([*WORDS.split(), *words.split()]) == 1
    assert "plain     invalid: checksum" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_the_command_reports_it():
    words = [sys.executable, "-m", "benchmarks.gpu_feed"]
    process = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 2 and process.stdout == ""
    assert (
        "requires a CUDA device" in process.stderr and "Traceback" not in process.stderr
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_gpu_is_an_option_of_the_benchmarks(capsys):
    assert main(["--gpu", "--quick"]) == 2
    assert (
        "this benchmark requires a CUDA device, but PyTorch" in capsys.readouterr().err
    )


def test_without_pytorch_the_option_tells_how_to_install_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "benchmarks.gpu_feed")
    monkeypatch.delattr("benchmarks.gpu_feed")
    assert main(["--gpu"]) == 1
    assert "--gpu requires PyTorch. Run pip install torch." in capsys.readouterr().err
