"""Every implementation, the reference too, gives the values, moments and invariants of checks.py."""

import pytest
from cases import CASES
from checks import CHECKS, runner

PAIRS = [
    pytest.param(check, case, id=f"{check.__name__}-{case}")
    for check, name in CHECKS.items()
    for case in CASES
    if case.op.name == name
]


@pytest.mark.parametrize(("check", "case"), PAIRS)
def test_check(check, case):
    check(runner(case.op, case.function, case.real, case.device))
