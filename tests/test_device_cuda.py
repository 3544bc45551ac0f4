"""Kernels are launched on CUDA devices: cuda-core runs on a stand-in for the driver.

The stand-in is tests/helpers/fake_driver.c. No device is needed.
"""

import json
import re
import sys
from enum import IntEnum
from types import SimpleNamespace

import pytest
from helpers import fake_driver
from helpers.scripts import run_script

from fmnist_fast._device import cuda

HEADER = """
import json
from cuda.core import Device
from fmnist_fast._device.cuda import CudaKernels, cuda_kernels
from helpers.fake_driver import FakeDriver

driver = FakeDriver()

def attempt(function, *args):
    try:
        function(*args)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
"""


@pytest.fixture
def run(driver):
    """Return a function that runs a program and reads what it prints as JSON."""

    def run(program, **settings):
        done = fake_driver.run(driver, HEADER + program, **settings)
        assert done.returncode == 0 and not done.stderr, done.stderr
        return json.loads(done.stdout)

    return run


PLAN, FILL = ("fm_kernels_plan", 0), ("fm_kernels_fill", 0)


def test_launches_reach_the_driver(run):
    made = run("""
Device(0).set_current()
kernels = cuda_kernels(0)
with driver.capturing() as numbers:
    kernels.launch("start", 0, 1, 1, 0, *range(9), 2**64 - 1)
    kernels.launch("plan", 0, 2**31 - 1, 1024, 0, 1, 2, 2**63, 2**63 - 1, 5, 6)
    kernels.launch("advance", 2, 1, 1, 0, 1, 2)
    kernels.launch("fill", 4096, 3, 128, 65536, 1, 2, 3, 4, 5)
    kernels.launch("fill", 4096, 3, 128, 65536, 6, 7, 8, 9, 0)
print(json.dumps([numbers, driver.launches()]))
""")
    legacy = 1  # CU_STREAM_LEGACY, as 0 means
    plan = [1, 2, 2**63, 2**63 - 1, 5, 6, *[0] * 4]
    assert made == [
        [0, 1, 2, 3, 4],
        [
            ["fm_kernels_start", 0, 1, 1, 0, legacy, [*range(9), 2**64 - 1]],
            [*PLAN, 2**31 - 1, 1024, 0, legacy, plan],
            ["fm_kernels_advance", 0, 1, 1, 0, 2, [1, 2, *[0] * 8]],
            [*FILL, 3, 128, 65536, 4096, [1, 2, 3, 4, 5, *[0] * 5]],
            [*FILL, 3, 128, 65536, 4096, [6, 7, 8, 9, 0, *[0] * 5]],
        ],
    ]


DATASET = """
import numpy as np
import fmnist_fast as ff
from fmnist_fast.frameworks._resident import FixedBuffersLoader, ResidentLoader
from helpers.against_reference import dataset_of, same
from helpers.fake_driver import FakeMachine

dataset = dataset_of(28, 28, 700)
options = {"batch_size": 64, "shuffle": True, "seed": 2**64 - 1, "drop_last": True}
options["label_dtype"] = "onehot"
"""


@pytest.mark.parametrize(
    "augment", ["standard", "strong", "[ff.Resize(120), ff.MixUp()]"]
)
def test_launches_make_the_batches_of_a_loader(run, augment):
    text = augment if augment[0] == "[" else repr(augment)
    made = run(f"""{DATASET}
options["augment"] = {text}
loader = ResidentLoader(dataset, machine=FakeMachine(), **options)
plain = ff.Loader(dataset, **options)
assert same([*loader, *loader], [*plain, *plain])
print(json.dumps([launch.shared_nbytes for launch in driver.launches()]))
""")
    assert (max(made) > 48 * 1024) == ("Resize" in augment)


def test_a_graph_makes_the_batches_of_whole_epochs(run):
    made = run(f"""{DATASET}
loader = FixedBuffersLoader(dataset, machine=FakeMachine(), **options)
plain = ff.Loader(dataset, **options)
with driver.capturing() as graph:
    images, labels = loader.fill()
for batch in [*plain, *plain]:
    driver.replay(graph)
    assert same([(images, labels)], [batch])
print(json.dumps(loader.state_dict() == {{**plain.state_dict()}}))
""")
    assert made is True


