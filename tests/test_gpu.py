"""`python -m benchmarks.gpu` in dry runs: lines, budget, goals, and checks that fail.

Its calls of CUDA need a device, so these tests leave them out.
"""

import contextlib
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from benchmarks.gpu import __main__ as command  # noqa: E402
from benchmarks.gpu import bits, safety, stress, training  # noqa: E402
from benchmarks.gpu.bench import Bench  # noqa: E402
from benchmarks.gpu.goals import judge  # noqa: E402
from benchmarks.gpu.lines import code_hash, read_lines  # noqa: E402

ROOT = Path(__file__).parents[1]
NAMES = [*command.SECTIONS]


@pytest.fixture(autouse=True)
def one_thread():
    """Restrict PyTorch to one thread, as a dry run does.

    With more threads than cores, threads mostly wait for each other.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def bench(one_thread):
    return Bench(is_dry=True, n_images=60)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return a dry run of all sections, in a process of its own, and its file."""
    file = tmp_path_factory.mktemp("gpu") / "gpu.jsonl"
    words = [sys.executable, "-m", "benchmarks.gpu", "--dry", "-o", str(file)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True), file


@pytest.fixture
def run(capsys):
    """Return a function that runs the command, and returns its code and its lines."""

    def run(*words):
        code = command.main(["--dry", "--images", "60", *map(str, words)])
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


@pytest.fixture
def sections(monkeypatch):
    """Return a function that puts sections of given tasks in place of the real ones."""

    def sections(**tasks):
        modules = {
            f".{name}": SimpleNamespace(tasks=lambda bench, own=own: own)
            for name, own in tasks.items()
        }
        monkeypatch.setattr(
            command.importlib, "import_module", lambda name, _: modules[name]
        )
        monkeypatch.setattr(command, "SECTIONS", dict.fromkeys(tasks, 10))

    return sections


# ---- the command --------------------------------------------------------------------


def test_a_dry_run_walks_through_all_sections(whole):
    process, file = whole
    assert process.returncode == 0, process.stderr
    lines = [json.loads(text) for text in process.stdout.splitlines()]
    assert lines == read_lines(file)
    assert {line["device"] for line in lines} == {"dry run"}
    found = list(dict.fromkeys(line["section"] for line in lines))
    assert found == ["machine", *NAMES, "summary"]
    assert not [line for line in lines if {"error", "late"} & line.keys()]
    assert [line["name"] for line in lines if line.get("ok") is False] == []
    names = [line["name"] for line in lines]
    assert len(bits.RECIPES) == 29 and {*bits.RECIPES} <= {*names}
    assert lines[0]["data"] == "drawn images" and lines[0]["torch"]
    (goal,) = lines[-1]["goals"]  # times of the processor are not judged
    assert goal["met"] and goal["measured"] == 0
    assert lines[-1]["failed"] == lines[-1]["errors"] == lines[-1]["left_out"] == []


def test_results_of_the_file_are_not_measured_again(whole, run, tmp_path):
    lines = whole[1].read_text("utf-8").splitlines(keepends=True)
    file = tmp_path / "gpu.jsonl"
    file.write_text("".join(lines))
    code, more = run("-o", file)
    assert code == 0 and [line["section"] for line in more] == ["machine", "summary"]
    assert more[-1]["goals"][0]["met"]
    places = [k for k, line in enumerate(lines) if '"epochs"' in line]
    file.write_text("".join(lines[: places[-2]]) + lines[places[-2]][:40])
    code, more = run("-o", file, "--sections", "epochs")
    assert code == 0 and len(more) == 1 + 2 + 1
    assert len(read_lines(file)) == places[-2] + 4  # the torn line was ended
    code, more = run("-o", file, "--sections", "epochs", "--again")
    assert code == 0 and len(more) == 1 + 27 + 1


@pytest.mark.parametrize("change", [{"device": "another"}, {"code": "another"}])
def test_results_of_other_devices_and_code_are_ignored(tmp_path, run, sections, change):
    sections(bits={"a": lambda: {"x": 1}})
    file = tmp_path / "gpu.jsonl"
    other = {"section": "bits", "name": "a", "ok": False}
    own = {"device": "dry run", "code": code_hash()}
    file.write_text(json.dumps(other | own | change))
    code, lines = run("-o", file)
    assert code == 0 and len(lines) == 3 and lines[1]["x"] == 1
    assert len(read_lines(file)) == 4


def test_failed_checks_are_repeated(tmp_path, run, sections):
    results = iter([{"ok": False}, {"ok": True}])
    sections(bits={"a": lambda: next(results)})
    file = tmp_path / "gpu.jsonl"
    assert run("-o", file)[0] == 1
    assert run("-o", file)[0] == run("-o", file)[0] == 0


OTHERS = (
    b"[]\n",
    b'{"comparison": {}}',
    b"\x7fELF",
    b"\xff",
    b"1",
    b'{"section": "bits"}',
)


