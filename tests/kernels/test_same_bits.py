"""The versions of the ladder add up in the same order, so they compute the same bits."""

import numpy as np
import pytest

from bench.ladder import rungs
from cgan_raw.arguments import make_arguments
from cgan_raw.kernels import simt
from cgan_raw.kernels.dispatch import LaunchedOp, Modules
from cgan_raw.kernels.registry import ops
from cgan_raw.testing import call

#: Of several tiles with ragged ends; rows that are aligned, and rows that are not.
SIZES = ((36, 132, 44), (35, 67, 131), (130, 20, 33))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("name", ["dense_forward", "dense_backward_input", "dense_backward_weight"])
def test_all_compute_the_same_bits(name, sizes):
    op, modules = ops()[name], Modules(simt.Executor())
    arguments = make_arguments(op, dict(zip(op.dims, sizes, strict=True)), np.random.default_rng(0))
    first, *others = rungs()
    (expected,) = call(op, LaunchedOp(op, modules, first), arguments).values()
    for version in others:
        (found,) = call(op, LaunchedOp(op, modules, version), arguments).values()
        assert found.tobytes() == expected.tobytes(), version
    (split,) = call(op, LaunchedOp(op, modules, "split_k"), arguments).values()
    assert split.tobytes() != expected.tobytes(), "sums in another order can be told apart"
