"""Number of usable cores: Python's count, affinity, and quotas of control groups."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnist_fast._io import cores
from fmnist_fast._io.cores import usable_cores

# Lines of /proc/self/mountinfo.
V1 = "32 31 0:29 {root} {mount}/v1 rw,relatime - cgroup cgroup rw,cpuacct,cpu"
V2 = "30 23 0:26 {root} {mount} rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
OTHERS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
34 31 0:31 / {mount}/v1 rw,relatime - cgroup cgroup rw,cpuset
"""
# Lines of /proc/self/cgroup.
OWN_V1, OWN_V2 = "5:cpuset:/\n4:cpu,cpuacct:/a/b\n1:name=systemd:/c\n", "0::/a/b\n"


@pytest.fixture(autouse=True)
def sixteen_cores(monkeypatch):
    """Simulate 16 cores, of which 12 are in the affinity mask."""
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(12), raising=False)
    cores._most_cores.cache_clear()
    yield
    cores._most_cores.cache_clear()


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Return a function that simulates /proc/self and the files of control groups."""
    mount = tmp_path / "a folder"

    def simulate(cgroup, mounts, files, root="/"):
        def write(path, text):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())

        shown = str(mount).replace(" ", r"\040")
        mountinfo = "".join(f"{line}\n" for line in [OTHERS.strip(), *mounts])
        write(tmp_path / "proc/cgroup", cgroup)
        write(tmp_path / "proc/mountinfo", mountinfo.format(root=root, mount=shown))
        for name, text in files.items():
            write(mount / name, text)
        cores._most_cores.cache_clear()

    monkeypatch.setattr(cores, "_PROC", str(tmp_path / "proc"))
    return simulate


def test_python_counts_the_cores_without_affinity(system, monkeypatch):
    system("", [], {})
    assert usable_cores() == 12
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == 16


def test_python_may_count_fewer_cores_or_none(system, monkeypatch):
    system("", [], {})
    for count, wanted in ((3, 3), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        cores._most_cores.cache_clear()
        assert usable_cores() == wanted


def test_the_variable_of_python_limits_the_cores_from_python_3_13_on():
    code = "from fmnist_fast._io.cores import usable_cores; print(usable_cores())"

    def printed(**variables):
        return subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | variables,
            capture_output=True,
            check=True,
            text=True,
            timeout=60,
        ).stdout

    wanted = "1\n" if sys.version_info >= (3, 13) else printed()
    assert printed(PYTHON_CPU_COUNT="1") == wanted


# ---- quotas ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("400000 100000\n", 4),
        ("250000 100000\n", 3),
        ("200001 100000\n", 3),
        ("1000 100000\n", 1),
        ("5000 2500", 2),
        ("9900000 100000\n", 12),
        ("max 100000\n", 12),
    ],
)
def test_a_quota_of_version_2_is_rounded_up(system, text, wanted):
    system("0::/\n", [V2], {"cpu.max": text})
    assert usable_cores() == wanted


@pytest.mark.parametrize(
    "quota, period, wanted",
    [("400000", "100000", 4), ("150000", "100000", 2), ("-1", "100000", 12)],
)
def test_a_quota_of_version_1_is_rounded_up(system, quota, period, wanted):
    files = {"v1/a/b/cpu.cfs_quota_us": quota, "v1/a/b/cpu.cfs_period_us": period}
    system(OWN_V1, [V1], files)
    assert usable_cores() == wanted


@pytest.mark.parametrize("smallest", ["", "a/", "a/b/"])
def test_the_smallest_quota_of_all_groups_counts(system, smallest):
    files = {f"{group}cpu.max": "700000 100000" for group in ("", "a/", "a/b/")}
    files |= {f"{group}cpu.max": "100000 100000" for group in ("c/", "a/c/", "a/b/c/")}
    system(OWN_V2, [V2], files | {f"{smallest}cpu.max": "200000 100000"})
    assert usable_cores() == 2


@pytest.mark.parametrize("smallest", ["v1/", "v1/a/", "v1/a/b/"])
def test_the_smallest_quota_of_version_1_counts(system, smallest):
    files = {f"{smallest}cpu.cfs_quota_us": "50", f"{smallest}cpu.cfs_period_us": "10"}
    system(OWN_V1, [V1], {"v1/a/cpu.cfs_quota_us": "-1"} | files)
    assert usable_cores() == 5


def test_both_versions_at_once(system):
    files = {"v1/a/b/cpu.cfs_quota_us": "50", "v1/a/b/cpu.cfs_period_us": "10"}
    system(OWN_V1 + OWN_V2, [V1, V2], files)
    assert usable_cores() == 5
    system(OWN_V1 + OWN_V2, [V1, V2], {"a/cpu.max": "30 10"})
    assert usable_cores() == 3


@pytest.mark.parametrize("root, wanted", [("/", 7), ("/a", 2), ("/a/b", 3), ("/c", 12)])
def test_a_container_may_see_only_a_part_of_the_groups(system, root, wanted):
    files = {"cpu.max": "300 100", "b/cpu.max": "200 100", "a/b/cpu.max": "700 100"}
    if root == "/":
        files["cpu.max"] = "max 100"
    system(OWN_V2, [V2], files, root)
    assert usable_cores() == wanted


@pytest.mark.parametrize(
    "text", ["", "1", "0 100", "100 0", "-5 -5", "1 2 3", "1.5 1", "x y", b"\xff\0\n 1"]
)
def test_other_quotas_are_ignored(system, text):
    system(OWN_V2, [V2], {"a/b/cpu.max": text})
    assert usable_cores() == 12
    system(OWN_V1, [V1], {"v1/a/b/cpu.cfs_quota_us": text})
    assert usable_cores() == 12


def test_missing_files_and_folders_in_place_of_files_are_ignored(
    system, monkeypatch, tmp_path
):
    system(OWN_V2, [V2], {"a/b/cpu.max/x": "1 1", "cpu.max": "400 100"})
    assert usable_cores() == 4
    monkeypatch.setattr(cores, "_PROC", str(tmp_path / "missing"))
    cores._most_cores.cache_clear()
    assert usable_cores() == 12


LINES = st.one_of(
    st.binary(),
    st.sampled_from([b"0::/", b"0::/a\n", b"3:cpu:/a\n", b"3:cpu:/../a\0\n", b"::\n"]),
    st.sampled_from([b"1 1 1 / FOLDER rw - cgroup2 x rw\n", b"1 - cgroup2\n"]),
    st.sampled_from([b"1 1 1 /\\134 FOLDER/\\999 rw - cgroup x rw,cpu\n"]),
    st.builds(b"%d %d".__mod__, st.tuples(st.integers(), st.integers())),
)


@given(cgroup=LINES, mounts=LINES, quota=LINES)
def test_any_files_give_a_number_within_the_mask(
    system, tmp_path, cgroup, mounts, quota
):
    system("", [], {"cpu.max": quota, "a/cpu.max": quota})
    (tmp_path / "proc/cgroup").write_bytes(cgroup)
    mounts = mounts.replace(
        b"FOLDER", os.fsencode(tmp_path / "a folder").replace(b" ", rb"\040")
    )
    (tmp_path / "proc/mountinfo").write_bytes(mounts)
    cores._most_cores.cache_clear()
    assert 1 <= usable_cores() <= 12
