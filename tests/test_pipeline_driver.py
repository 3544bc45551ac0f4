"""The core's pipeline without Python, under sanitizers and without threads.

tests/helpers/pipeline_driver.c is compiled with the compiler of this Python.
"""

import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DRIVER = ROOT / "tests" / "helpers" / "pipeline_driver.c"
SOURCES = "batch convert filemap order parts pipeline slots".split()
COMPILER = shlex.split(sysconfig.get_config_var("CC") or "cc")[:1]
FLAGS = ["-std=c11", "-O0", "-g", "-ffp-contract=off", "-Wall", "-Wextra", "-Wshadow"]
BUILDS = {
    "threads": ["-fsanitize=thread"],
    "addresses": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    "without threads": ["-DFM_THREADS=0"],
}
# A race: a consumer gives its slot back without the mutex.
GIVE = "void fm_pipeline_give(struct fm_pipeline *p, struct fm_slot *slot)\n{"
RACE = f"{GIVE}\n    p->left_us++;"

pytestmark = pytest.mark.skipif(
    shutil.which(COMPILER[0]) is None, reason="needs a C compiler"
)


def run_driver(folder, flags, pipeline=ROOT / "src" / "pipeline.c"):
    """Compile the driver with `pipeline`, and run it."""
    sources = [ROOT / "src" / f"{name}.c" for name in SOURCES if name != "pipeline"]
    sources += sorted((ROOT / "src" / "augment").glob("*.c"))
    program = folder / "driver"
    files = [str(path) for path in (DRIVER, pipeline, *sources)]
    options = [*FLAGS, *flags, f"-I{ROOT / 'src'}", "-pthread"]
    command = [*COMPILER, *options, *files, "-lm", "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if "cannot find" in done.stderr and "san" in done.stderr:
        pytest.skip("needs the compiler's sanitizers")
    assert done.returncode == 0 and not done.stderr, done.stderr
    return subprocess.run([program, "10"], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("build", BUILDS)
def test_the_pipeline_is_right(tmp_path, build):
    done = run_driver(tmp_path, BUILDS[build])
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_the_driver_finds_a_race(tmp_path):
    changed = (ROOT / "src" / "pipeline.c").read_text()
    assert changed.count(GIVE) == 1
    pipeline = tmp_path / "pipeline.c"
    pipeline.write_text(changed.replace(GIVE, RACE))
    done = run_driver(tmp_path, BUILDS["threads"], pipeline)
    assert done.returncode != 0 and "data race" in done.stderr
