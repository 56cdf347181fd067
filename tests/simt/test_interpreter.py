"""The interpreter runs Numba CUDA as a GPU might, and what CUDA forbids is an error."""

from types import ModuleType

import numpy as np
import pytest

from cgan_raw.kernels.numba_common import cuda, real
from cgan_raw.kernels.numba_source import device, kernel
from cgan_raw.kernels.simt import KernelError, interpreter

ORDERS = ["forward", "reverse", 1, 2]
each_order = pytest.mark.parametrize("order", ORDERS)


def launch(function, grid, block, *arguments, order="forward", precision="float"):
    """Run a kernel of this file; ``load`` binds it as it does those of a ``numba_cuda.py``."""
    module = ModuleType("planted")
    vars(module).update({f.__name__: f for f in (function, slot)})
    loaded = interpreter.Executor(order).load(module, precision)
    loaded.launch(function.__name__, grid, block, arguments)
    return loaded


def nans(*shape):
    return np.full(shape, np.nan, np.float32)


@device
def slot():
    return cuda.shared.array(2, real)


# Threads ----------------------------------------------------------------------------------------------------


@kernel
def positions(seen):
    block = seen[cuda.blockIdx.x]
    block[cuda.threadIdx.y, cuda.threadIdx.x, 0] = cuda.gridDim.x * 100 + cuda.blockIdx.x
    block[cuda.threadIdx.y, cuda.threadIdx.x, 1] = cuda.blockDim.y * 100 + cuda.threadIdx.y
    block[cuda.threadIdx.y, cuda.threadIdx.x, 2] = cuda.blockDim.x * 100 + cuda.threadIdx.x


@each_order
def test_positions(order):
    seen = np.zeros((3, 2, 5, 3), np.int64)
    launch(positions, 3, (5, 2), seen, order=order)
    block, y, x = np.indices((3, 2, 5))
    np.testing.assert_array_equal(seen, np.stack([300 + block, 200 + y, 500 + x], axis=-1))


@kernel
def last_ones_win(winners):
    for i in range(8):
        cuda.syncthreads()
        winners[i] = cuda.threadIdx.x


def winners(order):
    last = np.full(8, -1)
    launch(last_ones_win, 1, (64, 1), last, order=order)
    return last.tolist()


def test_orders_differ():
    assert winners("forward") == [63] * 8
    assert winners("reverse") == [0] * 8
    assert winners(1) == winners(1)
    assert winners(1) != winners(2)
    assert len(set(winners(1))) > 1, "drawn anew at every barrier"


@kernel
def last_block_wins(winner):
    winner[0] = cuda.blockIdx.x


@pytest.mark.parametrize(("order", "last"), [("forward", 3), ("reverse", 0)])
def test_order_of_blocks(order, last):
    winner = np.full(1, -1)
    launch(last_block_wins, 4, (2, 1), winner, order=order)
    assert winner[0] == last


@pytest.mark.parametrize("order", ["sideways", "", None, 1.5])
def test_order_is_refused(order):
    with pytest.raises(ValueError, match="order is forward, reverse or a seed, not "):
        interpreter.Executor(order)


# Memory -----------------------------------------------------------------------------------------------------


@kernel
def mirrors(first, later):
    shared = cuda.shared.array((2, 32), real)
    x, y = cuda.threadIdx.x, cuda.threadIdx.y
    first[cuda.blockIdx.x, y, x] = shared[y, x]
    shared[y, x] = 100 * cuda.blockIdx.x + 32 * y + x
    cuda.syncthreads()
    later[cuda.blockIdx.x, 1 - y, 31 - x] = shared[1 - y, 31 - x]


@each_order
def test_shared_memory_is_of_a_block_and_starts_as_nan(order):
    first, later = np.zeros((3, 2, 32), np.float32), nans(3, 2, 32)
    launch(mirrors, 3, (32, 2), first, later, order=order)
    assert np.isnan(first).all()
    np.testing.assert_array_equal(later, 100 * np.arange(3)[:, None, None] + np.arange(64).reshape(2, 32))


@kernel
def two_on_a_line(out):
    a, b = cuda.shared.array(1, real), cuda.shared.array(1, real)
    a[0], b[0] = 1, 2
    out[0], out[1] = a[0], b[0]


def test_two_shared_arrays_on_one_line_are_two():
    out = nans(2)
    launch(two_on_a_line, 1, (1, 1), out)
    assert out.tolist() == [1, 2]


@kernel
def asks_twice(out):
    slot()[0] = 5
    slot()[1] = 6
    out[:] = slot()


def test_one_place_in_the_source_is_one_shared_array():
    out = nans(2)
    launch(asks_twice, 1, (1, 1), out)
    assert out.tolist() == [5, 6]