def test_wrong_launches_are_errors(run):
    made = run("""
kernels = cuda_kernels(0)
wrong = [
    ("fill", 0, 1, 129, 0, 1, 2, 3, 4, 5),
    ("fill", 0, 1, 128, 65537, 1, 2, 3, 4, 5),
    ("fill", 0, 1, 128, 0, 1, 2, 3, 4, 2**64),
    ("fill", 0, 1, 128, 0, 1, 2, 3, 4, -1),
    ("other", 0, 1, 128, 0),
]
with driver.capturing():
    texts = [attempt(kernels.launch, *args) for args in wrong]
print(json.dumps(texts))
assert not driver.launches()
""")
    assert all("CUDA_ERROR_INVALID_VALUE" in text for text in made[:2])
    words = ["OverflowError", "OverflowError", "KeyError"]
    assert [text.partition(":")[0] for text in made[2:]] == words


def test_each_device_has_its_kernels(run):
    made = run(
        """
kernels = []
for device in (0, 1):
    Device(device).set_current()
    kernels.append(cuda_kernels(device))
    assert cuda_kernels(device) is kernels[-1]
with driver.capturing():
    for device in (0, 1):
        Device(device).set_current()
        kernels[device].launch("fill", 0, 1, 1, 65536, *range(5))
print(json.dumps([launch.device for launch in driver.launches()]))
""",
        devices=2,
    )
    assert made == [0, 1]


def test_launches_make_the_context_of_their_device_current(run):
    """A new thread has none, and neither does the runtime of CUDA give it one."""
    made = run(
        """
from threading import Thread
both = [cuda_kernels(device) for device in (0, 1)]
def launch():
    for kernels in (*both, *both):
        kernels.launch("advance", 0, 1, 1, 0, 1, 2)
with driver.capturing():
    thread = Thread(target=launch)
    thread.start()
    thread.join()
print(json.dumps([launch.device for launch in driver.launches()]))
""",
        devices=2,
    )
    assert made == [0, 1, 0, 1]


def test_threads_share_the_kernels(run):
    made = run("""
import sys
from concurrent.futures import ThreadPoolExecutor
from fmnist_fast._device import cuda

sys.setswitchinterval(1e-5)
made = []

class Counted(CudaKernels):
    def __init__(self, device):
        made.append(device)
        super().__init__(device)

cuda.CudaKernels = Counted

def launch(stream):
    Device(0).set_current()
    for _ in range(200):
        cuda_kernels(0).launch("fill", stream, stream, 128, 0, stream, 0, 0, 0, 0)

with driver.capturing(), ThreadPoolExecutor(8) as threads:
    list(threads.map(launch, range(2, 10)))
found = [(x.stream, x.n_blocks, x.arguments[0]) for x in driver.launches()]
assert made == [0] and len(set(found)) == 8
assert all(a == b == c for a, b, c in found)
print(json.dumps(len(found)))
""")
    assert made == 8 * 200


FORKED = (
    r"RuntimeError: a forked process can't use CUDA, which its parent process has used"
    r"\.\nStart processes with the method 'spawn': multiprocessing\.get_context"
    r"\('spawn'\)\.$"
)


def test_a_forked_process_is_refused(run):
    made = run("""
import os
Device(0).set_current()
kernels = cuda_kernels(0)
arguments = ("fill", 0, 1, 1, 0, *range(5))
read, write = os.pipe()
if os.fork() == 0:
    texts = [attempt(cuda_kernels, 0), attempt(kernels.launch, *arguments)]
    os.write(write, json.dumps(texts).encode())
    os._exit(0)
os.wait()
with driver.capturing():
    kernels.launch(*arguments)
print(os.read(read, 10000).decode())
""")
    assert len(made) == 2
    for text in made:
        assert re.match(FORKED, text)


def test_a_child_of_a_process_without_cuda_may_use_it(run):
    made = run("""
import os
if os.fork() == 0:
    Device(0).set_current()
    cuda_kernels(0)
    print("[]")
else:
    os.wait()
""")
    assert made == []


# ---- what is missing or too old -----------------------------------------------------

