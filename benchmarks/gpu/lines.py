"""Results as lines of JSON, on stdout and in a file from which a run resumes."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import fmnist_fast as ff

Line = dict[str, Any]


def code_hash() -> str:
    """Return a hash of the Python code and the kernels of fmnist_fast."""
    folder, code = Path(ff.__file__).parent, hashlib.sha256()
    for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.cu")]):
        code.update(path.read_bytes())
    return code.hexdigest()[:12]


def read_lines(path: Path) -> list[Line]:
    """Return the lines of a file, [] without a file.

    A line that is not complete is left out: the run that wrote it was ended.

    Raises
    ------
    ValueError
        The file has lines of something else.
    """
    lines = []
    content = path.read_text("utf-8", "replace") if path.exists() else ""
    for text in content.splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            if text.startswith('{"section"'):
                continue
            line = None
        entries = line if isinstance(line, dict) else {}
        if not all(isinstance(entries.get(key), str) for key in ("section", "name")):
            raise ValueError(f"{path}: not a file of results: {text[:60]!r}")
        lines.append(entries)
    return lines


class Lines:
    """The results of this run and of earlier ones, the newest by section and name.

    Parameters
    ----------
    path : Path or None
        File that keeps them. Results of other devices, and of other code, are ignored.
    device : str
        Name of the device.
    """

    def __init__(self, path: Path | None, device: str) -> None:
        self._path, self._out = path, sys.stdout
        self._origin = {"device": device, "code": code_hash()}
        self.results: dict[tuple[str, str], Line] = {}
        if path is not None:
            for line in read_lines(path):
                if self._origin.items() <= line.items():
                    self._keep(line)
            with path.open("a+b") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    file.write(b"" if file.read(1) == b"\n" else b"\n")

    def write(self, section: str, name: str, figures: Line) -> None:
        """Print a result, and keep it."""
        rounded = {
            key: float(f"{value:.6g}") if isinstance(value, float) else value
            for key, value in figures.items()
        }
        line = {"section": section, "name": name, **rounded, **self._origin}
        text = json.dumps(line, allow_nan=False)
        print(text, file=self._out, flush=True)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(f"{text}\n")
        self._keep(line)

    def is_done(self, section: str, name: str) -> bool:
        """Return whether there is a result: no error, not too late, no failed check."""
        line = self.results.get((section, name), {"error": "none"})
        return line.get("ok") is not False and not {"error", "late"} & line.keys()

    def _keep(self, line: Line) -> None:
        self.results[line["section"], line["name"]] = line
