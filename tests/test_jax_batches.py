"""JaxBatches: bytes of Loader in any order, sharded, and under all of JAX's ways."""

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fmnist_fast as ff

jax = pytest.importorskip("jax")
from helpers import jax_cases  # noqa: E402
from helpers.jax_cases import batch_of, difference  # noqa: E402

from fmnist_fast.frameworks.jax import JaxBatches  # noqa: E402

OPTIONS = {"batch_size": 6, "shuffle": True, "seed": 2**40 + 5, "layout": "flat"}
SCANS = ["of_numbers", "of_an_argument", "scanned", "mapped"]
SEEDS = ["mapped_seeds", "mapped_seeds_and_steps", "scanned_seeds", "of_a_seed"]
RANKS = ["mapped_ranks", "scanned_ranks"]


def same(got, want):
    n_bytes, n_differing = difference(got, want)
    return n_bytes > 0 and n_differing == 0


def plain(height, width):
    """Return a strategy for `augment` without transforms."""
    return st.none()


@pytest.mark.parametrize("ways", [SCANS, SEEDS, RANKS], ids=["step", "seed", "rank"])
def test_bytes_equal_those_of_a_loader(ways):
    @settings(max_examples=5)
    @given(jax_cases.cases(plain, ways))
    def compare(case):
        assert jax_cases.compared(case)[1] == 0

    compare()


@pytest.fixture(scope="module")
def batches(odd):
    return JaxBatches(odd, **OPTIONS)


def test_epochs_follow_each_other(odd, batches):
    loader, n = ff.Loader(odd, drop_last=True, label_dtype="int32", **OPTIONS), 86
    assert batches.steps_per_epoch == len(loader) == n
    wanted = [*loader, *loader]
    for step in (0, 1, n - 1, n, 2 * n - 1):
        for number in (step, np.int64(step), jax.numpy.int32(step), np.array(step)):
            assert same(batches(number), wanted[step])


def test_an_epoch_in_a_scan(odd, batches):
    """Every row comes once."""
    steps = jax.numpy.arange(batches.steps_per_epoch)
    labels = jax.lax.map(batches, steps)[1]
    want = [y for _, y in ff.Loader(odd, drop_last=True, **OPTIONS)]
    assert np.array_equal(labels, want)


@pytest.mark.parametrize("as_seed", [int, np.uint64, jax_cases.words_of, "jax"])
def test_seeds_of_all_kinds(odd, batches, as_seed):
    for seed in (0, 7, 2**31, 2**32 + 1, 2**64 - 1):
        if as_seed == "jax":
            seed %= 2**31
            given_seed = jax.numpy.int32(seed)
        elif as_seed is jax_cases.words_of:
            given_seed = jax_cases.words_of([seed])[0]
        else:
            given_seed = as_seed(seed)
        want = batch_of(odd, 3, **OPTIONS | {"seed": seed})
        assert same(batches.at(given_seed, 3), want)


def test_traced_seeds_of_one_word(odd, batches):
    seeds = jax.numpy.array([0, 3, 2**31 - 1])
    got = jax_cases.several(jax.vmap(batches.at, in_axes=(0, None))(seeds, 2))
    for seed, batch in zip(seeds.tolist(), got, strict=True):
        assert same(batch, batch_of(odd, 2, **OPTIONS | {"seed": seed}))


# ---- the pytree ---------------------------------------------------------------------


def test_leaves_are_the_data_and_the_seed(odd, batches):
    leaves, structure = jax.tree.flatten(batches)
    assert [leaf.shape for leaf in leaves] == [(517, 35), (517,), (2,)]
    assert same(jax.tree.unflatten(structure, leaves)(4), batches(4))
    _, plan = batches.tree_flatten()
    other = JaxBatches(odd, **OPTIONS | {"seed": 1})
    assert hash(plan) == hash(other._plan) and plan == other._plan
    assert jax.tree.structure(other) == structure
    for changes in ({"dtype": "uint8"}, {"begin_epoch": 1}, {"shuffle": False}):
        assert jax.tree.structure(JaxBatches(odd, **OPTIONS | changes)) != structure


