"""Fixtures for tests of the command line: small data, and a way to run a command."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fmnist_fast as ff
from fmnist_fast._cli import main as cli
from fmnist_fast._registry import datasets
from fmnist_fast._registry.hashes import sha256_of
from helpers.dataset_files import write_synthetic

NAMES = [stem for part in datasets.SPLITS.values() for stem in part.stems]


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Return a folder with a small synthetic dataset, which tests must not change."""
    folder = tmp_path_factory.mktemp("drawn")
    write_synthetic(folder, 600, 100)
    return folder


@pytest.fixture
def work_folder(tmp_path, monkeypatch):
    """Hide all data of the user, and change to an empty folder."""
    monkeypatch.delenv("FMNIST_FAST_DATA", raising=False)
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)


@pytest.fixture
def run(capsys):
    """Return a function that runs a command line in this process.

    It returns the exit code and the texts of stdout and stderr.
    """

    def run(*argv):
        try:
            code = cli.main([str(word) for word in argv])
        except SystemExit as error:
            code = error.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def published(drawn, tmp_path, monkeypatch):
    """Return a folder whose files count as the published ones. Tests may change it."""
    folder, known = tmp_path / "published", {}
    folder.mkdir()
    for name in NAMES:
        content = (drawn / name).read_bytes()
        (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1))
        known[name] = (
            sha256_of((folder / f"{name}.gz").read_bytes()),
            sha256_of(content),
        )
    spec, files = datasets.DATASETS["fashion-mnist"], []
    for file in spec.files:
        sha256, idx_sha256 = known[file.name.removesuffix(".gz")]
        files.append(file._replace(sha256=sha256, idx_sha256=idx_sha256))
    spec = spec._replace(files=tuple(files))
    monkeypatch.setitem(datasets.DATASETS, spec.name, spec)
    return folder


def start(*argv, **options):
    """Start the command line in a new process, and return its Popen."""
    command = [sys.executable, "-m", "fmnist_fast", *map(str, argv)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    root = Path(ff.__file__).parents[1]
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": path}, **(pipes | options)
    )
