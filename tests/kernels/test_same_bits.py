"""Versions that add up in the same order compute the same bits: those of the ladder, and a convolution's."""

import numpy as np
import pytest
from cases import TYPICAL_CONVOLUTIONS

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


@pytest.mark.parametrize("name", ["forward", "backward_input", "backward_weight"])
def test_a_convolution_has_the_bits_of_the_naive_version(name):
    op, modules = ops()[f"convolution_{name}"], Modules(simt.Executor())
    sizes = TYPICAL_CONVOLUTIONS[1] | {"B": 3}  # more of K than a K-tile of split_k, in all three
    arguments = make_arguments(op, sizes, np.random.default_rng(0))
    naive, tiled, split = (
        next(iter(call(op, LaunchedOp(op, modules, version), arguments).values())).tobytes()
        for version in ("naive", "implicit_gemm", "split_k")
    )
    assert naive == tiled
    assert split != naive, "sums in another order can be told apart"
