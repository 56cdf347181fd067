"""The matrix products, from the formula to the tensor cores, beside BLAS; and the column sum of the bias.

At batch 32 a weight matrix is used for 32 rows only, so that fetching it takes about as long as multiplying:
the products lie near the ridge of the roofline.
"""

import pytest

from .kernels import cases


@pytest.mark.parametrize("case", cases("dense"), ids=str)
def test_dense(case, time_kernel):
    time_kernel(case)
