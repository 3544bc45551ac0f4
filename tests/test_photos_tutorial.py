"""The tutorial of docs/photos.md runs, and its result is right."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.dataset_files import write_synthetic

TEXT = (Path(__file__).parents[1] / "docs" / "photos.md").read_text(encoding="utf-8")


def test_the_tutorial_classifies_its_photo(tmp_path, monkeypatch, capsys):
    pytest.importorskip("PIL.Image")
    write_synthetic(tmp_path, 2000, 200)
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    code = "".join(
        re.findall(r"<!-- tutorial -->\n```python\n(.*?)```", TEXT, re.DOTALL)
    )
    names = {}
    exec(compile(code, "docs/photos.md", "exec"), names)
    first, *shares = capsys.readouterr().out.splitlines()
    assert float(first.partition("%")[0]) > 70
    assert len(shares) == 3
    test, image = names["test"], names["image"]
    assert shares[0].startswith(test.classes[test.labels[0]])
    # The photo was made from this image of the test split.
    assert np.abs(image.astype(int) - test.images[0]).mean() < 25
    assert (tmp_path / "steps.png").exists()
