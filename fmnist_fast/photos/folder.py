"""Convert a folder of photos to a folder of IDX files, in parallel.

All is written in OUT.part, which becomes OUT at the end: what is in OUT is whole.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Generator, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from .._checks import checked_integer, install_hint
from .._io.files import sync_folder, usable_cores
from .._io.lock import locked
from .._io.paths import expanded
from .files import Photo, PhotoFolder, image_or_reason
from .store import BAD_NAME, PROGRESS_NAME, PhotoStore

_CHECKPOINT_SECONDS = 2.0  # one takes some 10 ms, most of it waiting for the disk
_MAX_THREADS = 1024
# A block is of 16 MB at most: three hold a photo of 12 megapixels, and as many its
# copy turned upright.
_BLOCKS = 8
_WAITING = 4  # photos in work for each thread, so that a slow one delays no other


class Converted(NamedTuple):
    """What `convert_folder` did.

    Attributes
    ----------
    out : Path
        The folder with the files.
    classes : tuple of str
    n_images : dict of str to int
        For each split.
    n_bad : int
        Photos that could not be converted; `out` / "bad-photos.txt" says which and why.
    n_skipped : int
        Files without a photo suffix or outside of the classes.
    """

    out: Path
    classes: tuple[str, ...]
    n_images: dict[str, int]
    n_bad: int
    n_skipped: int


def convert_folder(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    threads: int | None = None,
    progress: bool = False,
) -> Converted:
    """Convert a folder of photos to IDX files, for ``load(split, root=out)``.

    Parameters
    ----------
    folder : path
        With a subfolder of photos for each class, or with subfolders train and test
        that have these.
    out : path
        The folder to make. It must not be there already, or be empty.
    threads : int, optional
        Photos to convert at the same time, in 1..1024; by default one for each core.
    progress : bool
        Show a progress bar, where there is a terminal. Say on stderr where an
        interrupted call left something whether this one goes on from there.

    Returns
    -------
    Converted

    Raises
    ------
    ImportError
        Pillow is not installed.
    FileExistsError, FileNotFoundError, TypeError, ValueError
        An argument is not what it should be, or no photo could be converted.
    RuntimeError
        Another process is writing `out`.

    Notes
    -----
    Determinism: images are in the order of split, class and path; the files are the
    same for any number of threads, and whether or not the work was interrupted.
    A call that ended early leaves ``OUT.part``; the next call goes on from there if
    no photo has been added, removed or changed since, and otherwise starts again.
    Warnings of decoders about single files are not shown meanwhile, by any thread.
    """
    threads = usable_cores() if threads is None else threads
    threads = checked_integer("threads", threads, 1, _MAX_THREADS)
    source = Path(expanded(folder))
    target = Path(os.path.abspath(expanded(out)))
    part = target.with_name(f"{target.name}.part")
    photos = PhotoFolder(source)
    _check_targets(source, target, part)

    def refuse() -> None:
        raise RuntimeError(f"{target}: another process is converting photos into it")

    with _kept_blocks(threads), locked(part / PROGRESS_NAME / "lock", refuse):
        store = PhotoStore(part, photos)
        if store.n_photos == 0:
            shutil.rmtree(part)
            raise ValueError(f"{source}: no photos in {len(photos.classes)} subfolders")
        if progress:
            _say_where_from(store)
        with store.open():
            _append_all(store, source, threads, progress)
            store.save()
            _check_any_good(store, source)
            store.finish(source.resolve().name)
        if store.state.n_bad == 0:
            (part / BAD_NAME).unlink()
    if target.is_dir():
        target.rmdir()  # it is empty; Windows would not replace it
    part.rename(target)
    sync_folder(target.parent)
    shutil.rmtree(target / PROGRESS_NAME, ignore_errors=True)
    n_images, n_bad = store.state.n_images, store.state.n_bad
    return Converted(target, tuple(photos.classes), n_images, n_bad, photos.n_skipped)


@contextlib.contextmanager
def _kept_blocks(threads: int) -> Iterator[None]:
    """Let Pillow keep the memory of a photo for the next one, in the whole process.

    Otherwise each photo takes fresh pages of the system, and glibc gives them back
    after each where they and the copies for numpy are too large together. 600 JPEG
    photos of 762x1000, two threads, MALLOC_TRIM_THRESHOLD_=131072, which has it do so
    always: 1,095,000 page faults without, 651,000 with this.
    """
    with install_hint("photos need Pillow", "pillow"):
        from PIL import Image
    Image.init()  # here, and not in several threads at once
    core = Image.core  # type: ignore[attr-defined]
    if not hasattr(core, "set_blocks_max"):
        yield
        return
    before = core.get_blocks_max()
    core.set_blocks_max(max(before, _BLOCKS * threads))
    try:
        yield
    finally:
        core.set_blocks_max(before)  # which gives the memory back


def _say_where_from(store: PhotoStore) -> None:
    if store.is_anew:
        text = "Photos have changed since the interrupted run: starting anew."
    elif store.state.n_done:
        text = f"Going on after {store.state.n_done:,} of {store.n_photos:,} photos."
    else:
        return
    print(text, file=sys.stderr)


def _append_all(store: PhotoStore, source: Path, threads: int, progress: bool) -> None:
    """Convert the photos that are left, in order, with checkpoints."""
    import tqdm

    bar = tqdm.tqdm(
        total=store.n_photos,
        initial=store.state.n_done,
        unit=" photos",
        disable=None if progress else True,  # None: where there is a terminal
    )
    with (
        bar,
        warnings.catch_warnings(),
        contextlib.closing(_converted(store, source, threads)) as results,
    ):
        warnings.simplefilter("ignore")
        saved = time.monotonic()
        try:
            for photo, result in results:
                store.append(photo, result)
                bar.update()
                if time.monotonic() - saved > _CHECKPOINT_SECONDS:
                    store.save()
                    saved = time.monotonic()
        except KeyboardInterrupt:
            store.save()
            raise


def _converted(
    store: PhotoStore, source: Path, threads: int
) -> Generator[tuple[Photo, np.ndarray | str]]:
    """Yield the photos that are left, each with its image or the reason why not.

    Threads do it: Pillow decodes and the core looks for margins without the GIL. On two
    quiet cores two of them make 700 photos of 762x1000 a second; two processes made 350
    of one set of photos and 900 of another, take longer to start, and ask a caller for
    an ``if __name__ == "__main__"``. They share queues in C: Ctrl-C in `submit` of a
    ThreadPoolExecutor can leave a lock held, and then its threads never end.
    """
    tasks: SimpleQueue[Any] = SimpleQueue()

    def first_result() -> tuple[Photo, np.ndarray | str]:
        photo, result = waiting.popleft()
        found = result.get()
        if isinstance(found, BaseException):
            raise found
        return photo, found

    waiting: deque[tuple[Photo, SimpleQueue[Any]]] = deque()
    n_threads = min(threads, store.n_photos)
    workers = [threading.Thread(target=_work, args=(tasks,)) for _ in range(n_threads)]
    try:
        for worker in workers:
            worker.start()
        for photo in store.remaining():
            waiting.append((photo, SimpleQueue()))
            tasks.put((source / photo.path, waiting[-1][1]))
            if len(waiting) >= _WAITING * threads:
                yield first_result()
        while waiting:
            yield first_result()
    finally:
        with contextlib.suppress(Empty):
            while True:
                tasks.get_nowait()
        for _ in workers:
            tasks.put(None)
        for worker in workers:
            if worker.is_alive():
                worker.join()


def _work(tasks: SimpleQueue[Any]) -> None:
    """Put the image, reason or exception of each path into its queue, up to a None."""
    for path, result in iter(tasks.get, None):
        try:
            result.put(image_or_reason(path))
        except BaseException as error:
            result.put(error)


def _check_any_good(store: PhotoStore, source: Path) -> None:
    if not any(store.state.n_images.values()):
        bad = store.folder / BAD_NAME
        first = bad.read_text(encoding="utf-8").partition("\n")[0]
        raise ValueError(
            f"{source}: none of {store.state.n_bad} photos could be converted; all are "
            f"listed in {bad}, the first is {first}"
        )


def _check_targets(source: Path, target: Path, part: Path) -> None:
    if target.is_relative_to(os.path.abspath(source)):
        raise ValueError(f"{target} must not be in {source}, the folder of photos")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent} for {target.name}")
    if (target / PROGRESS_NAME).is_dir():  # a kill came between the last two steps
        shutil.rmtree(target / PROGRESS_NAME, ignore_errors=True)
    if os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir())):
        raise FileExistsError(f"{target} is there already: name another, or remove it")
    if os.path.lexists(part) and not (part / PROGRESS_NAME).is_dir():
        raise FileExistsError(f"{part} is there, and is not from an interrupted run")
