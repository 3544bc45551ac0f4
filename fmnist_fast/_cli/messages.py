"""Texts of errors and warnings for the command line, in the words of its options."""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

_NUMBER = re.compile(r"\[(Errno|WinError) -?\d+\] ")  # the system's, of an error
_VALUE = r"""('[^']*'|"[^"]*"|\w+)"""


def message_of(error: BaseException | str, options: Mapping[str, str]) -> str:
    """Return the message of an error or a warning.

    `options` are the options of the command, by the names of their arguments.
    """
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror[:1].lower() + error.strerror[1:]
        if isinstance(error.filename, (str, bytes)):
            text = f"{os.fsdecode(error.filename)}: {text}"
            if isinstance(error, FileNotFoundError):
                from .._load.hints import similar  # a slow import

                text += similar(Path(os.fsdecode(error.filename)))
    return in_options(_NUMBER.sub("", text), options)


def in_options(text: str, options: Mapping[str, str]) -> str:
    """Return a message with options in place of arguments of Python functions.

    "Pass root='my data', name='mnist'." becomes "Pass --root 'my data' --name mnist.".
    Lines of Python code stay the same.
    """
    lines = text.split("\n")
    if options:
        lines[0] = re.sub(
            rf"^({'|'.join(options)})(?= (of|must|requires)\b)",
            lambda match: options[match[1]],
            lines[0],
        )
    return "\n".join(_line_in_options(line, options) for line in lines)


def _line_in_options(line: str, options: Mapping[str, str]) -> str:
    names = "|".join(options)
    if not names or "ff." in line:
        return line

    def option(match: re.Match[str]) -> str:
        value = match[3]
        if value[0] in "'\"":
            value = shlex.quote(ast.literal_eval(value))
        return f"{' ' if match[1] else ''}{options[match[2]]} {value}"

    return re.sub(rf"(, )?\b({names})={_VALUE}", option, line)
