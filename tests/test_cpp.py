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


@pytest.fixture(scope="module", params=["g++", "clang++"])
def messages(request):
    """Return a function that compiles C++ and returns the compiler's messages."""
    path = shutil.which(request.param)
    if path is None and shutil.which("g++") is None:
        pytest.skip("needs a C++ compiler")
    if path is None or sys.platform == "win32":
        return lambda code, *options: ""

    def messages(code, *options):
        command = [path, *OPTIONS.split(), f"-I{SOURCE}", *options, "-"]
        done = subprocess.run(command, input=code, capture_output=True, text=True)
        return done.stderr

    return messages


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_sources_are_also_cpp(messages, path):
    assert messages(f'#include "{path.relative_to(SOURCE).as_posix()}"') == ""


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
def test_what_only_c_has_is_found(messages, code):
    assert messages(DECLARATIONS) == ""
    assert "error" in messages(DECLARATIONS + code)
