"""Every implementation, the reference too, gives the values, moments and invariants of ``checks``; and what the
tensor cores round, they round to the nearest."""

import numpy as np
import pytest
from cases import CASES
from checks import CHECKS, LARGE, SMALL_SHAPES, runner

PAIRS = [
    pytest.param(check, case, id=f"{check.__name__}-{case}")
    for check, name in CHECKS.items()
    for case in CASES
    if case.op.name == name and not (case.slow and check in LARGE)
]


@pytest.mark.parametrize(("check", "case"), PAIRS)
def test_check(check, case):
    shapes = SMALL_SHAPES if case.slow else None
    check(runner(case.op, case.function, case.real, case.device, shapes))


#: The factors of column (rows, depth) times row (depth, columns), as each op takes them.
_FACTORS = {
    "dense_forward": lambda column, row: {"x": column, "w": row, "b": np.zeros(row.shape[1])},
    "dense_backward_input": lambda column, row: {"dy": column, "w": row.T},
    "dense_backward_weight": lambda column, row: {"x": column.T, "dy": row},
    "fused_forward_leaky_relu": lambda column, row: {
        "x": column,
        "w": row,
        "b": np.zeros(row.shape[1]),
        "slope": 1,
    },
    "fused_backward_leaky_relu": lambda column, row: {"dy": column, "w": row.T, "slope": 1},
}


def tf32(bits):
    """The nearest floats of 11 significant bits, ties away from zero."""
    return ((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


@pytest.mark.parametrize("case", [c for c in CASES if c.kernel.rounding and c.op.name in _FACTORS], ids=str)
def test_tensor_cores_are_given_the_nearest_factors(case):
    """Left to themselves they drop the bits that they have no room for, and a tolerance may not see it."""
    run = runner(case.op, case.function, device=case.device)
    bits = np.float32([1.375 * 2.0**-3, -1.25, 40.5]).view(np.uint32)[:, None]
    bits = (bits + np.uint32([0, 0x0FFF, 0x1000, 0x1FFF])).ravel()  # one, before a tie, the tie, after it
    nearest = tf32(bits)
    if case.kernel.version == "tensor_core_3x":
        nearest = nearest + tf32((bits.view(np.float32) - nearest).view(np.uint32))
    for d in range(8):  # of the instruction's depth, which its lanes hold in several registers
        x, one = np.zeros((bits.size, 8), np.float32), np.zeros((8, 1), np.float32)
        x[:, d], one[d] = bits.view(np.float32), 1
        for factors, expected in (((x, one), nearest[:, None]), ((one.T, x.T), nearest[None, :])):
            (product,) = run(**_FACTORS[case.op.name](*factors)).values()
            np.testing.assert_array_equal(product, expected)
