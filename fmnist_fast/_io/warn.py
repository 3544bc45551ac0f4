"""Warnings that name a line of the user's program."""

from __future__ import annotations

import sys
import threading
import warnings
from typing import Any, NamedTuple

# Modules whose lines don't say where the user called the package.
_NOT_OF_USERS = (__name__.partition(".")[0], "contextlib", "threading")


class Line(NamedTuple):
    """A line of a program, and the global variables of its module."""

    filename: str
    number: int
    names: dict[str, Any]


def warn(
    text: str, category: type[Warning] = UserWarning, *, repeat: bool = False
) -> None:
    """Warn, and name the line that called the package.

    By default, Python shows an equal warning of one line once. With `repeat`, it is
    shown each time. Filters of the user have precedence.
    """
    filename, number, names = calling_line()
    registry = None if repeat else names.setdefault("__warningregistry__", {})
    module = names.get("__name__")
    warnings.warn_explicit(text, category, filename, number, module, registry)


def calling_line() -> Line:
    """Return the line that called the package, also from a `TaskThread`."""
    frame = sys._getframe(1)
    while str(frame.f_globals.get("__name__")).partition(".")[0] in _NOT_OF_USERS:
        if frame.f_back is None:
            break
        frame = frame.f_back
    line = Line(frame.f_code.co_filename, frame.f_lineno, frame.f_globals)
    if frame.f_back is not None:
        return line
    return getattr(threading.current_thread(), "calling_line", line)
