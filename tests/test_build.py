"""setup.py chooses options and joins files. floats.h refuses harmful options."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import types
from pathlib import Path

import pytest

from fmnist_fast._device.source import joined_source

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
FLOATS = re.compile(r"\b(float|double)\b")
CONTRACTIBLE = """
#include "floats.h"
float f(float x, float y, float z) { return x * y + z; }
"""


# ---- setup.py ---------------------------------------------------------------------


@pytest.fixture
def script(monkeypatch):
    """Run setup.py with stand-ins for setuptools, and return its global names."""
    setuptools = types.ModuleType("setuptools")
    setuptools.Extension = lambda *_, **options: types.SimpleNamespace(**options)
    setuptools.setup = lambda **_: None
    command = types.ModuleType("setuptools.command.build_ext")
    command.build_ext = BuildExtension
    errors = types.ModuleType("setuptools.errors")
    errors.BaseError = errors.CCompilerError = errors.CompileError = CompileError
    for module in (setuptools, command, errors):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(ROOT)
    return runpy.run_path("setup.py")


class CompileError(Exception):
    """Stand-in for the exceptions of setuptools."""


class BuildExtension:
    """Stand-in for setuptools' command, with a compiler of the given type.

    It raises `error` for files that include `refused`.
    """

    def __init__(self, compiler, platform, refused="nothing", error=None):
        def compile(sources, _):
            if refused in Path(sources[0]).read_text():
                raise error

        self.compiler = types.SimpleNamespace(compiler_type=compiler, compile=compile)
        self.plat_name = platform
        self.extensions = [
            types.SimpleNamespace(extra_compile_args=[], extra_link_args=[])
        ]

    def build_extensions(self):
        self.extensions[0].built = True

    def run(self):
        self.build_extensions()

    def get_ext_fullpath(self, name):
        return str(self.package / f"{name.rpartition('.')[2]}.so")

    def get_output_mapping(self):
        return {"build/fmnist_fast/_core.so": "fmnist_fast/_core.so"}


SSE = ["-msse2", "-mfpmath=sse"]


@pytest.mark.parametrize(
    ("compiler", "platform", "is_32_bit", "sse", "link"),
    [
        ("unix", "linux-x86_64", False, [], ["-pthread"]),
        ("unix", "linux-aarch64", False, [], ["-pthread"]),
        ("unix", "macosx-11.0-arm64", False, [], ["-pthread"]),
        ("unix", "linux-i686", True, SSE, ["-pthread"]),
        ("unix", "linux-x86_64", True, SSE, ["-pthread"]),  # 32-bit Python
        ("unix", "linux-armv7l", True, [], ["-pthread"]),
        ("mingw32", "win-amd64", False, [], []),
        ("mingw32", "win32", True, SSE, []),
        ("mingw32", "mingw_x86_64_ucrt_gnu", False, [], []),
        ("mingw32", "mingw_i686_msvcrt_gnu", True, SSE, []),
        ("unix", "emscripten-4.0.9-wasm32", False, [], []),
        ("unix", "wasi-0.0.0-wasm32", True, [], []),
    ],
)
def test_options_of_gcc_and_clang(script, compiler, platform, is_32_bit, sse, link):
    compile_args, link_args = script["build_options"](compiler, platform, is_32_bit)
    assert {"-std=c11", "-ffp-contract=off", *sse} <= set(compile_args)
    assert sse or not set(SSE) & set(compile_args)
    assert not [option for option in compile_args if option.startswith("/")]
    assert link_args == link


@pytest.mark.parametrize("platform", ["win-amd64", "win-arm64", "win32"])
def test_options_of_msvc(script, platform):
    compile_args, link_args = script["build_options"]("msvc", platform, False)
    assert "/fp:precise" in compile_args and "/std:c11" in compile_args
    assert all(option.startswith("/") for option in compile_args)
    assert link_args == []


@pytest.mark.parametrize("compiler", ["unix", "msvc"])
def test_options_are_those_of_the_compiler_in_use(script, compiler):
    """The compiler decides, and not the operating system of Python."""
    command = script["BuildCore"](compiler, "win-amd64")
    command.build_extensions()
    (extension,) = command.extensions
    assert ("-std=c11" in extension.extra_compile_args) == (compiler == "unix")
    assert extension.extra_link_args == [] and extension.built
    assert command.cython_c_in_temp  # src/ has no generated file


NO_COMPILER = "requires a C compiler, and none that works was found.\n"
NO_HEADERS = "requires Python.h, which was not found in "


@pytest.mark.parametrize(
    "error", [FileNotFoundError("gcc"), CompileError("failed")], ids=repr
)
@pytest.mark.parametrize(
    ("refused", "message"), [("", NO_COMPILER), ("<Python.h>", NO_HEADERS)]
)
def test_without_a_compiler_the_error_says_what_to_install(
    script, refused, message, error
):
    command = script["BuildCore"]("unix", "linux-x86_64", refused, error)
    with pytest.raises(CompileError) as caught:
        command.build_extensions()
    text = str(caught.value)
    assert text.startswith(f"building fmnist_fast {message}")
    for words in ("apt install", "dnf install", "xcode-select", "visualstudio"):
        assert words in text
    assert not hasattr(command.extensions[0], "built")


COMPILERS = {  # shell scripts, and the end of the first line of the error
    "missing": (None, NO_COMPILER),
    "failing": ("exit 1", NO_COMPILER),
    "no headers": (
        'for file; do ! grep -q "<Python.h>" $file || exit 1; done',
        NO_HEADERS,
    ),
}


@pytest.mark.skipif(sys.platform == "win32", reason="MSVC does not read CC")
@pytest.mark.parametrize("kind", COMPILERS)
def test_the_last_lines_of_a_build_say_what_to_install(tmp_path, kind):
    pytest.importorskip("setuptools")
    script, message = COMPILERS[kind]
    if script:
        (tmp_path / "cc").write_text(f"#!/bin/sh\n{script} 2> /dev/null\n")
        (tmp_path / "cc").chmod(0o755)
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "-b", tmp_path, "-t", tmp_path],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"CC": str(tmp_path / "cc")},
        timeout=60,
    )
    assert done.returncode == 1
    first, advice, *systems = done.stderr.splitlines()[-7:]
    assert f"error: building fmnist_fast {message}".strip() in first
    assert advice == (
        "Install a C compiler and Python's headers, then run the same command again:"
    )
    names = ["Debian, Ubuntu", "Fedora", "macOS", "Windows", "visualstudio"]
    assert all(name in line for name, line in zip(names, systems, strict=True))


# ---- the source of devices --------------------------------------------------------

FILES = {
    "kernels.cu": """/* Comment */
