"""The kernels of devices as NVRTC compiles them: their figures and faults.

`python tests/helpers/device_kernels.py [-o FILE]` prints the figures of each kernel on
each architecture. With -o it also puts them into a file of figures.
"""

from __future__ import annotations

import argparse
import ctypes
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = map(str, Path(__file__).parents[1:3])

import fmnist_fast as ff
from benchmarks import machine
from benchmarks.files import merge_json
from benchmarks.gpu import nvrtc
from fmnist_fast._core import Program
from fmnist_fast._device.source import ARCHITECTURES, OPTIONS, joined_source
from fmnist_fast.augment import Augment, compile_transforms
from helpers.import_graph import cycles

FILL, CUT = "fm_kernels_fill", "fm_kernels_cut"
AUGMENTS = {
    "crops and flips": "standard",
    "blurs of size 5": [ff.GaussianBlur(5)],
    "elastic warps": [ff.ElasticTransform()],
    "resizing to 64x64": [ff.Resize(64)],
}
MOST_STACK = 512  # bytes of each thread, more than twice those of today

FUNCTION = re.compile(
    r"^(?:\.\w+ )*\.(?:entry|func)\b([^{;]*)\{(.*?)^\}", re.MULTILINE | re.DOTALL
)
INSTRUCTION = re.compile(r"^[\s{]*(?:@!?%\w+\s+)?([a-z]\w*(?:\.\w+)+)\s", re.MULTILINE)
CALL = re.compile(r"\bcall(?:\.uni)?\s+(?:\([^)]*\),\s*)?([\w$%]+)")
FLOATS = {"f16", "f16x2", "bf16", "bf16x2", "f32", "f64"}
# Their results depend on the rounding. Without ".rn" they may be contracted.
ROUNDED = {"add", "sub", "mul", "div", "sqrt", "rcp"}
# Each of the first two rounds once in place of twice. Others depend on the order.
REFUSED = {"fma", "mad", "atom", "red"}
INEXACT = {"approx", "ftz"}


# ---- faults -----------------------------------------------------------------------


def faults(ptx: str, log: str) -> list[str]:
    """Return a line for each fault of a compilation.

    Faults are messages of the compiler, operations of floats that are not those of a
    processor, recursion, a large stack, and registers that FILL or CUT spills.
    """
    lines = [line for line in log.splitlines() if line.strip()]
    found = [line for line in lines if not re.match(r"ptxas (info  |      ) ", line)]
    found += [f"{n} times {name}" for name, n in _other_floats(ptx).items()]
    calls = _calls(ptx)
    found += [f"recursion: {' '.join(group)}" for group in cycles(calls)]
    unknown = sorted(set(CALL.findall(ptx)) - set(calls))
    found += [f"call of {name}, whose stack is unknown" for name in unknown]
    for kernel, values in figures(log).items():
        if values["stack"] > MOST_STACK:
            found.append(f"{kernel}: {values['stack']} bytes of stack")
        spilled = values["spill stores"] + values["spill loads"]
        if kernel in (FILL, CUT) and spilled:
            found.append(f"{kernel}: {spilled} bytes of spilled registers")
    return found


def _other_floats(ptx: str) -> Counter[str]:
    """Count instructions of floats that round otherwise than processors."""

    def is_other(instruction: str) -> bool:
        name, *parts = instruction.split(".")
        return not FLOATS.isdisjoint(parts) and (
            name in REFUSED
            or not INEXACT.isdisjoint(parts)
            or (name in ROUNDED and "rn" not in parts)
        )

    return Counter(filter(is_other, INSTRUCTION.findall(ptx)))


def _calls(ptx: str) -> dict[str, set[str]]:
    """Return the functions that each function calls."""
    bodies = {
        re.search(r"([\w$]+)\s*\(", head)[1]: body
        for head, body in FUNCTION.findall(ptx)
    }
    return {name: bodies.keys() & CALL.findall(body) for name, body in bodies.items()}


# ---- figures ----------------------------------------------------------------------


def figures(log: str) -> dict[str, dict[str, int]]:
    """Return the figures of each kernel, as ptxas reports them.

    All but registers and barriers are bytes: of a thread, and "shared" of a thread
    block. Spilled bytes include those of all functions that a kernel calls.
    """
    _, *words = re.split(r"Compiling entry function '(\w+)'", log)
    return {
        kernel: {
            "registers": _total(r"Used (\d+) registers", text),
            "stack": _total(r"(\d+) bytes cumulative stack", text),
            "spill stores": _total(r"(\d+) bytes spill stores", text),
            "spill loads": _total(r"(\d+) bytes spill loads", text),
            "shared": _total(r"(\d+) bytes smem", text),
            "barriers": _total(r"used (\d+) barriers", text),
        }
        for kernel, text in zip(words[::2], words[1::2])
    }


def _total(pattern: str, text: str) -> int:
    return sum(map(int, re.findall(pattern, text)))


def _row_nbytes(augment: Augment) -> int:
    """Return the shared memory in which FILL makes a row of 28 x 28 pixels."""
    compiled = compile_transforms(augment, 28, 28, 10)
    return Program(compiled, 28, 28).shared_nbytes


def report(library: ctypes.CDLL) -> dict:
    """Compile the kernels for all architectures, and return the figures of each."""
    source = joined_source()
    result = {
        "machine": machine.describe(),
        "nvrtc": nvrtc.version(library),
        "source bytes": len(source.encode()),
        "row bytes": dict(zip(AUGMENTS, map(_row_nbytes, AUGMENTS.values()))),
        "architectures": {},
    }
    for name in ARCHITECTURES:
        made = nvrtc.compiled(library, source, *OPTIONS, f"--gpu-architecture={name}")
        result["architectures"][name] = {
            "seconds": round(made.seconds, 2),
            "cubin bytes": len(made.cubin),
            "kernels": figures(made.log),
        }
    return result


def lines(result: dict) -> Iterator[str]:
    """Yield the lines of a report."""
    yield f"source: {result['source bytes']:,} bytes. NVRTC {result['nvrtc']}"
    for name, nbytes in result["row bytes"].items():
        yield f"shared memory of a row, {name}: {nbytes:,} bytes"
    for name, about in result["architectures"].items():
        size = f"{about['cubin bytes']:,} bytes of cubin"
        yield f"{name}: {size}, compiled in {about['seconds']:.1f} s"
        for kernel, values in about["kernels"].items():
            words = ", ".join(f"{what} {value}" for what, value in values.items())
            yield f"  {kernel}: {words}"


def main() -> None:
    """Print the figures, and write them if asked."""
    parser = argparse.ArgumentParser(description="Compile the kernels of devices.")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    library = nvrtc.load()
    if library is None:
        sys.exit("NVRTC is missing. Run: pip install nvidia-cuda-nvrtc")
    result = report(library)
    print(*lines(result), sep="\n")
    if arguments.output:
        merge_json(arguments.output, "device_kernels", result)


if __name__ == "__main__":
    main()
