"""Cubins are compiled with the options, kept, and compiled again if damaged."""

import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.gpu import nvrtc
from fmnist_fast import config
from fmnist_fast._device import compile
from fmnist_fast._device.source import OPTIONS, joined_source

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
PROGRAM = """
from benchmarks.gpu import nvrtc
nvrtc.load()
from fmnist_fast._device import compile
print(len(compile.cubin("sm_90")))
"""


@pytest.fixture(scope="session")
def cuda():
    """Skip the test without cuda-core and NVRTC."""
    library = nvrtc.load()  # found by cuda-core wherever it is
    if library is None:
        pytest.skip("needs NVRTC: pip install nvidia-cuda-nvrtc")
    pytest.importorskip("cuda.core")
    return library


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the folder of cubins, in an empty cache folder."""
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kernels"


@pytest.fixture
def compiled(monkeypatch):
    """Replace NVRTC, and return a list of what it has been asked for."""
    calls = []

    def _compile(source, architecture, version):
        calls.append((architecture, version))
        return f"{architecture} by {version}".encode()

    monkeypatch.setattr(compile, "_compile", _compile)
    monkeypatch.setattr(compile, "nvrtc_version", lambda: (13, 0))
    return calls


def instructions(code):
    """Return the sections of an ELF file that have instructions.

    Another section has the command, with the options in the order of cuda-core.
    """
    (offset,) = struct.unpack_from("<Q", code, 40)
    size, n = struct.unpack_from("<2H", code, 58)
    headers = [struct.unpack_from("<2I4Q", code, offset + i * size) for i in range(n)]
    return [
        code[at : at + nbytes] for _, _, flags, _, at, nbytes in headers if flags & 4
    ]


# ---- with NVRTC ---------------------------------------------------------------------


def test_a_cubin_is_that_of_the_options(cuda, folder):
    code = compile.cubin("sm_90")
    words = [*OPTIONS, "--gpu-architecture=sm_90"]
    expected = nvrtc.compiled(cuda, joined_source(), *words).cubin
    assert instructions(code) == instructions(expected) != []
    assert [path.stat().st_size for path in folder.iterdir()] == [32 + len(code)]
    assert compile.nvrtc_version() == tuple(map(int, nvrtc.version(cuda).split(".")))


def test_cuda_core_passes_the_options(cuda, monkeypatch):
    from cuda import core

    made = []

    class Program:
        def __init__(self, source, language, options):
            made.append((source, language, options.as_bytes("nvrtc")))

        def compile(self, target):
            assert target == "cubin"
            return SimpleNamespace(code=b"code")

    monkeypatch.setattr(core, "Program", Program)
    assert compile._compile("text", "sm_75", "13.0") == b"code"
    ((source, language, words),) = made
    assert (source, language) == ("text", "c++")
    assert sorted(words) == sorted(map(str.encode, ["-arch=sm_75", *OPTIONS]))


def test_processes_may_compile_at_once(cuda, folder):
    root = Path(__file__).parents[1]
    path = os.pathsep.join([*map(str, (root, root / "tests")), *sys.path])
    command = [sys.executable, "-c", PROGRAM]
    options = {"env": {**os.environ, "PYTHONPATH": path}, "stdout": subprocess.PIPE}
    runs = [subprocess.Popen(command, **options) for _ in range(3)]
    sizes = {int(run.communicate(timeout=120)[0]) for run in runs}
    assert len(sizes) == 1 and not any(run.returncode for run in runs)
    assert [path.suffix for path in folder.iterdir()] == [".cubin"]


def test_source_that_does_not_compile_is_an_error_with_the_log(cuda):
    message = (
        r"NVRTC 13\.0 can't compile the kernels for sm_90\. Report this to the authors "
        r"of fmnist_fast, with these lines:\n.*kernels\.cu\(1\): error: identifier "
        r'"wrong" is undefined.*error.* detected in the compilation of "kernels\.cu"\.$'
    )
    with pytest.raises(RuntimeError, match=re.compile(message, re.DOTALL)):
        compile._compile("wrong x;", "sm_90", "13.0")


@pytest.mark.parametrize("architecture", ["sm_30", "sm_999"])
def test_nvrtc_must_know_the_architecture(cuda, architecture):
    message = (
        r"NVRTC [0-9.]+ can't compile for this device, of architecture "
        rf"{architecture}\.\nRun: pip install --upgrade nvidia-cuda-nvrtc$"
    )
    with pytest.raises(RuntimeError, match=message):
        compile.cubin(architecture)


# ---- without NVRTC ------------------------------------------------------------------

REQUIREMENT = (
    r"^resident=True on a CUDA device requires cuda-core, cuda-bindings and NVRTC "
    r'\({}\)\. Run: pip install "fmnist_fast\[cuda\]"$'
)


def test_cuda_bindings_are_required(monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda", None)
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(ImportError, match=REQUIREMENT.format(".*cuda.bindings.*")):
        compile.cubin("sm_90")


def test_nvrtc_is_required(monkeypatch):
    def not_found():
        raise RuntimeError('Failure finding "libnvrtc.so.13": No such file')

    bindings = SimpleNamespace(nvrtc=SimpleNamespace(nvrtcVersion=not_found))
    monkeypatch.setitem(sys.modules, "cuda", SimpleNamespace(bindings=bindings))
    monkeypatch.setitem(sys.modules, "cuda.bindings", bindings)
    with pytest.raises(ImportError, match=REQUIREMENT.format("NVRTC was not found")):
        compile.cubin("sm_90")


def test_a_cubin_is_compiled_once(compiled, folder):
    assert compile.cubin("sm_90") == compile.cubin("sm_90") == b"sm_90 by 13.0"
    assert compiled == [("sm_90", "13.0")]


def test_each_cause_of_a_cubin_has_a_file_of_its_own(compiled, folder, monkeypatch):
    compile.cubin("sm_90")
    compile.cubin("sm_80")
    with monkeypatch.context() as patch:
        patch.setattr(compile, "nvrtc_version", lambda: (12, 9))
        assert compile.cubin("sm_90") == b"sm_90 by 12.9"
    with monkeypatch.context() as patch:
        patch.setattr(compile, "OPTIONS", ("--std=c++17",))
        compile.cubin("sm_90")
    with monkeypatch.context() as patch:
        patch.setattr(compile, "joined_source", lambda: "other")
        compile.cubin("sm_90")
    assert len(compiled) == len([*folder.iterdir()]) == 5
    compile.cubin("sm_90")
    assert len(compiled) == 5


def make_folder(path):
    path.unlink()
    path.mkdir()
    (path / "file").touch()


def make_pipe(path):
    path.unlink()
    os.mkfifo(path)


def make_link(path):
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "changed": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"1"),
    "1 TB": lambda path: os.truncate(path, 1 << 40),
    "removed": Path.unlink,
    "folder": make_folder,
    "pipe": pytest.param(make_pipe, marks=posix),
    "link": pytest.param(make_link, marks=posix),
    "writable": pytest.param(lambda path: path.chmod(0o620), marks=posix),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_compiled_again(compiled, folder, damage):
    code = compile.cubin("sm_90")
    (path,) = folder.iterdir()
    damage(path)
    assert compile.cubin("sm_90") == compile.cubin("sm_90") == code
    assert len(compiled) == 2


@posix
def test_a_file_is_only_for_its_user(compiled, folder):
    compile.cubin("sm_90")
    (path,) = folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_cache_that_is_off_keeps_nothing(compiled, folder, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    assert compile.cubin("sm_90") == compile.cubin("sm_90")
    assert len(compiled) == 2 and not folder.exists()


def writable(cache):
    cache.mkdir()
    cache.chmod(0o777)


def writable_subfolder(cache):
    (cache / "kernels").mkdir(parents=True)
    (cache / "kernels").chmod(0o777)


def linked_subfolder(cache):
    cache.mkdir()
    (cache / "other").mkdir()
    (cache / "kernels").symlink_to(cache / "other")


REFUSED = {
    "a file": lambda cache: cache.write_bytes(b""),
    "writable": pytest.param(writable, marks=posix),
    "writable subfolder": pytest.param(writable_subfolder, marks=posix),
    "linked subfolder": pytest.param(linked_subfolder, marks=posix),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_a_folder_that_cannot_be_used_is_reported(compiled, folder, make):
    make(config.cache_folder())
    message = (
        r"could not keep compiled kernels in .*cache: .*\.\nSet FMNIST_FAST_CACHE to "
        r"another folder, which only you can write, or to 'off'\.$"
    )
    for n in (1, 2):
        with pytest.warns(UserWarning, match=message):
            assert compile.cubin("sm_90") == b"sm_90 by 13.0"
        assert len(compiled) == n


def test_a_full_disk_is_reported(compiled, folder, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compile, "replacing", full)
    with pytest.warns(UserWarning, match="could not keep .*: .*No space left"):
        assert compile.cubin("sm_90") == b"sm_90 by 13.0"
    assert not [*folder.iterdir()]
