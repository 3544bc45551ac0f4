"""Baselines of the micro-benchmarks: which ratio is a loss, and how they are saved."""

from benchmarks.micro import baselines
from fmnist_fast import _core

CPUINFO = """processor : 0
vendor_id : AuthenticAMD
cpu family\t: 25
model\t\t: 1
model name\t: AMD EPYC
flags\t: fpu vme: de

processor : 1
model name : another
"""


def test_a_loss_is_more_than_a_quarter():
    assert not baselines.is_loss(1.25, 1.0)
    assert baselines.is_loss(1.26, 1.0)
    assert not baselines.is_loss(0.1, 1.0)
    assert not baselines.is_loss(9.0, None)


def test_saving_keeps_the_other_ratios(tmp_path):
    path = tmp_path / "baselines.json"
    assert baselines.load(path) == {}
    baselines.save({"uint8": 0.123456, "order": 0.00123456}, "one", path)
    baselines.save({"uint8": 0.5}, "two", path)
    baselines.save({"order": 0.002}, "one", path)
    assert baselines.load(path) == {
        "one": {"uint8": 0.1235, "order": 0.002},
        "two": {"uint8": 0.5},
    }


def test_name_of_the_processor(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(CPUINFO)
    name = baselines.processor(cpuinfo)
    assert name.startswith("AMD EPYC, cpu family 25, model 1, ")
    assert name.endswith(f" cores, {_core.get_cpu_level()}")
    tail = ", ".join(name.split(", ")[-2:])
    assert baselines.processor(tmp_path / "missing").endswith(tail)


def test_committed_baselines_can_be_read():
    for ratios in baselines.load().values():
        assert ratios and all(ratio > 0 for ratio in ratios.values())
