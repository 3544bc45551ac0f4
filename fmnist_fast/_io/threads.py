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
    """A thread that can be waited for again after Ctrl-C, and told of it.

    Up to Python 3.12, Ctrl-C during `join` marks a running thread as ended. Ctrl-C
    during `get` of a SimpleQueue, which is written in C, leaves no lock held.

    Attributes
    ----------
    calling_line : Line
        The line that called the package, for warnings of the thread.
    starter : threading.Thread
        The thread that made this one, and waits for it.
    is_interrupted : bool
        Whether Ctrl-C has interrupted the starter.
    """

    def __init__(self, target: Callable[..., Any], *args: Any) -> None:
        """Prepare a call of `target` with `args`."""
        super().__init__(target=target, args=args)
        self.calling_line = calling_line()
        self.starter = threading.current_thread()
        self.is_interrupted = False
        self._fate: dict[str, str] = {}  # setdefault is atomic: the first one decides
        self._has_ended = False
        self._end: SimpleQueue[None] = SimpleQueue()

    def run(self) -> None:
        """Call the target, and tell `wait` of the end."""
        try:
            if self._fate.setdefault("target", "runs") == "runs":
                super().run()
        finally:
            self._has_ended = True
            self._end.put(None)

    def wait(self) -> None:
        """Wait until the target has returned, or see to it that it is never called.

        It is never called if the thread didn't start, or if Ctrl-C interrupted `start`
        and the thread isn't running yet.
        """
        if self.ident is None and self._fate.setdefault("target", "never") == "never":
            return
        while not self._has_ended:
            self._end.get()
        self.join()


def is_interrupted() -> bool:
    """Return whether Ctrl-C has interrupted a thread that waits for the calling one."""
    thread = threading.current_thread()
    while isinstance(thread, TaskThread) and not thread.is_interrupted:
        thread = thread.starter
    return isinstance(thread, TaskThread)


def run_together(tasks: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run `tasks` at the same time, and return their results in order.

    The first task runs in the calling thread, and each other task in a thread of its
    own. A task whose thread can't start runs in the calling thread, after the first. If
    tasks fail, all that run are waited for, and the first task's exception is raised.
    At Ctrl-C, `is_interrupted` tells those that run.
    """
    results: list[Any] = [None] * len(tasks)
    errors: list[BaseException | None] = [None] * len(tasks)

    def run(i: int) -> None:
        try:
            results[i] = tasks[i]()
        except BaseException as error:
            errors[i] = error

    threads = [TaskThread(run, i) for i in range(1, len(tasks))]
    i, interrupted = 0, False
    try:
        n_started = start_all(threads)
        for i in (0, *range(1 + n_started, len(tasks))):
            results[i] = tasks[i]()
    except KeyboardInterrupt as error:
        errors[i], interrupted = error, True
    except BaseException as error:
        errors[i] = error  # no later task's exception would be raised
    finally:
        join_all(threads, interrupted)
    first = next((error for error in errors if error is not None), None)
    errors.clear()
    if first is not None:
        try:
            raise first
        finally:  # an exception whose traceback refers to it would keep files open
            del first
    return results


def start_all(threads: Sequence[threading.Thread]) -> int:
    """Start threads until one can't start, which warns, and return how many started."""
    for n_started, thread in enumerate(threads):
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            if isinstance(error.__context__, KeyboardInterrupt):
                raise error.__context__ from None  # in a Condition of `start`
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


def join_all(threads: Sequence[TaskThread], interrupted: bool = False) -> None:
    """Wait for the threads that started, and raise a KeyboardInterrupt only then.

    The threads are told of it, and of one before the call if `interrupted`.
    """
    interrupt = None
    while True:
        try:
            for thread in threads:
                thread.is_interrupted = interrupted
            for thread in threads:
                thread.wait()
            break
        except KeyboardInterrupt as error:
            interrupt, interrupted = error, True
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

    arguments = items, wanted, results
    thread = threading.Thread(target=_make_items, args=arguments, daemon=True)
    try:
        if start_all([thread]) == 0:
            yield from items
            return
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
        try:
            with contextlib.suppress(Empty):
                while True:
                    wanted.get_nowait()
        finally:  # also at Ctrl-C
            wanted.put(False)


def _make_items(
    items: Generator[Any], wanted: SimpleQueue, results: SimpleQueue
) -> None:
    """Put items with a None, or None and an exception, while they are wanted."""
    try:
        while wanted.get():
            results.put((next(items), None))
    except BaseException as error:
        results.put((None, error))
    finally:
        items.close()


def _next_of(results: SimpleQueue, seconds: float, waiting: Callable[[], None]) -> Any:
    """Return the next item of a queue, or raise Empty after `seconds`."""
    try:
        return results.get(timeout=min(seconds, _SILENT_SECONDS))
    except Empty:
        waiting()
        return results.get(timeout=max(0.0, seconds - _SILENT_SECONDS))
