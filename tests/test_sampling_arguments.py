"""Wrong weights, orders, repeats, steps, seeds and columns, and pairs that exclude."""

import warnings

import numpy as np
import pytest
from helpers.loader_cases import Turning, columns_of

import fmnist_fast as ff
from fmnist_fast._loader.sampling import Positions, _check_calls
from fmnist_fast.frameworks._resident import FixedBuffersLoader, ResidentLoader

NAN, INF = float("nan"), float("inf")
ONES = [1.0] * 6


@pytest.fixture
def table(six):
    """Return six rows in three classes, with columns."""
    words = {"name": np.array([*"abcdef"]), "swapped": np.arange(6, dtype=">i4")}
    return six._with(extra=columns_of(6) | words)


@pytest.mark.parametrize(
    "weights, error, message",
    [
        ([1] * 5, ValueError, "must have a number for each of the 6 rows, got 5$"),
        (
            [1, 2, 3],
            ValueError,
            r"of the 6 rows, got 3\.\nFor a weight of each class, pass "
            r"numpy\.asarray\(weights\)\[dataset\.labels\]\.",
        ),
        (
            [1, 1, NAN, 1, 1, 1],
            ValueError,
            "finite and not negative, got nan for row 2",
        ),
        (
            [1, 1, 1, 1, 1, INF],
            ValueError,
            "finite and not negative, got inf for row 5",
        ),
        ([1, -2, NAN, 1, 1, 1], ValueError, "not negative, got -2.0 for row 1"),
        ([-1, 0, 0, 0, 0, 0], ValueError, "not negative, got -1.0 for row 0"),
        ([0] * 6, ValueError, "must have a number above 0, got only zeros"),
        (
            "equal",
            ValueError,
            "must be 'balanced' or a number for each row, got 'equal'",
        ),
        ("balance", ValueError, "got 'balance'. Did you mean 'balanced'"),
        (
            "weight",
            ValueError,
            r"got 'weight'\.\nPass weights=dataset.extra\['weight'\]",
        ),
        (1.0, TypeError, "must be 'balanced' or a number for each row, got 1.0"),
        (True, TypeError, "or a number for each row, got True$"),
        (
            [True, False] * 3,
            TypeError,
            r"got bool \(6,\)\.\nPass it as order, to take these rows\.",
        ),
        (np.ones((6, 1)), TypeError, r"got float64 \(6, 1\)$"),
        (np.ones(6, complex), TypeError, r"got complex128 \(6,\)"),
        ([*"abcdef"], TypeError, "got <U1"),
        (
            {0: 2.0},
            TypeError,
            r"got {0: 2\.0}\.\nFor a weight of each class, pass "
            r"\[weights\[label\] for label in dataset\.labels\]\.",
        ),
        (
            [[1], [1, 2]],
            TypeError,
            r"or a number for each row, got \[\[1\], \[1, 2\]\]",
        ),
        ([None] * 6, TypeError, r"got object \(6,\)"),
    ],
    ids=str,
)
def test_wrong_weights(table, weights, error, message):
    with pytest.raises(error, match=f"^weights .*{message}"):
        ff.Loader(table, weights=weights)


def test_weights_require_rows(six):
    for weights in ([], "balanced"):
        with pytest.raises(
            ValueError, match="weights require a dataset with rows, got"
        ):
            ff.Loader(six.select([]), weights=weights, normalize="unit")


