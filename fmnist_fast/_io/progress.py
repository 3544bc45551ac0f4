"""Progress and messages on stderr, which may be missing, closed or full.

Bars need no lock, no thread and no settings, so the work never waits for them. If a bar
can't be shown, the work goes on without it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import Any

_INTERVAL_SECONDS = 0.1
_shown = ""  # the bar that stands in the last line of stderr


class ProgressBar:
    """A bar in the last line of stderr, for the time of a ``with`` block.

    Bars of several threads take turns. `n`, `initial` and `total` may be changed.

    Parameters
    ----------
    desc : str
        Name of the work.
    total : int or None
        Number of units in all, if known.
    initial : int
        Number of units that were done before.
    unit : str
        Name of a unit as it follows a number, such as " photos".
    unit_scale : bool
        Whether all numbers have prefixes such as "M".
    delay : float
        Seconds until the bar is shown.
    disable : bool or None
        Whether the bar is never shown. None shows it only on a terminal.
    """

    def __init__(
        self,
        *,
        desc: str = "",
        total: int | None = None,
        initial: int = 0,
        unit: str = "",
        unit_scale: bool = False,
        delay: float = 0.0,
        disable: bool | None = False,
    ) -> None:
        self.n = self.initial = initial
        self.total = total
        self._desc = f"{desc}: " if desc else ""
        self._unit, self._unit_scale = unit, unit_scale
        self._begin = time.monotonic()
        self._next = self._begin + delay
        self._is_shown = False
        self._disable = not _is_terminal() if disable is None else disable

    def __enter__(self) -> ProgressBar:
        """Show the bar, unless it has a delay."""
        self.update(0)
        return self

    def update(self, n: int = 1) -> None:
        """Count `n` units, and show them a few times a second."""
        self.n += n
        now = time.monotonic()
        if now >= self._next and not self._disable:
            self._next, self._is_shown = now + _INTERVAL_SECONDS, True
            _replace_bar(str(self)[: _width()])

    def __exit__(self, *_: Any) -> None:
        """Leave the bar as it is at the end, if it was shown."""
        if self._is_shown:
            _replace_bar(str(self)[: _width()], end="\n")

    def __str__(self) -> str:
        """Return the text of the bar."""
        seconds = time.monotonic() - self._begin
        rate = (self.n - self.initial) / seconds if seconds > 0 else 0.0
        count = _scaled if self._unit_scale else "{:,}".format
        begin, amount, clock = "", count(self.n), _clock(seconds)
        if self.total and self.n <= self.total:
            share = self.n / self.total
            begin = f"{share:4.0%}|{'#' * int(10 * share):10}| "
            amount += f"/{count(self.total)}"
            clock += f"<{_clock((self.total - self.n) / rate) if rate > 0 else '?'}"
        return f"{self._desc}{begin}{amount} [{clock}, {_scaled(rate)}{self._unit}/s]"


def say(text: str) -> None:
    """Print a text on stderr, above the bar."""
    _replace_bar(text, end="\n")


def _replace_bar(text: str, end: str = "") -> None:
    """Write a text over the bar in the last line of stderr, if there is one."""
    global _shown
    with contextlib.suppress(Exception):  # whatever a user's stderr raises
        clear = f"\r{' ' * len(_shown)}\r" if _shown else ""
        _shown = "" if end else text
        sys.stderr.write(clear + text + end)
        sys.stderr.flush()


def _width() -> int | None:
    """Return how many letters fit in a line of stderr, or None for any number."""
    with contextlib.suppress(Exception):
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
        return columns - 1 if columns else None  # 0 if a terminal does not know
    return None


def _is_terminal() -> bool:
    with contextlib.suppress(Exception):
        return sys.stderr.isatty()
    return False


def _scaled(number: float) -> str:
    """Return a number with three digits and a prefix of the SI."""
    prefixes = iter("kMGT")
    prefix = ""
    while number >= 999.5 and (larger := next(prefixes, "")):
        number, prefix = number / 1000, larger
    return f"{number:.3g}{prefix}"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"
    )
