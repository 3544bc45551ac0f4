"""Values of `views`: what is refused, and what loaders, copies and states keep."""

import copy
import pickle

import numpy as np
import pytest
from helpers.against_reference import same

import fmnist_fast as ff
from fmnist_fast._loader.pipelines import new_programs
from fmnist_fast.augment import parse_transforms
from fmnist_fast.augment._views import compile_views

FLIP = ff.RandomHorizontalFlip()
SIZE = 5, 7, 3
A_NUMBER = "views must be a number of views, a list with an augmentation for each, "


def change(images, labels, rng):
    return images, labels


class TenCrop:
    """Stand-in for a transform of another library."""


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"views": 0}, ValueError, r"views must be in 1\.\.63, got 0"),
        ({"views": 64}, ValueError, r"views must be in 1\.\.63, got 64"),
        ({"views": -1}, ValueError, r"views must be in 1\.\.63, got -1"),
        ({"views": True}, TypeError, f"{A_NUMBER}FiveCrop, TenCrop or None, got True$"),
        ({"views": np.True_}, TypeError, f"{A_NUMBER}.* got .*True"),
        ({"views": 2.0}, TypeError, f"{A_NUMBER}.* got 2.0$"),
        ({"views": np.float32(2)}, TypeError, f"{A_NUMBER}.* got .*2.0"),
        (
            {"views": np.array([2, 3])},
            TypeError,
            "views must be a number of views, .*, got array",
        ),
        ({"views": {1: 2}}, TypeError, f"{A_NUMBER}.* got {{1: 2}}$"),
        (
            {"views": "standard"},
            TypeError,
            f"{A_NUMBER}.* got 'standard'.\nPass it as augment, and a number of views: "
            "augment='standard', views=2.",
        ),
        ({"views": FLIP}, TypeError, r"augment=RandomHorizontalFlip\(.*\), views=2\."),
        ({"views": ff.FiveCrop}, TypeError, r"\.\nPass ff.FiveCrop\(size\)\."),
        ({"views": TenCrop()}, TypeError, r"\.\nPass ff.TenCrop\(size\)\."),
        ({"views": []}, ValueError, r"views must have 1\.\.63 augmentations, got 0"),
        ({"views": [None] * 64}, ValueError, "augmentations, got 64"),
        (
            {"views": [FLIP], "augment": FLIP},
            ValueError,
            "augment and a list of views can't be combined.\nPut the transforms of "
            "augment into each of the views.",
        ),
        (
            {"views": [None, [FLIP, change]]},
            ValueError,
            r"views\[1\] must not contain Python functions, got <function change .*>.\n"
            "Call the function in your loop, or pass a number of views and put it at",
        ),
        ({"views": [None, 3]}, TypeError, r"views\[1\]: augment must .* got 3"),
        ({"views": [["x"]]}, TypeError, r"views\[0\]: augment must contain only trans"),
        (
            {"views": ["base"]},
            ValueError,
            r"views\[0\]: augment must be one of the rec",
        ),
        (
            {"views": [None, None, [FLIP, ff.Pad(1)]]},
            ValueError,
            r"views must have images of one size, got 5x7 in views\[0\] and 7x9 in "
            r"views\[2\].\nAdd a crop or a Resize.",
        ),
        (
            {"views": [None, [ff.MixUp()]]},
            ValueError,
            "MixUp and CutMix require label_dtype='onehot', got 'int64'",
        ),
        ({"views": 2, "augment": [FLIP, 3]}, TypeError, "^augment must .* got 3"),
        (
            {"views": ff.FiveCrop(4), "augment": [3]},
            TypeError,
            "^augment must .* got 3",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_views_are_refused(odd, options, error, message):
    with pytest.raises(error, match=message):
        ff.Loader(odd, **options)


class Two:
    """An integer that is not of Python."""

    def __index__(self):
        return 2


@pytest.mark.parametrize(
    "views", [np.int64(2), np.array(2), np.uint8(2), Two()], ids=str
)
def test_integers_of_other_types_are_numbers_of_views(odd, views):
    loader = ff.Loader(odd, 50, augment=[FLIP], views=views)
    assert type(loader.views) is int and loader.views == 2
    assert same(list(loader), list(ff.Loader(odd, 50, augment=[FLIP], views=2)))


def test_a_list_of_views_may_be_changed_later(odd):
    inner = [FLIP]
    views = [inner, None]
    loader = ff.Loader(odd, 50, views=views)
    first = [tuple(map(np.copy, batch)) for batch in loader]
    inner.append(ff.RandomInvert(p=1.0))
    views.append(None)
    assert loader.views == ((FLIP,), None)
    again = loader._replace(threads=1)
    again.set_epoch(0)
    assert same(list(again), first)
    assert same(list(ff.Loader(odd, 50, views=loader.views)), first)


COMPILED = {
    "None": ((None, None), [None]),
    "None with augment": (([FLIP], None), [0]),
    "number": (([FLIP], 3), [0, 1, 2]),
    "list": ((None, [[FLIP], "standard", FLIP]), [0, 1, 2]),
    "gaps": ((None, [None, FLIP, None, FLIP]), [None, 1, None, 3]),
    "five": (([FLIP], ff.FiveCrop(3)), [0] * 5),
    "ten": ((None, ff.TenCrop(3)), [0] * 10),
}


@pytest.mark.parametrize("arguments, draws", COMPILED.values(), ids=COMPILED)
def test_the_numbers_that_views_draw(arguments, draws):
    compiled = compile_views(*arguments, *SIZE)
    assert [view and view.draws_view for view in compiled] == draws


def test_crops_come_after_all_transforms_of_augment():
    few = compile_views([FLIP, ff.RandomInvert()], None, *SIZE)[0].transforms
    for views in (ff.FiveCrop(3), ff.TenCrop(3)):
        compiled = compile_views([FLIP, ff.RandomInvert()], views, *SIZE)
        assert all(view.transforms[:2] == few for view in compiled)
        assert len({len(view.transforms) for view in compiled}) == 1


def test_programs_know_their_view(odd):
    options = {"label_dtype": "onehot", "channels": 3}
    views = [None, [ff.MixUp()], None]
    programs = new_programs(ff.Loader(odd, views=views, **options))
    assert len({program.tobytes() for program in programs}) == 3
    assert len(new_programs(ff.Loader(odd))) == 1


VIEWS = [2, ((FLIP,), None), ff.TenCrop(4)]


@pytest.mark.parametrize("views", VIEWS, ids=str)
def test_copies_have_the_views(odd, views):
    options = {"augment": None if isinstance(views, tuple) else (FLIP,), "views": views}
    loader = ff.Loader(odd, 200, shuffle=True, **options)
    assert loader.views == views and f"views={views!r}" in repr(loader)
    want = [tuple(map(np.copy, batch)) for batch in loader]
    copies = [copy.copy(loader), pickle.loads(pickle.dumps(loader))]
    copies += [loader._replace(threads=1), loader._replace(batch_size=200)]
    for other in copies:
        assert other.views == views
        assert repr(other).replace("threads=1, ", "") == repr(loader)
        other.set_epoch(0)
        assert same(list(other), want)


def test_views_are_fixed_and_not_shown_by_default(odd):
    loader = ff.Loader(odd)
    assert loader.views is None and "views" not in repr(loader)
    with pytest.raises(AttributeError, match="views of a Loader is fixed"):
        loader.views = 2


def test_a_state_has_no_views_as_it_has_no_transforms(odd):
    """A run may resume with other transforms, and so with other views."""
    loader = ff.Loader(odd, 100, augment=[FLIP], views=2)
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    assert "views" not in state and "augment" not in state and state["position"] == 100
    other = ff.Loader(odd, 100)
    other.load_state_dict(state)
    for (x, _), (want, _) in zip(other, ff.Loader(odd.select(range(100, 517)), 100)):
        assert x.shape == want.shape


def test_threads_by_default_are_those_of_transforms(odd):
    def threads(**options):
        return ff.Loader(odd, **options).threads

    assert threads(views=2) == threads(views=ff.FiveCrop(3)) == threads(augment=FLIP)
    assert "threads" not in repr(ff.Loader(odd, views=2))


def test_crops_as_text():
    assert parse_transforms("FiveCrop(3)") == (ff.FiveCrop(3),)
    (ten,) = parse_transforms("TenCrop([3, 4], vertical_flip=True)")
    assert ten == ff.TenCrop((3, 4), vertical_flip=True)


def test_slots_have_room_for_all_views(small):
    def nbytes(**options):
        return ff.Loader(small, 100, label_dtype="onehot", **options).slot_nbytes

    one = nbytes()
    assert nbytes(views=1) == one
    assert nbytes(views=3, augment=[FLIP]) - one == 2 * 100 * 784 * 4
    mixed = nbytes(views=3, augment=[ff.MixUp()]) - one
    assert mixed == 2 * 100 * 784 * 4 + 2 * 100 * 10 * 4
    slots = [np.empty(one * 3 + 64, np.uint8) for _ in range(6)]
    slots = [slot[-slot.ctypes.data % 64 :] for slot in slots]
    loader = ff.Loader(small, 100, views=2, label_dtype="onehot", slots=slots)
    assert next(iter(loader))[0].shape == (2, 100, 1, 28, 28)
    with pytest.raises(ValueError, match=r"slots\[0\] must have at least"):
        ff.Loader(small, 100, views=4, slots=slots)


def test_an_impossible_number_of_bytes_is_refused(odd):
    rows = {"batch_size": 2**40, "drop_last": "wrap"}
    with pytest.raises(MemoryError):
        next(iter(ff.Loader(odd, views=63, channels=3, **rows)))


def test_the_command_line_refuses_crops(run, drawn):
    code, _, err = run("augment", "--root", drawn, "--augment", "FiveCrop(20)")
    assert code != 0 and "FiveCrop must be the value of views, not of augment." in err
