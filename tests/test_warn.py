"""Warnings name the line of the user's program that called the package."""

import threading
import warnings
from functools import partial

import pytest

from fmnist_fast._io.threads import run_together
from fmnist_fast._io.warn import warn


def test_the_line_of_the_call_is_named_from_each_thread():
    nested = partial(run_together, [int, partial(warn, "c")])
    with pytest.warns(UserWarning) as caught:
        run_together([partial(warn, "a"), partial(warn, "b"), partial(int), nested])
    line = test_the_line_of_the_call_is_named_from_each_thread.__code__.co_firstlineno
    places = {(warning.filename, warning.lineno) for warning in caught}
    assert len(caught) == 3 and places == {(__file__, line + 3)}


def test_a_thread_without_a_line_of_the_user():
    thread = threading.Thread(target=warn, args=["text", RuntimeWarning])
    with pytest.warns(RuntimeWarning, match="^text$") as caught:
        thread.start()
        thread.join()
    assert caught[0].filename == threading.__file__


def test_a_warning_is_shown_once_for_each_line():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(2):
            warn("text")
            warn("text")
    assert len(caught) == 2


@pytest.mark.parametrize(
    "action, n_shown", [("default", 3), ("always", 3), ("once", 1), ("ignore", 0)]
)
def test_a_repeated_warning_obeys_the_filters(action, n_shown):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter(action)
        for _ in range(3):
            warn(f"repeated {action}", repeat=True)
    assert len(caught) == n_shown


def test_a_repeated_warning_may_be_an_error():
    with warnings.catch_warnings(), pytest.raises(UserWarning, match="repeated"):
        warnings.simplefilter("error")
        warn("repeated", repeat=True)