@pytest.mark.parametrize(
    "order, error, message",
    [
        ([0, 6], IndexError, "order: row 6 is out of range: it must be in -6..5"),
        ([-7], IndexError, "order: row -7 is out of range"),
        (range(10**18), IndexError, "order: row 9{18} is out of range"),
        (range(5, -8, -1), IndexError, "order: row -7 is out of range"),
        ([0.5, 1.0], TypeError, "order: rows must be a slice, a range, or integers or"),
        ([True, False], IndexError, "order: a mask must have .* the 6 rows, got 2"),
        (np.zeros((2, 2), int), TypeError, "order: rows must be"),
        ("balanced", TypeError, "order: rows must be"),
        (5, TypeError, "order: rows must be"),
        ({1, 2}, TypeError, r"order: rows must be .*\n *Pass sorted\(rows\)"),
        (
            range(-3, 3),
            IndexError,
            r"order: row -3 is out of range: it must be in 0\.\.",
        ),
        (
            [[1, 2], [3, 4]],
            TypeError,
            r"got \[\[1, 2\], \[3, 4\]\]\.\nPass numpy\.concatenate\(rows\)\.",
        ),
        (
            [[1, 2], [3]],
            TypeError,
            r"got \[\[1, 2\], \[3\]\]\.\nPass numpy\.concatenate\(rows\)\.",
        ),
        (
            lambda epoch: None,
            TypeError,
            "^order returned wrong rows for epoch 0: rows must be .*, got None",
        ),
        (
            lambda epoch: [epoch + 6],
            IndexError,
            "^order returned wrong rows for epoch 0: row 6 is out of range",
        ),
        (
            iter([1, 2]),
            TypeError,
            "^order must be an array of rows or a function of the epoch, got "
            r"list_iterator, which is read only once\.\nPass order=list\(rows\)\.",
        ),
    ],
    ids=str,
)
def test_wrong_orders(six, order, error, message):
    with pytest.raises(error, match=message):
        ff.Loader(six, order=order)


@pytest.mark.parametrize("kind", [ff.Loader, ResidentLoader])
def test_functions_return_equally_many_rows_each_epoch(six, kind):
    loader = kind(six, 2, order=lambda epoch: [0] * (4 - epoch // 2))
    list(loader), list(loader)
    state = loader.state_dict()
    message = (
        r"equally many rows in each epoch, got 3 in epoch 2, and 4 in epoch 0\.\n"
        r"Repeat or draw rows: numpy\.random\.default_rng\(epoch\)\.choice\(rows, n\)\."
    )
    for _ in range(2):
        with pytest.raises(ValueError, match=f"order must return {message}"):
            iter(loader)
        assert loader.state_dict() == state
    loader.set_epoch(1)
    assert len(list(loader)) == 2


def test_functions_are_not_called_for_too_many_epochs(six):
    loader = ff.Loader(six, 2, order=lambda epoch: [epoch % 6] * 2, steps=65536)
    assert len(list(zip(range(9), loader))) == 9
    loader = ff.Loader(six, 2, order=lambda epoch: [0, 1], steps=65537)
    with pytest.raises(
        ValueError, match="called for 65537 passes at once, because its 2 rows"
    ):
        iter(loader)


def test_functions_do_not_return_too_many_rows_at_once(six):
    """Two passes are always possible, because any number of steps may need them."""
    rows = np.zeros(2**17, int)
    loader = ff.Loader(six, 2**17, order=lambda epoch: rows, steps=1025)
    with pytest.raises(
        ValueError,
        match="^order must return at most 134217728 rows for the steps of the loader, "
        r"got 131072 in each of 1025 passes\.\nPass fewer steps\.",
    ):
        iter(loader)
    _check_calls(1024, 2**17)
    _check_calls(2, 2**30)
    with pytest.raises(ValueError, match="got 1073741824 in each of 3 passes"):
        _check_calls(3, 2**30)


def test_errors_of_a_later_result_name_the_epoch(six):
    loader = ff.Loader(six, order=lambda epoch: [epoch + 3])
    loader.set_epoch(3)
    with pytest.raises(
        IndexError, match=r"^order returned wrong rows for epoch 3: row 6 is out of"
    ):
        iter(loader)


@pytest.mark.parametrize("kind", [ff.Loader, ResidentLoader])
def test_errors_of_a_function_take_no_epoch(six, kind):
    def order(epoch):
        if epoch == 1 and next(failures, False):
            raise KeyError("of the user")
        return [epoch, 0]

    failures = iter([True])
    loader = kind(six, 2, order=order, with_index=True)
    list(loader)
    with pytest.raises(KeyError, match="of the user"):
        iter(loader)
    assert [rows.tolist() for _, _, rows in loader] == [[1, 0]]


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"repeats": 0}, ValueError, r"repeats must be in 1\.\.1048576, got 0"),
        ({"repeats": 2**20 + 1}, ValueError, "repeats must be in .*, got 1048577"),
        ({"repeats": 1.5}, TypeError, "repeats must be an integer, got 1.5"),
        ({"repeats": None}, TypeError, "repeats must be an integer, got None"),
        ({"steps": 0}, ValueError, r"steps must be in 1\.\.\d+, got 0"),
        ({"steps": 2.0}, TypeError, "steps must be an integer, got 2.0"),
        ({"steps": True}, TypeError, "steps must be an integer, got True"),
        ({"augment_seed": -1}, ValueError, r"augment_seed must be in 0\.\..*, got -1"),
        ({"augment_seed": 2**64}, ValueError, "augment_seed must be in"),
        ({"augment_seed": "x"}, TypeError, "augment_seed must be an integer, got 'x'"),
        ({"with_index": 1}, TypeError, "with_index must be True or False, got 1"),
        (
            {"columns": "weight"},
            TypeError,
            r"names, got str\.\nPass columns=\['weight'\]",
        ),
        ({"columns": 5}, TypeError, "columns must be a sequence of names, got int"),
        (
            {"columns": None},
            TypeError,
            r"a sequence of names, got NoneType\.\nLeave it out\.",
        ),
        (
            {"columns": np.array(["weight"])},
            TypeError,
            r"a sequence of names, got ndarray\.\nPass a list\.",
        ),
        ({"columns": ["wait"]}, ValueError, "columns must be .*, got 'wait'"),
        ({"columns": ["wieght"]}, ValueError, "Did you mean 'weight'"),
        ({"columns": ["row", "row"]}, ValueError, "different names, got 'row' twice"),
        ({"columns": ["name"]}, ValueError, "or numbers of .*, got <U1 in 'name'"),
        ({"columns": ["swapped"]}, ValueError, "got >i4 in 'swapped'"),
    ],
    ids=str,
)
def test_wrong_options(table, options, error, message):
    with pytest.raises(error, match=message):
        ff.Loader(table, **options)