def test_repr_has_the_options(odd):
    batches = JaxBatches(odd, **OPTIONS | {"shard": ("rows", 2)}, begin_epoch=3)
    text = repr(batches)
    assert text.startswith("JaxBatches(517 images of 5x7, batch_size=6, shuffle=True")
    assert "shard=('rows', 2), begin_epoch=3: 43 batches an epoch)" in text
    assert "seed" not in text and "shard" not in repr(JaxBatches(odd, **OPTIONS))


def copied_by_jax(batches):
    return jax.device_put(batches, jax.devices()[0])


def mapped_leaves(batches):
    return jax.tree.map(lambda leaf: leaf + 0, batches)


@pytest.mark.parametrize("copy", [copied_by_jax, mapped_leaves])
def test_copies_have_the_same_batches(batches, copy):
    other = copy(batches)
    assert other is not batches and same(other(9), batches(9))
    assert other.steps_per_epoch == batches.steps_per_epoch


def test_pickles_and_copies(batches):
    import copy
    import pickle

    for other in (
        pickle.loads(pickle.dumps(batches)),
        copy.copy(batches),
        copy.deepcopy(batches),
    ):
        assert same(other(9), batches(9)) and repr(other) == repr(batches)
        assert jax.tree.structure(other) == jax.tree.structure(batches)


def test_another_seed_needs_no_compilation(odd, batches):
    n_traces = 0

    @jax.jit
    def made(batches, step):
        nonlocal n_traces
        n_traces += 1
        return batches(step)

    for k, seed in enumerate((5, 6, 2**50)):
        options = OPTIONS | {"seed": seed}
        got = made(JaxBatches(odd, **options), np.uint32(k))
        assert same(got, batch_of(odd, k, **options))
    assert n_traces == 1


def test_calls_with_other_steps_and_seeds_are_compiled_once(odd):
    options = OPTIONS | {"batch_size": 11}  # not used by other tests
    compiled = []
    listener = lambda name, *_, **__: compiled.append(name)  # noqa: E731
    JaxBatches(odd, **options)(0)
    jax.monitoring.register_event_duration_secs_listener(listener)
    try:
        for step in (1, np.uint32(2), np.int64(3), 4):
            JaxBatches(odd, **options | {"seed": step})(step)
            JaxBatches(odd, **options).at(2**60 + int(step), step)
    finally:
        jax.monitoring.unregister_event_duration_listener(listener)
    assert not [name for name in compiled if "backend_compile" in name]


# ---- in training --------------------------------------------------------------------


def loss_of(weights, images, labels):
    logits = images @ weights
    picked = jax.numpy.take_along_axis(logits, labels[:, None], axis=1)
    return (jax.nn.logsumexp(logits, axis=1) - picked[:, 0]).mean()


def test_training_in_a_scan_equals_a_loop(odd, batches):
    """Also with the gradient of the whole scan, and with jax.checkpoint."""
    first, steps = jax.numpy.zeros((35, 3)), jax.numpy.arange(5)

    def step_of(weights, batch):
        return weights - 0.1 * jax.grad(loss_of)(weights, *batch)

    def trained(weights, made):
        scan = jax.lax.scan(lambda w, k: (step_of(w, made(k)), None), weights, steps)
        return loss_of(scan[0], *made(np.uint32(9)))

    got, gradient = jax.jit(
        jax.value_and_grad(functools.partial(trained, made=batches))
    )(first)
    other, saved = jax.value_and_grad(
        functools.partial(trained, made=jax.checkpoint(batches))
    )(first)
    weights = first
    for step in range(5):
        x, y = batch_of(odd, step, **OPTIONS)
        weights = step_of(weights, (x, y))
    want = loss_of(weights, *batch_of(odd, 9, **OPTIONS))
    assert np.allclose([got, other], want, rtol=1e-5)
    assert np.allclose(saved, gradient, rtol=1e-4) and np.abs(gradient).max() > 0


def test_results_may_be_donated(batches):
    add = jax.jit(lambda x: x + 1, donate_argnums=0)
    for step in (0, 0, 1):
        images, labels = batches(step)
        want = np.array(images)
        assert np.array_equal(add(images), want + 1) and images.is_deleted()
        add(labels)
    assert same(batches(0), batches(0))


