"""Every backward op of every backend against central differences of its forward op, in float64."""

import numpy as np
from cases import backward_table, each_gradient, fitted
from hypothesis import given, settings
from hypothesis import strategies as st

from cgan_raw.testing import gradcheck


@each_gradient
def test_full_jacobian_at_drawn_sizes(case):
    examples, largest = (2, 4) if case.slow else (8, 8)

    @settings(max_examples=examples)
    @given(st.fixed_dictionaries({d: st.integers(1, largest) for d in case.op.dims}), st.integers(0, 2**32))
    def draw(sizes, seed):
        sizes = fitted(case.op, sizes, case.slow)
        gradcheck(case.op, backward_table(case), sizes, np.random.default_rng(seed), case.device)

    draw()


@each_gradient
def test_along_random_directions(case):
    for seed, size in enumerate((9,) if case.slow else (9, 33, 70)):
        sizes = {d: size + 2 * i for i, d in enumerate(case.op.dims)}
        sizes = fitted(case.op, sizes, case.slow)
        gradcheck(case.op, backward_table(case), sizes, np.random.default_rng(seed), case.device)
