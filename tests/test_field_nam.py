"""Cases from the field: names of files, downloads and the command line."""

import gzip

import pytest
from helpers.advice import WAYS, follow
from helpers.command_line import NAMES

import fmnist_fast as ff


def test_case_01_names_of_files(tmp_path, monkeypatch, nowhere, mnist_root, run):
    """MNIST as 7-zip unpacks it is found in all ways, and is never Fashion-MNIST."""
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path))
    for name in NAMES[2:]:
        items = gzip.decompress((mnist_root / f"{name}.gz").read_bytes())
        (tmp_path / name.replace("-idx", ".idx")).write_bytes(items)
    for root in (tmp_path, None):
        assert ff.load("test", root, name="mnist").name == "mnist"
        with pytest.raises(FileNotFoundError, match=r"of MNIST\. Pass name='mnist'\."):
            ff.load("test", root, name="fashion-mnist")
    for command in ("info", "verify"):
        assert "of MNIST. Pass --name mnist." in "".join(run(command)[1:])
        assert str(tmp_path / "t10k-images.id") in run(command, "--name", "mnist")[1]


@pytest.mark.parametrize("way", WAYS)
def test_case_06_damaged_download(small_fashion, way):
    """The message about a damaged download says how to replace it, and that works."""
    ff.load("test", download=True)
    path = small_fashion / f"{NAMES[2]}.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ff.FormatError, match="Delete it, then download") as caught:
        ff.load("test")
    path.unlink()
    follow(caught.value, way)
    assert ff.load("test").name == "fashion-mnist"


def test_case_27_command_line(run, published, work_folder):
    """The bare program prints its help, and verify reports a missing file as a line."""
    code, out, err = run()
    assert (code, err) == (0, "") and out.startswith("usage: fmnist-fast ")
    (published / f"{NAMES[3]}.gz").unlink()
    code, out, err = run("verify", published)
    assert (code, err, out.count("ok       ")) == (1, "", 3)
    assert f"MISSING  {published / NAMES[3]}: no such file, plain or .gz.\n" in out
    assert run("show", "--root", published, "--class", "BAG", "9")[0] == 0
    assert "x: no such file or directory" in run("convert-idx", "x", "y")[2]
