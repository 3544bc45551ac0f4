"""The kernels of devices compile without a device, and compute what processors do.

NVRTC compiles them for every architecture. Its output is read, not run.
"""

import functools
import json
import re
import subprocess
from pathlib import Path

import pytest
from helpers.device_kernels import CUT, FILL, MOST_STACK, faults, figures

from benchmarks.gpu import nvrtc
from fmnist_fast._core import KERNELS
from fmnist_fast._device.source import ARCHITECTURES, OPTIONS, joined_source

SOURCE = Path(__file__).parents[1] / "src"
FIGURES = SOURCE.parent / "benchmarks" / "results" / "figures.json"
STRUCTS = "fm_program fm_transform fm_op fm_source fm_launch fm_device_row".split()
RECURSIVE = """
static __noinline__ int planted(int n)
{
    return n < 2 ? n : planted(n - 1) * planted(n - 2) + 1;
}
extern "C" __global__ void plant(int *n) { *n = planted(*n); }
"""


@pytest.fixture(scope="module")
def compiled():
    """Return a function that compiles the kernels, or another source."""
    library = nvrtc.load()
    if library is None:
        pytest.skip("needs NVRTC: pip install nvidia-cuda-nvrtc")

    @functools.cache
    def compiled(architecture, options=OPTIONS, source=None):
        words = [*options, f"--gpu-architecture={architecture}"]
        return nvrtc.compiled(library, source or joined_source(), *words)

    return compiled


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_kernels_have_no_fault(compiled, architecture):
    made = compiled(architecture)
    assert faults(made.ptx, made.log) == []
    assert re.search(rf"^\.target {architecture}$", made.ptx, re.MULTILINE)
    kernels = figures(made.log)
    assert kernels.keys() == {f"fm_kernels_{name}" for name in KERNELS}
    assert all(values["registers"] > 0 for values in kernels.values())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_many_thread_blocks_of_cuts_fit_on_a_multiprocessor(compiled, architecture):
    """It has 65,536 registers, and a warp of 32 threads gets a multiple of 256."""
    values = figures(compiled(architecture).log)[CUT]
    assert values["stack"] == values["shared"] == values["barriers"] == 0
    most = 1024 if architecture == "sm_75" else 1536  # threads on a multiprocessor
    assert 65536 // (-(-values["registers"] // 8) * 8) >= most


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_published_figures_are_those_of_the_kernels(compiled, architecture):
    """If they are not, run the last two commands of CONTRIBUTING.md for figures."""
    kept = json.loads(FIGURES.read_text())["device_kernels"]
    if kept["nvrtc"] != nvrtc.version(nvrtc.load()):
        pytest.skip(f"the figures are those of NVRTC {kept['nvrtc']}")
    assert abs(kept["source bytes"] - len(joined_source().encode())) < 1000
    kernels = figures(compiled(architecture).log)
    assert kept["architectures"][architecture]["kernels"] == kernels


def other_floats(made):
    """Return the instructions in the faults of code that has no other faults."""
    found = [fault.partition(" times ") for fault in faults(made.ptx, made.log)]
    assert all(times for _, times, _ in found)
    return {instruction for _, _, instruction in found}


def test_contraction_is_found(compiled):
    options = tuple(option.replace("=false", "=true") for option in OPTIONS)
    found = other_floats(compiled("sm_90", options))
    assert {"fma.rn.f32", "fma.rn.f64"} <= found
    # ptxas may contract others that do not round by name.
    assert {"mul.f32", "add.f32", "mul.f64", "add.f64"} <= found
    assert not re.search("approx|ftz|div|sqrt", " ".join(found))


def test_fast_math_is_found(compiled):
    found = other_floats(compiled("sm_90", (*OPTIONS, "--use_fast_math")))
    assert {"mul.rn.ftz.f32", "div.approx.ftz.f32", "sqrt.approx.ftz.f32"} <= found


