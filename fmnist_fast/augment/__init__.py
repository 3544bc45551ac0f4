"""Transforms for `Loader(augment=...)`, groups of transforms, policies and recipes.

The modules follow the C headers of src/augment/. A module is imported when one of its
names is first used. The list of names is in fmnist_fast/_names.py.
"""
# ruff: noqa: F403

from typing import TYPE_CHECKING

from .._names import MODULES, lazy

if TYPE_CHECKING:
    from ._compile import Augment as Augment
    from ._compile import Compiled as Compiled
    from ._compile import compile_transforms as compile_transforms
    from ._text import parse_transforms as parse_transforms
    from ._transform import Transform as Transform
    from .crop import *
    from .erase import *
    from .filter import *
    from .group import *
    from .mix import *
    from .noise import *
    from .policy import *
    from .recipes import RECIPES as RECIPES
    from .resample import *
    from .tone import *
    from .user import *
    from .warp import *
else:
    _MODULES = {
        "Augment": "_compile",
        "Compiled": "_compile",
        "RECIPES": "recipes",
        "Transform": "_transform",
        "compile_transforms": "_compile",
        "parse_transforms": "_text",
        **MODULES,
    }
    __all__ = sorted(_MODULES)
    __getattr__, __dir__ = lazy(__name__, _MODULES)
