"""Every kernel of the CUDA C++ run as a GPU might: in any order, on any grid, on arrays with nothing around.

``make sanitize`` runs this file under the sanitizers, which see what results may hide.
"""

import ctypes

import numpy as np
from cases import Case, check_case, each_version, fitted, grids, on_grid, several_tiles

from cgan_raw.kernels import simt
from cgan_raw.kernels.dispatch import LaunchedOp, Modules
from cgan_raw.testing import call, make_arguments


def drawn(op, size=35):
    sizes = fitted(op, {d: size + 2 * i for i, d in enumerate(op.dims)})
    return sizes, make_arguments(op, sizes, np.random.default_rng(1), np.float32)


def assert_same(results, expected):
    for name, array in results.items():
        assert array.tobytes() == expected[name].tobytes(), name


@each_version("cuda")
def test_thread_order_does_not_change_a_bit(op, kernel):
    _, arguments = drawn(op)
    results = [
        call(op, LaunchedOp(op, Modules(simt.Executor(order=order)), kernel.version), arguments)
        for order in ("forward", "reverse", 5)
    ]
    for result in results[1:]:
        assert_same(result, results[0])


def shifted(array, elements):
    """A copy that begins so many elements after an address that any vector access can take."""
    raw = np.empty(array.nbytes + 128, np.uint8)
    start = -raw.ctypes.data % 64 + elements * array.itemsize
    copy = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


@each_version("cuda")
def test_alignment_does_not_change_a_bit(op, kernel):
    """Where an array does not begin at a multiple of 16 bytes, four elements cannot be moved at once."""
    _, arguments = drawn(op)
    launched = LaunchedOp(op, Modules(simt.Executor()), kernel.version)
    results = []
    for elements in (0, 1):
        moved = {n: shifted(a, elements) if isinstance(a, np.ndarray) else a for n, a in arguments.items()}
        launched(*moved.values())
        results.append({a.name: moved[a.name] for a in op.arguments if a.role != "in"})
    assert_same(*results)


@each_version("cuda")
def test_any_grid_computes_everything(op, kernel):
    """A block walks tiles from its own number in steps of the grid's."""
    sizes = several_tiles(op, kernel)
    check_case(Case(op, kernel), sizes, 1, np.float32)
    arguments = make_arguments(op, sizes, np.random.default_rng(1))
    modules = Modules(simt.Executor())
    expected = call(op, LaunchedOp(op, modules, kernel.version), arguments)
    for grid in grids(op, kernel):
        assert_same(call(op, on_grid(op, kernel, modules, grid), arguments), expected)


def assert_red_zones(arguments):
    """AddressSanitizer reports an access to the byte before or behind any array."""
    poisoned = ctypes.CDLL(None).__asan_address_is_poisoned
    poisoned.argtypes = [ctypes.c_void_p]
    for name, array in arguments.items():
        if isinstance(array, np.ndarray):
            start = array.ctypes.data
            assert poisoned(start - 1), name
            assert poisoned(start + array.nbytes), name
            assert not poisoned(start + array.nbytes - 1), name


@each_version("cuda")
def test_on_arrays_of_their_own(op, kernel):
    """Elsewhere guard bands surround the arrays; here a sanitizer sees the first element beyond."""
    executor = simt.Executor()
    launched = LaunchedOp(op, Modules(executor), kernel.version)
    for size in (1, 37):
        arguments = drawn(op, size)[1]
        if "address" in executor.sanitize:
            assert_red_zones(arguments)
        expected = call(op, launched, arguments)
        launched(*arguments.values())
        assert_same({name: arguments[name] for name in expected}, expected)
