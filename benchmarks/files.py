"""Files that the benchmarks write."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any


def replace_text(path: Path, text: str) -> None:
    """Write a file atomically: readers see the old text or the new one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(text.encode())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def read_figures(path: Path) -> dict[str, Any]:
    """Return the contents of a file of figures, or {} if there is no file.

    Raises
    ------
    OSError
        The path is a folder or a device, or its folder does not exist.
    ValueError
        The file does not hold a JSON object of objects, or has a number that is not
        finite.
    """
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no such folder")
    if path.exists() and not path.is_file():
        raise FileExistsError(f"{path}: must be a file, got a folder or a device")
    if not path.exists():
        return {}
    try:
        contents = json.loads(path.read_text("utf-8"), parse_constant=_refuse)
    except ValueError as error:
        raise ValueError(f"{path}: not a file of figures: {error}") from None
    values = contents.values() if isinstance(contents, dict) else [contents]
    if not all(isinstance(value, dict) for value in values):
        raise ValueError(f"{path}: not a file of figures: it must hold objects only")
    return contents


def merge_json(path: Path, key: str, value: dict) -> None:
    """Put `value` under `key` of a file of figures, and keep its other keys.

    If the file has the key, the items of `value` replace its items of the same name.
    """
    path = path.resolve()
    contents = read_figures(path)
    contents[key] = contents.get(key, {}) | value
    replace_text(path, json.dumps(contents, indent=1, allow_nan=False) + "\n")


def _refuse(constant: str) -> None:
    raise ValueError(f"numbers must be finite, got {constant}")