def test_data_are_copies(odd):
    """JAX may share the memory of numpy arrays."""
    dataset = ff.Dataset.from_arrays(odd.images.copy(), odd.labels.copy())
    batches = JaxBatches(dataset, 64)
    want = [np.array(array) for array in batches(0)]
    dataset.images[:], dataset.labels[:] = 0, 0
    assert same(batches(0), want)


def test_strict_modes_of_jax(odd, batches):
    """The caller's program forbids what is usual."""
    options = OPTIONS | {"augment": [ff.RandomHorizontalFlip(), ff.Cutout(3)]}
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        for k, made in enumerate((batches, JaxBatches(odd, **options))):
            got = made(k), jax.jit(made)(np.uint32(k)), made.at(1, k)
            want = batch_of(odd, k, **(options if k else OPTIONS))
            assert same(got[0], want) and same(got[1], want)


def test_checks_of_nans_and_leaks(odd):
    """Weights and orders go through loops, whose values must not leak."""
    with jax.checking_leaks(), jax.debug_nans(True):
        options = OPTIONS | {"shuffle": False, "weights": "balanced", "steps": 5}
        batches = JaxBatches(odd, **options)
        assert same(jax.jit(batches)(np.uint32(7)), batch_of(odd, 7, **options))


# ---- 64 bits ------------------------------------------------------------------------

CASES = {
    "permuted": {"shuffle": True, "augment": "standard", "dtype": "bfloat16"},
    "steps": {"shuffle": True, "steps": 7, "repeats": 3, "with_index": True},
    "weighted": {
        "weights": "balanced",
        "augment": [ff.RandomEqualize(), ff.RandomAutocontrast(), ff.Cutout(2)],
        "label_dtype": "onehot",
        "dtype": "float16",
    },
    "listed": {
        "order": [3, 1, 4, 1, 5, 9, 2, 6, 5],
        "augment": [
            ff.RandomOrder([ff.RandomInvert(), ff.RandomSolarize(9)]),
            ff.Pad(1),
            ff.RandomCrop((5, 7)),
            ff.RandomVerticalFlip(mode="alternating"),
        ],
        "views": 2,
        "channels": 3,
        "drop_last": "wrap",
    },
}


@pytest.mark.parametrize("name", CASES)
def test_programs_have_no_64_bit_numbers(odd, name):
    batches = JaxBatches(odd, 4, **CASES[name])
    step, steps = np.uint32(3), np.arange(3, dtype=np.uint32)
    seeds = jax_cases.words_of([1, 2**40, 3])

    def all_ways(batches):
        one = batches(step)
        scan = jax.lax.map(batches, steps)
        return one, scan, jax.vmap(batches)(steps), jax.vmap(batches.at)(seeds, steps)

    lowered = jax.jit(all_ways).lower(batches)
    text = lowered.as_text() + lowered.compile().as_text()
    assert "while" in text
    for kind in ("u64[", "s64[", "f64[", "ui64>", "f64>"):
        assert kind not in text, kind


@pytest.mark.parametrize("name", CASES)
def test_the_64_bit_mode_changes_no_bytes(odd, name):
    options = CASES[name] | {"batch_size": 4, "seed": 2**64 - 3}
    loader_options = {"drop_last": True} | options
    if "steps" in options:
        del loader_options["drop_last"]
    want = [batch_of(odd, step, **loader_options) for step in (0, 200)]
    with jax.enable_x64(True):
        batches = JaxBatches(odd, **options)
        got = [batches(0), jax.jit(batches)(200)]
        others = jax_cases.several(jax.vmap(batches)(jax.numpy.array([0, 200])))
    for batch, other, wanted in zip(got, others, want, strict=True):
        assert same(batch, wanted) and same(other, wanted)


def test_begin_epoch_reaches_all_epochs(odd):
    steps = itertools.product((0, 1, 2**32 - 90), (0, 85))
    for begin, step in steps:
        batches = JaxBatches(odd, begin_epoch=begin, **OPTIONS)
        want = batch_of(odd, step, begin, drop_last=True, **OPTIONS)
        assert same(batches(step), want)
