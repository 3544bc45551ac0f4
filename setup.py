"""Build the native core. All other settings are in pyproject.toml."""

import sys
from pathlib import Path

import numpy
from setuptools import Extension, setup

KERNELS = "batch convert filemap gzip idx order parts photos pipeline png slots stats"
AUGMENT = "elastic erase field filter mix noise quads resample steps tone warp window"

if sys.platform == "win32":
    compile_args = ["/O2", "/std:c11", "/Zc:preprocessor", "/fp:precise"]
else:
    # Without contraction, a * b + c is rounded twice on every machine, so that the bits
    # are the same.
    compile_args = ["-O3", "-std=c11", "-ffp-contract=off", "-fvisibility=hidden"]
    # Square roots need not set errno, and floating-point operations need not set flags.
    # Loops can therefore be vectorized. The results are the same.
    compile_args += [
        "-fno-math-errno",
        "-fno-trapping-math",
        "-Wall",
        "-Wextra",
        "-Wshadow",
    ]
    # A loop that crosses a boundary of 32 bytes can take 1.5 times as long. Without
    # this flag, every change of the core moves other loops across such boundaries.
    compile_args.append("-falign-loops=32")

sources = [f"src/{name}.c" for name in KERNELS.split()]
sources += [f"src/augment/{name}.c" for name in AUGMENT.split()]
headers = sorted(str(path) for path in Path("src").rglob("*.h"))

setup(
    ext_modules=[
        Extension(
            "fmnist_fast._core",
            ["src/_core.pyx", *sources],
            depends=["src/kernels.pxd", *headers],
            include_dirs=["src", numpy.get_include()],
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
            extra_compile_args=compile_args,
            extra_link_args=[] if sys.platform == "win32" else ["-pthread"],
        )
    ],
    options={"build_ext": {"cython_c_in_temp": True}},
)
