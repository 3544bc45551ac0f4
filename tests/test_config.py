"""Environment variables, the output of show_config, and imports."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fmnist_fast as ff
import fmnist_fast.augment
from fmnist_fast import _core, config


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("level", _core.cpu_levels())
def test_the_environment_forces_an_instruction_set(level):
    done = run("import fmnist_fast as ff; ff.show_config()", FMNIST_FAST_CPU=level)
    assert f"instructions  {level} (this machine has" in done.stdout, done.stderr


def test_an_unknown_instruction_set_is_an_error_at_import():
    done = run("import fmnist_fast", FMNIST_FAST_CPU="sse9")
    assert done.returncode == 1
    assert (
        "ValueError: FMNIST_FAST_CPU: CPU level must be one of baseline, avx2, avx512, "
        "got 'sse9'" in done.stderr
    )


def test_an_instruction_set_that_is_not_available_is_an_error():
    missing = set(_core.CPU_LEVELS) - set(_core.cpu_levels())
    if not missing:
        with pytest.raises(ValueError, match="got 'neon'"):
            _core.set_cpu_level("neon")
    for level in missing:
        with pytest.raises(ValueError, match=rf"has \(baseline.*\), got '{level}'"):
            _core.set_cpu_level(level)


def test_the_error_names_the_available_instruction_sets(monkeypatch):
    monkeypatch.setattr(_core, "cpu_levels", lambda: ("baseline",))
    with pytest.raises(ValueError, match=r"machine has \(baseline\), got 'avx512'"):
        _core.set_cpu_level("avx512")


def test_the_highest_instruction_set_is_the_default():
    environment = {k: v for k, v in os.environ.items() if k != "FMNIST_FAST_CPU"}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from fmnist_fast import _core as c; print(c.get_cpu_level())",
        ],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == _core.cpu_levels()[-1]


def test_show_config_shows_all_settings(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path))
    monkeypatch.setenv("FMNIST_FAST_CACHE", "OFF")
    monkeypatch.delenv("FMNIST_FAST_OFFLINE", raising=False)
    ff.show_config()
    shown = dict(
        line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()
    )
    assert shown["fmnist_fast"] == ff.__version__
    assert shown["data"] == f"folder   {tmp_path}"
    assert shown["cache"] == "folder  off"
    assert shown["downloads"] == "when asked for"
    assert shown["threads"].startswith(str(config.default_threads()))


@pytest.mark.parametrize("value", ["1", "true", "YES", "on", "2"])
def test_downloads_can_be_forbidden(capsys, monkeypatch, value):
    monkeypatch.setenv("FMNIST_FAST_OFFLINE", value)
    ff.show_config()
    assert "downloads     never (FMNIST_FAST_OFFLINE)\n" in capsys.readouterr().out


@pytest.mark.parametrize("value", ["", "0", "false", "NO", " off "])
def test_values_that_do_not_forbid_downloads(monkeypatch, value):
    monkeypatch.setenv("FMNIST_FAST_OFFLINE", value)
    assert not config.offline()


@pytest.mark.parametrize(
    "value, nbytes", [("", 4e9), ("1", 1e9), ("0.5", 5e8), ("1e3", 1e12)]
)
def test_the_size_of_files_at_urls_is_limited(capsys, monkeypatch, value, nbytes):
    monkeypatch.setenv("FMNIST_FAST_MAX_DOWNLOAD_GB", value)
    assert config.max_download_nbytes() == nbytes
    ff.show_config()
    shown = f"files of at most {nbytes / 1e9:g} GB (FMNIST_FAST_MAX_DOWNLOAD_GB)\n"
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize("value", ["0", "-1", "many", "nan", "inf", "1 GB"])
def test_limits_that_are_no_size(monkeypatch, value):
    monkeypatch.setenv("FMNIST_FAST_MAX_DOWNLOAD_GB", value)
    message = f"^FMNIST_FAST_MAX_DOWNLOAD_GB must be a positive number, got '{value}'"
    with pytest.raises(ValueError, match=message):
        config.max_download_nbytes()


def test_folders_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FMNIST_FAST_DATA", "~/data")
    monkeypatch.setenv("FMNIST_FAST_CACHE", "~/cache")
    assert config.data_folder() == Path("~/data").expanduser()
    assert config.cache_folder() == Path("~/cache").expanduser()
    monkeypatch.delenv("FMNIST_FAST_DATA")
    monkeypatch.delenv("FMNIST_FAST_CACHE")
    assert config.data_folder() is None
    assert "fmnist_fast" in str(config.cache_folder())


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="XDG base directories")
def test_the_cache_folder_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.delenv("FMNIST_FAST_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert config.cache_folder() == tmp_path / ".cache" / "fmnist_fast"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert config.cache_folder() == tmp_path / "xdg" / "fmnist_fast"


def test_default_threads_are_limited(monkeypatch):
    for cores, threads, with_transforms in (
        (1, 1, 1),
        (3, 3, 3),
        (6, 4, 6),
        (64, 4, 8),
    ):
        monkeypatch.setattr(config, "usable_cores", lambda cores=cores: cores)
        assert config.default_threads() == threads
        assert config.default_threads(transforms=True) == with_transforms


def test_the_loader_chooses_the_threads_for_its_transforms(small, monkeypatch, capsys):
    monkeypatch.setattr(config, "usable_cores", lambda: 64)
    for augment, threads in ((None, 4), ("standard", 8)):
        loader = ff.Loader(small, augment=augment)
        assert loader.threads == threads and "threads" not in repr(loader)
        assert "threads=5" in repr(ff.Loader(small, augment=augment, threads=5))
    ff.show_config()
    assert "4, or 8 with transforms (64 usable cores)\n" in capsys.readouterr().out


def test_the_source_tree_without_the_core_says_how_to_build_it(tmp_path):
    package = Path(ff.__file__).parent
    shutil.copytree(
        package, tmp_path / "fmnist_fast", ignore=lambda *_: ["__pycache__"]
    )
    for core in (tmp_path / "fmnist_fast").glob("_core.*"):
        if core.suffix != ".pyi":
            core.unlink()
    # -S leaves out site-packages, which may have a package with the core.
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import fmnist_fast"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "ImportError: the compiled core of fmnist_fast is missing" in done.stderr
    assert "pip install -e ." in done.stderr


def test_no_framework_network_or_pickle_is_imported():
    code = """
