"""The core's pipeline without Python, under sanitizers and without threads.

The program is tests/helpers/pipeline_driver.c.
"""

import functools
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DRIVER = ROOT / "tests" / "helpers" / "pipeline_driver.c"
PIPELINE = ROOT / "src" / "pipeline.c"
OTHERS = sorted({*(ROOT / "src").rglob("*.c")} - {PIPELINE})
FLAGS = ["-std=c11", "-O0", "-g", "-ffp-contract=off", "-Wall", "-Wextra", "-Wshadow"]
BUILDS = {
    "plain": [],
    "threads": ["-fsanitize=thread"],
    "addresses": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    "without threads": ["-DFM_THREADS=0"],
}
# A race: a consumer gives its slot back without the mutex.
GIVE = "void fm_pipeline_give(struct fm_pipeline *p, struct fm_slot *slot)\n{"
RACE = f"{GIVE}\n    p->left_ns++;"


@pytest.fixture(scope="module")
def kernels(compiler, tmp_path_factory):
    """Return a function that compiles everything except pipeline.c, once a build."""

    @functools.cache
    def compiled(build):
        folder = tmp_path_factory.mktemp("kernels")
        compile_all(compiler, build, "-c", DRIVER, *OTHERS, cwd=folder)
        return sorted(folder.glob("*.o"))

    return compiled


def compile_all(compiler, build, *arguments, cwd):
    """Call the compiler with the options of a build."""
    options = [*FLAGS, *BUILDS[build], f"-I{ROOT / 'src'}", "-pthread"]
    command = [compiler, *options, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    if "cannot find" in done.stderr and "san" in done.stderr:
        pytest.skip("needs the compiler's sanitizers")
    assert done.returncode == 0 and not done.stderr, done.stderr


def run_driver(compiler, build, kernels, folder, pipeline=PIPELINE):
    """Link the driver with `pipeline`, and run it."""
    arguments = [pipeline, *kernels(build), "-lm", "-o", "driver"]
    compile_all(compiler, build, *arguments, cwd=folder)
    command = [folder / "driver", "10"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("build", BUILDS)
def test_the_pipeline_is_right(compiler, kernels, tmp_path, build):
    done = run_driver(compiler, build, kernels, tmp_path)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_the_driver_finds_a_race(compiler, kernels, tmp_path):
    code = PIPELINE.read_text()
    assert code.count(GIVE) == 1
    changed = tmp_path / "pipeline.c"
    changed.write_text(code.replace(GIVE, RACE))
    done = run_driver(compiler, "threads", kernels, tmp_path, changed)
    assert done.returncode != 0 and "data race" in done.stderr
