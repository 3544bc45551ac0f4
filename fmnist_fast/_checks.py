"""Checks of arguments: integers, flags, names, dtypes, seeds, keywords.

Each check takes the argument's name and value, and returns the value in its final type.
A TypeError or ValueError says what the argument must be, and what it was.
"""

from __future__ import annotations

import contextlib
import functools
import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])
_HAS_KEYWORDS = 0x08  # inspect.CO_VARKEYWORDS


def checked_integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Check that a value is an integer in low..high. Booleans are not integers."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        value = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if value < low or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"in {low}..{high}"
        raise ValueError(f"{name} must be {allowed}, got {value}")
    return value


def checked_flag(name: str, value: Any) -> bool:
    """Check that a value is True or False, of Python or numpy."""
    if not isinstance(value, (bool, np.bool_)):
        got = one_line(repr(value), 40)
        raise TypeError(f"{name} must be True or False, got {got}")
    return bool(value)


def checked_seed(value: Any, name: str = "seed") -> int:
    """Check that a value is an integer in 0..2**64-1."""
    if hasattr(value, "bit_generator") or hasattr(value, "random"):
        from ._equivalents import seed_hint  # needed only for errors

        got = type(value).__name__
        raise TypeError(f"{name} must be an integer, got {got}.\n{seed_hint(value)}")
    return checked_integer(name, value, 0, 2**64 - 1)


def checked_name(name: str, value: Any, known: Collection[str]) -> str:
    """Return a known name, or raise an error that suggests another."""
    if not isinstance(value, str) or value not in known:
        hint = ""
        if isinstance(value, str):
            argument = name.rpartition(" ")[2]  # of "RandomRotation: interpolation"
            hint = in_place_of(argument, value) or did_you_mean(value, [*known])
        raise ValueError(
            f"{name} must be one of {', '.join(known)}, got {value!r}{hint}"
        )
    return value


def checked_dtype(name: str, value: Any, known: Collection[str]) -> str:
    """Check that a value is a known name, or a dtype of numpy or torch with one."""
    if type(value).__module__ == "torch":
        value = str(value).removeprefix("torch.")
    elif value is not None and not isinstance(value, str):
        with contextlib.suppress(TypeError):
            value = np.dtype(value).name
    return checked_name(name, value, known)


@contextlib.contextmanager
def install_hint(requirement: str, package: str) -> Iterator[None]:
    """Add an instruction to install `package` to an ImportError in the block.

    `requirement` is the start of the message, such as "photos require Pillow".
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{requirement} ({error}). Run: pip install {package}"
        ) from error


def did_you_mean(name: str, known: Iterable[str], most: int = 3) -> str:
    """Return a hint for the end of a message, or "" if no known name is similar.

    The hint has at most `most` names. If one name differs only in case, the hint has
    only this name. If `known` is a mapping, its keys are compared and its values are
    shown.
    """
    import difflib  # slow to import, and needed only for errors

    shown = known if isinstance(known, Mapping) else {key: key for key in known}
    folded = {key.casefold(): text for key, text in shown.items()}
    key = name.casefold()
    near = [key]
    if key not in folded:
        near = difflib.get_close_matches(key, folded, most, 0.65)
    texts = " or ".join(repr(folded[key]) for key in near)
    return f". Did you mean {texts}?" if near else ""


def one_line(text: str, longest: int) -> str:
    """Return text on one line, shortened to at most `longest` characters."""
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def in_place_of(
    table: str, name: str, known: Iterable[str] = (), value: Any = None
) -> str:
    """Return a hint for a wrong name: an equivalent, or the nearest known name, or "".

    The hint is for the end of a message. `table` is one of _equivalents.py, and `value`
    is that of a keyword.
    """
    from ._equivalents import equivalent  # needed only for errors

    text = equivalent(table, name, value)
    return f".\n{text}" if text else did_you_mean(name, known, 1)


class Suggesting:
    """Base class whose AttributeErrors say what to use in place of foreign names."""

    _table = ""  # of _equivalents.py

    if not TYPE_CHECKING:  # type checkers would allow every name

        def __getattr__(self, name: str) -> Any:
            """Raise the AttributeError of Python, with a hint for public names."""
            try:
                return object.__getattribute__(self, name)
            except AttributeError as error:
                hint = "" if name.startswith("_") else in_place_of(self._table, name)
                error.args = (f"{error}{hint}",)
                raise


def hinting(
    *receivers: Callable[..., Any], name: str = ""
) -> Callable[[Function], Function]:
    """Return a decorator for a function that explains arguments which don't fit.

    The end of the TypeError has an equivalent or the nearest keyword, or the keywords
    if too many arguments have no name. `receivers` are functions that get the
    ``**options`` of a method. Messages call the function `name`, by default its own
    with that of its class. The signature stays the same.
    """

    def decorate(function: Function) -> Function:
        calls = (function, *receivers)
        known = list(dict.fromkeys(key for call in calls for key in _keywords_of(call)))
        owner = name or function.__qualname__.rpartition("<locals>.")[2]
        n_unnamed, n_self = function.__code__.co_argcount, int("." in owner)
        owner = owner.removesuffix(".__init__")

        @functools.wraps(function)
        def checked(*arguments: Any, **options: Any) -> Any:
            _check(owner, options, known)
            if len(arguments) > n_unnamed:
                unnamed, others = (
                    known[: n_unnamed - n_self],
                    known[n_unnamed - n_self :],
                )
                raise TypeError(
                    f"{owner}() takes only {' and '.join(unnamed)} without a name, got "
                    f"{len(arguments) - n_self} arguments.\n"
                    f"Pass the others as name=value. The names are {', '.join(others)}."
                )
            return function(*arguments, **options)

        return checked  # type: ignore[return-value]

    return decorate


def check_keywords(owner: type, options: Mapping[str, Any]) -> None:
    """Raise the TypeError of `hinting` for an unknown keyword of a transform."""
    init: Any = owner.__init__  # type: ignore[misc]
    if hasattr(init, "__code__") and not init.__code__.co_flags & _HAS_KEYWORDS:
        _check(owner.__name__, options, _keywords_of(init), "transform")


def _check(
    owner: str, options: Mapping[str, Any], known: list[str], table: str = ""
) -> None:
    for name, value in options.items():
        if name not in known:
            is_loader = owner.endswith(("Loader", "JaxBatches"))
            table = table or ("Loader" if is_loader else owner)
            takes = f".\nIt takes {', '.join(known) or 'no arguments'}."
            raise TypeError(
                f"{owner}() got an unexpected keyword argument {name!r}"
                f"{in_place_of(table, name, known, value) or takes}"
            )


def _keywords_of(function: Any) -> list[str]:
    """Return the names of a function's arguments, without `self`."""
    code = getattr(function, "__wrapped__", function).__code__
    names = list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    return names[1:] if names[:1] in (["self"], ["cls"]) else names
