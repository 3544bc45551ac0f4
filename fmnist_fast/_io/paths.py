"""Paths and URLs as they are given, and files as messages show them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple


def expanded(path: str | os.PathLike[str]) -> str:
    """Return a given path with the user's home folder in place of ``~``.

    Shells leave ``~`` in ``--root=~/data`` and in quotes. TypeError for other types.
    """
    return os.path.expanduser(os.fsdecode(path))


def is_url(source: Any) -> bool:
    """Return whether that is a URL and not a path."""
    return isinstance(source, str) and bool(
        re.match(r"[A-Za-z][A-Za-z0-9+.:-]*://", source)
    )


def shown(source: Any) -> str:
    """Return a path or URL as messages have it: without the user and password."""
    return re.sub(r"://[^/\s]*@", "://***@", str(source))


class File(NamedTuple):
    """A file on disk, which may be a copy of one at a URL. ``str`` is for messages.

    Attributes
    ----------
    path : Path
    url : str or None
        Where it was fetched from, as messages show it.
    """

    path: Path
    url: str | None = None

    def __str__(self) -> str:
        return f"{self.url} (kept as {self.path})" if self.url else str(self.path)

    @property
    def folder(self) -> str:
        """The folder that it is in, for messages."""
        if self.url is None:
            return str(self.path.parent)
        return f"{self.url.rpartition('/')[0]} (kept in {self.path.parent})"

    def beside(self, name: str) -> File:
        """Return the file of that name in the same folder, which may not exist."""
        url = self.url and f"{self.url.rpartition('/')[0]}/{name}"
        return File(self.path.with_name(name), url)
