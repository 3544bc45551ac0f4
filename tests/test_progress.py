"""Bars and messages on a stderr that may be missing, closed or full."""

import os
import sys

import pytest
from helpers.photos import draw_folder

import fmnist_fast as ff
from fmnist_fast._io.progress import progress_bar, say


@pytest.fixture(params=["missing", "closed", "full"])
def bad_stderr(request, monkeypatch):
    """Make stderr a file that can't be written."""
    if request.param == "full" and not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")  # Linux only
    with open("/dev/full" if request.param == "full" else os.devnull, "w") as file:
        if request.param == "closed":
            file.close()
        monkeypatch.setattr(sys, "stderr", None if request.param == "missing" else file)
        yield
        monkeypatch.undo()
        try:
            file.close()
        except OSError:
            pass  # full


def test_bars_and_messages_that_cannot_be_written(bad_stderr):
    with progress_bar(total=3, desc="a") as bar:
        bar.update(2)
        say("a message")
    assert bar.n == 2


def test_photos_are_converted_without_a_stderr(bad_stderr, tmp_path):
    pytest.importorskip("PIL")
    folder = draw_folder(tmp_path / "photos")
    done = ff.convert_folder(folder, tmp_path / "out", progress=True)
    assert done.n_images == {"train": 24}
