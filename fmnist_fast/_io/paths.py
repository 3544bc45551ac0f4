"""Paths and URLs that users pass, and their text in messages."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple


def expanded(path: str | os.PathLike[str]) -> str:
    """Return a path with the user's home folder in place of ``~``.

    Shells leave ``~`` unchanged in ``--root=~/data`` and in quotes. Raise TypeError if
    `path` is not a path, and ValueError if no file can have it.
    """
    text = os.path.expanduser(os.fsdecode(path))
    if "\0" in text:
        raise ValueError(f"a path must not contain null characters, got {text!r}")
    return text


def is_url(source: Any) -> bool:
    """Return whether `source` is a URL and not a path."""
    return isinstance(source, str) and bool(
        re.match(r"[A-Za-z][A-Za-z0-9+.:-]*://", source)
    )


def shown(source: Any) -> str:
    """Return a path or URL for messages, without user and password.

    A password may have any character, also those that a URL must escape. A slash in it
    is recognized unless a port could stand before it.
    """
    user = r"://(?:[^/]*|[^/:@]*:(?![0-9]*/).*)@"
    return re.sub(user, "://***@", str(source))


class File(NamedTuple):
    """A file on disk, which may be a copy of a file at a URL.

    Attributes
    ----------
    path : Path
        Path on disk.
    url : str or None
        URL of the original, as `shown` returns it.
    """

    path: Path
    url: str | None = None

    def __str__(self) -> str:
        """Return the file's name for messages: its URL with the path, or its path."""
        return f"{self.url} (kept as {self.path})" if self.url else str(self.path)

    @property
    def folder(self) -> str:
        """Return the file's folder for messages."""
        if self.url is None:
            return str(self.path.parent)
        return f"{self.url.rpartition('/')[0]} (kept in {self.path.parent})"

    @property
    def root(self) -> str:
        """Return the file's folder for `load`, which is a URL or a path."""
        return self.url.rpartition("/")[0] if self.url else str(self.path.parent)

    def beside(self, name: str) -> File:
        """Return the file `name` of the same folder, which may not exist."""
        url = self.url and f"{self.url.rpartition('/')[0]}/{name}"
        return File(self.path.with_name(name), url)
