"""Paths and URLs as they are given, and as messages show them."""

from __future__ import annotations

import os
import re
from typing import Any


def expanded(path: str | os.PathLike[str]) -> str:
    """A path that was given, with ``~`` for the user's home folder.

    Shells leave it in ``--root=~/data`` and in quotes. TypeError where it is no path.
    """
    return os.path.expanduser(os.fsdecode(path))


def is_url(source: Any) -> bool:
    """Whether that is a URL and not a path."""
    return isinstance(source, str) and bool(
        re.match(r"[A-Za-z][A-Za-z0-9+.:-]*://", source)
    )


def shown(source: Any) -> str:
    """A path or URL as messages have it: a URL without its user and password."""
    return re.sub(r"://[^/\s]*@", "://***@", str(source))
