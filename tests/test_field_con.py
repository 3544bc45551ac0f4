"""Cases from public reports, by their numbers. Each docstring says what is right."""

import gzip
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff


@pytest.mark.parametrize("n", [1, 512, 70000])
def test_case_05_zeros_after_gzip(tmp_path, n):
    """Zeros after gzip data are padding, which all functions accept."""
    (tmp_path / "dataset.json").write_text('{"name": "mine"}')
    for stem, shape in (("images-idx3", (3, 2, 2)), ("labels-idx1", (3,))):
        path = tmp_path / f"train-{stem}-ubyte.gz"
        ff.write_idx(path, np.ones(shape, np.uint8))
        path.write_bytes(path.read_bytes() + bytes(n))
        assert ff.read_idx(path).shape == ff.read_idx(path.read_bytes()).shape == shape
    for dataset in (ff.load("train", tmp_path), ff.load_files(tmp_path / "*idx3*")):
        assert np.asarray(dataset.images).tolist() == [[[1, 1], [1, 1]]] * 3


@pytest.mark.parametrize(
    ("content", "name", "advice"),
    [
        (b"<!DOCTYPE html>\n<html>", "a web page", "Delete the file and download it"),
        (b"PK\3\4" + bytes(40), "a zip archive", "python -m zipfile -e FILE FOLDER"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_case_12_content_that_is_not_idx(tmp_path, content, name, advice, pack):
    """The error says what the file is, and what to do."""
    (tmp_path / "a").write_bytes(pack(content))
    with pytest.raises(ff.FormatError) as caught:
        ff.read_idx(tmp_path / "a")
    found, what_to_do = str(caught.value).split("\n", 1)
    inside = " inside gzip" * (pack is not bytes)
    assert found == f"{tmp_path / 'a'}: is {name}{inside}, not an IDX file."
    assert advice.replace("FILE", "NEW" if inside else "FILE") in what_to_do


def test_case_22_moved_files(tmp_path):
    """Unpickling names the file and the dataset, and says what to do."""
    (tmp_path / "dataset.json").write_text('{"name": "mine"}')
    for stem, shape in (("images-idx3", (3, 2, 2)), ("labels-idx1", (3,))):
        ff.write_idx(tmp_path / f"train-{stem}-ubyte", np.ones(shape, np.uint8))
    pickled = pickle.dumps(ff.load("train", tmp_path))
    tmp_path.rename(tmp_path.with_name("elsewhere"))
    message = rf"^{tmp_path}.*: the pickled dataset 'mine/train' needs this file, which"
    with pytest.raises(FileNotFoundError, match=message) as caught:
        pickle.loads(pickled)
    assert "\nLoad the dataset again, or pickle it where" in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="MSVC does not read CC")
def test_case_26_no_compiler(tmp_path):
    """The end of a build without a C compiler says what to install on each system."""
    pytest.importorskip("setuptools")
    command = [sys.executable, "setup.py", "build_ext", "-b", tmp_path, "-t", tmp_path]
    environment = os.environ | {"CC": str(tmp_path / "gcc")}
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True)
    last = done.stderr.decode().splitlines()[-7:]
    assert "requires a C compiler, and none that works was found." in last[0]
    systems = ["Debian, Ubuntu", "Fedora", "macOS", "Windows"]
    assert [line.split("  ")[1] for line in last[2:6]] == systems
