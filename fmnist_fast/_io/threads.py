"""Tasks in threads, also where the system can't start as many as are wanted."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Sequence
from queue import Empty, SimpleQueue
from typing import Any

from .warn import calling_line

_SILENT_SECONDS = 2.0  # a longer wait for an item is reported
_N_AHEAD = 4  # items that `in_thread` makes before they are asked for


class TaskThread(threading.Thread):
    """A thread that can be waited for again after Ctrl-C.

    Up to Python 3.12, Ctrl-C during `join` marks a running thread as ended. Ctrl-C
    during `get` of a SimpleQueue, which is written in C, leaves no lock held.

    Attributes
    ----------
    calling_line : Line
        The line that called the package, for warnings of the thread.
    """

    def __init__(self, target: Callable[..., Any], *args: Any) -> None:
        """Prepare a call of `target` with `args`."""
        super().__init__(target=target, args=args)
        self.calling_line = calling_line()
        self._has_ended = False
        self._end: SimpleQueue[None] = SimpleQueue()

    def run(self) -> None:
        """Call the target, and tell `wait` of the end."""
        try:
            super().run()
        finally:
            self._has_ended = True
            self._end.put(None)

    def wait(self) -> None:
        """Wait until the target has returned."""
        while not self._has_ended:
            self._end.get()


def run_together(tasks: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run `tasks` at the same time, and return their results in order.

    The first task runs in the calling thread, and each other task in a thread of its
    own. A task whose thread can't start runs in the calling thread, after the first. If
    tasks fail, all that run are waited for, and the first task's exception is raised.
    """
    results: list[Any] = [None] * len(tasks)
    errors: list[BaseException | None] = [None] * len(tasks)

    def run(i: int) -> None:
        try:
            results[i] = tasks[i]()
        except BaseException as error:
            errors[i] = error

    threads = [TaskThread(run, i) for i in range(1, len(tasks))]
    try:
        n_started = start_all(threads)
        for i in (0, *range(1 + n_started, len(tasks))):
            run(i)
            if errors[i] is not None:
                break  # no later task's exception would be raised
    finally:
        join_all(threads)
    for error in errors:
        if error is not None:
            raise error
    return results


def start_all(threads: Sequence[threading.Thread]) -> int:
    """Start threads until one can't start, which warns, and return how many started."""
    for n_started, thread in enumerate(threads):
        try:
            thread.start()
        except (RuntimeError, MemoryError):
            if sys.platform not in ("emscripten", "wasi"):  # these have no threads
                warnings.warn(
                    "the system can't start another thread. The result is the same, "
                    "but takes longer.\nRaise the limit of processes (ulimit -u) or "
                    "of memory.",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return n_started
    return len(threads)


def join_all(threads: Sequence[TaskThread]) -> None:
    """Wait for the threads that started, and raise a KeyboardInterrupt only then."""
    interrupt = None
    while True:
        try:
            for thread in threads:
                if thread.ident is not None:  # it started
                    thread.wait()
                    thread.join()
            break
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


def in_thread(
    items: Generator[Any], seconds: float, waiting: Callable[[], None] = lambda: None
) -> Generator[Any]:
    """Yield the items of a generator that runs in a thread, each in limited time.

    Some items are made ahead, but none before the second is asked for. Raise
    TimeoutError after `seconds` without an item, and abandon the thread. `waiting` is
    called after 2 seconds without one. If no thread can start, the calling thread
    waits, for as long as it takes.
    """
    wanted: SimpleQueue[bool] = SimpleQueue()
    results: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def work() -> None:
        try:
            while wanted.get():
                results.put((next(items), None))
        except BaseException as error:
            results.put((None, error))
        finally:
            items.close()

    thread = threading.Thread(target=work, daemon=True)
    if start_all([thread]) == 0:
        yield from items
        return
    try:
        for n_more in itertools.chain((1, _N_AHEAD), itertools.repeat(1)):
            for _ in range(n_more):
                wanted.put(True)
            item, error = _next_of(results, seconds, waiting)
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    except Empty:
        # End the thread, too, if it runs or is ever woken up.
        end = ctypes.pythonapi.PyThreadState_SetAsyncExc
        end(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
        raise TimeoutError from None
    finally:
        with contextlib.suppress(Empty):
            while True:
                wanted.get_nowait()
        wanted.put(False)


def _next_of(results: SimpleQueue, seconds: float, waiting: Callable[[], None]) -> Any:
    """Return the next item of a queue, or raise Empty after `seconds`."""
    try:
        return results.get(timeout=min(seconds, _SILENT_SECONDS))
    except Empty:
        waiting()
        return results.get(timeout=max(0.0, seconds - _SILENT_SECONDS))