ADVICE = (
    r"Update the driver\. For a driver of CUDA 12, you can run pip uninstall "
    r"nvidia-cuda-nvrtc, then pip install nvidia-cuda-nvrtc-cu12 'cuda-bindings<13'\.$"
)
VERSIONS = r"NVRTC is that of CUDA 1[23]\.\d+, and the driver that of CUDA {}\. ?"
ERRORS = {
    "driver of an older CUDA": (
        {"cuda": 11080},
        r"RuntimeError: NVRTC must not be newer than the driver\. "
        + VERSIONS.format(r"11\.8")
        + r"\n"
        + ADVICE,
    ),
    "refusing driver": (
        {"refuses": 209, "cuda": 13010},
        r"RuntimeError: the driver can't load the kernels for CUDA device 0: "
        r"CUDA_ERROR_NO_BINARY_FOR_GPU.*\n" + VERSIONS.format(r"13\.1") + ADVICE,
    ),
    "old device": (
        {"capability": 70},
        r"RuntimeError: resident=True requires a CUDA device of compute capability "
        r"7\.5 or higher, got 7\.0 for CUDA device 0\.\nWith resident=False, this "
        r"loader works\.$",
    ),
    "new device": (
        {"capability": 990},
        r"RuntimeError: NVRTC [0-9.]+ can't compile for this device, of architecture "
        r"sm_990\.\nRun: pip install --upgrade nvidia-cuda-nvrtc$",
    ),
}


@pytest.mark.parametrize(("settings", "message"), ERRORS.values(), ids=ERRORS)
def test_what_cannot_run_the_kernels_is_an_error(run, settings, message):
    program = "print(json.dumps(attempt(cuda_kernels, 0)))"
    assert re.match(message, run(program, **settings))


@pytest.mark.parametrize("capability", [75, 120])
def test_the_kernels_are_those_of_the_device(run, capability):
    program = """
from unittest.mock import patch
from fmnist_fast._device import cuda
Device(0).set_current()
with patch.object(cuda, "cubin", return_value=b"\\177ELF") as cubin:
    cuda_kernels(0)
print(json.dumps(cubin.call_args.args[0]))
"""
    assert run(program, capability=capability) == f"sm_{capability}"


@pytest.mark.parametrize("missing", ["cuda", "cuda.bindings", "cuda.core"])
def test_the_packages_are_required(monkeypatch, missing):
    names = ["cuda", "cuda.bindings", "cuda.core"]
    for name in names[: names.index(missing)]:
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(driver=None))
    for name in names[names.index(missing) :]:  # another test may have imported them
        monkeypatch.setitem(sys.modules, name, None)
    message = (
        r"^resident=True on a CUDA device requires cuda-core, cuda-bindings and NVRTC "
        rf"\(.*{missing}.*\)\. Run: pip install \"fmnist_fast\[cuda\]\"$"
    )
    with pytest.raises(ImportError, match=message):
        cuda.CudaKernels(0)


def test_a_driver_is_required():
    def not_found():
        raise RuntimeError("Failed to dlopen libcuda.so.1")

    message = (
        r"^resident=True on a CUDA device requires NVIDIA's driver, which was not found"
        r"\.\nInstall the driver, or use device='cpu'\.$"
    )
    with pytest.raises(RuntimeError, match=message):
        cuda._checked_versions(SimpleNamespace(cuDriverGetVersion=not_found))


def test_nothing_of_cuda_is_imported_before_its_use():
    done = run_script("""
import fmnist_fast.loader, fmnist_fast._device.cuda
assert not [name for name in sys.modules if name.partition(".")[0] == "cuda"]
""")
    assert done.returncode == 0, done.stderr


def test_the_adapter_for_pytorch_imports_nothing_of_cuda():
    pytest.importorskip("torch")
    done = run_script("""
import torch  # which imports cuda.bindings if it is installed
before = set(sys.modules)
from fmnist_fast.frameworks.torch import TorchLoader
list(TorchLoader(dataset, 512, resident=True, device="cpu"))
new = set(sys.modules) - before
assert not [name for name in new if name.partition(".")[0] == "cuda"]
""")
    assert done.returncode == 0, done.stderr


def test_a_failed_call_of_the_driver_is_an_error():
    code = IntEnum("CUresult", {"CUDA_SUCCESS": 0, "CUDA_ERROR_INVALID_VALUE": 1})
    cuda._check((code.CUDA_SUCCESS,))
    with pytest.raises(RuntimeError, match=r"^CUDA_ERROR_INVALID_VALUE$"):
        cuda._check((code.CUDA_ERROR_INVALID_VALUE,))
