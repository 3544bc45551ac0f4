"""Fetch a URL into a partial file, and continue the partial file after a failure.

Range requests follow RFC 9110, sections 13.1.5 and 14. Bytes are stored as they are
sent, whatever Content-Encoding says of a file that ends in .gz. The hash decides
whether they are right.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from .connection import Connection, TransferError

if TYPE_CHECKING:
    import requests

    from .._registry.spec import PublishedFile

# Limit for a file of unknown size. The largest published file has 562 MB.
_MAX_NBYTES = 1 << 30
_PIECE_NBYTES = 1 << 18
_INTERVAL_SECONDS = 30.0  # over which the rate of a download is measured
_MIN_RATE = 1024  # bytes per second in an interval; a slower download is stopped
# Status codes of temporary failures. Another try may succeed after these.
_TEMPORARY = {408, 425, 429, 500, 502, 503, 504}


class Downloader:
    """Downloader for pooch that keeps a partial file after a failure.

    Parameters
    ----------
    file : PublishedFile
        File to fetch.
    part : Path
        Path of the partial file. A file of the same name with ``.from`` appended says
        from which version of which URL the part comes.
    bar : tqdm.tqdm
        Progress bar to update.
    resume : bool
        Whether to continue the content of `part`.

    Attributes
    ----------
    resumed : bool
        Whether some bytes come from an earlier call.
    """

    def __init__(
        self, file: PublishedFile, part: Path, bar: Any, *, resume: bool = True
    ) -> None:
        self.file = file
        self.part = part
        self.bar = bar
        self.resume = resume
        self.resumed = False
        self._origin = part.with_name(f"{part.name}.from")

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Fetch `url` into `output_file`, or raise TransferError."""
        offset = nbytes_of(self.part) if self.resume else 0
        if 0 < offset == self.file.nbytes:
            self.resumed = True
        else:
            self._receive(url, offset)
        os.replace(self.part, output_file)
        self.forget()

    def forget(self) -> None:
        """Remove the partial file."""
        for path in (self.part, self._origin):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def _receive(self, url: str, offset: int) -> None:
        with Connection(plain=self.file.sha256 is not None) as connection:
            response = connection.open(url, self._headers(url, offset))
            begin, total = _checked_answer(response, offset)
            self._check_total(total)
            total = self.file.nbytes or total
            self.resumed = begin > 0
            try:
                if not self.resumed:
                    self.forget()
                    self._origin.write_text(f"{url}\n{_validator(response)}", "utf-8")
                with open(self.part, "ab") as out:
                    nbytes = self._copy(connection, out, begin, total)
                    out.flush()
                    os.fsync(out.fileno())
            except OSError as error:  # for a full disk, the error names no file
                error.filename = error.filename or str(self.part)
                raise
        if total is None and nbytes > _MAX_NBYTES:
            self.forget()
            raise TransferError(f"more than {_MAX_NBYTES} bytes were sent")

    def _headers(self, url: str, offset: int) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
                origin, _, validator = self._origin.read_text("utf-8").partition("\n")
                if origin == url and validator:
                    headers["If-Range"] = validator
        return headers

    def _check_total(self, total: int | None) -> None:
        known = self.file.nbytes
        if total is not None and total != (known or total):
            raise TransferError(f"the file must have {known} bytes, got {total}")
        if (total or 0) > (known or _MAX_NBYTES):
            raise TransferError(
                f"the file must have at most {_MAX_NBYTES} bytes, got {total}"
            )

    def _copy(
        self, connection: Connection, out: BinaryIO, begin: int, total: int | None
    ) -> int:
        """Append the body to `out` and return the size of the partial file.

        The body begins at byte `begin` of a file of `total` bytes.
        """
        self.bar.total = total
        self.bar.initial = self.bar.n = nbytes = begin
        self.bar.refresh()
        # One byte above the limit shows that the file is too long. If the size is
        # known, nothing after it is read.
        end = _MAX_NBYTES + 1 if total is None else total
        interval_end = time.monotonic() + _INTERVAL_SECONDS
        interval_begin = nbytes
        while nbytes < end:
            piece = connection.read(min(_PIECE_NBYTES, end - nbytes))
            if not piece:
                break
            out.write(piece)
            nbytes += len(piece)
            self.bar.update(len(piece))
            if time.monotonic() > interval_end:
                rate = (nbytes - interval_begin) / _INTERVAL_SECONDS
                if rate < _MIN_RATE:
                    raise TransferError(f"only {rate:.0f} bytes a second", again=True)
                interval_end = time.monotonic() + _INTERVAL_SECONDS
                interval_begin = nbytes
        if total is not None and nbytes < total:
            raise TransferError(f"only {nbytes} of {total} bytes arrived", again=True)
        return nbytes


def nbytes_of(path: Path) -> int:
    """Return the size of a file in bytes, or 0 if it does not exist."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _checked_answer(response: requests.Response, offset: int) -> tuple[int, int | None]:
    """Return the position of the body in the file, and the file's size if known."""
    status, headers = response.status_code, response.headers
    if status == 200:
        length = headers.get("Content-Length", "")
        return 0, int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None
    if offset and status == 206:
        content_range = headers.get("Content-Range", "")
        pattern = r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18}|\*)"
        match = re.fullmatch(pattern, content_range)
        if match is None or int(match[1]) != offset:
            raise TransferError(
                f"Content-Range must begin at byte {offset}, got {content_range!r}",
                again=True,
                restart=True,
            )
        return offset, None if match[2] == "*" else int(match[2])
    if offset and status == 416:
        raise TransferError(f"no bytes from {offset} on", again=True, restart=True)
    after = _retry_after(headers.get("Retry-After", ""))
    message = f"HTTP {status} {http.client.responses.get(status, '')}".rstrip()
    if after:
        message += f"; the server asks to wait {after:.0f} s"
    raise TransferError(message, again=status in _TEMPORARY, after=after)


def _retry_after(value: str) -> float:
    """Return the seconds that a Retry-After header asks to wait, at least 0."""
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())


def _validator(response: requests.Response) -> str:
    """Return the value for If-Range that names this version of the file, or ""."""
    tag = response.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return tag
    return "" if tag else response.headers.get("Last-Modified", "")