@pytest.mark.parametrize("content", OTHERS)
def test_a_file_of_something_else_is_kept(tmp_path, run, capsys, content):
    file = tmp_path / "figures.json"
    file.write_bytes(content)
    assert command.main(["--dry", "-o", str(file)]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and f"{file}: not a file of results" in printed.err
    assert file.read_bytes() == content


def test_a_file_that_cannot_be_written(tmp_path, run, sections, capsys, monkeypatch):
    sections(bits={"a": lambda: {}})
    missing = tmp_path / "missing" / "gpu.jsonl"
    assert command.main(["--dry", "-o", str(missing)]) == 2
    assert "No such file" in capsys.readouterr().err
    monkeypatch.setattr(command, "RESULTS", missing)
    arguments = SimpleNamespace(dry=False, output=None)
    assert command.opened(arguments, "device").results == {}
    assert "The lines are not kept in a file: " in capsys.readouterr().err


def test_an_error_is_a_line_and_the_run_goes_on(run, sections):
    def fail():
        print("not a result")
        raise OSError("the first line\nthe last one")

    def interrupt():
        raise KeyboardInterrupt

    tasks = {"a": fail, "b": lambda: {"x": 2.0000001}}
    sections(beside=tasks)
    code, lines = run()
    assert code == 0 and lines[1]["error"] == "OSError: the first line the last one"
    assert lines[2]["x"] == 2 and lines[-1]["errors"] == ["beside: a"]
    sections(safety=tasks)
    code, lines = run()
    assert code == 1 and lines[-1]["failed"] == ["safety: a"]
    sections(training={"c": lambda: {"ok": False}})
    code, lines = run()
    assert code == 1 and lines[-1]["failed"] == ["training: c"]
    sections(safety={"b": tasks["b"], "c": interrupt})
    code, lines = run()
    assert code == 130 and len(lines) == 2


def test_every_section_gets_time_and_the_budget_is_kept(run, sections):
    sleep = partial(time.sleep, 0.2)
    many = {f"{k}": lambda: sleep() or {} for k in range(20)}
    endless = {"hangs": lambda: time.sleep(60), **many}
    sections(bits=many, epochs=endless, safety=many)
    begin = time.monotonic()
    code, lines = run("--seconds", 3)
    assert code == 0 and time.monotonic() - begin < 5
    taken = {line["section"]: line["name"] for line in lines}
    assert taken.keys() == {"machine", "bits", "epochs", "safety", "summary"}
    late = next(line for line in lines if line["name"] == "hangs")
    assert late["late"].startswith("it needed more than 1.")
    left = lines[-1]["left_out"]
    assert {"epochs: 0", "bits: 19", "safety: 19", "epochs: hangs"} < {*left}


def test_a_call_that_cannot_be_interrupted_ends_the_process():
    program = (
        "import signal, sys; from benchmarks.gpu import __main__ as command\n"
        "signal.setitimer = lambda *_: None; command._GRACE = 0.5\n"
        "def hang(arguments, end):\n    while True:\n        pass\n"
        "command.run = hang; command.main(['--dry', '--seconds', '0.5'])"
    )
    words = [sys.executable, "-c", program]
    process = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 1 and "Timeout" in process.stderr


@pytest.mark.parametrize("seconds", ["inf", "nan", "-1", "1e300", "long"])
def test_seconds_that_no_timer_can_wait(seconds, capsys):
    with pytest.raises(SystemExit):
        command.main(["--dry", f"--seconds={seconds}"])
    error = "invalid seconds value: 'long'"
    if seconds != "long":
        error = f"must be in 0..86400 seconds, got {seconds}"
    assert f"argument --seconds: {error}\n" in capsys.readouterr().err


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_figure_that_is_no_number_is_an_error(run, sections, value):
    sections(first={"a": lambda: {"ms": value}, "b": lambda: {"ms": 1.0}})
    _, lines = run()
    figures = {line["name"]: line for line in lines}
    assert figures["a"]["error"].startswith("ValueError: Out of range float values")
    assert figures["b"]["ms"] == 1.0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_or_pytorch(capsys, monkeypatch):
    assert command.main([]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and "a CUDA device is required, but PyTorch" in printed.err
    monkeypatch.setitem(sys.modules, "torch", None)
    assert command.main([]) == 2
    assert "PyTorch is missing. Run pip install torch." in capsys.readouterr().err


# ---- goals --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place, good, bad",
    [
        (("bits", "a", "differ"), 0, 1),
        (("epochs", "float32 plain 512", "chunks_ms"), 0.3, 0.301),
        (("epochs", "float32 crop_flip 4096", "chunks_ms"), 0.1, 1.0),
        (("training", "resnet18", "resident_share"), 0.02, 0.021),
        (("beside", "indexed crop_flip", "ms"), 5.0, 4.9),
        (("jax", "tones", "differ"), 0, 1),
        (("jax", "seeds standard", "ratio"), 10, 9.9),
    ],
)
def test_goals(place, good, bad):
    results = {
        ("bits", "b"): {"differ": 0},
        ("beside", "resident crop_flip"): {"ms": 0.5},
    }

    def met(value):
        line = {place[2]: value} if value is not None else {"late": "no time"}
        goals = judge(results | {place[:2]: line}, ["a", "b"])
        (goal,) = [goal for goal in goals if goal["measured"] is not None] or [None]
        return None if goal is None else goal["met"]

    assert (met(good), met(bad), met(None)) == (True, False, None)


# ---- checks that fail ---------------------------------------------------------------


class Spoiled:
    """A loader with one wrong byte in an image."""

    def __init__(self, loader):
        self._loader = loader

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def __iter__(self):
        for number, (images, labels) in enumerate(self._loader):
            if number == 0:
                images.view(torch.uint8).reshape(-1)[5] ^= 1
            yield images, labels

    def fill(self):
        images, labels = self._loader.fill()
        images.reshape(-1)[-1] += 1
        return images, labels


@pytest.fixture
def change(monkeypatch):
    """Return a function that changes the loaders of benches."""
    original = Bench.loader

    def change(function):
        def loader(bench, *arguments, **options):
            return function(partial(original, bench), *arguments, **options)

        monkeypatch.setattr(Bench, "loader", loader)

    return change


def test_a_wrong_byte_is_found(run, change, monkeypatch):
    few = {name: bits.RECIPES[name] for name in ("plain", "strong", "mixes")}
    monkeypatch.setattr(bits, "RECIPES", few)
    change(lambda make, *a, **k: Spoiled(make(*a, **k)))
    code, lines = run("--sections", "bits")
    results = {line["name"]: line for line in lines}
    assert code == 1 and results["strong"]["differ"] == len(bits.DTYPES)
    assert results["on the host"]["differ"] == 2 * 3
    failed = {f"bits: {name}" for name in (*few, "fill", "fill in a graph", "resumed")}
    assert {*lines[-1]["failed"]} == failed | {"bits: on the host"}
    assert not lines[-1]["goals"][0]["met"]


def test_other_shapes_dtypes_and_lengths_are_errors(bench):
    batches = [(torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64))]
    arrays = np.zeros((3, 2), np.float32), np.zeros(3, np.int64)
    assert bits.Comparison(bench.device).add_all(batches, [arrays]).result()["ok"]
    assert not bits.Comparison(bench.device).result()["ok"]  # nothing was compared
    for wrong in (arrays[0].T.copy(), arrays[0].astype(np.float16)):
        with pytest.raises(ValueError, match="a batch must have float"):
            bits.Comparison(bench.device).add_all(batches, [(wrong, arrays[1])])
    with pytest.raises(ValueError, match="longer"):
        bits.Comparison(bench.device).add_all(batches, [arrays, arrays])


