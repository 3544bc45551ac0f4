"""Checks of an adapter, run in one process that has devices of a stand-in.

A check is a function `check_...(devices)` of a module of tests. After each one, no
device may have a fault or memory in use.
"""

import gc
import importlib
import json
import traceback

import pytest

from fmnist_fast._device import batches
from helpers import fake_driver

N_DEVICES = 2
_MARK = "outcomes: "
_PROGRAM = """
import sys
from helpers import device_checks
device_checks.main(*sys.argv[1:])
"""


def main(stand_in, module):
    """Run all checks of a module, and print their outcomes as JSON."""
    devices = importlib.import_module(f"helpers.{stand_in}").install(N_DEVICES)
    batches.CHUNK_ROWS, nbytes = 150, devices.nbytes
    checks = importlib.import_module(module)
    outcomes = {}
    for name in names_of(vars(checks)):
        try:
            getattr(checks, name)(devices)
            gc.collect()
            assert not devices.faults, devices.faults
            assert devices.used == [0] * N_DEVICES, "memory is still in use"
            outcomes[name] = None
        except BaseException:
            outcomes[name] = traceback.format_exc()
        devices.nbytes, devices.fails_after = nbytes, None
        devices.faults.clear()
    print(f"{_MARK}{json.dumps(outcomes)}", flush=True)


def names_of(names):
    """Return the names of checks among the names of a module."""
    return [name for name in names if name.startswith("check_")]


def outcomes_of(driver, stand_in, module):
    """Return the text of each check's error, or None, by its name."""
    done = fake_driver.run(driver, _PROGRAM, stand_in, module, devices=N_DEVICES)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.partition(_MARK)[2])


def attempt(function, *args, **options):
    """Return the class and the text of the error of a call, or None without one."""
    try:
        function(*args, **options)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def assert_passed(outcome):
    """Fail with the text of a check's error."""
    if outcome is not None:
        pytest.fail(outcome, pytrace=False)
