"""Files that the benchmarks write."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path


def replace_text(path: Path, text: str) -> None:
    """Write a file atomically: readers see the old text or the new one."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(text.encode())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def merge_json(path: Path, key: str, value: dict) -> None:
    """Put `value` under `key` of a JSON file and leave its other keys as they are.

    Where both values are dicts, the items of the new one replace those of the old one.
    """
    contents = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    contents[key] = contents.get(key, {}) | value
    replace_text(path, json.dumps(contents, indent=1) + "\n")
