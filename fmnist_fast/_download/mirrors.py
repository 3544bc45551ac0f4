"""Fetch one file from its mirrors into a folder: the order of URLs and the retries.

pooch checks the hash. During the download, two hidden names are in the folder: a lock,
and a folder with the partial file, which the next try continues.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pooch
import tqdm

from .._io.files import sync_folder
from .connection import TransferError
from .transfer import Downloader, nbytes_of

if TYPE_CHECKING:
    from .._registry.spec import PublishedFile

_TRIES = 3  # of a URL that makes no progress
_FURTHER_NBYTES = 1 << 20  # a try that adds this many bytes resets the count of tries
_BACKOFF_SECONDS = 1.0  # before the second try, and twice as long before each next one
_MAX_WAIT_SECONDS = 60.0  # if a server asks for more, then the next URL is tried


class Delivery:
    """Download of one file into a folder.

    Parameters
    ----------
    file : PublishedFile
        File to fetch.
    folder : Path
        Existing folder for the file.
    known_hash : (str, str)
        Name of the algorithm, and the published hash in hexadecimal.
    progress : bool
        Whether to show a progress bar on stderr, and to report failed tries there.

    Attributes
    ----------
    lock : Path
        Path of the lock that the caller holds during `run`.
    """

    def __init__(
        self,
        file: PublishedFile,
        folder: Path,
        known_hash: tuple[str, str],
        *,
        progress: bool,
    ) -> None:
        self.file = file
        self.folder = folder
        self.known_hash = ":".join(known_hash)
        self.staging = folder / f".{file.name}.fetching"
        self.lock = folder / f".{file.name}.lock"
        self.progress = progress

    def say(self, message: str) -> None:
        """Print a message on stderr, above the bar if it is shown."""
        if self.progress:
            tqdm.tqdm.write(f"{self.file.name}: {message}", file=sys.stderr)

    def say_waiting(self) -> None:
        """Print that another process is fetching the file."""
        self.say(f"waiting for another process that fetches it into {self.folder}")

    def run(self) -> None:
        """Fetch the file and give it its name.

        Raise a TransferError with the reason of each URL if all of them fail.
        """
        self.staging.mkdir(exist_ok=True)
        try:
            self._fetch()
            os.replace(self.staging / self.file.name, self.folder / self.file.name)
            sync_folder(self.folder)
            for leftover in self.staging.iterdir():  # of processes that were killed
                leftover.unlink()
        finally:
            with contextlib.suppress(OSError):  # a folder with a partial file stays
                self.staging.rmdir()

    def _fetch(self) -> None:
        """Fetch the file into the staging folder from the first mirror that has it."""
        reasons = []
        urls = sorted(self.file.urls, key=lambda url: not url.startswith("https:"))
        with tqdm.tqdm(
            total=self.file.nbytes,
            desc=self.file.name,
            unit="B",
            unit_scale=True,
            file=sys.stderr,
            disable=not self.progress,
        ) as bar:
            for url in urls:
                try:
                    self._fetch_from(url, bar)
                    break
                except TransferError as error:
                    reasons.append(f"  {url}: {error}")
                    self.say(f"giving up on {url}: {error}")
            else:
                raise TransferError(
                    "\n".join([f"could not fetch {self.file.name}:", *reasons])
                )

    def _fetch_from(self, url: str, bar: Any) -> None:
        """Fetch `url` into the staging folder, with retries where they may help."""
        part = self.staging / "part"
        failures, furthest, resume = 0, nbytes_of(part), True
        while True:
            downloader = Downloader(self.file, part, bar, resume=resume)
            try:
                self._retrieve(url, downloader)
                return
            except TransferError as error:
                if error.restart:  # only set when a partial file was continued
                    self.say(f"{url}: {error}; fetching it from the start")
                    resume = False
                    continue
                failures += 1
                if nbytes_of(part) >= furthest + _FURTHER_NBYTES:
                    failures, furthest = 1, nbytes_of(part)
                wait = max(_back_off(failures), error.after)
                if not error.again or failures == _TRIES or wait > _MAX_WAIT_SECONDS:
                    raise
                self.say(f"{url}: {error}; trying again in {wait:.1f} s")
                time.sleep(wait)

    def _retrieve(self, url: str, downloader: Any) -> None:
        """Fetch `url` once into the staging folder, and check the hash."""
        with _silent(pooch.get_logger()):
            try:
                pooch.retrieve(
                    url,
                    known_hash=self.known_hash,
                    fname=self.file.name,
                    path=self.staging,
                    downloader=downloader,
                )
            except ValueError as error:  # pooch raises it for a wrong hash
                reason, _, _advice = str(error).partition(". ")
                raise TransferError(
                    f"not the published file: {reason}", restart=downloader.resumed
                ) from None


def _back_off(failures: int) -> float:
    """Return a random number of seconds to wait before the next try.

    Machines that failed at the same time then do not all try again at the same time.
    """
    return _BACKOFF_SECONDS * 2 ** (failures - 1) * random.uniform(0.5, 1.0)


@contextlib.contextmanager
def _silent(logger: Any) -> Iterator[None]:
    """Hide the log records of this thread while the block runs."""
    own_thread = threading.get_ident()

    def is_of_another_thread(record: Any) -> bool:
        return bool(record.thread != own_thread)

    logger.addFilter(is_of_another_thread)
    try:
        yield
    finally:
        logger.removeFilter(is_of_another_thread)
