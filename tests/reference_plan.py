"""Planning a row: from a program and random numbers to a list of operations.

A program is a flat list of transforms, in which a group, choice or order comes before
the transforms inside it. Planning decides which of them run, and draws their numbers.
It follows the size of the image and never reads pixels. A program is a result of
fmnist_fast.augment.compile_transforms: its `transforms` are tuples (kind, p,
parameters), where `parameters` are the fields of the C struct.
"""

from types import SimpleNamespace

from reference_draws import draw
from reference_operations import Cut, Resize, Warp
from reference_transforms import OPERATIONS


def plan(program, key, index, shape):
    """Return the operations of one row.

    A group runs the `n_inner` transforms behind it. A choice runs one of the groups
    behind it, and an order runs all of them. The twin of fm_plan_row (src/plan.h).

    Parameters
    ----------
    program : Compiled
    key : Key
        Transform i of the list draws from the stream of number i.
    index : int
        Index of the sample, which only alternating flips read.
    shape : (height, width)
        Size of the image before all transforms.

    Returns
    -------
    list of operations (reference_operations.py)
    """
    transforms = program.transforms
    operations = []
    left = [(0, len(transforms))]  # ranges of transforms that are left, the next last
    while left:
        i, end = left.pop()
        if i == end:
            continue
        kind, p, parameters = transforms[i]
        draws = key.draws(i)
        after = i + 1 + parameters.get("n_inner", 0)
        left.append((after, end))
        if not is_run(kind, p, parameters, draws, index):
            continue
        if kind == "group":
            left.append((i + 1, after))
        elif kind == "choice":
            left.append(chosen(transforms, i + 1, draws))
        elif kind == "order":
            left += reversed(ordered(transforms, i + 1, after, draws))
        else:
            transform = SimpleNamespace(**parameters)
            for operation in OPERATIONS[kind](transform, draws, shape):
                append(operations, operation)
                shape = shape_after(operation, shape)
    assert shape == (program.height, program.width)
    return operations


def is_run(kind, p, parameters, draws, index):
    """Return whether a transform runs. A coin decides that with probability p.

    An alternating flip reads no coin. It flips a sample in every second epoch, and a
    random bit of its index says whether epoch 0 is one of these epochs. The twin of
    struct fm_flip (src/augment/crop.h).
    """
    if kind == "flip" and parameters["alternating"]:
        seed, epoch, _, operation = draws.stream
        first = draw(seed, 0, index, operation, 0)[0] >> 31
        return (epoch + first) % 2 == 1
    return draws.coin(p)


def chosen(transforms, begin, draws):
    """Return the range (begin, end) of the group that a choice takes.

    The groups lie one after another from transforms[begin] on. The first one whose
    `until`, a cumulative probability times 2**32, is above the next word is taken. The
    last `until` is 2**32.
    """
    word = draws.word()
    while True:
        _, _, group = transforms[begin]
        end = begin + 1 + group["n_inner"]
        if word < group["until"]:
            return begin, end
        begin = end


def ordered(transforms, begin, end, draws):
    """Return the ranges (begin, end) of the groups of an order, as they run.

    The groups lie in transforms[begin:end]. One word says which of those that are left
    runs next. The last group needs none. The twin of fm_order_next
    (src/augment/order.h).
    """
    groups = []
    while begin < end:
        after = begin + 1 + transforms[begin][2]["n_inner"]
        groups.append((begin, after))
        begin = after
    out = []
    while len(groups) > 1:
        out.append(groups.pop(draws.below(len(groups))))
    return [*out, *groups]


def append(operations, operation):
    """Append an operation to the list of a row.

    Consecutive affine maps are composed, so that the image is resampled once. Maps with
    another interpolation or fill are not composed.
    """
    before = operations[-1] if operations else None
    if (
        isinstance(before, Warp)
        and isinstance(operation, Warp)
        and before[1:] == operation[1:]
    ):
        operations.pop()
        operation = operation._replace(m=composed(before.m, operation.m))
    operations.append(operation)


def composed(f, s):
    """Return the map of f(s(p)): the image is changed by `f` first and by `s` second.

    `f` comes last in the formula because maps go from output to source. The twin of
    fm_warp_compose (src/augment/warp.h).
    """
    return (
        f[0] * s[0] + f[1] * s[3],
        f[0] * s[1] + f[1] * s[4],
        (f[0] * s[2] + f[1] * s[5]) + f[2],
        f[3] * s[0] + f[4] * s[3],
        f[3] * s[1] + f[4] * s[4],
        (f[3] * s[2] + f[4] * s[5]) + f[5],
    )


def shape_after(operation, shape):
    """Return the height and width of an image after an operation."""
    if isinstance(operation, (Cut, Resize)):
        return operation.height, operation.width
    return shape
