"""The commands of the command line, one module each.

A module has ``add(add_command)``, which describes the command and its arguments, and
``run(arguments)``, which returns the exit code. What a command needs to run is imported
by `run`, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

# (name, run, what it does in a sentence, examples) -> the command's parser
Add = Callable[
    [str, Callable[[argparse.Namespace], int], str, str], argparse.ArgumentParser
]
