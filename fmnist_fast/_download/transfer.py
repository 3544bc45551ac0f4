"""A file from a URL into a partial file, which is continued where it was left.

Range requests: RFC 9110, sections 13.1.5 and 14. Bytes are taken as they are sent,
whatever Content-Encoding says of a file that ends in .gz: the hash decides.
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

_MAX_NBYTES = 1 << 30  # of a file of unknown size; the largest of the family is 562 MB
_PIECE_NBYTES = 1 << 18
_WINDOW_SECONDS = 30.0
_MIN_RATE = 1024  # bytes a second over such a window; less is a server that drips
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # answers that may change


class Downloader:
    """Fetches a URL for pooch, by way of a partial file that survives failures.

    Parameters
    ----------
    file : PublishedFile
    part : Path
        The partial file. Beside it a file of the same name with ``.from`` appended says
        which version of which URL it is a part of.
    bar : tqdm.tqdm
    resume : bool
        Whether to continue what `part` holds.

    Attributes
    ----------
    resumed : bool
        Whether some bytes are from an earlier call.
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
        """Fetch `url` into `output_file`; raises TransferError if that fails."""
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
            except OSError as error:  # such as a full disk, which names no file
                error.filename = error.filename or str(self.part)
                raise
        if total is None and nbytes > _MAX_NBYTES:
            self.forget()
            raise TransferError(f"sends more than {_MAX_NBYTES} bytes")

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
        wanted = self.file.nbytes
        if total is not None and total != (wanted or total):
            raise TransferError(f"has a file of {total} bytes, wanted {wanted}")
        if (total or 0) > (wanted or _MAX_NBYTES):
            raise TransferError(f"has {total} bytes, more than {_MAX_NBYTES}")

    def _copy(
        self, connection: Connection, out: BinaryIO, begin: int, total: int | None
    ) -> int:
        """Append the body to `out`, from byte `begin` of `total` on; its new size."""
        self.bar.total = total
        self.bar.initial = self.bar.n = nbytes = begin
        self.bar.refresh()
        # One byte more than is allowed shows that there are too many; where the size is
        # known nothing beyond it is read.
        end = _MAX_NBYTES + 1 if total is None else total
        window_end, window_begin = time.monotonic() + _WINDOW_SECONDS, nbytes
        while nbytes < end:
            piece = connection.read(min(_PIECE_NBYTES, end - nbytes))
            if not piece:
                break
            out.write(piece)
            nbytes += len(piece)
            self.bar.update(len(piece))
            if time.monotonic() > window_end:
                rate = (nbytes - window_begin) / _WINDOW_SECONDS
                if rate < _MIN_RATE:
                    raise TransferError(f"sends {rate:.0f} bytes a second", again=True)
                window_end, window_begin = time.monotonic() + _WINDOW_SECONDS, nbytes
        if total is not None and nbytes < total:
            raise TransferError(f"ends after {nbytes} of {total} bytes", again=True)
        return nbytes


def nbytes_of(path: Path) -> int:
    """The size of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _checked_answer(response: requests.Response, offset: int) -> tuple[int, int | None]:
    """Where the body of an answer begins, and the size of the whole file if told."""
    status, headers = response.status_code, response.headers
    if status == 200:
        length = headers.get("Content-Length", "")
        return 0, int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None
    if offset and status == 206:
        given = headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18}|\*)", given)
        if match is None or int(match[1]) != offset:
            raise TransferError(
                f"was asked for the bytes from {offset} on, sends {given!r}",
                again=True,
                restart=True,
            )
        return offset, None if match[2] == "*" else int(match[2])
    if offset and status == 416:
        raise TransferError(f"has no bytes from {offset} on", again=True, restart=True)
    after = _retry_after(headers.get("Retry-After", ""))
    message = f"answers {status} {http.client.responses.get(status, '')}".rstrip()
    if after:
        message += f", ask again in {after:.0f} s"
    raise TransferError(message, again=status in _PASSING, after=after)


def _retry_after(value: str) -> float:
    """Seconds that a Retry-After header asks to wait, at least 0."""
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
    """What an If-Range header may hold to name this version of the file."""
    tag = response.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return tag
    return "" if tag else response.headers.get("Last-Modified", "")
