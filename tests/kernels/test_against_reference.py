"""Every kernel of every op against the float64 reference at awkward sizes and at drawn sizes."""

import numpy as np
import pytest
from cases import awkward_sizes, check_case, each_kernel, fitted
from hypothesis import given, settings
from hypothesis import strategies as st


@each_kernel
def test_at_awkward_sizes(case):
    for seed, sizes in enumerate(awkward_sizes(case)):
        check_case(case, sizes, seed, np.float32)


@each_kernel
@pytest.mark.parametrize("real", [np.float32, np.float64], ids=["float32", "float64"])
def test_at_drawn_sizes(case, real):
    examples, largest = (5, 40) if case.slow else (25, 140)

    @settings(max_examples=examples)
    @given(st.fixed_dictionaries({d: st.integers(1, largest) for d in case.op.dims}), st.integers(0, 2**32))
    def draw(sizes, seed):
        check_case(case, fitted(case.op, sizes, case.slow), seed, real)

    draw()
