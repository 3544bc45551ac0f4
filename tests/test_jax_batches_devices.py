"""JaxBatches on several devices: data spread or repeated, and ranks in shard_map."""

import subprocess
import sys

import pytest

jax = pytest.importorskip("jax")

START = """
import itertools, jax, numpy as np, fmnist_fast as ff
from fmnist_fast.frameworks.jax import JaxBatches
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P, SingleDeviceSharding

data = ff.synthetic(400, 100)[0]
mesh = Mesh(np.array(jax.devices()), "rows")
options = {"shuffle": True, "seed": 9, "with_index": True}
options |= {"augment": [ff.RandomCrop(28, padding=2), ff.RandomInvert()]}

def same(got, step, **changes):
    loader = ff.Loader(data, **{"drop_last": True} | options | changes)
    want = next(itertools.islice(loader, step, None))
    return all(np.array_equal(x, y) for x, y in zip(got, want, strict=True))
"""

PLACED = """
for spec, shape in ((P("rows"), (100, 784)), (P(), (400, 784))):
    batches = JaxBatches(data, 20, sharding=NamedSharding(mesh, spec), **options)
    images, labels, rows = jax.tree.leaves(batches)[:3]
    assert {s.data.shape for s in images.addressable_shards} == {shape}
    assert labels.sharding.spec == rows.sharding.spec == spec
    seed = jax.tree.leaves(batches)[-1]
    assert seed.sharding.is_fully_replicated and len(seed.sharding.device_set) == 4
    got = jax.jit(lambda b, step: b(step))(batches, 3)
    assert same(got, 3, batch_size=20) and same(batches(4), 4, batch_size=20)
    assert len(got[0].sharding.device_set) == 4

order = {"order": np.arange(200)[::-1], "shuffle": False}
sharding = NamedSharding(mesh, P("rows"))
batches = JaxBatches(data, 20, sharding=sharding, **options | order)
assert same(batches(1), 1, batch_size=20, **order)

for place in (jax.devices()[2], SingleDeviceSharding(jax.devices()[2])):
    batches = JaxBatches(data, 20, sharding=place, **options)
    assert {d for leaf in jax.tree.leaves(batches) for d in leaf.devices()} == {
        jax.devices()[2]
    }
    got = batches(1)
    assert got[0].devices() == {jax.devices()[2]} and same(got, 1, batch_size=20)
moved = jax.device_put(batches, jax.devices()[3])
got = moved(1)
assert got[0].devices() == {jax.devices()[3]} and same(got, 1, batch_size=20)

class Other(jax.sharding.Sharding):
    device_set = set(jax.devices())

for sharding in ("cpu", Other()):
    try:
        JaxBatches(data, 20, sharding=sharding)
    except TypeError as error:
        print(error)
"""

RANKS = """
for check_vma in (True, False):
    batches = JaxBatches(data, 5, shard=("rows", 4), **options)

    def made(batches, step):
        return batches(step)

    specs = {"in_specs": (P(), P()), "out_specs": P("rows"), "check_vma": check_vma}
    spread = jax.jit(jax.shard_map(made, mesh=mesh, **specs))
    got = spread(batches, np.uint32(3))
    for rank in range(4):
        part = [np.asarray(x)[5 * rank : 5 * rank + 5] for x in got]
        assert same(part, 3, batch_size=5, shard=(rank, 4))

    def scanned(batches, steps):
        return jax.lax.map(lambda step: batches(step)[0], steps)

    specs |= {"out_specs": P(None, "rows")}
    images = jax.jit(jax.shard_map(scanned, mesh=mesh, **specs))(
        batches, np.arange(3, dtype=np.uint32)
    )
    for step in range(3):
        for rank in range(4):
            want, *_ = itertools.islice(
                ff.Loader(data, 5, drop_last=True, shard=(rank, 4), **options),
                step, None
            )
            part = np.asarray(images)[step, 5 * rank : 5 * rank + 5]
            assert np.array_equal(part, want[0])

    whole = JaxBatches(data, 20, **options)  # the same batch on all devices
    specs |= {"out_specs": P("rows")}
    got = jax.jit(jax.shard_map(made, mesh=mesh, **specs | (
        {"out_specs": P()} if check_vma else {})))(whole, np.uint32(2))
    assert same([np.asarray(x)[:20] for x in got], 2, batch_size=20)
    weighted = JaxBatches(data, 5, weights="balanced", steps=9, shard=["rows", 4])
    specs |= {"out_specs": P("rows")}
    labels = jax.shard_map(made, mesh=mesh, **specs)(weighted, np.uint32(11))[1]
    options_of = {"weights": "balanced", "steps": 9}
    loaders = [ff.Loader(data, 5, shard=(rank, 4), **options_of) for rank in range(4)]
    for loader in loaders:
        loader.set_epoch(1)
    want = [next(itertools.islice(loader, 2, None))[1] for loader in loaders]
    assert np.array_equal(labels, np.concatenate(want))

small = Mesh(np.array(jax.devices()[:2]), "rows")
specs = {"in_specs": (P(), P()), "out_specs": P("rows")}
try:
    jax.shard_map(made, mesh=small, **specs)(batches, np.uint32(0))
except ValueError as error:
    print(error)
"""


def run(script, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=4")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    words = [sys.executable, "-c", START + script]
    process = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


def test_data_are_spread_or_repeated_or_on_one_device(monkeypatch):
    expected = "sharding must be a jax.Device, a jax.sharding.NamedSharding or None"
    names = [
        line.removeprefix(f"{expected}, got ") for line in run(PLACED, monkeypatch)
    ]
    assert names == ["str", "Other"]


@pytest.mark.skipif(not hasattr(jax, "shard_map"), reason="jax.shard_map is newer")
def test_ranks_are_places_on_an_axis(monkeypatch):
    (line,) = run(RANKS, monkeypatch)
    assert line == "shard=('rows', 4) requires an axis of 4 ranks, got 2"
