"""The core is written in the part of C that is also C++.

Compilers for devices take C++, and the kernels are to be the same there. Files that
need the operating system stay in C.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
NEED_THE_SYSTEM = {"faults", "filemap", "pipeline", "pool", "slots", "window"}
SOURCES = sorted(p for p in SOURCE.rglob("*.c") if p.stem not in NEED_THE_SYSTEM)
OPTIONS = "-x c++ -std=c++20 -fsyntax-only -Drestrict=__restrict__ "
OPTIONS += "-D_Static_assert=static_assert -ffp-contract=off "
OPTIONS += "-Wall -Wextra -Werror -pedantic-errors"


@pytest.fixture(scope="module")
def compilers():
    """Return those of g++ and clang++ that are installed."""
    paths = list(filter(None, map(shutil.which, ["g++", "clang++"])))
    if not paths or sys.platform == "win32":
        pytest.skip("needs a C++ compiler with the options of g++")
    return paths


def messages(compiler, code, *options):
    """Compile C++, and return the compiler's messages."""
    command = [compiler, *OPTIONS.split(), f"-I{SOURCE}", *options, "-"]
    return subprocess.run(command, input=code, capture_output=True, text=True).stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_sources_are_also_cpp(compilers, path):
    code = f'#include "{path.relative_to(SOURCE).as_posix()}"'
    for compiler in compilers:
        assert messages(compiler, code) == "", compiler
        # Other processors have no kernels with intrinsics.
        assert messages(compiler, code, "-DFM_X86_LEVELS=0") == "", compiler


DECLARATIONS = """
#include <stdlib.h>
struct pair { int x, y; };
enum level { LOW, HIGH };
"""
ONLY_C = {
    "a compound literal": "struct pair f(void) { return (struct pair){1, 2}; }",
    "an implicit void *": "int *f(void) { return malloc(4); }",
    "an array designator": "const int table[2] = {[LOW] = 1, [HIGH] = 2};",
    "another order": "const struct pair f = {.y = 2, .x = 1};",
    "an enum from an int": "enum level f(int n) { return n; }",
    "an enum in a struct": "struct s { enum { A, B } kind; };\nint f = A;",
    "a flexible array": "struct s { int n, items[]; };",
}


@pytest.mark.parametrize("code", ONLY_C.values(), ids=ONLY_C)
def test_what_only_c_has_is_found(compilers, code):
    for compiler in compilers:
        assert messages(compiler, DECLARATIONS) == ""
        assert "error" in messages(compiler, DECLARATIONS + code), compiler
