"""Follow the advice of a message as it is written."""

import re
import shlex

import fmnist_fast as ff
from fmnist_fast._cli import main as cli

WAYS = ("in Python", "in a shell")


def follow(message, way):
    """Run the call or the command that a message gives for this way."""
    advice = re.search(rf"{way}: +(.*)$", str(message), re.M)[1]
    if way == "in Python":
        return eval(advice, {"ff": ff})
    program, *words = shlex.split(advice, comments=True)
    assert program == "fmnist-fast" and cli.main(words) == 0
    return None


def arguments_in(message):
    """Return the arguments in "Pass root='...', name='...'." of a message."""
    advice = re.search(r"Pass ((?:\w+='[^']*'(?:, )?)+)\.", str(message))[1]
    return eval(f"dict({advice})")