import sys
import numpy
before = set(sys.modules)
import fmnist_fast as ff
print(*sorted(set(sys.modules) - before))
"""
    new = set(run(code).stdout.split())
    unwanted = {"torch", "jax", "tensorflow", "cupy", "PIL", "matplotlib"}
    unwanted |= {"socket", "ssl", "urllib.request", "http.client", "requests"}
    unwanted |= {"pickle", "multiprocessing"}
    assert "fmnist_fast" in new and not new & unwanted


def test_only_public_names_are_listed():
    names = run("import fmnist_fast as ff; print(*dir(ff))").stdout.split()
    public = {name for name in names if not name.startswith("__")}
    assert public == set(ff.__all__) - {"__version__"}
    assert {"__version__", "__doc__"} <= set(names)


def test_augmentation_is_imported_when_it_is_used():
    code = """
import sys
import numpy as np
import fmnist_fast as ff

def loaded():
    return {name[20:] for name in sys.modules if name.startswith("fmnist_fast.augment")}

images = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
dataset = ff.Dataset.from_arrays(images, np.arange(4))
assert len(list(ff.Loader(dataset, 2, shuffle=True))) == 2
assert not hasattr(ff, "RandomCorp") and "RandomCrop" in dir(ff)
assert loaded() == set(), loaded()
ff.RandomCrop(2)
base = {"", "_arguments", "_flat", "_transform"}
assert loaded() == {*base, "crop"}, loaded()
assert "RandomCrop" in vars(ff)
list(ff.Loader(dataset, 2, augment=[ff.RandomCrop(2)]))
assert loaded() == {*base, "crop", "_compile"}, loaded()
"""
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_every_public_name_exists():
    for module in (ff, ff.augment):
        assert len(set(module.__all__)) == len(module.__all__)
        assert set(module.__all__) <= set(dir(module))
        for name in module.__all__:
            assert getattr(module, name) is not None
        with pytest.raises(AttributeError, match=f"'{module.__name__}' has no attr"):
            module.RandomCorp  # noqa: B018


def test_modules_and_public_names_of_transforms_agree():
    for name, module in ff.augment._MODULES.items():
        value = getattr(ff.augment, name)
        if isinstance(value, type):
            assert value.__module__ == f"fmnist_fast.augment.{module}"
    assert set(ff.augment._MODULES) == set(ff.augment.__all__)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX users")
def test_a_user_without_a_home_has_no_cache_folder(monkeypatch):
    for name in ("FMNIST_FAST_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert config.cache_folder() is None
