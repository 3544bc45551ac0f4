"""Transfer of a file into its staging folder, with limits and retries."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import tqdm

from .. import config
from .._io.files import naming
from .._io.lock import Lock, locked
from .._io.paths import shown
from .._io.staging import Staging, staged
from .sources import Source, TransferError, limited

_INTERVAL_SECONDS = 30.0  # over which the rate of a transfer is measured
_MIN_RATE = 1024  # bytes per second in an interval; a slower transfer is stopped
_TRIES = 3  # of a source that makes no progress
_FURTHER_NBYTES = 1 << 20  # a try that adds this many bytes resets the count of tries
_BACKOFF_SECONDS = 1.0  # before the second try, and twice as long before each next one
_BAR_SECONDS = 0.5  # a shorter transfer shows no bar
_MAX_WAIT_SECONDS = 60.0  # if a server asks for more, then the next source is tried


class _Stderr:
    """Standard error, which may be missing, closed or full."""

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the real file, for tqdm."""
        return getattr(sys.stderr, name)

    def write(self, text: str) -> None:
        """Write some text, or lose it."""
        with contextlib.suppress(AttributeError, OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        """Flush the file."""
        with contextlib.suppress(AttributeError, OSError, ValueError):
            sys.stderr.flush()


def say_waiting(url: str) -> None:
    """Print that a server does not answer yet."""
    tqdm.tqdm.write(f"waiting for {shown(url)}", file=_Stderr())


@dataclass
class Transfer:
    """Transfer of a file, which several sources may continue.

    `check` says how a content differs from the right one. Without it, a part is only
    continued with bytes of the same version.
    """

    staging: Staging
    lock: Lock  # for which other processes wait
    bar: tqdm.tqdm
    nbytes: int | None  # size of the file, if known
    check: Callable[[BinaryIO], str] | None

    def say(self, message: str) -> None:
        """Print a message above the bar, unless the bar is disabled."""
        if not self.bar.disable:
            self.bar.write(f"{self.bar.desc}: {message}", file=_Stderr())

    def receive(self, url: str, source: Source) -> Staging:
        """Receive the file, with retries where they may help, or raise TransferError.

        The caller publishes the staging folder's part. The note has the version.
        """
        failures, furthest, may_restart = 0, self.staging.nbytes, True
        while True:
            self.lock.say_alive()
            try:
                with naming(self.staging.path / "part"):
                    self._try(url, source)
                return self.staging
            except TransferError as error:
                text = f"{shown(url)}: {error}"
                if error.restart:
                    self.staging.begin({})
                    if may_restart:
                        may_restart = False
                        self.say(f"{text}; fetching it from the start")
                        continue
                failures += 1
                if self.staging.nbytes >= furthest + _FURTHER_NBYTES:
                    failures, furthest = 1, self.staging.nbytes
                # Machines that failed together must not try again together.
                wait = _BACKOFF_SECONDS * 2 ** (failures - 1) * random.uniform(0.5, 1.0)
                wait = max(wait, error.after)
                if not error.again or failures == _TRIES or wait > _MAX_WAIT_SECONDS:
                    raise
                self.say(f"{text}; trying again in {wait:.1f} s")
                time.sleep(wait)

    def _try(self, url: str, source: Source) -> None:
        def waiting() -> None:
            if not self.bar.disable:
                say_waiting(url)

        staging, begin = self.staging, self.staging.nbytes
        if begin == 0 or begin != self.nbytes:
            noted = staging.note().get("version") if begin else None
            fields = noted.items() if isinstance(noted, dict) else ()  # or damaged
            known = {name: str(value) for name, value in fields}
            pieces = limited(source(begin, None if self.check else known), waiting)
            with contextlib.closing(pieces):
                begin, version = next(pieces)
                total = int(version["size"]) if "size" in version else None
                self._check_size(total)
                if begin == 0:
                    staging.begin({"version": version})
                self._copy(pieces, begin, total)
        os.fsync(staging.part.fileno())
        if self.check and (difference := self.check(staging.part)):
            staging.begin({})
            text = f"not the published file: {difference}"
            raise TransferError(text, restart=begin > 0)

    def _check_size(self, total: int | None) -> None:
        limit = config.max_download_nbytes()
        if self.nbytes is not None and total not in (None, self.nbytes):
            raise TransferError(f"the file must have {self.nbytes} bytes, got {total}")
        if self.nbytes is None and (total or 0) > limit:
            self.staging.begin({})
            raise TransferError(
                f"the file must have at most {limit} bytes, got {total} or more.\n"
                "Set FMNIST_FAST_MAX_DOWNLOAD_GB to a larger number"
            )

    def _copy(self, pieces: Iterator[bytes], begin: int, total: int | None) -> None:
        """Append the pieces to the part, which then has the size that is known."""
        part, total = self.staging.part, self.nbytes or total
        nbytes = last_nbytes = self.bar.n = self.bar.initial = begin
        self.bar.total = total
        # One byte more shows that the file is too long, or has changed. If the size is
        # known from elsewhere, nothing after it is read.
        limit = config.max_download_nbytes() if total is None else total
        end = self.nbytes or limit + 1
        part.seek(nbytes)
        last = alive = time.monotonic()
        while nbytes < end and (piece := next(pieces, b"")):
            nbytes += part.write(piece[: end - nbytes])
            part.flush()
            self.bar.update(nbytes - self.bar.n)
            now = time.monotonic()
            if now > alive + 1:
                self.lock.say_alive()
                alive = now
            if now > last + _INTERVAL_SECONDS:
                rate = (nbytes - last_nbytes) / (now - last)
                if rate < _MIN_RATE:
                    raise TransferError(f"only {rate:.0f} bytes a second", again=True)
                last, last_nbytes = now, nbytes
        if total is None and nbytes == 0:
            raise TransferError("no bytes arrived", again=True)
        if total is None:
            self._check_size(nbytes)
        elif nbytes < total:
            raise TransferError(f"only {nbytes} of {total} bytes arrived", again=True)
        elif nbytes > total:
            text = f"the file must have {total} bytes, got {nbytes} or more"
            raise TransferError(text, again=True, restart=True)


@contextlib.contextmanager
def transfer(
    target: Path,
    mode: int,
    nbytes: int | None = None,
    check: Callable[[BinaryIO], str] | None = None,
    *,
    progress: bool = True,
) -> Iterator[Transfer]:
    """Lock and stage a file of this mode, and show a bar on stderr if it takes long."""
    name = target.name
    options = {"unit": "B", "unit_scale": True, "file": _Stderr()}
    options |= {"disable": not progress, "delay": _BAR_SECONDS}
    with (
        locked(target.with_name(f".{name}.lock"), f"fetching {name}") as lock,
        staged(target, mode) as staging,
        tqdm.tqdm(desc=name, total=nbytes, **options) as bar,
    ):
        yield Transfer(staging, lock, bar, nbytes, check)