def test_columns_require_columns_and_are_few(six):
    with pytest.raises(
        ValueError, match=r"dataset\.extra, which is empty, got \['a'\]"
    ):
        ff.Loader(six, columns=["a"])
    extra = {f"c{k}": np.arange(6) for k in range(16)}
    dataset = six._with(extra=extra)
    with pytest.raises(ValueError, match="must have at most 15 names, got 16"):
        ff.Loader(dataset, columns=[*extra])
    (batch,) = ff.Loader(dataset, columns=[*extra][:15], with_index=True)
    assert len(batch) == 18


# ---- pairs that exclude each other --------------------------------------------------


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"weights": ONES, "shuffle": True},
            "weights and shuffle=True can't be combined, .*\nDraws by weights are in "
            "random order already. Leave shuffle out.",
        ),
        (
            {"weights": "balanced", "shuffle": True, "shuffle_block": 2},
            "weights and shuffle=True can't be combined, .*\n.* Leave shuffle out",
        ),
        (
            {"order": [1], "shuffle": True},
            r"order and shuffle=True can't be combined, .*\nTo shuffle some rows, pass "
            r"dataset\.select\(rows\) with shuffle=True\.",
        ),
        (
            {"order": lambda epoch: [1], "shuffle": True},
            "order and shuffle=True can't be combined",
        ),
        (
            {"weights": ONES, "order": [1]},
            "weights and order can't be combined, .*\nPass one of them",
        ),
        (
            {"shuffle_block": 2},
            r"^shuffle_block=2 requires shuffle=True\.\nPass shuffle=True, or leave "
            r"shuffle_block out\.",
        ),
        (
            {"weights": ONES, "shuffle_block": 2},
            "^shuffle_block and weights can't be combined, .*\nLeave shuffle_block out",
        ),
        (
            {"order": [1], "shuffle_block": 2},
            "^shuffle_block and order can't be combined, .*\nLeave shuffle_block out",
        ),
        (
            {"steps": 2, "drop_last": True},
            "steps=2 and drop_last=True can't be combined, .*\nLeave drop_last out",
        ),
        (
            {"steps": 2, "drop_last": "wrap"},
            "steps=2 and drop_last='wrap' can't be combined",
        ),
        ({"steps": 2, "order": []}, "steps=2 requires at least one row, got none"),
    ],
    ids=str,
)
def test_pairs_that_exclude_each_other(six, options, message):
    for kind in (ff.Loader, ResidentLoader):
        with pytest.raises(ValueError, match=message):
            kind(six, **options)


