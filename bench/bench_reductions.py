"""Ops that sum over the batch: a column at a time, or all of it to a number."""

import pytest

from .kernels import cases


@pytest.mark.parametrize("case", cases("bce", "batchnorm"), ids=str)
def test_reductions(case, time_kernel):
    time_kernel(case)
