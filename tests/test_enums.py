"""Values of C enums and limits, as the core exports them, against the C headers."""

import re
from pathlib import Path

import pytest

from fmnist_fast import _core

HEADERS = sorted((Path(__file__).parents[1] / "src").rglob("*.h"))
ENUM = re.compile(r"enum (\w+) \{(.*?)\}", re.DOTALL)
# For each enum, the prefix of its values, and the table of Python names.
EXPORTS = {
    "fm_cpu_level": ("FM_CPU_", {n: i for i, n in enumerate(_core.CPU_LEVELS)}),
    "fm_dtype": ("FM_", _core.DTYPES),
    "fm_host_kernel": ("FM_HOST_", _core.KERNELS),
    "fm_interpolation": ("FM_", _core.INTERPOLATIONS),
    "fm_label_dtype": ("FM_LABEL_", _core.LABEL_DTYPES),
    "fm_mix_kind": ("FM_", _core.MIX_KINDS),
    "fm_sampler_kind": ("FM_SAMPLER_", _core.SAMPLERS),
    "fm_padding_mode": ("FM_PAD_", _core.PADDING_MODES),
    "fm_tone_kind": ("FM_TONE_", _core.TONE_KINDS),
    "fm_transform_kind": ("FM_TRANSFORM_", _core.TRANSFORM_KINDS),
}
LASTS = {"FM_LAST_SHORT": False, "FM_LAST_DROP": True, "FM_LAST_WRAP": "wrap"}
LASTS["FM_LAST_NEXT"] = "next"
# The core raises fm_status as exceptions and exports fm_last as LASTS. Only the core
# uses the others.
NOT_IN_EXPORTS = {"fm_last", "fm_status", "fm_operation"}
NOT_IN_EXPORTS |= {"fm_field", "fm_op_kind"}
LIMITS = {
    "FM_BLOCKS_MAX_SIZE": _core.MAX_SHUFFLE_BLOCK,
    "FM_BLUR_MAX_SIZE": _core.MAX_BLUR_SIZE,
    "FM_IDX_MAX_NDIM": _core.IDX_MAX_NDIM,
    "FM_MIX_MAX_KINDS": _core.MAX_MIX_KINDS,
    "FM_PROGRAM_MAX_TRANSFORMS": _core.MAX_TRANSFORMS,
    "FM_PROGRAM_MAX_VIEWS": _core.MAX_VIEWS,
    "FM_QUADS_MAX_SIDE": _core.MAX_WARP_SIDE,
    "FM_SAMPLER_MAX_N": _core.MAX_POSITIONS,
    "FM_TRANSFORM_MAX_ORDERED": _core.MAX_ORDERED,
    "FM_SLOT_ALIGNMENT": _core.SLOT_ALIGNMENT,
}


def without_comments(text):
    """Return C source without its comments."""
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


TEXT = "\n".join(without_comments(path.read_text("utf-8")) for path in HEADERS)
ENUMS = {
    name: {
        value: int(number) if number else i
        for i, (value, number) in enumerate(re.findall(r"(FM_\w+)(?: = (\d+))?", body))
    }
    for name, body in ENUM.findall(TEXT)
}


def test_every_enum_of_the_headers_is_known():
    assert set(ENUMS) == set(EXPORTS) | NOT_IN_EXPORTS


@pytest.mark.parametrize("enum", EXPORTS)
def test_every_value_has_its_python_name(enum):
    prefix, exported = EXPORTS[enum]
    names = {value.removeprefix(prefix).lower(): i for value, i in ENUMS[enum].items()}
    assert names == dict(exported)


def test_every_way_to_end_an_epoch_has_its_value():
    assert {LASTS[name]: i for name, i in ENUMS["fm_last"].items()} == _core.LASTS


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_those_of_the_headers(name):
    (value,) = re.findall(rf"#define {name} +(.*)", TEXT)
    shift = re.fullmatch(r"\(\(uint64_t\)1 << (\d+)\)", value.strip())
    assert LIMITS[name] == (2 ** int(shift[1]) if shift else int(value))


def test_an_epoch_is_one_word_of_the_counter():
    words = [_core.draw(0, epoch, 0, 1, 0) for epoch in (0, _core.MAX_EPOCH)]
    assert words[0] != words[1]
    with pytest.raises(OverflowError):
        _core.draw(0, _core.MAX_EPOCH + 1, 0, 1, 0)
