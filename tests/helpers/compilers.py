"""A C compiler, and shared libraries that it makes."""

import shutil
import subprocess
import sys
import sysconfig

import pytest


@pytest.fixture(scope="session")
def compiler():
    """Return the path of a C compiler."""
    names = [(sysconfig.get_config_var("CC") or "cc").split()[0], "cc", "gcc", "clang"]
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None or sys.platform == "win32":
        pytest.skip("no C compiler with the options of cc is installed")
    return path


def build(compiler, source, out, *options):
    """Compile C source to a shared library."""
    command = [compiler, "-O2", "-shared", "-fPIC", *options, source, "-o", out]
    subprocess.run(list(map(str, command)), check=True)
