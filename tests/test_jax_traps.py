"""JaxBatches in unusual places: meshes with explicit axes, traces, parts of its arrays.

Each test guards a fault that once made wrong bytes, or an error that explained nothing.
"""

import subprocess
import sys

import numpy as np
import pytest

import fmnist_fast as ff

jax = pytest.importorskip("jax")
from fmnist_fast.frameworks.jax import JaxBatches  # noqa: E402

OPTIONS = {"shuffle": True, "seed": 5, "augment": "standard", "with_index": True}


def wanted(dataset, step, batch_size=8):
    loader = ff.Loader(dataset, batch_size, label_dtype="int32", **OPTIONS)
    return next(batch for i, batch in enumerate(loader) if i == step)


def check_equal(got, want):
    for array, expected in zip(got, want, strict=True):
        assert np.array_equal(array, expected)


def test_batches_can_be_made_in_a_function_that_is_traced(small):
    kept = []

    def first(step):
        kept.append(JaxBatches(small, 8, **OPTIONS))
        return kept[0](step)

    check_equal(jax.jit(first)(2), wanted(small, 2))
    check_equal(kept[0](3), wanted(small, 3))  # no array of the trace is left


def test_arrays_are_placed_by_explicit_transfers(small):
    dataset = small.with_columns({"halves": np.arange(len(small)) / 2})
    with jax.transfer_guard("disallow"):
        batches = JaxBatches(dataset, 8, columns=["halves"], weights="balanced")
    assert batches(0)[2].shape == (8,)


def test_numpy_leaves_without_compilation(small):
    batches = jax.device_get(JaxBatches(small, 8, **OPTIONS))
    with jax.disable_jit():
        check_equal(batches(3), wanted(small, 3))
        check_equal(batches.at(5, np.uint32(3)), wanted(small, 3))


def test_parts_of_the_arrays(small):
    batches = JaxBatches(small, 8, **OPTIONS)
    part = jax.tree.map(lambda array: array[:5], batches)
    with pytest.raises(ValueError, match=r"all of its arrays, got one of shape \(5, "):
        part(0)
    leaves, structure = jax.tree.flatten(batches)
    leaves[-1] = leaves[-1][:1]
    with pytest.raises(ValueError, match=r"shape \(1,\) in place of \(2,\)"):
        jax.tree.unflatten(structure, leaves)(0)


def aligned(values):
    """Return a copy whose memory JAX would share."""
    memory = np.empty(values.nbytes + 64, np.uint8)
    memory = memory[-memory.ctypes.data % 64 :][: values.nbytes]
    copy = memory.view(values.dtype).reshape(values.shape)
    copy[:] = values
    return copy


def test_later_changes_of_the_arrays(small):
    """Arrays of JAX on a CPU may share the memory of numpy's."""
    images, labels = aligned(small.images[:]), aligned(small.labels.astype(np.int32))
    column = aligned(np.arange(len(small), dtype=np.int32))
    dataset = ff.Dataset.from_arrays(images, labels, extra={"column": column})
    batches = JaxBatches(dataset, 8, dtype="uint8", columns=["column"])
    want = [np.array(array) for array in batches(1)]
    images[:], column[:], labels[:] = 0, 7, 1
    for got, array in zip(batches(1), want, strict=True):
        assert np.array_equal(got, array)


def test_a_random_key_is_not_a_step(small):
    batches = JaxBatches(small, 8)
    with pytest.raises(TypeError, match=r"step must be an integer, got a key of jax"):
        batches(jax.random.key(0))
    shape = jax.ShapeDtypeStruct((), "int32")
    with pytest.raises(TypeError, match="step must be an integer, got ShapeDtype"):
        batches(shape)


def test_names_of_other_packages(small):
    with pytest.raises(TypeError, match="drop_last=True"):
        JaxBatches(small, 8, drop_remainder=True)


MESHES = """
import jax, numpy as np, fmnist_fast as ff
from fmnist_fast.frameworks.jax import JaxBatches
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
small = ff.synthetic(1000, 100)[0]
augments = "standard", [ff.Cutout(9)]
options = [{"shuffle": True, "augment": x, "with_index": True} for x in augments]
wanted = [JaxBatches(small, 8, **each)(3) for each in options]
for kind in (AxisType.Explicit, AxisType.Auto):
    mesh = jax.make_mesh((2, 2), ("x", "y"), axis_types=(kind, kind))
    for spec in (P("x"), P(("x", "y"))):
        for each, want in zip(options, wanted):
            sharding = NamedSharding(mesh, spec)
            batches = JaxBatches(small, 8, sharding=sharding, **each)
            for got in (batches(3), jax.jit(lambda b: b(3))(batches)):
                for array, expected in zip(got, want, strict=True):
                    assert np.array_equal(array, expected)
batches = JaxBatches(small, 8, shard=("x", 2))
odd = small.select(range(999))
specs = {"mesh": mesh, "in_specs": (P("x"),), "out_specs": P("x")}
for broken in (
    lambda: jax.jit(jax.shard_map(lambda b: b(3), **specs))(batches),
    lambda: JaxBatches(small, 8, sharding=NamedSharding(mesh, P("x", "y"))),
    lambda: JaxBatches(odd, 8, sharding=NamedSharding(mesh, P("x"))),
):
    try:
        broken()
    except ValueError as error:
        print(str(error).splitlines()[0])
"""


def test_meshes_of_two_axes(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=4")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    words = [sys.executable, "-c", MESHES]
    process = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines() == [
        "JaxBatches requires all of its arrays, got one of shape (500, 784) in place "
        "of (1000, 784).",
        "sharding must have a spec of at most one dimension, that of the rows, got "
        "P('x', 'y')",
        "sharding must divide the 999 rows evenly, got P('x',) on a mesh of "
        "{'x': 2, 'y': 2}.",
    ]
