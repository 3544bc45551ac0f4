"""Build the native core. All other settings are in pyproject.toml."""

import re
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError, CompileError

KERNELS = "ahead alias batch blocks convert faults fill filemap gzip idx labels parts"
KERNELS += " photos pipeline plan png pool program record sampler slots source stats"
KERNELS += " window"
AUGMENT = "crop elastic erase filter mix noise points quads resample tone warp words"
AUGMENT += " perspective"
DEVICE = "canvas device host planes"

NO_COMPILER = """building fmnist_fast requires {}.
Install a C compiler and Python's headers, then run the same command again:
  Debian, Ubuntu   sudo apt install build-essential python3-dev
  Fedora           sudo dnf install gcc python3-devel
  macOS            xcode-select --install
  Windows          "Desktop development with C++" of the Build Tools, from
                   https://visualstudio.microsoft.com/visual-cpp-build-tools/"""


def build_options(
    compiler: str, platform: str, is_32_bit: bool
) -> tuple[list[str], list[str]]:
    """Return the options to compile and to link with.

    `compiler` is a compiler_type of setuptools. `platform` is what
    sysconfig.get_platform() returns for the machine to build for.
    """
    if compiler == "msvc":
        return ["/O2", "/std:c11", "/Zc:preprocessor", "/fp:precise"], []
    # Without contraction, a * b + c is rounded twice on every machine, so that the bits
    # are the same.
    compile_args = ["-O3", "-std=c11", "-ffp-contract=off", "-fvisibility=hidden"]
    # Square roots need not set errno, and floating-point operations need not set flags.
    # Loops can therefore be vectorized. The results are the same.
    compile_args += ["-fno-math-errno", "-fno-trapping-math"]
    compile_args += ["-Wall", "-Wextra", "-Wshadow"]
    # A loop that crosses a boundary of 32 bytes can take 1.5 times as long. An epoch of
    # crops and flips takes 1.07 times as long if functions begin inside a cache line.
    # Without these flags, every change of the core moves other code there.
    compile_args += ["-falign-loops=32", "-falign-functions=64"]
    # 32-bit compilers use the x87 by default, which rounds to 80 bits.
    if is_32_bit and re.search(r"i[3-6]86$|x86_64$|^win32$|^mingw_i686", platform):
        compile_args += ["-msse2", "-mfpmath=sse"]
    # Windows has threads of its own, and WebAssembly has none.
    has_pthread = not platform.startswith(("win", "mingw", "emscripten", "wasi"))
    return compile_args, ["-pthread"] if has_pthread else []


def join(path: Path, defined: set[str]) -> str:
    """Return the text of a file of src/, with the files that it includes.

    Compilers for devices take one text, without headers of the system. A header is left
    out if its guard is in `defined`, to which the macros of all other files are added.
    """
    text = re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL)
    guard = re.match(r"\s*#ifndef (\w+)\n#define \1\n", text)
    if guard and guard[1] in defined:
        return ""
    defined.update(re.findall(r"^#define (\w+)", text, re.MULTILINE))
    text = re.sub("#include <.*>", "", text)
    text = re.sub(
        '#include "(.*)"', lambda match: join(path.parent / match[1], defined), text
    )
    return re.sub(r"\s*\n", "\n", text)


def beside(core: str) -> Path:
    """Return the path of the joined source, in the package of the native core."""
    return Path(core).parent / "_device" / "kernels.cu"


class BuildCore(build_ext):
    """Build with the options for the compiler in use, which may be gcc on Windows."""

    def run(self) -> None:
        super().run()
        joined = beside(self.get_ext_fullpath("fmnist_fast._core"))
        joined.parent.mkdir(exist_ok=True)
        joined.write_bytes(join(Path("src/device/kernels.cu"), set()).encode())

    def get_output_mapping(self) -> dict[str, str]:
        """Return the files of an editable install that lie in the source tree."""
        core = super().get_output_mapping()
        return core | {str(beside(x)): str(beside(y)) for x, y in core.items()}

    def build_extensions(self) -> None:
        if not self.can_compile("#include <Python.h>"):
            headers = sysconfig.get_path("include")
            missing = "a C compiler, and none that works was found"
            if self.can_compile(""):
                missing = f"Python.h, which was not found in {headers}"
            raise CompileError(NO_COMPILER.format(missing))
        compile_args, link_args = build_options(
            self.compiler.compiler_type, self.plat_name, sys.maxsize < 2**32
        )
        for extension in self.extensions:
            extension.extra_compile_args += compile_args
            extension.extra_link_args += link_args
        # As an option of setup(), it would be lost in an editable install.
        self.cython_c_in_temp = True
        super().build_extensions()

    def can_compile(self, code: str) -> bool:
        """Return whether the compiler works, and finds what `code` includes."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "check.c")
            source.write_text(f"{code}\nint check(void) {{ return 0; }}\n")
            try:
                self.compiler.compile([str(source)], folder)
            except (BaseError, CCompilerError, OSError):
                return False
        return True


sources = [f"src/{name}.c" for name in KERNELS.split()]
sources += [f"src/augment/{name}.c" for name in AUGMENT.split()]
sources += [f"src/device/{name}.c" for name in DEVICE.split()]
included = sorted(str(p) for end in ("h", "pxi") for p in Path("src").rglob(f"*.{end}"))

setup(
    ext_modules=[
        Extension(
            "fmnist_fast._core",
            ["src/_core.pyx", *sources],
            depends=["src/kernels.pxd", "src/transforms.pxd", *included],
            include_dirs=["src", numpy.get_include()],
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
        )
    ],
    cmdclass={"build_ext": BuildCore},
)
