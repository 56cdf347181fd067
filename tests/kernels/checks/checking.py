"""How a check is listed, and how it calls an implementation."""

import numpy as np

from cgan_raw.testing import call, make_arguments

CHECKS = {}  #: check -> the op it is for, in reading order
LARGE = set()  #: checks of so many elements that none is for kernels whose threads are run by Python

#: Of the exact products, as (M, K, N); and of those that are slow to compute on a CPU.
SIZES = (1, 31, 32, 33, 127, 129, 784, 1000)
SHAPES = [(m, SIZES[-1 - i], SIZES[(i + 3) % 8]) for i, m in enumerate(SIZES)] + [(2, 4096, 3), (4096, 3, 2)]
SMALL_SHAPES = [(1, 33, 31), (32, 1, 33), (33, 31, 1), (2, 129, 3), (33, 7, 65)]


def check_of(op_name, large=False):
    def register(function):
        CHECKS[function] = op_name
        if large:
            LARGE.add(function)
        return function

    return register


def runner(op, kernel, real=np.float32, device=None, shapes=None):
    """``run`` for an implementation.  Sizes that no given array has are keywords, or 1.

    ``run.shapes`` are those of the exact products: ``SHAPES``, unless told otherwise.
    """

    def run(**given):
        sizes = {d: given.pop(d, 1) for d in op.dims}  # a scalar that is a size, too
        for argument in op.arguments:
            if argument.dims and argument.name in given:
                sizes |= zip(argument.dims, np.shape(given[argument.name]), strict=True)
        arguments = make_arguments(op, sizes, np.random.default_rng(0), real, **given)
        return call(op, kernel, arguments, *([device] if device else []))

    run.shapes = SHAPES if shapes is None else shapes
    return run


def close(actual, expected, atol=1e-6, rtol=1e-4):
    error = np.abs(np.asarray(actual, np.float64) - expected)
    assert not np.any(~(error <= atol + rtol * np.abs(expected))), (actual, expected)


def equal(actual, expected):
    """Bit for bit as numbers, and with the same sign of zero."""
    expected = np.asarray(expected, actual.dtype)
    np.testing.assert_array_equal(actual, expected)
    if actual.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(actual), np.signbit(expected))
