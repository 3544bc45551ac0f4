"""A contender's process, which gets commands line by line and stops between them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

_TREE = Path(__file__).parents[2]
# `benchmarks` is imported from the source tree. Then the tree leaves sys.path, so that
# `import fmnist_fast` finds the installed package.
_START = """
import sys
sys.path.insert(0, sys.argv[1])
from benchmarks.comparison import child
sys.path.remove(sys.argv[1])
child.main(*sys.argv[2:])
"""


class ContenderError(Exception):
    """A contender failed; the message is the last line of its error."""


class Process:
    """A process that runs ``child.main`` in the Python of a contender's environment.

    Parameters
    ----------
    python, file : Path
        Interpreter, and module of the contender.
    own : Path
        Folder for the contender's files, which is created. Its parent folder has the
        data.
    limit : float
        Seconds that an answer may take. A process that takes longer is ended.
    """

    def __init__(self, python: Path, file: Path, own: Path, limit: float) -> None:
        own.mkdir(parents=True)
        self.limit, self._left = limit, b""
        self._log = open(own.parent / f"{own.name}.log", "w+b")
        self._process = subprocess.Popen(
            [str(python), "-c", _START, str(_TREE), str(file), str(own)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=own,
            start_new_session=True,  # signals to its group reach its workers too
        )

    def ask(self, do: str, **arguments: Any) -> Any:
        """Run a command and return its answer; raise ContenderError if it fails."""
        if self._log.closed:
            raise ContenderError(f"the process was ended before {do!r}")
        line = json.dumps({"do": do, **arguments}).encode() + b"\n"
        self._signal(signal.SIGCONT)
        try:
            self._process.stdin.write(line)  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]
            answer = json.loads(self._read_line(do))
        except BrokenPipeError:
            raise ContenderError(self._last_words()) from None
        self._signal(signal.SIGSTOP)
        if "error" in answer:
            raise ContenderError(answer["error"])
        return answer["is"]

    def _read_line(self, do: str) -> bytes:
        output = self._process.stdout
        assert output is not None
        end = time.monotonic() + self.limit
        while b"\n" not in self._left:
            ready, _, _ = select.select(
                [output], [], [], max(0, end - time.monotonic())
            )
            if not ready:
                self.close()
                raise ContenderError(f"no answer to {do!r} within {self.limit:g} s")
            more = os.read(output.fileno(), 1 << 16)
            if not more:
                raise ContenderError(self._last_words())
            self._left += more
        line, _, self._left = self._left.partition(b"\n")
        return line

    def _last_words(self) -> str:
        """Return the exit code of an ended process and its last line on stderr."""
        code = self._process.wait()
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return f"exit code {code}: {lines[-1] if lines else 'no message'}"

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def close(self) -> None:
        """Kill the process and its children, whose state nobody needs."""
        self._signal(signal.SIGKILL)
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        self._process.wait()
        self._log.close()
