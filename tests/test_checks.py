"""Unknown keywords: the error suggests a name, and signatures stay complete."""

import inspect
import pickle
import re

import pytest

import fmnist_fast as ff
from fmnist_fast._checks import did_you_mean, hinting
from fmnist_fast.frameworks._adapter import Adapter


@pytest.mark.parametrize(
    "wrong, hint",
    [
        ("batchsize", ". Did you mean 'batch_size'?"),
        ("normalized", ". Did you mean 'normalize'?"),
        ("layouts", ". Did you mean 'layout'?"),
        ("xyzzy", ".\nIt takes dataset, batch_size, shuffle, "),
    ],
)
def test_hint_for_a_loader(small, wrong, hint):
    message = f"Loader() got an unexpected keyword argument {wrong!r}{hint}"
    with pytest.raises(TypeError, match=re.escape(message)):
        ff.Loader(small, **{wrong: 1})


@pytest.mark.parametrize(
    "framework, wrong, hint",
    [
        ("torch", "batchsize", "batch_size"),
        ("torch", "fixed_buffer", "fixed_buffers"),
        ("torch", "normalized", "normalize"),
        ("jax", "shardings", "sharding"),
        ("jax", "prefetches", "prefetch"),
        ("tensorflow", "layouts", "layout"),
        ("keras", "label_dtypes", "label_dtype"),
        ("keras", "thread", "threads"),
    ],
)
def test_hint_for_an_adapter_and_its_loader(small, framework, wrong, hint):
    pytest.importorskip(framework)
    module = pytest.importorskip(f"fmnist_fast.frameworks.{framework}")
    (adapter,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Adapter) and value != Adapter
    )
    message = rf"{adapter.__name__}\(\) got an unexpected .* Did you mean .*'{hint}'"
    with pytest.raises(TypeError, match=message):
        adapter(small, **{wrong: 1})
    assert "options" in inspect.signature(adapter).parameters


@pytest.mark.parametrize(
    "transform, arguments, wrong, hint",
    [
        (ff.RandomCrop, (28,), "paddings", ". Did you mean 'padding'?"),
        (ff.RandomInvert, (), "probability", ".\nIt takes p."),
        (ff.MixUp, (), "alfa", ". Did you mean 'alpha'?"),
        (ff.Compose, ([ff.Pad(1)],), "transform", ". Did you mean 'transforms'?"),
    ],
)
def test_hint_for_a_transform(transform, arguments, wrong, hint):
    name = transform.__name__
    message = f"{name}() got an unexpected keyword argument {wrong!r}{hint}"
    with pytest.raises(TypeError, match=re.escape(message)):
        transform(*arguments, **{wrong: 1})


def test_signatures_are_kept():
    parameters = inspect.signature(ff.Loader).parameters
    assert list(parameters)[:3] == ["dataset", "batch_size", "shuffle"]
    assert parameters["prefetch"].default == 4 and "options" not in parameters
    assert str(inspect.signature(ff.RandomInvert)) == "(p: 'float' = 0.5) -> None"
    transform = ff.RandomCrop(28, padding=4)
    assert pickle.loads(pickle.dumps(transform)) == transform


def test_derived_classes_may_have_their_own_keywords(small):
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
    with pytest.raises(TypeError, match="Did you mean 'batch_size'"):
        Named(small, name="a", batchsize=100)
    Plain()
    assert Open(anything=3).options == {"anything": 3}
    with pytest.raises(TypeError, match=r"Plain\(\) got .* 'anything'\.\nIt takes no"):
        Plain(anything=3)
    with pytest.raises(TypeError, match="1 positional argument but 2 were given"):
        Plain(3)


def test_other_errors_come_from_python(small):
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        ff.Loader(batch_size=3)
    with pytest.raises(TypeError, match="multiple values for argument 'batch_size'"):
        ff.Loader(small, 3, batch_size=3)


def test_hints_include_the_keywords_of_an_inner_function():
    class Inner:
        @hinting()
        def __init__(self, size=1):
            self.size = size

    class Outer:
        @hinting(Inner.__init__)
        def __init__(self, color, **options):
            self.color, self.inner = color, Inner(**options)

    assert Outer("red", size=2).inner.size == 2
    for wrong, hint in (("colors", "color"), ("sizes", "size")):
        with pytest.raises(TypeError, match=rf"^Outer\(\) .* mean '{hint}'\?$"):
            Outer(**{wrong: 1})


def test_no_hint_without_a_similar_name():
    assert did_you_mean("x", ["batch_size"]) == ""


def test_hint_with_two_names():
    assert did_you_mean("ab", ["abc", "abd"]) == ". Did you mean 'abd' or 'abc'?"


def test_hints_ignore_case_and_repeated_names():
    assert did_you_mean("nhw", ["NCHW", "NHW"]) == ". Did you mean 'NHW'?"
    assert did_you_mean("ncwh", ["NCHW", "flat"]) == ". Did you mean 'NCHW'?"
    assert did_you_mean("sizes", ["size", "size"]) == ". Did you mean 'size'?"
