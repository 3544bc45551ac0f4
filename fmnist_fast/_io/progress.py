"""Progress and messages on stderr, which may be missing, closed or full."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import tqdm


class _Stderr:
    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the real file, for tqdm."""
        return getattr(sys.stderr, name)

    def write(self, text: str) -> None:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            sys.stderr.flush()


def progress_bar(**options: Any) -> tqdm.tqdm:
    """Return a bar of tqdm on stderr, with `options` of tqdm."""
    return tqdm.tqdm(file=_Stderr(), **options)


def say(text: str) -> None:
    """Print a line on stderr, above the bars."""
    tqdm.tqdm.write(text, file=_Stderr())
