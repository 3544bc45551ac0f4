"""Any samples in any order, to any end: every loader gives the reference's batches.

tests/helpers/sampling_cases.py compares random cases for as long as it is told.
"""

from helpers import sampling_cases
from hypothesis import given, settings


@given(case=sampling_cases.cases(most_rows=40))
@settings(max_examples=250)
def test_any_case(case, tmp_path_factory):
    _, n_differing = sampling_cases.compared(case, tmp_path_factory.getbasetemp())
    assert not n_differing


def test_the_command_compares(monkeypatch, capsys):
    arguments = ["sampling_cases.py", "--seconds", "0.1", "--rows", "4", "--seed", "5"]
    monkeypatch.setattr("sys.argv", arguments)
    assert sampling_cases.main() == 0
    assert capsys.readouterr().out.startswith("100 cases, ")
