"""Checks of arguments: integers, flags, names, dtypes, seeds, keywords.

Each check takes the name of the argument and its value, and returns the value as it is
kept. It raises a TypeError or ValueError that says what the argument must be and what
it was.
"""

from __future__ import annotations

import contextlib
import functools
import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])
_HAS_KEYWORDS = 0x08  # inspect.CO_VARKEYWORDS


def checked_integer(name: str, value: Any, low: int, high: int | None = None) -> int:
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
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def checked_seed(value: Any, name: str = "seed") -> int:
    return checked_integer(name, value, 0, 2**64 - 1)


def checked_name(name: str, value: Any, known: Collection[str]) -> str:
    if not isinstance(value, str) or value not in known:
        hint = did_you_mean(value, [*known]) if isinstance(value, str) else ""
        raise ValueError(
            f"{name} must be one of {', '.join(known)}, got {value!r}{hint}"
        )
    return value


def checked_dtype(name: str, value: Any, known: Collection[str]) -> str:
    """Return a name that is known, also given as numpy's dtype of that name."""
    if not isinstance(value, str):
        with contextlib.suppress(TypeError):
            return checked_name(name, np.dtype(value).name, known)
    return checked_name(name, value, known)


@contextlib.contextmanager
def install_hint(need: str, package: str) -> Iterator[None]:
    """Add how to get `package` to an ImportError of the block.

    `need` says what needs it, as in "photos need Pillow".
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(f"{need} ({error}): pip install {package}") from error


def did_you_mean(name: str, known: Iterable[str], most: int = 3) -> str:
    """Return a question to put after an error, if something known has nearly that name.

    It has at most `most` answers, or one that differs in upper and lower case only. A
    mapping says how its names are shown.
    """
    import difflib  # only when something is wrong

    shown = known if isinstance(known, Mapping) else {each: each for each in known}
    folded = {each.casefold(): answer for each, answer in shown.items()}
    wanted = name.casefold()
    near = [wanted]
    if wanted not in folded:
        near = difflib.get_close_matches(wanted, folded, most)
    answers = " or ".join(repr(folded[each]) for each in near)
    return f"; did you mean {answers}?" if near else ""


def one_line(text: str, longest: int) -> str:
    """Return text on one line, cut to at most `longest` characters."""
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def hinting(*receivers: Callable[..., Any]) -> Callable[[Function], Function]:
    """Return a decorator of `__init__`: its TypeError for a keyword has the near one.

    `receivers` are the functions that it passes its ``**options`` on to. The signature
    stays what it is.
    """

    def decorate(init: Function) -> Function:
        known = [name for each in (init, *receivers) for name in _keywords_of(each)]
        owner = init.__qualname__.split(".")[-2]

        @functools.wraps(init)
        def checked(self: Any, *arguments: Any, **options: Any) -> None:
            _check(owner, options, known)
            init(self, *arguments, **options)

        return checked  # type: ignore[return-value]

    return decorate


def check_keywords(owner: type, options: Mapping[str, Any]) -> None:
    """Raise the same TypeError for the keywords that a class is made with."""
    init: Any = owner.__init__  # type: ignore[misc]
    if hasattr(init, "__code__") and not init.__code__.co_flags & _HAS_KEYWORDS:
        _check(owner.__name__, options, _keywords_of(init))


def _check(owner: str, options: Mapping[str, Any], known: list[str]) -> None:
    for name in options:
        if name not in known:
            takes = f"; it takes {', '.join(known) or 'none'}"
            raise TypeError(
                f"{owner}() got an unexpected keyword argument {name!r}"
                f"{did_you_mean(name, known, 1) or takes}"
            )


def _keywords_of(init: Any) -> list[str]:
    """The arguments of a method, without `self`."""
    code = getattr(init, "__wrapped__", init).__code__
    return list(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])