@kernel
def keeps_its_own(first, later):
    mine = cuda.local.array(2, real)
    x = cuda.threadIdx.x
    first[x] = mine[0]
    mine[0] = x
    cuda.syncthreads()
    later[x] = mine[0]


@each_order
def test_local_memory_is_of_a_thread_and_starts_as_nan(order):
    first, later = np.zeros(64, np.float32), nans(64)
    launch(keeps_its_own, 1, (64, 1), first, later, order=order)
    assert np.isnan(first).all()
    np.testing.assert_array_equal(later, np.arange(64))


@kernel
def says_its_type(out):
    out[0] = real(1) / real(3)
    out[1] = cuda.shared.array(1, real).itemsize


@pytest.mark.parametrize(
    ("precision", "third"), [("float", float(np.float32(1) / np.float32(3))), ("double", 1 / 3)]
)
def test_real_is_of_the_precision_asked_for(precision, third):
    out = np.zeros(2)
    launch(says_its_type, 1, (1, 1), out, precision=precision)
    assert out.tolist() == [third, 4 if precision == "float" else 8]


# Barriers ---------------------------------------------------------------------------------------------------


@kernel
def neighbours(out):
    """The lanes of warp 0 meet three times, and no other warp does."""
    shared = cuda.shared.array(32, real)
    x = cuda.threadIdx.x
    if x < 32:
        shared[x] = x
        cuda.syncwarp()
        found = shared[(x + 1) % 32]
        cuda.syncwarp()
        shared[x] = found
        cuda.syncwarp()
    cuda.syncthreads()
    out[x] = shared[x % 32]


@each_order
def test_a_warp_meets_alone(order):
    out = nans(80)
    launch(neighbours, 1, (80, 1), out, order=order)
    np.testing.assert_array_equal(out, (np.arange(80) + 1) % 32)


@kernel
def ends_early(out, n):
    if cuda.threadIdx.x < n or cuda.blockIdx.x != 1:
        cuda.syncthreads()
    out[0] = 1


@kernel
def warp_parts(out, n):
    if cuda.threadIdx.x < n:
        cuda.syncwarp()
    out[0] = 1


@kernel
def two_barriers(out, n):
    if cuda.threadIdx.x < n:
        cuda.syncthreads()
    else:
        cuda.syncwarp()
    out[0] = 1


@each_order
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (ends_early, r"40 of 64 threads of block 1 wait at .*; one is thread \(0, 0\)$"),
        (warp_parts, r"8 of 64 threads of block \d wait at .*; one is thread \(32, 0\)$"),
        (two_barriers, r"64 of 64 threads of block \d wait at .*; one is thread \(0, 0\)$"),
    ],
    ids=["ends_early", "warp_parts", "two_barriers"],
)
def test_a_barrier_that_not_all_reach(function, message, order):
    with pytest.raises(KernelError, match=f"^{function.__name__}: {message}"):
        launch(function, 2, (64, 1), nans(1), np.int32(40), order=order)
    launch(function, 2, (64, 1), nans(1), np.int32(0 if function is two_barriers else 64), order=order)


# Errors -----------------------------------------------------------------------------------------------------


@kernel
def writes_to_its_place(out):
    out[cuda.threadIdx.x] = cuda.threadIdx.x


@kernel
def reads_shared_beyond(out):
    out[0] = cuda.shared.array(8, real)[cuda.threadIdx.x]


@each_order
@pytest.mark.parametrize("function", [writes_to_its_place, reads_shared_beyond])
def test_an_element_that_does_not_exist(function, order):
    with pytest.raises(IndexError, match="out of bounds"):
        launch(function, 1, (32, 1), nans(64)[:8], order=order)


@kernel
def fails_once(out, n):
    shared = cuda.shared.array(64, real)
    x = cuda.threadIdx.x
    shared[x] = x
    cuda.syncthreads()
    if x == n:
        raise ValueError("as told")
    cuda.syncthreads()
    out[x] = shared[63 - x]


@each_order
def test_the_next_launch_does_not_suffer(order):
    with pytest.raises(ValueError, match="as told"):
        launch(fails_once, 1, (64, 1), nans(64), np.int32(40), order=order)
    out = nans(64)
    loaded = launch(fails_once, 1, (64, 1), out, np.int32(64), order=order)
    with pytest.raises(ValueError, match="as told"):
        loaded.launch("fails_once", 1, (64, 1), [nans(64), np.int32(0)])
    again = nans(64)
    loaded.launch("fails_once", 1, (64, 1), [again, np.int32(64)])
    np.testing.assert_array_equal([out, again], [np.arange(64)[::-1]] * 2)
