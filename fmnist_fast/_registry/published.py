"""A published file: where it can be fetched, and how to tell that it is itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RemoteFile:
    """A published file.

    Attributes
    ----------
    name : str
        What to call it on disk; never taken from a server.
    urls : tuple of str
        Where it is, in the order to try. One that is not https is only tried where
        `sha256` is known.
    sha256, md5 : str or None
        Published hashes, in hexadecimal; at least one is known.
    nbytes : int or None
        Its size, where it is published.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str | None = None
    md5: str | None = None
    nbytes: int | None = None
