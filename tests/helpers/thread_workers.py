"""Workers of a DataLoader that are threads, so that a test can start thousands."""

import copy
import multiprocessing.context
import queue
import threading

_thread = threading.local()


def worker_info():
    """Return what `torch.utils.data.get_worker_info` returns in a process."""
    return getattr(_thread, "info", None)


class _Info:
    def __init__(self, seed, id, num_workers):
        self.seed, self.id, self.num_workers = seed + id, id, num_workers


class _Worker(threading.Thread):
    """A thread with the parts of a process that a DataLoader uses."""

    pid = exitcode = 0

    def __init__(self, target, args):
        kind, dataset, *args = args
        # These are the seed of the pass, the number of the worker and their number.
        self.info = _Info(args[6], args[8], args[9])
        twin = copy.copy(dataset)  # as a process has
        twin._passes._items = dataset._passes._items  # memory that processes share
        arguments = (kind, twin, *args)
        super().__init__(target=target, args=arguments, daemon=True)

    def run(self):
        _thread.info = self.info
        super().run()


class _Queue(queue.Queue):
    def cancel_join_thread(self):
        pass

    def close(self):
        pass


class Threads(multiprocessing.context.BaseContext):
    """Context for the argument `multiprocessing_context` of a DataLoader."""

    Process = _Worker

    def Queue(self):
        return _Queue()

    def Event(self):
        return threading.Event()
