"""The comparison with other loaders, without these loaders.

Contenders with wrong output are rejected, and a whole run works.
"""

import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
from helpers.fake_contender import FAULTS, fake

from benchmarks import command, files, work
from benchmarks.command import main
from benchmarks.comparison import goals, tables
from benchmarks.comparison.comparison import Comparison, Options
from benchmarks.comparison.environments import Contender, chosen
from benchmarks.comparison.process import ContenderError, Process

TREE = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """Run our loader, numpy's and all fakes once, on 4000 synthetic images."""
    folder = tmp_path_factory.mktemp("fakes")
    names = ["", "prints", "can't", "one setting fails", *FAULTS]
    fakes = [fake(folder, fault) for fault in names]
    absent = Contender("absent", "Absent", "library", folder / "absent.py", "absent")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FMNIST_FAST_DATA", raising=False)
        # This is enough for an epoch of 4000 images. No test compares the times.
        patch.setattr("benchmarks.comparison.comparison.ROUND_SECONDS", 0.01)
        options = Options(2, ("plain", "crop_flip"), 300, 0.2, 1, 4000)
        run = Comparison([*chosen(["numpy"]), *fakes, absent], folder, options)
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
    names = [n for n, a in comparison["contenders"].items() if a["title"] == title]
    return comparison["works"][name].get(names[0])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_shown_as_failure(comparison, fault):
    name, message = FAULTS[fault]
    if name is None:
        contender = next(
            a for a in comparison["contenders"].values() if a["title"].startswith(fault)
        )
        assert contender["error"] == message
        return
    entry = entry_of(comparison, fault, name)
    assert not goals.is_measured(entry)
    text = tables.ratio_text(entry)
    assert text.startswith("FAILED: ")
    with pytest.raises(ContenderError, match=message):
        raise ContenderError(text)
    assert "failed" in tables.works_table(comparison, [name])


@pytest.mark.parametrize(
    "contender", ["fmnist_fast", "numpy", "", "prints", "one setting fails"]
)
@pytest.mark.parametrize("name", ["plain", "crop_flip"])
def test_contenders_that_do_the_work_are_timed(comparison, contender, name):
    if contender in comparison["contenders"]:
        entry = comparison["works"][name][contender]
    else:
        entry = entry_of(comparison, contender, name)
    assert goals.is_measured(entry), entry
    assert all(seconds > 0 for seconds in entry["seconds"])
    if contender != "fmnist_fast":
        assert len(entry["seconds"]) == len(entry["ours"]) == len(entry["cpu"]) == 2


def test_a_setting_that_fails_is_left_out_and_counted(comparison):
    entry = entry_of(comparison, "one setting fails")
    assert entry["setting"] == {"bad": False}
    assert "1 settings FAILED: exit code 1: no message" in tables.ratio_text(entry)


def test_contenders_that_are_missing_or_unable_are_listed(comparison):
    contender = comparison["contenders"]["absent"]
    assert contender["missing"] == "python -m benchmarks --install absent"
    assert tables.ratio_text(entry_of(comparison, "can't")) == "- (not supported)"


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
    contender = fake(tmp_path, "hangs")
    images = np.zeros((200, 28, 28), np.uint8)
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "labels.npy", images[:, 0, 0])
    process = Process(Path(sys.executable), contender.file, tmp_path / "own", limit=120)
    try:
        plain = work.WORKS["plain"].to_json()
        process.ask("open", work=plain, setting={}, part=1)
        process.ask("time", seconds=0)
        process.limit = 0.5
        with pytest.raises(ContenderError, match=r"no answer to 'time' within 0.5 s"):
            process.ask("time", seconds=0)
        with pytest.raises(ContenderError, match="the process was ended before 'time'"):
            process.ask("time", seconds=0)
    finally:
        process.close()


