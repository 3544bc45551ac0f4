"""Keywords that there aren't: the error says which was meant, signatures stay true."""

import inspect
import pickle
import re

import pytest

import fmnist_fast as ff
from fmnist_fast._checks import did_you_mean, hinting
from fmnist_fast.frameworks._adapter import Adapter


@pytest.mark.parametrize(
    "wrong, near",
    [
        ("batchsize", "; did you mean 'batch_size'?"),
        ("normalise", "; did you mean 'normalize'?"),
        ("layouts", "; did you mean 'layout'?"),
        ("num_workers", "; it takes dataset, batch_size, shuffle, "),
    ],
)
def test_of_a_loader(small, wrong, near):
    message = f"Loader() got an unexpected keyword argument {wrong!r}{near}"
    with pytest.raises(TypeError, match=re.escape(message)):
        ff.Loader(small, **{wrong: 1})


@pytest.mark.parametrize(
    "framework, wrong, near",
    [
        ("torch", "batchsize", "batch_size"),
        ("torch", "fixed_buffer", "fixed_buffers"),
        ("torch", "normalise", "normalize"),
        ("jax", "shardings", "sharding"),
        ("jax", "prefetches", "prefetch"),
        ("tensorflow", "layouts", "layout"),
        ("keras", "label_dtypes", "label_dtype"),
        ("keras", "thread", "threads"),
    ],
)
def test_of_an_adapter_and_of_what_it_passes_on(small, framework, wrong, near):
    pytest.importorskip(framework)
    module = pytest.importorskip(f"fmnist_fast.frameworks.{framework}")
    (adapter,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Adapter) and value != Adapter
    )
    message = rf"{adapter.__name__}\(\) got an unexpected .* did you mean .*'{near}'"
    with pytest.raises(TypeError, match=message):
        adapter(small, **{wrong: 1})
    assert "options" in inspect.signature(adapter).parameters


@pytest.mark.parametrize(
    "step, arguments, wrong, near",
    [
        (ff.RandomCrop, (28,), "paddings", "; did you mean 'padding'?"),
        (ff.RandomInvert, (), "probability", "; it takes p"),
        (ff.MixUp, (), "alfa", "; did you mean 'alpha'?"),
        (ff.Compose, ([ff.Pad(1)],), "transform", "; did you mean 'transforms'?"),
    ],
)
def test_of_a_step(step, arguments, wrong, near):
    message = f"{step.__name__}() got an unexpected keyword argument {wrong!r}{near}"
    with pytest.raises(TypeError, match=re.escape(message)):
        step(*arguments, **{wrong: 1})


def test_signatures_are_what_they_are():
    parameters = inspect.signature(ff.Loader).parameters
    assert list(parameters)[:3] == ["dataset", "batch_size", "shuffle"]
    assert parameters["prefetch"].default == 4 and "options" not in parameters
    assert str(inspect.signature(ff.RandomInvert)) == "(p: 'float' = 0.5) -> None"
    step = ff.RandomCrop(28, padding=4)
    assert pickle.loads(pickle.dumps(step)) == step


def test_derived_classes_may_have_keywords_of_their_own(small):
    class Named(ff.Loader):
        def __init__(self, dataset, **options):
            name = options.pop("name")
            super().__init__(dataset, **options)
            self._name = name

    class Plain(ff.augment.Transform):
        pass

    class Open(ff.augment.Transform):
        def __init__(self, **options):
            self.options = options

    assert len(Named(small, name="a", batch_size=100)) == 10
    with pytest.raises(TypeError, match="did you mean 'batch_size'"):
        Named(small, name="a", batchsize=100)
    Plain()
    assert Open(anything=3).options == {"anything": 3}
    with pytest.raises(TypeError, match=r"Plain\(\) got .* 'anything'; it takes none"):
        Plain(anything=3)
    with pytest.raises(TypeError, match="1 positional argument but 2 were given"):
        Plain(3)


def test_whatever_else_is_wrong_python_says(small):
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        ff.Loader(batch_size=3)
    with pytest.raises(TypeError, match="multiple values for argument 'batch_size'"):
        ff.Loader(small, 3, batch_size=3)


def test_a_decorated_function_passes_on_what_it_does_not_know():
    class Inner:
        @hinting()
        def __init__(self, size=1):
            self.size = size

    class Outer:
        @hinting(Inner.__init__)
        def __init__(self, colour, **options):
            self.colour, self.inner = colour, Inner(**options)

    assert Outer("red", size=2).inner.size == 2
    for wrong, near in (("color", "colour"), ("sizes", "size")):
        with pytest.raises(TypeError, match=rf"^Outer\(\) .* mean '{near}'\?$"):
            Outer(**{wrong: 1})


def test_no_hint_where_nothing_is_near():
    assert did_you_mean("x", ["batch_size"]) == ""


def test_several_may_be_near():
    assert did_you_mean("ab", ["abc", "abd"]) == "; did you mean 'abd' or 'abc'?"


def test_upper_and_lower_case_are_no_other_name():
    assert did_you_mean("nhw", ["NCHW", "NHW"]) == "; did you mean 'NHW'?"
    assert did_you_mean("ncwh", ["NCHW", "flat"]) == "; did you mean 'NCHW'?"
    assert did_you_mean("sizes", ["size", "size"]) == "; did you mean 'size'?"
