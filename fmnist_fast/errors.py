"""Exceptions of this package."""

from __future__ import annotations


class FormatError(ValueError):
    """Error for a file with a wrong format or wrong content.

    The message names the file.
    """


class DownloadError(OSError):
    """Error for a file that could not be fetched.

    The message names the file or its URL. For the files of a published dataset, it says
    which files to fetch by hand, and where to put them.
    """
