"""One file from its mirrors into a folder: which URL, how often, and its hash.

pooch checks the hash. While a file is on its way there are two hidden names beside it:
a folder with a partial file, for the next try to continue, and a lock.
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

_TRIES = 3  # of a URL that doesn't get further
_FURTHER_NBYTES = 1 << 20  # a try that brings as much more isn't counted
_BACKOFF_SECONDS = 1.0  # before the second try, then twice as long each time
_MAX_WAIT_SECONDS = 60.0  # a server that asks for more is given up


class Delivery:
    """The way of one file into a folder.

    Parameters
    ----------
    file : PublishedFile
    folder : Path
    known_hash : (str, str)
        Name of the algorithm and the published hash in hexadecimal.
    progress : bool
        Show a bar on stderr, and say there what goes wrong.

    Attributes
    ----------
    lock : Path
        To be held during `run`.
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
        """Tell the user, above the bar if there is one."""
        if self.progress:
            tqdm.tqdm.write(f"{self.file.name}: {message}", file=sys.stderr)

    def say_waiting(self) -> None:
        """Tell that somebody else is fetching the file."""
        self.say(f"waiting for another process that fetches it into {self.folder}")

    def run(self) -> None:
        """Fetch the file and give it its name.

        Raises TransferError with what each of the URLs had against it.
        """
        self.staging.mkdir(exist_ok=True)
        try:
            self._fetch()
            os.replace(self.staging / self.file.name, self.folder / self.file.name)
            sync_folder(self.folder)
            for left in self.staging.iterdir():  # by processes that were killed
                left.unlink()
        finally:
            with contextlib.suppress(OSError):  # a partial file stays
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
                    reasons.append(f"  {url} {error}")
                    self.say(f"given up: {url} {error}")
            else:
                raise TransferError(
                    "\n".join([f"could not fetch {self.file.name}:", *reasons])
                )

    def _fetch_from(self, url: str, bar: Any) -> None:
        """Fetch `url` into the staging folder, in several tries where that may help."""
        part = self.staging / "part"
        failures, furthest, resume = 0, nbytes_of(part), True
        while True:
            downloader = Downloader(self.file, part, bar, resume=resume)
            try:
                self._retrieve(url, downloader)
                return
            except TransferError as error:
                if error.restart:  # only ever said of a part that was continued
                    self.say(f"{url} {error}; fetching it from the start")
                    resume = False
                    continue
                failures += 1
                if nbytes_of(part) >= furthest + _FURTHER_NBYTES:
                    failures, furthest = 1, nbytes_of(part)
                wait = max(_back_off(failures), error.after)
                if not error.again or failures == _TRIES or wait > _MAX_WAIT_SECONDS:
                    raise
                self.say(f"{url} {error}; trying again in {wait:.1f} s")
                time.sleep(wait)

    def _retrieve(self, url: str, downloader: Any) -> None:
        """One try: the file is in the staging folder afterwards, its hash checked."""
        with _silent(pooch.get_logger()):
            try:
                pooch.retrieve(
                    url,
                    known_hash=self.known_hash,
                    fname=self.file.name,
                    path=self.staging,
                    downloader=downloader,
                )
            except ValueError as error:  # pooch's, for a wrong hash
                found, _, _advice = str(error).partition(". ")
                raise TransferError(
                    f"has another file: {found}", restart=downloader.resumed
                ) from None


def _back_off(failures: int) -> float:
    """Seconds to wait after so many failures, drawn so that machines part company."""
    return _BACKOFF_SECONDS * 2 ** (failures - 1) * random.uniform(0.5, 1.0)


@contextlib.contextmanager
def _silent(logger: Any) -> Iterator[None]:
    """Keep what this thread logs from being shown."""
    own = threading.get_ident()

    def pass_others(record: Any) -> bool:
        return bool(record.thread != own)

    logger.addFilter(pass_others)
    try:
        yield
    finally:
        logger.removeFilter(pass_others)
