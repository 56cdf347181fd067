"""Every Numba CUDA kernel run as a GPU might, in any order and on any grid; and beside its twin in CUDA C++."""

import platform
from functools import cache

import numpy as np
import pytest
from cases import each_version, grids, on_grid, several_tiles

from cgan_raw.kernels import simt
from cgan_raw.kernels.dispatch import LaunchedOp, Modules
from cgan_raw.kernels.registry import ops
from cgan_raw.kernels.simt import interpreter
from cgan_raw.testing import assert_close, call, make_arguments

_REALS = {"float": np.float32, "double": np.float64}

#: What the interpreter computes in double and rounds once, and g++ in float: a few units in the last place.
_FUNCTIONS_OF_FLOAT = ("tanh_forward", "random_normal", "bce_forward", "bce_backward")


def drawn(op, kernel, real="float"):
    """Sizes and arguments of several blocks, wherever a grid can have several."""
    sizes = several_tiles(op, kernel)
    return sizes, make_arguments(op, sizes, np.random.default_rng(1), _REALS[real])


def run(op, kernel, executor, real="float"):
    function = LaunchedOp(op, Modules(executor, real), kernel.version)
    return call(op, function, drawn(op, kernel, real)[1])


@cache
def forward(name, version, real="float"):
    op = ops()[name]
    kernel = next(k for k in op.kernels if (k.backend, k.version) == ("numba_cuda", version))
    return run(op, kernel, interpreter.Executor("forward"), real)


def assert_same_bits(results, expected, hint=""):
    for name, array in results.items():
        assert array.tobytes() == expected[name].tobytes(), f"{name}; {hint}"


@pytest.mark.parametrize("order", ["reverse", 5])
@each_version("numba_cuda")
def test_thread_order_does_not_change_a_bit(op, kernel, order):
    assert_same_bits(run(op, kernel, interpreter.Executor(order)), forward(op.name, kernel.version))


@each_version("numba_cuda")
def test_any_grid_computes_everything(op, kernel):
    """A block walks tiles from its own number in steps of the grid's."""
    modules = Modules(interpreter.Executor())
    for grid in grids(op, kernel):
        launch = on_grid(op, kernel, modules, grid)
        assert_same_bits(call(op, launch, drawn(op, kernel)[1]), forward(op.name, kernel.version))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="elsewhere g++ rounds a * b + c once, not twice")
@pytest.mark.parametrize("real", _REALS)
@each_version("numba_cuda")
def test_both_languages_compute_the_same_bits(op, kernel, real):
    """The same operations in the same order; in double even the C library's functions are the same."""
    results, expected = forward(op.name, kernel.version, real), run(op, kernel, simt.Executor(), real)
    if real == "double" or op.name not in _FUNCTIONS_OF_FLOAT:
        hint = "does it call exp, log or tanh?  Then it belongs into _FUNCTIONS_OF_FLOAT"
        assert_same_bits(results, expected, hint)
        return
    for name, array in results.items():
        assert_close(f"{op.name}: {name}", array, expected[name], 4e-7 * abs(expected[name]))
