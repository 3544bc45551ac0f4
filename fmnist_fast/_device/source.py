"""The source of the kernels, and how NVRTC, the compiler of CUDA, compiles it."""

from importlib import resources

ARCHITECTURES = ("sm_75", "sm_80", "sm_90", "sm_100", "sm_120")
# Without contraction, a * b + c is rounded twice, as by processors. By default NVRTC
# divides and takes square roots exactly.
OPTIONS = ("--std=c++20", "--fmad=false", "--device-as-default-execution-space")


def joined_source() -> str:
    """Return src/device/kernels.cu, in one text with all files that it includes."""
    return resources.files(__package__).joinpath("kernels.cu").read_text("utf-8")
