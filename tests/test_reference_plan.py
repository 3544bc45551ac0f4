"""Planning a row in the reference: a list of plain numbers, made without pixels."""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest
import reference
from helpers.against_reference import RAW, dataset_of, same, wanted
from helpers.transform_cases import KINDS
from reference_draws import Key
from reference_fill import fill
from reference_mix import mixture
from reference_operations import Cut, Tone, Warp
from reference_plan import plan

import fmnist_fast as ff
from fmnist_fast import _core
from fmnist_fast.augment import compile_transforms

SHAPE = 28, 28
KEY = Key(seed=5, epoch=2, position=7)


def program_of(transforms, height=28, width=28):
    """Return a program that is not checked, so that its depth has no limit."""
    return SimpleNamespace(
        transforms=transforms, mix=None, height=height, width=width, functions=()
    )


def is_plain(value):
    """Return whether a value consists of numbers alone."""
    if isinstance(value, tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, (int, float))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_plans_are_lists_of_plain_numbers(kind):
    for name, transforms in kind(*SHAPE).items():
        compiled = compile_transforms(transforms, *SHAPE, 10)
        for position in range(5):
            key = KEY._replace(position=position)
            planned = plan(compiled, key, position, SHAPE)
            assert type(planned) is list and all(map(is_plain, planned)), name
            assert plan(compiled, key, position, SHAPE) == planned, name


def test_planning_never_reads_pixels():
    """It gets no image. The same plan gives the core's pixels for every image."""
    assert list(inspect.signature(plan).parameters) == [
        "program", "key", "index", "shape"
    ]  # fmt: skip
    transforms = [
        ff.RandomRotation(30, "bilinear"),
        ff.RandomEqualize(1.0),
        ff.ColorJitter(0.5, 0.5),
        ff.RandomErasing(1.0, value="random"),
        ff.RandomAutocontrast(1.0),
    ]
    compiled = compile_transforms(transforms, *SHAPE, 10)
    core = _core.Program(compiled, *SHAPE)
    planned = plan(compiled, KEY, 0, SHAPE)
    for image in dataset_of(*SHAPE, 8).images:
        got = core.run(image, seed=5, epochs=[2], position=7)[0]
        assert np.array_equal(got, fill(planned, image))


def flip(vertical):
    return "flip", 1.0, {"vertical": vertical, "alternating": 0}


def nested(transforms, depth, p, is_choice):
    """Return a flat list of transforms in groups, or in choices of one group."""
    for _ in range(depth):
        group = "group", p, {"n_inner": len(transforms), "until": 2**32}
        transforms = [group, *transforms]
        if is_choice:
            choice = "choice", 1.0, {"n_inner": len(transforms)}
            transforms = [choice, *transforms]
    return transforms


@pytest.mark.parametrize("is_choice", [False, True], ids=["group", "choice"])
def test_deep_nesting_is_planned_without_recursion(is_choice):
    """A transform behind all groups runs, even if a group in them does not."""
    outside = Cut(0, 0, *SHAPE, flip_y=True)
    inside = Cut(0, 0, *SHAPE, flip_x=True)
    for p, want in [(1.0, [inside, outside]), (0.9, [outside])]:
        transforms = nested([flip(0)], 1000, p, is_choice)
        assert plan(program_of([*transforms, flip(1)]), KEY, 0, SHAPE) == want


def test_nesting_of_a_thousand_groups_equals_the_core():
    """A third of the rows run the flip inside 1,000 groups."""
    program = program_of([*nested([flip(0)], 1000, 0.999, False), flip(1)])
    core = _core.Program(program, *SHAPE)
    image = dataset_of(*SHAPE, 4).images[0]
    n_deep = 0
    for position in range(100):
        planned = plan(program, KEY._replace(position=position), 0, SHAPE)
        got = core.run(image, seed=5, epochs=[2], position=position)[0]
        assert np.array_equal(got, fill(planned, image))
        n_deep += len(planned) == 2
    assert 15 < n_deep < 65


def test_one_group_of_a_choice_runs_and_then_what_follows():
    def tone(value):
        fixed = {"low": value, "high": value, "n_levels": 0, "random_sign": 0}
        return "tone", 1.0, {"kind": 3, "value": fixed}

    groups = [(2**30, 1.0), (2**31, 2.0), (2**32, 3.0)]
    transforms = [("choice", 1.0, {"n_inner": 6})]
    for until, value in groups:
        transforms += [("group", 1.0, {"n_inner": 1, "until": until}), tone(value)]
    program = program_of([*transforms, tone(9.0)])
    values = []
    for position in range(200):
        first, last = plan(program, KEY._replace(position=position), 0, SHAPE)
        assert last == Tone(3, 9.0)
        values.append(first.value)
    assert [values.count(value) for value in (1.0, 2.0, 3.0)] == pytest.approx(
        [50, 50, 100], abs=30
    )


