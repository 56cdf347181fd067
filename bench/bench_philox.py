"""Ops that draw by Philox: bound by integer arithmetic, which the roofline counts as if it were floating."""

import pytest

from .kernels import cases


@pytest.mark.parametrize("case", cases("philox", "dropout"), ids=str)
def test_random(case, time_kernel):
    time_kernel(case)