def test_bits_are_compared_without_ml_dtypes(bench, monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    result = bits.compare_recipe(bench, "crop, flip")
    assert result["ok"] and result["differ"] == 0


def no_epoch(make, *arguments, **options):
    """Return a loader that can't be set to an epoch."""
    loader = make(*arguments, **options)
    loader.set_epoch = lambda epoch: None
    return loader


def one_buffer(make, *arguments, **options):
    """Return a loader whose batches share their memory."""
    options |= {"fixed_buffers": True, "drop_last": "wrap"}
    return make(*arguments, **options)


def new_buffers(make, *arguments, **options):
    """Return a loader whose `fill` makes new batches, so that no control is faulty."""
    loader = make(*arguments, **options)
    loader.fill = lambda fill=loader.fill: tuple(x.clone() for x in fill())
    return loader


def kept(make, *arguments, loaders=[], **options):  # noqa: B006
    """Return a loader to which another reference stays."""
    loaders.append(make(*arguments, **options))
    return loaders[-1]


def other_seed(make, *arguments, **options):
    """Return a loader with another order."""
    return make(*arguments, **options | {"seed": 77})


@pytest.mark.parametrize(
    "task, fault",
    [
        (bits.compare_cupy, None),
        (safety.held, one_buffer),
        (safety.stalled, new_buffers),
        (safety.freed, kept),
        (safety.out_of_memory, no_epoch),
        (training.compare_weights, other_seed),
        (partial(safety.overlapping, context=contextlib.nullcontext), other_seed),
    ],
)
def test_checks_can_fail(bench, change, task, fault):
    assert task(bench).get("ok", True)
    if fault is not None:
        change(fault)
        assert not task(bench)["ok"]


def test_stress_finds_damage_and_a_control_without_it(bench, monkeypatch):
    assert stress.stress(bench.train, bench.device)["ok"]
    monkeypatch.setattr(stress, "LateFeed", stress.HastyLateFeed)
    result = stress.stress(bench.train, bench.device)
    assert result == {"intact": False, "control_detected": True, "ok": False}
    monkeypatch.undo()
    monkeypatch.setattr(stress, "HastyLateFeed", stress.LateFeed)
    assert not stress.stress(bench.train, bench.device)["ok"]


def test_a_child_that_fails_is_an_error(bench, tmp_path):
    from benchmarks.gpu.build import first_batch

    with pytest.raises(RuntimeError, match="toaster"):
        first_batch([], "toaster", str(tmp_path))
