"""Every implementation, the reference too, gives the values, moments and invariants of checks.py."""

import pytest
from cases import CASES
from checks import CHECKS, LARGE, SMALL_SHAPES, runner

PAIRS = [
    pytest.param(check, case, id=f"{check.__name__}-{case}")
    for check, name in CHECKS.items()
    for case in CASES
    if case.op.name == name and not (case.interpreted and check in LARGE)
]


@pytest.mark.parametrize(("check", "case"), PAIRS)
def test_check(check, case):
    shapes = SMALL_SHAPES if case.interpreted else None
    check(runner(case.op, case.function, case.real, case.device, shapes))
