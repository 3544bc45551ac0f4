"""The list of transforms, compared with every place that repeats its names."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import fmnist_fast as ff
from fmnist_fast import _names, augment
from fmnist_fast.augment import Transform
from fmnist_fast.augment._text import TRANSFORMS

DOCS = Path(__file__).parents[1] / "docs" / "augmentation.md"


def is_transform(value):
    """Return whether the value is a subclass of Transform and itself a dataclass."""
    is_subclass = isinstance(value, type) and issubclass(value, Transform)
    return is_subclass and "__dataclass_params__" in vars(value)


def by_module(names):
    """Return the names of each module; None has the names that no module has."""
    out = {}
    for name in names:
        out.setdefault(_names.MODULES.get(name), set()).add(name)
    return out


def in_the_modules():
    out = {}
    for info in pkgutil.iter_modules(augment.__path__):
        module = importlib.import_module(f"{augment.__name__}.{info.name}")
        names = {
            name
            for name, value in vars(module).items()
            if is_transform(value) and value.__module__ == module.__name__
        }
        if names := {name for name in names if not name.startswith("_")}:
            out[info.name] = names
    return out


def in_the_docs():
    text = DOCS.read_text(encoding="utf-8")
    sections = re.split(r"^##+ ", text, flags=re.MULTILINE)
    out = {}
    for section in sections:
        if match := re.match(r".*: `fmnist_fast\.augment\.(\w+)`\n", section):
            names = re.findall(r"^\| `([A-Z]\w+)\(", section, re.MULTILINE)
            assert match[1] not in out
            out[match[1]] = set(names)
    return out


def in_all_of(package):
    names = package.__all__
    return by_module(name for name in names if is_transform(getattr(package, name)))


def in_the_text_form():
    assert "CFunction" not in TRANSFORMS, "its arguments are addresses"
    return by_module([*TRANSFORMS, "CFunction"])


PLACES = {
    "modules": in_the_modules,
    "docs": in_the_docs,
    "fmnist_fast": lambda: in_all_of(ff),
    "fmnist_fast.augment": lambda: in_all_of(augment),
    "text form": in_the_text_form,
}


def agrees(place):
    return PLACES[place]() == {
        module: set(names) for module, names in _names.TRANSFORMS.items()
    }


@pytest.mark.parametrize("place", PLACES)
def test_every_place_has_the_names_of_the_list(place):
    assert agrees(place)
    assert len(_names.MODULES) == sum(map(len, _names.TRANSFORMS.values()))


@pytest.mark.parametrize("erase", [(), ("RandomErasing", "Cutout", "Planted")])
@pytest.mark.parametrize("place", PLACES)
def test_a_missing_and_an_extra_name_are_noticed(place, erase, monkeypatch):
    monkeypatch.setitem(_names.TRANSFORMS, "erase", erase or ("Cutout",))
    assert not agrees(place)


def test_an_extra_class_is_noticed(monkeypatch):
    module = importlib.import_module("fmnist_fast.augment.erase")
    monkeypatch.setattr(module, "Planted", module.Cutout, raising=False)
    assert not agrees("modules")


@pytest.mark.parametrize("package", [ff, augment], ids=lambda package: package.__name__)
def test_type_checkers_see_every_module(package):
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    starred = [
        node.module.removeprefix("augment.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    ]
    assert starred == sorted(_names.TRANSFORMS)


@pytest.mark.parametrize("module", _names.TRANSFORMS)
def test_modules_define_no_other_public_name(module):
    """Check this because type checkers export all that a module defines."""
    path = Path(importlib.import_module(f"fmnist_fast.augment.{module}").__file__)
    defined = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            defined.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            defined.update(ast.unparse(node).partition("=")[0].strip().split(", "))
    public = {name for name in defined if not name.startswith("_")}
    assert public == set(_names.TRANSFORMS[module])


@pytest.mark.parametrize("name", _names.MODULES)
def test_every_parameter_is_checked(name):
    """Check that each parameter is in `_checks` of its class or in SHARED."""
    from fmnist_fast.augment._arguments import SHARED

    transform = getattr(augment, name)
    own = {"RandomChoice": {"p"}, "RandAugment": {"magnitude"}}
    own["CFunction"] = {"function", "data", "_addresses"}
    checked = {*SHARED, *transform._checks, *own.get(name, ())}
    assert set(transform.__dataclass_fields__) <= checked
    assert set(transform._checks) <= set(transform.__dataclass_fields__)