def test_only_the_floor_tries_all_settings_at_every_batch_size(tmp_path):
    run = Comparison([], tmp_path, Options())
    process = types.SimpleNamespace(ask=lambda do, work: "all")
    run.processes.of = lambda contender: process
    tried = [{"setting": k, "seconds": 9 - k} for k in range(5)]
    entry = {"setting": 4, "tried": [*tried, {"setting": 5, "error": "no"}]}
    run.result["works"]["plain"] = {"probe": entry, "numpy": entry}
    for contender in chosen(["numpy"]):
        expected = [4, 3, 2] if contender.name == "numpy" else "all"
        assert run._settings(contender, work.WORKS["plain_32"]) == expected
        assert run._settings(contender, work.WORKS["uint8"]) == "all"


def test_quick_run_of_two(tmp_path, monkeypatch, capsys):
    """A whole run works with synthetic images, as in `.ci/run`."""
    monkeypatch.delenv("FMNIST_FAST_DATA", raising=False)
    monkeypatch.setattr("benchmarks.comparison.comparison.ROUND_SECONDS", 0.01)
    path = tmp_path / "result.json"
    assert main(["--quick", "--only", "fmnist_fast", "numpy", "-o", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "goal, shuffle + normalize: the best hand-written loop: 4 times" in printed
    result = json.loads(path.read_text())["comparison"]
    for name in work.QUICK:
        for contender in ("fmnist_fast", "numpy"):
            assert goals.is_measured(result["works"][name][contender])
    assert set(result["contenders"]) == {"fmnist_fast", "probe", "numpy"}


@pytest.mark.parametrize(
    "words, message",
    [
        (["--only", "nobody"], "contender must be one of fmnist_fast, probe"),
        (["--works", "nothing"], "workload must be one of plain, crop_flip"),
        (["--quick", "-o", "/nowhere/x.json"], "x.json: there is no such folder"),
        (["--install", "nobody"], "got 'nobody'"),
        (["--install", "numpy", "--require", "torch"], "must be NAME=REQUIREMENT"),
    ],
)
def test_wrong_arguments_are_named(words, message, capsys):
    before = signal.getsignal(signal.SIGTERM)
    assert main(words) == 1
    assert message in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


def test_numbers_must_be_positive(capsys):
    for text in ("0", "-1", "two"):
        with pytest.raises(SystemExit):
            main([f"--rounds={text}"])
        error = capsys.readouterr().err
        assert f"--rounds: must be an integer and at least 1, got {text!r}" in error


def test_the_module_is_a_program():
    words = [sys.executable, "-m", "benchmarks", "--only", "nobody"]
    done = subprocess.run(words, cwd=TREE, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("python -m benchmarks: error: contender must be one")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "error, code", [(KeyboardInterrupt, 130), (BrokenPipeError, 141)]
)
def test_interrupts_and_closed_pipes_are_no_errors(error, code, monkeypatch, capsys):
    def end(arguments):
        raise error

    monkeypatch.setattr(command, "run", end)
    assert main([]) == code
    assert capsys.readouterr() == ("", "")


def test_a_file_that_cannot_be_replaced_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    files.replace_text(path, "one")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        files.replace_text(path, "two")
    assert path.read_text() == "one" and list(tmp_path.iterdir()) == [path]


def test_other_systems_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert main(["--quick"]) == 1
    assert "requires Linux, whose /proc it reads, got darwin" in capsys.readouterr().err


def test_a_run_that_is_killed_leaves_no_process(tmp_path):
    """The contender ends too, although it was stopped by SIGSTOP."""
    contender = fake(tmp_path, "")
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(TREE)!r})
from benchmarks.comparison.process import Process
process = Process(Path(sys.executable), Path({str(contender.file)!r}), Path("own"), 120)
process.ask("versions")
print(process._process.pid, flush=True)
sys.stdin.read()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, cwd=tmp_path, text=True, **pipes) as run:
        pid = int(run.stdout.readline())
        run.kill()
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"the contender's process {pid} is still there")