def test_steps_require_a_row(six):
    for kind in (ff.Loader, ResidentLoader, FixedBuffersLoader):
        with pytest.raises(ValueError, match="steps=3 requires at least one row"):
            kind(six.select([]), steps=3, normalize="unit")


def test_fixed_buffers_and_a_function_as_order(six):
    message = (
        "fixed_buffers=True and a function as order can't be combined, .*\nPass an"
    )
    with pytest.raises(ValueError, match=message):
        FixedBuffersLoader(six, 2, order=lambda epoch: [1, 2], steps=2)


def test_fixed_buffers_require_equal_batches_of_all_positions(six):
    FixedBuffersLoader(six, 4, repeats=2)
    FixedBuffersLoader(six, 5, steps=1)
    with pytest.raises(ValueError, match="but 6 images are not a multiple of 4"):
        FixedBuffersLoader(six, 4)
    with pytest.raises(ValueError, match="but 3 images are not a multiple of 2"):
        FixedBuffersLoader(six, 2, order=[1, 2, 3])


def test_positions_are_at_most_2_to_the_62():
    options = {"shuffle": False, "shuffle_block": None, "weights": None, "order": None}
    assert Positions(range(2**42), repeats=2**20, **options).n == 2**62
    message = rf"repeats must be at most {2**18} for {2**44} rows, got {2**18 + 1}"
    with pytest.raises(ValueError, match=message):
        Positions(range(2**44), repeats=2**18 + 1, **options)


# ---- options that are not errors ----------------------------------------------------


def test_no_rows_and_no_warnings(six):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(ff.Loader(six, order=[])) == []
        assert list(ff.Loader(six, order=np.zeros(6, bool), repeats=3)) == []
        loader = ff.Loader(six, weights=[5e-324, 1e308, 0, 0, 0, 0], with_index=True)
        assert next(iter(loader))[2].max() <= 1
        loader = ff.Loader(six, repeats=2**20, batch_size=2**20)
        assert len(loader) == 6


def test_attributes_are_those_given(table):
    def order(epoch):
        return [epoch]

    loader = ff.Loader(
        table,
        order=order,
        repeats=2,
        steps=3,
        seed=4,
        with_index=True,
        columns=["row"],
    )
    assert loader.order is order and loader.weights is None
    assert (loader.repeats, loader.steps, loader.columns) == (2, 3, ("row",))
    assert loader.augment_seed == 4 and loader.with_index is True
    assert ff.Loader(table, weights=ONES, augment_seed=7).augment_seed == 7
    for name in ("order", "weights", "repeats", "steps", "augment_seed", "columns"):
        with pytest.raises(AttributeError, match="of a Loader is fixed"):
            setattr(loader, name, None)


def test_repr_counts_the_rows_of_an_order(table):
    for order in ([1, 2, 3], slice(1, 4), np.arange(6) < 3, range(3)):
        assert "order=<3 rows>" in repr(ff.Loader(table, order=order))
    assert "order=Turning" in repr(ff.Loader(table, order=Turning((1, 2))))
    assert "weights=<6 numbers>" in repr(ff.Loader(table, weights=ONES))
    assert "weights='balanced'" in repr(ff.Loader(table, weights="balanced"))


def test_repr_names_the_options(table):
    text = repr(
        ff.Loader(
            table, 2, weights=ONES, steps=3, repeats=2, augment_seed=7, with_index=True
        )
    )
    for part in (
        "weights=",
        "steps=3",
        "repeats=2",
        "augment_seed=7",
        "with_index=True",
    ):
        assert part in text
    assert len(text) < 300
    usual = repr(ff.Loader(table, 2))
    for name in ("weights", "order", "steps", "repeats", "augment_seed", "columns"):
        assert name not in usual