#include "machine.h"

#include "up/a.h" /* with "b.h"
    and #include "c.h" */
#include <stdlib.h>
#include "b.h"
int x; /* one */ int y = 4 / 2;   /* two */


    int z;
""",
    "machine.h": """#ifndef FM_MACHINE_H
#define FM_MACHINE_H
#ifdef DEVICE
#define FM_CPU_H
#else
#include "cpu.h"
#endif
#endif
""",
    "cpu.h": """/* Text */
#ifndef FM_CPU_H
#define FM_CPU_H
#include "missing.h"
#endif
""",
    "up/a.h": '#ifndef FM_A_H\n#define FM_A_H\n#include "../b.h"\nint a;\n#endif\n',
    "b.h": '#ifndef FM_B_H\n#define FM_B_H\n#include "cpu.h"\nint b;\n#endif',
}
JOINED = """
#ifndef FM_MACHINE_H
#define FM_MACHINE_H
#ifdef DEVICE
#define FM_CPU_H
#else
#endif
#endif
#ifndef FM_A_H
#define FM_A_H
#ifndef FM_B_H
#define FM_B_H
int b;
#endif
int a;
#endif
int x;  int y = 4 / 2;
    int z;
"""


@pytest.fixture
def folder(tmp_path):
    """Return a folder with FILES."""
    (tmp_path / "up").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_each_header_is_joined_once_without_comments(script, folder):
    """Headers that machine.h replaces are left out, with all that they include."""
    assert script["join"](folder / "kernels.cu", set()) == JOINED
    header = "#ifndef FM_CPU_H\n#define FM_CPU_H\n#include <stdio.h>\n#endif\n"
    (folder / "cpu.h").write_text(header)
    assert "FM_CPU_H" in script["join"](folder / "b.h", set())
    assert "FM_CPU_H" not in script["join"](folder / "b.h", {"FM_CPU_H"})


def test_a_missing_file_is_named(script, folder):
    (folder / "b.h").unlink()
    with pytest.raises(FileNotFoundError, match=r"up.\.\..b\.h"):
        script["join"](folder / "kernels.cu", set())


def test_a_build_writes_the_joined_source(script, tmp_path):
    command = script["BuildCore"]("unix", "linux-x86_64")
    command.package = tmp_path
    command.run()
    path = tmp_path / "_device" / "kernels.cu"
    joined = script["join"](ROOT / "src/device/kernels.cu", set())
    assert path.read_bytes() == joined.encode() and command.extensions[0].built
    path.write_text("older")
    command.run()
    assert path.read_bytes() == joined.encode()


def test_editable_installs_have_the_joined_source(script):
    """In strict mode, they have links to the files that commands name."""
    outputs = script["BuildCore"]("unix", "linux-x86_64").get_output_mapping()
    core, made, *others = map(Path, (*outputs, *outputs.values()))
    kernels = Path("fmnist_fast/_device/kernels.cu")
    assert core.name == "_core.so" and made == "build" / kernels
    assert others == [Path("fmnist_fast/_core.so"), kernels]


def test_the_package_has_the_joined_source(script):
    joined = script["join"](ROOT / "src/device/kernels.cu", set())
    assert joined_source() == joined
    assert joined.count("void fm_device_fill(") == 2  # declared and defined
    assert not re.search(r"^#include|/\*|\n\n|[ \t]$", joined, re.MULTILINE)
    for guard in ("FM_CPU_H", "FM_FLOATS_H"):
        assert joined.count(guard) == 1


def test_only_machine_h_asks_for_the_machine():
    files = [path for end in ("c", "h", "cu") for path in SOURCE.rglob(f"*.{end}")]
    asking = [path.name for path in files if "__CUDA" in path.read_text("utf-8")]
    assert asking == ["machine.h"]


# ---- floats.h ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def compilers():
    """Return those of gcc and clang that are installed."""
    paths = list(filter(None, map(shutil.which, ["gcc", "clang"])))
    if not paths or sys.platform == "win32":
        pytest.skip("no C compiler with the options of cc is installed")
    return paths


def compiled(compiler, code, *options):
    """Return the finished process that turned C code into assembly."""
    command = [compiler, "-std=c11", "-O2", "-ffp-contract=off", f"-I{SOURCE}"]
    command += ["-Wall", "-Wextra", "-Werror", *options, "-S", "-o-", "-xc", "-"]
    return subprocess.run(command, input=code, capture_output=True, text=True)


EXACT, ROUNDED = "requires exact floating-point", "requires float operations that round"
REFUSED = [
    ("-Ofast", EXACT),
    ("-ffast-math", EXACT),
    ("-ffinite-math-only", EXACT),
    ("-mno-sse", ROUNDED),
]
REFUSED_BY_GCC = [
    ("-mfpmath=387", ROUNDED),
    ("-mfpmath=both", ROUNDED),
    ("-funsafe-math-optimizations", EXACT),
    ("-fassociative-math -fno-signed-zeros", EXACT),
    ("-freciprocal-math", EXACT),
    ("-fno-signed-zeros", EXACT),
    ("-fsingle-precision-constant", EXACT),
    ("-ffp-contract=fast", EXACT),
    ("-std=gnu11", EXACT),  # contraction is then on, unless another option forbids it
]


def is_clang(compiler):
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True)
    return "clang" in version.stdout


def test_harmful_options_do_not_compile(compilers):
    is_x86 = "x86" in sysconfig.get_platform()
    for compiler in compilers:
        cases = REFUSED if is_clang(compiler) else REFUSED + REFUSED_BY_GCC
        for options, message in cases:
            if is_x86 or not options.startswith("-m"):
                done = compiled(compiler, CONTRACTIBLE, *options.split())
                assert done.returncode != 0, options
                assert message in done.stderr, options


@pytest.mark.parametrize(
    "options", ["", "-O3 -fno-math-errno -fno-trapping-math", "-frounding-math"]
)
def test_harmless_options_compile(compilers, options):
    for compiler in compilers:
        done = compiled(compiler, CONTRACTIBLE, *options.split())
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "options", ["-ffp-contract=on", "-funsafe-math-optimizations", "-fassociative-math"]
)
def test_clang_neither_contracts_nor_reorders(compilers, options):
    """Clang has no macros for these options. The header undoes them."""
    code = CONTRACTIBLE + "float g(float x, float y) { return (x - y) + y; }\n"
    target = ["-mfma"] if "x86" in sysconfig.get_platform() else []
    for compiler in filter(is_clang, compilers):
        done = compiled(compiler, code, *target, *options.split())
        assert done.returncode == 0, done.stderr
        # Otherwise f would be one instruction, and g would return x.
        operations = re.findall(r"\tv?f?(?:add|mul|sub)(?:ss)?\b", done.stdout)
        assert len(operations) == 4, done.stdout


def expanded(path, seen):
    """Return the text of a file, without comments and with the files that it includes.

    Only files of this project are included, each of them once.
    """
    seen.add(path)
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)

    def content(match):
        included = (path.parent / match[1]).resolve()
        return "" if included in seen else expanded(included, seen)

    return re.sub(r'#include "(.*)"', content, text)


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.c")), ids=lambda path: path.relative_to(SOURCE).name
)
def test_floats_come_after_floats_h(path):
    text = expanded(path.resolve(), set())
    first = FLOATS.search(text)
    if first is not None:
        assert -1 < text.find("#define FM_FLOATS_H") < first.start()
