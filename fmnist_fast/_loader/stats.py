"""Stats of an iteration: how long the loop waited for batches, and threads filled."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any, NamedTuple

_SMALL_SHARE = 0.1  # of the time; no faster loader would save more than this


class Stats(NamedTuple):
    """Times and batches of an iteration over a loader.

    Attributes
    ----------
    seconds : float
        Time from the start of the iteration until its newest request was served.
    wait_seconds : float
        Time that its requests for batches took, with Python functions of `augment`.
        It is added up over threads that share the iterator.
    late_seconds : float
        Part of `wait_seconds` in which requests waited for a batch to be filled, or
        filled it themselves.
    fill_seconds : float
        Time for which threads filled batches, added up. The consumer is one of them
        while it waits. This and `late_seconds` are 0 if a device makes the batches.
    batches : int
        Batches that were taken.
    ready : int
        Batches of these that were complete when they were requested.
    """

    seconds: float = 0.0
    wait_seconds: float = 0.0
    late_seconds: float = 0.0
    fill_seconds: float = 0.0
    batches: int = 0
    ready: int = 0

    def summary(self) -> str:
        """Return in words who waits for whom, and what would help."""
        if self.batches == 0:
            return "No batch was taken."
        share = self.wait_seconds / self.seconds if self.seconds else 0.0
        if share < _SMALL_SHARE:
            advice = "A faster loader would not help."
        elif self.late_seconds < self.wait_seconds / 2:
            advice = (
                "More threads would not help. Larger batches may help, or fewer Python "
                "functions in augment."
            )
        else:
            advice = (
                f"Threads filled for {_in_words(self.fill_seconds)}. More threads "
                "would help if cores are free, and so would cheaper transforms."
            )
        waited, seconds = _in_words(self.wait_seconds), _in_words(self.seconds)
        who, of = "The loop waited", f"of {seconds} ({share:.0%})"
        if share > 1:
            who, of = "Threads of the loop together waited", f"in {seconds}"
        return (
            f"{who} {waited} {of} for batches, and {self.ready:,} of {self.batches:,} "
            f"were ready. {advice}"
        )


def stats_of(pipeline: Any) -> Stats:
    """Return the stats of a pipeline's newest iteration, or zeros without one."""
    if pipeline is None:
        return Stats()
    elapsed, waited, late, filled, n_taken, n_ready = pipeline.stats()
    return Stats(
        elapsed / 1e9, waited / 1e9, late / 1e9, filled / 1e9, n_taken, n_ready
    )


class Stopwatch:
    """Times of an iteration whose batches Python code launches on a device.

    The time of the launches counts as waited. Set `request_ns` to the time at the
    beginning of each request.
    """

    def __init__(self) -> None:
        self._begin_ns = self.request_ns = perf_counter_ns()
        self._wait_ns = self.n_launches = 0

    def launched(self) -> None:
        """Count a launch, which is the end of a request."""
        begin_ns, self.request_ns = self.request_ns, perf_counter_ns()
        self._wait_ns += self.request_ns - begin_ns
        self.n_launches += 1

    def stats(self, n_taken: int | None = None) -> tuple[int, int, int, int, int, int]:
        """Return what `Pipeline.stats` returns. By default, a launch makes a batch."""
        n_taken = self.n_launches if n_taken is None else n_taken
        n_ready = max(0, n_taken - self.n_launches)
        elapsed = self.request_ns - self._begin_ns
        return elapsed, self._wait_ns, 0, 0, n_taken, n_ready


def _in_words(seconds: float) -> str:
    return f"{seconds:,.2f} s" if seconds >= 1 else f"{seconds * 1e3:.2f} ms"
