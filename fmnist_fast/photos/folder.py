"""Convert a folder of photos to a folder of IDX files, in parallel.

All files are written to OUT.part, which is renamed to OUT at the end. OUT therefore
contains only complete files.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections import deque
from collections.abc import Generator, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from .._checks import checked_integer, install_hint
from .._core import uninterrupted
from .._io.cores import usable_cores
from .._io.own_folder import OwnFolder
from .._io.paths import expanded
from .._io.progress import ProgressBar, say
from .._io.threads import TaskThread, join_all, start_all
from .files import Photo, PhotoFolder, image_or_reason
from .store import BAD_NAME, PhotoStore, checked_card, open_part, remove_leftover

# A checkpoint takes about 10 ms, most of which is waiting for the disk.
_CHECKPOINT_SECONDS = 2.0
_MAX_THREADS = 1024
# A block of Pillow's memory has at most 16 MB. Three blocks hold a photo of 12
# megapixels, and three more hold its copy that is turned upright.
_BLOCKS = 8
# Photos under way for each thread, so that a slow photo delays no other.
_PHOTOS_PER_THREAD = 4


class Converted(NamedTuple):
    """Result of `convert_folder`.

    Attributes
    ----------
    out : Path
        Absolute path of the folder with the IDX files.
    classes : tuple of str
        Class names in the order of their labels: sorted as text, or by value if all of
        them are integers.
    n_images : dict of str to int
        Number of images of each split.
    n_bad : int
        Number of photos that could not be converted. `out` / "bad-photos.txt" lists
        them with the reasons.
    n_skipped : int
        Number of files that have no photo suffix or are not in the folder of a class.

    Notes
    -----
    Determinism: The values depend only on the photos and their names.

    Thread safety: A result doesn't change after it is made, so threads can share it.

    Buffers: The images are in the files only.
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
    folder : str or path
        Folder with a subfolder of photos for each class, or with the subfolders train
        and test, which have a subfolder for each class.
    out : str or path
        Folder for the IDX files. It must not exist, or must be empty.
    threads : int in 1..1024, optional
        Number of photos to convert at the same time. The default is the number of
        usable cores.
    progress : bool, default False
        Whether to show a progress bar on a terminal. After an interrupted call, stderr
        also says whether this call resumes it.

    Returns
    -------
    Converted
        Folder, class names and numbers of images.

    Raises
    ------
    ImportError
        Pillow is not installed.
    FileNotFoundError
        `folder` or the parent folder of `out` does not exist.
    FileExistsError
        `out` exists and is not an empty folder, or is a link. Or ``OUT.part`` exists,
        but was not left by an interrupted call of this user, or others may have written
        to it.
    TypeError
        `threads` is not an integer.
    ValueError
        `threads` is out of range, `out` is inside `folder`, `folder` has no subfolders
        or no photos, the names of the classes take more than 1 MiB, or no photo could
        be converted.
    RuntimeError
        Another process is converting photos to `out`.
    OSError
        A file can't be written, or another process has moved ``OUT.part``.

    Notes
    -----
    Determinism: Images are in the order of split, class and path. The files are the
    same for any number of threads, and with or without an interruption. dataset.json
    has the names of the classes, and the mean and the standard deviation of the
    training images, by which a Loader normalizes the test images too.

    Thread safety: While a call runs, warnings are ignored in all threads of the
    process, because decoders warn about single files.

    Resuming: An interrupted call leaves ``OUT.part``. The next call resumes there if no
    photo was added, removed or changed since, and starts again otherwise. It also
    starts again if the files in ``OUT.part`` are damaged.
    """
    threads = usable_cores() if threads is None else threads
    threads = checked_integer("threads", threads, 1, _MAX_THREADS)
    source = Path(expanded(folder))
    target = Path(os.path.abspath(expanded(out)))
    part = target.with_name(f"{target.name}.part")
    photos = PhotoFolder(source)
    card = checked_card(photos)
    _check_target(source, target)

    with _pillow_blocks_kept(threads), _opened(target, part) as opened:
        store = PhotoStore(opened, photos)
        if store.n_photos == 0:
            store.remove()
            raise ValueError(f"{source}: no photos in {len(photos.classes)} subfolders")
        if progress:
            _print_resume_notice(store)
        with store.open():
            _append_all(store, source, threads, progress)
            store.save()
            _check_any_converted(store, source)
            store.finish(card)
        store.publish(target)
    n_images, n_bad = store.state.n_images, store.state.n_bad
    return Converted(target, tuple(store.classes), n_images, n_bad, photos.n_skipped)


def _opened(target: Path, part: Path) -> OwnFolder:
    """Open the folder of an interrupted call, or a new one, for this process alone."""
    try:
        return open_part(part)
    except FileExistsError as error:
        raise FileExistsError(
            f"{part}: already exists, but was not left by an interrupted run, because "
            f"{error}.\nChoose another output folder, or remove this one."
        ) from None
    except BlockingIOError:
        raise RuntimeError(
            f"{target}: another process is converting photos to it.\n"
            "Wait for that process, or choose another output folder."
        ) from None


@contextlib.contextmanager
def _pillow_blocks_kept(threads: int) -> Iterator[None]:
    """Keep Pillow's memory of a photo for the next photo, in the whole process.

    Without this, each photo takes new pages from the system. glibc returns the pages
    after each photo if they and the copies for numpy exceed its threshold. Measured for
    600 JPEG photos of 762x1000 with two threads, and MALLOC_TRIM_THRESHOLD_=131072 so
    that glibc always returns them: 1,095,000 page faults without this, 651,000 with it.
    """
    with install_hint("photos require Pillow", "pillow"):
        from PIL import Image
    Image.init()  # must not run in several threads at once
    core = Image.core  # type: ignore[attr-defined]
    if not hasattr(core, "set_blocks_max"):
        yield
        return
    before = core.get_blocks_max()
    core.set_blocks_max(max(before, _BLOCKS * threads))
    try:
        yield
    finally:
        core.set_blocks_max(before)  # frees the memory too


def _print_resume_notice(store: PhotoStore) -> None:
    if store.is_new:
        text = (
            f"The photos or the files in {store.folder.path.name} have changed since "
            "the interrupted run. Starting again."
        )
    elif store.state.n_done:
        text = f"Resuming after {store.state.n_done:,} of {store.n_photos:,} photos."
    else:
        return
    say(text)


def _append_all(store: PhotoStore, source: Path, threads: int, progress: bool) -> None:
    """Convert the remaining photos in order, and save checkpoints."""
    bar = ProgressBar(
        total=store.n_photos,
        initial=store.state.n_done,
        unit=" photos",
        disable=None if progress else True,  # None shows it only on a terminal
    )
    with (
        bar,
        warnings.catch_warnings(),
        contextlib.closing(_converted(store, source, threads)) as results,
    ):
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", module="fmnist_fast")
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
    """Yield each remaining photo with its image, or with the reason for its failure.

    Threads convert the photos, because Pillow decodes and the core searches for margins
    without the GIL. On two quiet cores, two processes convert 0.5 to 1.3 times as many
    photos of 762x1000 per second as two threads, depending on the photos. Processes
    also take longer to start, and require an ``if __name__ == "__main__"`` of the
    caller. The threads share queues that are written in C. Ctrl-C in `submit` of a
    ThreadPoolExecutor can leave a lock held, and then its threads never end. If no
    thread can start, the calling thread converts the photos that are waiting.
    """
    tasks: SimpleQueue[Any] = SimpleQueue()

    def first_result() -> tuple[Photo, np.ndarray | str]:
        photo, queue = waiting.popleft()
        if n_started == 0:
            tasks.put(None)
            _convert_tasks(tasks)
        result = queue.get()
        if isinstance(result, BaseException):
            raise result
        return photo, result

    waiting: deque[tuple[Photo, SimpleQueue[Any]]] = deque()
    pool = [
        TaskThread(_convert_tasks, tasks) for _ in range(min(threads, store.n_photos))
    ]
    try:
        n_started = start_all(pool)
        for photo in store.remaining():
            waiting.append((photo, SimpleQueue()))
            tasks.put((source / photo.path, waiting[-1][1]))
            if len(waiting) >= _PHOTOS_PER_THREAD * threads:
                yield first_result()
        while waiting:
            yield first_result()
    finally:
        try:
            _end_tasks(tasks, len(pool))
        finally:
            join_all(pool)


@uninterrupted
def _end_tasks(tasks: SimpleQueue[Any], n_threads: int) -> None:
    """Let threads end after the photos that they convert."""
    with contextlib.suppress(Empty):
        while True:
            tasks.get_nowait()
    for _ in range(n_threads):
        tasks.put(None)


def _convert_tasks(tasks: SimpleQueue[Any]) -> None:
    """Put the image, reason or exception of each path into its queue, until a None."""
    for path, queue in iter(tasks.get, None):
        try:
            queue.put(image_or_reason(path))
        except BaseException as error:
            queue.put(error)


def _check_any_converted(store: PhotoStore, source: Path) -> None:
    if not any(store.state.n_images.values()):
        raise ValueError(
            f"{source}: none of the {store.state.n_bad} photos could be converted.\n"
            f"All of them are listed in {store.folder.path / BAD_NAME}.\n"
            f"The first one is {store.first_bad()}"
        )


def _check_target(source: Path, target: Path) -> None:
    if target.is_relative_to(os.path.abspath(source)):
        raise ValueError(f"{target} must not be in {source}, the folder of photos")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: there is no folder {target.parent}")
    if not os.path.lexists(target):
        return
    reason = "is a link" if target.is_symlink() else ""
    if not reason and (not target.is_dir() or any(target.iterdir())):
        reason = "is not an empty folder"
        remove_leftover(target)
    if reason:
        raise FileExistsError(
            f"{target}: already exists and {reason}.\n"
            "Choose another output folder, or remove this one."
        )
