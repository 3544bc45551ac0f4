"""benchmarks/gpu/driver.py launches kernels where cuda-core is missing.

The driver is the stand-in of tests/helpers/fake_driver.c. No device is needed.
"""

import json
import subprocess
import sys

import pytest
from helpers import fake_driver

from benchmarks.gpu import nvrtc

PROGRAM = """
import importlib.util, json, sys

class Missing:
    def find_spec(self, name, *_):
        if name in {missing}:
            raise ModuleNotFoundError(f"no module {name}", name=name)

sys.meta_path.insert(0, Missing())
from benchmarks.gpu import driver, nvrtc

nvrtc.load()
launcher = driver.install(), driver.install()
from helpers.fake_driver import FakeDriver, FakeMachine
from helpers.loader_cases import difference
import fmnist_fast as ff
from fmnist_fast.frameworks._resident import FixedBuffersLoader, ResidentLoader

dataset = ff.synthetic(70, 10)[0]
options = {"batch_size": 16, "shuffle": True, "augment": "strong", "drop_last": True}
loader = ResidentLoader(dataset, machine=FakeMachine(), **options)
same = difference(loader, ff.Loader(dataset, **options))
n_launches = len(FakeDriver().launches())
try:
    loader._machine.launch("fill", 0, 1, 257, 0, 1, 2, 3, 4, 5)
except RuntimeError as error:
    wrong = str(error)
print(json.dumps([launcher, driver.version(), *map(int, same), n_launches, wrong]))
"""


@pytest.fixture(scope="module")
def folder(compiler, tmp_path_factory):
    """Return the folder of the stand-in for the driver."""
    if sys.platform != "linux" or nvrtc.load() is None:
        pytest.skip("needs Linux and NVRTC: pip install nvidia-cuda-nvrtc")
    return fake_driver.build(compiler, tmp_path_factory.mktemp("driver"))


@pytest.mark.parametrize("missing", [["cuda"], ["cuda.core"]])
def test_batches_without_cuda_core_have_their_bytes(folder, missing, tmp_path):
    program = PROGRAM.replace("{missing}", repr(missing))
    environment = fake_driver.environment(folder)
    environment["FMNIST_FAST_CACHE"] = str(tmp_path)
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    launcher, version, n_bytes, n_differing, n_launches, wrong = json.loads(done.stdout)
    assert launcher == ["benchmarks.gpu.driver"] * 2 and version == "13.0"
    assert n_bytes > 64 * 784 * 4 and n_differing == 0 and n_launches >= 3
    assert wrong == "cuLaunchKernelEx failed: CUDA_ERROR 1"


def test_an_error_of_nvrtc_is_an_error():
    nvrtc._check(0)
    with pytest.raises(RuntimeError, match=r"^NVRTC failed with code 5$"):
        nvrtc._check(5)