def test_recursion_is_found(compiled):
    made = compiled("sm_90", source=RECURSIVE)
    found = [fault for fault in faults(made.ptx, made.log) if "ptxas" not in fault]
    assert len(found) == 1 and re.fullmatch(r"recursion: \w*planted\w*", found[0])


PTX = """
.func  (.param .b32 func_retval0) one(
)
;
.func  (.param .b32 func_retval0) two(
	.param .b32 two_param_0
)
{
	{ // callseq 0, 0
	call.uni (retval0),
	one,
	(
	param0
	);
	} // callseq 0
	ret;
}
.func one()
{
	@%p1 call two, ();
	call (retval0), %rd1, (param0), prototype_0;
}
.visible .entry fm_kernels_fill(
	.param .u64 fill_param_0
)
.maxntid 256, 1, 1
{
	@!%p2 div.full.f32 	%f1, %f2, %f3;
	mul.rn.f32 	%f1, %f2, %f3;
	mad.lo.s32 	%r1, %r2, %r3, %r4;
	div.s32 	%r1, %r2, %r3;
	red.global.add.f32 	[%rd1], %f1;
	ex2.approx.f16x2 	%r1, %r1;
	ld.global.f32 	%f1, [%rd1];
	call.uni one, ();
}
"""
LOG = f"""
kernels.cu(1): warning #1-D: text
ptxas warning : Stack size for entry function 'x' cannot be statically determined
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'fm_kernels_fill' for 'sm_90'
ptxas info    : Function properties for fm_kernels_fill
ptxas         .     8 bytes stack frame, 4 bytes spill stores, 5 bytes spill loads
ptxas info    : Used 24 registers, used 2 barriers, {MOST_STACK + 1} bytes cumulative \
stack size, 512 bytes smem
ptxas info    : Function properties for one
ptxas         .     0 bytes stack frame, 10 bytes spill stores, 20 bytes spill loads
"""


def test_planted_faults_are_found():
    assert faults(PTX, LOG) == [
        "kernels.cu(1): warning #1-D: text",
        "ptxas warning : Stack size for entry function 'x' cannot be statically "
        "determined",
        "1 times div.full.f32",
        "1 times red.global.add.f32",
        "1 times ex2.approx.f16x2",
        "recursion: one two",
        "call of %rd1, whose stack is unknown",
        f"{FILL}: {MOST_STACK + 1} bytes of stack",
        f"{FILL}: 39 bytes of spilled registers",
    ]
    values = dict.fromkeys(("registers", "stack", "spill stores"), 0)
    assert figures(LOG) == {
        FILL: values
        | {"registers": 24, "stack": MOST_STACK + 1, "spill stores": 14}
        | {"spill loads": 25, "shared": 512, "barriers": 2}
    }


def test_structs_have_the_sizes_of_the_host(compiled, compiler, tmp_path):
    """Compile checks of each size, and of a wrong size, which alone must fail."""
    prints = "".join(f'printf("%zu\\n", sizeof(struct {name}));' for name in STRUCTS)
    code = f'#include <stdio.h>\n#include "device/device.h"\nint main() {{{prints}}}'
    command = [compiler, "-std=c11", "-ffp-contract=off", f"-I{SOURCE}", "-xc", "-"]
    path = tmp_path / "sizes"
    subprocess.run([*command, "-o", path], input=code, text=True, check=True)
    printed = subprocess.run([path], capture_output=True, check=True).stdout
    checks, wrong = "", []
    for name, size in zip(STRUCTS, map(int, printed.split()), strict=True):
        for n in (size, size + 1):
            checks += f'static_assert(sizeof(struct {name}) == {n}, "{name} {n}");\n'
        wrong.append(f"{name} {size + 1}")
    with pytest.raises(nvrtc.CompileError) as caught:
        compiled("sm_90", source=joined_source() + checks)
    assert (
        re.findall(r'error: static assertion failed with "(.*)"', str(caught.value))
        == wrong
    )
    assert f"{len(wrong)} errors detected" in str(caught.value)
