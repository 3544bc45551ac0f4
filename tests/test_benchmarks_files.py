"""Files of figures: what several commands write, and what is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import files
from benchmarks.command import main

TREE = Path(__file__).resolve().parents[1]


def test_figures_of_several_commands_share_a_file(tmp_path):
    path = tmp_path / "figures.json"
    files.merge_json(path, "parts", {"a": 1, "b": 2})
    files.merge_json(path, "scaling", {"c": 3})
    files.merge_json(path, "parts", {"b": 4})
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.merge_json(path, "parts", {"b": float("nan")})
    assert path.read_text() == (
        '{\n "parts": {\n  "a": 1,\n  "b": 4\n },\n "scaling": {\n  "c": 3\n }\n}\n'
    )


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "not a file of figures: Expecting"),
        ("[]", "not a file of figures: it must hold objects only"),
        ('{"parts": null}', "not a file of figures: it must hold objects only"),
        ('{"parts": {"a": NaN}}', "numbers must be finite, got NaN"),
    ],
)
def test_other_files_are_refused_before_measuring(tmp_path, capsys, content, message):
    path = tmp_path / "figures.json"
    path.write_text(content)
    for option in ("-o", "--publish"):
        assert main(["--scaling", option, str(path)]) == 1
        assert f"{path}: " in (said := capsys.readouterr().err) and message in said
    assert path.read_text() == content


def test_pytest_refuses_a_wrong_file_before_it_measures(tmp_path):
    words = ["benchmarks/micro/bench_start.py", "--figures", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=TREE,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"--figures {tmp_path}: must be a file, got a folder" in done.stderr


def test_folders_and_devices_are_refused(tmp_path):
    for path in (tmp_path, Path(os.devnull)):
        with pytest.raises(FileExistsError, match="must be a file, got a folder or a"):
            files.merge_json(path, "parts", {})
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        files.read_figures(tmp_path / "none" / "figures.json")
