"""Ops that touch each element once, and the bookkeeping: bound by bandwidth or, where small, by latency.

Adam moves 28 bytes for each parameter and is by far the largest of them.
"""

import pytest

from .kernels import cases


@pytest.mark.parametrize("case", cases("activation", "adam", "batch", "embedding", "bookkeeping"), ids=str)
def test_elementwise(case, time_kernel):
    time_kernel(case)
