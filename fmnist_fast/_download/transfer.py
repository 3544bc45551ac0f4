"""Transfer of a file into its staging folder, with limits and retries."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .. import config
from .._io.files import naming
from .._io.lock import Lock, locked
from .._io.paths import shown
from .._io.progress import ProgressBar, say
from .._io.staging import Staging, lock_path, staged
from .sources import Source, TransferError, limited

_INTERVAL_SECONDS = 30.0  # over which the rate of a transfer is measured
_MIN_RATE = 1024  # bytes per second in an interval; a slower transfer is stopped
_TRIES = 3  # of a source that makes no progress
_FURTHER_NBYTES = 1 << 20  # a try that adds this many bytes resets the count of tries
_BACKOFF_SECONDS = 1.0  # before the second try, and twice as long before each next one
_BAR_SECONDS = 0.5  # a shorter transfer shows no bar
_MAX_WAIT_SECONDS = 60.0  # if a server asks for more, then the next source is tried


@dataclass
class Transfer:
    """Transfer of a file, which several sources may continue.

    `check` says how a content differs from the right one. Without it, a part is only
    continued with bytes of the same version.
    """

    staging: Staging
    lock: Lock  # for which other processes wait
    bar: ProgressBar
    nbytes: int | None  # size of the file, if known
    check: Callable[[BinaryIO], str] | None

    def receive(self, url: str, source: Source) -> Staging:
        """Receive the file, with retries where they may help, or raise TransferError.

        The caller publishes the staging folder's part. The note has the version.
        """
        failures, furthest = 0, self.staging.nbytes
        while True:
            try:
                self._try(url, source)
                return self.staging
            except TransferError as error:
                if self.staging.nbytes >= furthest + _FURTHER_NBYTES:
                    failures, furthest = 0, self.staging.nbytes
                if error.restart:
                    self.staging.begin({})
                failures += 1
                # Machines that failed together must not try again together.
                wait = _BACKOFF_SECONDS * 2 ** (failures - 1) * random.uniform(0.5, 1.0)
                wait = max(wait, error.after)
                if not error.again or failures == _TRIES or wait > _MAX_WAIT_SECONDS:
                    raise
                say(f"{shown(url)}: {error}; trying again in {wait:.1f} s")
                time.sleep(wait)

    def _try(self, url: str, source: Source) -> None:
        staging, begin = self.staging, self.staging.nbytes
        self.lock.say_alive()
        if begin == 0 or begin != self.nbytes:
            known = None if begin == 0 or self.check else staging.note()
            with contextlib.closing(limited(source(begin, known), url)) as pieces:
                begin, version = next(pieces)
                total = int(version["size"]) if "size" in version else None
                self._check_size(total)
                if begin == 0:
                    staging.begin(version)
                self._append(pieces, begin, total)
        os.fsync(staging.part.fileno())
        if self.check and (difference := self.check(staging.part)):
            staging.begin({})
            text = f"not the published file: {difference}"
            raise TransferError(text, again=begin > 0)

    def _check_size(self, total: int | None) -> None:
        limit = self.nbytes or config.max_download_nbytes()
        if self.nbytes is not None and total not in (None, self.nbytes):
            raise TransferError(f"the file must have {self.nbytes} bytes, got {total}")
        if self.nbytes is None and (total or 0) > limit:
            text = f"the file must have at most {limit} bytes, got {total} or more"
            advice = "Set FMNIST_FAST_MAX_DOWNLOAD_GB to a larger number"
            raise TransferError(f"{text}.\n{advice}", restart=True)

    def _append(self, pieces: Iterator[bytes], begin: int, total: int | None) -> None:
        """Append the pieces to the part, which then has the size that is known."""
        part, nbytes, total = self.staging.part, begin, self.nbytes or total
        limit = config.max_download_nbytes() if total is None else total
        self.bar.n = self.bar.initial = begin
        self.bar.total = total
        part.seek(begin)
        last, last_nbytes = time.monotonic(), begin
        # One byte more shows that the file is too long, or has changed.
        while nbytes <= limit and (piece := next(pieces, b"")):
            nbytes += part.write(piece[: limit + 1 - nbytes])
            part.flush()
            self.bar.update(nbytes - self.bar.n)
            self.lock.say_alive()
            seconds = time.monotonic() - last
            if seconds > _INTERVAL_SECONDS:
                rate = (nbytes - last_nbytes) / seconds
                if rate < _MIN_RATE:
                    raise TransferError(f"only {rate:.0f} bytes a second", again=True)
                last, last_nbytes = last + seconds, nbytes
        if total is None and nbytes == 0:
            raise TransferError("no bytes arrived", again=True)
        if total is None:
            self._check_size(nbytes)
        elif nbytes < total:
            raise TransferError(f"only {nbytes} of {total} bytes arrived", again=True)
        elif nbytes > total:
            text = f"the file must have {total} bytes, got {nbytes} or more"
            raise TransferError(text, again=self.nbytes is None, restart=True)


@contextlib.contextmanager
def transfer(
    target: Path,
    mode: int,
    nbytes: int | None = None,
    check: Callable[[BinaryIO], str] | None = None,
) -> Iterator[Transfer]:
    """Lock and stage a file of this mode, and show a bar on stderr if it takes long."""
    name = target.name
    bar = ProgressBar(
        desc=name, total=nbytes, unit="B", unit_scale=True, delay=_BAR_SECONDS
    )
    with (
        locked(lock_path(target), f"fetching {name}") as lock,
        staged(target, mode) as staging,
        naming(target, staging.path, "part", "note"),
        bar,
    ):
        yield Transfer(staging, lock, bar, nbytes, check)
