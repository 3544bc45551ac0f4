"""The exceptions of this package."""

from __future__ import annotations


class FormatError(ValueError):
    """A file does not have the format, or the content, that it should have.

    The message names the file.
    """


class DownloadError(OSError):
    """A file could not be fetched. The message says what to put where instead."""
