"""Every kernel at every shape of the network, beside what experts wrote where there is any.

Ops that touch each element once, and sums, are bound by bandwidth or, where small, by latency: Adam moves 28
bytes for each parameter and is by far the largest.  Random numbers are bound by integer arithmetic, which the
roofline counts as if it were floating.  In the dense products a weight matrix is used for the 32 rows of a
batch only, so that fetching it takes about as long as multiplying: near the ridge of the roofline.
"""

import pytest

from .kernels import cases


@pytest.mark.parametrize("case", cases(), ids=str)
def test_kernel(case, time_kernel):
    time_kernel(case)