def test_all_groups_of_an_order_run_and_then_what_follows():
    values = [1.5, 2.0, 3.0]
    tones = [ff.ColorJitter(brightness=(value, value)) for value in values]
    transforms = [ff.RandomOrder(tones), ff.ColorJitter(brightness=(9, 9))]
    program = compile_transforms(transforms, *SHAPE, 3)
    orders = []
    for position in range(300):
        planned = plan(program, KEY._replace(position=position), 0, SHAPE)
        *first, last = (operation.value for operation in planned)
        assert sorted(first) == values and last == 9
        orders.append(tuple(first))
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6 and counts == pytest.approx([50] * 6, abs=30)


def test_affine_maps_are_composed_if_an_order_puts_them_together():
    warp, tone = ff.RandomRotation(30, "bilinear"), ff.RandomInvert(p=1.0)
    program = compile_transforms([ff.RandomOrder([warp, tone, warp])], *SHAPE, 3)
    kinds = []
    for position in range(60):
        planned = plan(program, KEY._replace(position=position), 0, SHAPE)
        kinds.append("".join(type(operation).__name__[0] for operation in planned))
    assert set(kinds) == {"WT", "TW", "WTW"}


def test_view_0_has_the_draws_of_transforms_and_other_views_have_others():
    """Transform i of view 0 is operation 1 + i, as in the core."""
    for i in (0, 1, 1022, 1023):
        words = {}
        for view in (0, 1, 2, 62):
            draws = KEY._replace(view=view).draws(i)
            words[view] = [draws.word() for _ in range(4)]
            assert draws.stream == (5, 2, 7, 1 + 1024 * view + i)
        assert words[0] == list(_core.draw(5, 2, 7, 1 + i, 0))
        assert len({tuple(four) for four in words.values()}) == 4
    assert draws.stream[3] < 2**16


def test_views_of_a_row_are_planned_and_mixed_differently():
    compiled = compile_transforms("strong", *SHAPE, 10)
    plans = [plan(compiled, KEY._replace(view=view), 0, SHAPE) for view in range(4)]
    assert plans[0] == plan(compiled, Key(5, 2, 7), 0, SHAPE)
    assert all(plans[0] != other for other in plans[1:])
    mixing = compile_transforms([ff.CutMix()], *SHAPE, 10)
    mixtures = [mixture(mixing, KEY._replace(view=view), 3, 50) for view in range(4)]
    assert mixtures[0] == mixture(mixing, Key(5, 2, 7), 3, 50)
    assert all(mixtures[0] != other for other in mixtures[1:])


@pytest.mark.parametrize(
    "between, n_warps",
    [
        ([], 1),
        ([ff.ColorJitter()], 1),
        ([ff.RandomHorizontalFlip(p=0.0)], 1),
        ([ff.ColorJitter((2, 2))], 2),
        ([ff.RandomHorizontalFlip(p=1.0)], 2),
        ([ff.RandomErasing(1.0, scale=(0.9999, 1.0), ratio=(1, 1))], 2),
    ],
    ids=str,
)
def test_affine_maps_are_composed_if_no_operation_is_between(between, n_warps):
    """Jitter by a factor of 1 is no operation, but erasing nothing is one."""
    warp = ff.RandomRotation(30, "bilinear")
    transforms = [warp, *between, warp]
    dataset = dataset_of(*SHAPE, 6)
    compiled = compile_transforms(transforms, *SHAPE, 3)
    planned = plan(compiled, KEY, 0, SHAPE)
    assert sum(isinstance(operation, Warp) for operation in planned) == n_warps
    got = list(ff.Loader(dataset, 6, augment=transforms, **RAW))
    assert same(got, wanted(dataset, transforms, batch_size=6, **RAW))


def test_a_row_is_planned_and_then_filled():
    compiled = compile_transforms("standard", *SHAPE, 10)
    image = dataset_of(*SHAPE, 4).images[0]
    planned = plan(compiled, KEY, 3, SHAPE)
    assert np.array_equal(
        fill(planned, image), reference.augmented(compiled, image, KEY, 3)
    )
