"""The three products of a dense layer, four times over: each version adds one idea to the one before it.

    forward           y(M,N)  = x(M,K)  w(K,N) + b      contraction over K   reference.py (1)
    backward_input    dx(M,K) = dy(M,N) w(K,N)^T        over N               reference.py (2)
    backward_weight   dw(K,N) = x(M,K)^T dy(M,N)        over M               reference.py (3)

All three are out(rows, columns) = sum over the depth of left(row, d) right(d, column), with one operand perhaps
read transposed; so each version is one function, and the passes differ in what they hand it.  The last three
arguments of every kernel are rows, columns and depth under the pass's own names.  ``w.T`` is a view whose type
says that columns are contiguous, so Numba compiles each version anew for it, as C++ does its templates.

cuda.cu goes on with vectorised and tensor_core, for which Numba has no words: it reads four floats of an array
at once nowhere, and knows no ``mma``.
"""

from ..geometry import THREADS
from ..numba_common import (
    ceil_div,
    cuda,
    divide,
    locate,
    locate_on_line,
    my_tiles,
    real,
    steps,
    sum_over_y,
    thread_in_block,
    tiles_of,
    uint32,
)
from ..numba_source import device, kernel
from . import COLUMNS, DEPTH, ROWS, SPLITS, TILE

# Shapes of shared arrays must be names or numbers: Numba takes no TILE + 1.
_TILE_PADDED, _DEPTH_PADDED, _COLUMNS_PADDED = TILE + 1, DEPTH + 1, COLUMNS + 1
_SPLIT, _SPLIT_PADDED = 8, 8 + 1


@device
def store(out, bias, row, column, rows, columns, total):
    if row < rows and column < columns:
        if bias is None:
            out[row, column] = total
        else:
            out[row, column] = total + bias[column]


# naive ----------------------------------------------------------------------------------------------------


# dense_forward_naive, dense_backward_input_naive, dense_backward_weight_naive: the formula, one thread an
# element.
#
#   out[i,j] = sum_d left[i,d] right[d,j]   reference.py (1), (2), (3)
#
# Threads   block (32, 8), a tile of as many elements.
# Memory    8 bytes asked for each multiply-add: an element of left is fetched once a column, one of right once
#           a row.
# Limit     bound by the caches.
# Numerics  one sum in the order of d.
# Source    the formula.
# Same op   reference.py (float64)   cpu.py   cuda.cu
@device
def product_naive(tile, out, left, right, bias, rows, columns, depth):
    i, j = locate(tile, columns)
    if i >= rows or j >= columns:
        return
    total = real(0)
    for d in range(depth):
        total += left[i, d] * right[d, j]
    store(out, bias, i, j, rows, columns, total)


@kernel
def dense_forward_naive(y, x, w, b, M, N, K):
    for tile in my_tiles(tiles_of(M, N)):
        product_naive(tile, y, x, w, b, M, N, K)


@kernel
def dense_backward_input_naive(dx, dy, w, M, K, N):
    for tile in my_tiles(tiles_of(M, K)):
        product_naive(tile, dx, dy, w.T, None, M, K, N)


@kernel
def dense_backward_weight_naive(dw, x, dy, K, N, M):
    for tile in my_tiles(tiles_of(K, N)):
        product_naive(tile, dw, x.T, dy, None, K, N, M)


# tiled ----------------------------------------------------------------------------------------------------


@device
def load_piece(piece, operand, transposed, top, side, high, wide, rows, columns, worker, workers):
    """Copy the high x wide piece of an operand whose corner is (top, side) into shared memory.

    Outside the operand's rows x columns elements it is zero.  Neighbouring workers walk the direction in which
    memory is contiguous; the column of padding keeps the transposed walk off a single bank.
    """
    for e in steps(worker, high * wide, workers):
        if transposed:
            j, i = divide(e, high)
        else:
            i, j = divide(e, wide)
        row, column = uint32(top + i), uint32(side + j)
        piece[i, j] = operand[row, column] if row < rows and column < columns else real(0)


@device
def corner(tile, columns, high, wide):
    """Where in the output a tile of high x wide elements begins: its row and column."""
    down, across = divide(tile, ceil_div(columns, wide))
    return down * high, across * wide


# dense_forward_tiled, dense_backward_input_tiled, dense_backward_weight_tiled: share what is fetched.
#
#   out[i,j] = sum over pieces of the depth of sum_d left[i,d] right[d,j]   reference.py (1), (2), (3)
#
# Threads   block (TILE, TILE), one element each of a tile of as many.
# Memory    each element that is fetched is used TILE times: 8 / TILE bytes a multiply-add from global memory,
#           but still 8 from shared memory.
# Limit     bound by shared memory.
# Barriers  two a piece of the depth; no thread leaves before the last.
# Numerics  one sum in the order of d: the bits of the naive version.
# Source    CUDA C++ Programming Guide, "Shared memory".
# Same op   reference.py (float64)   cpu.py   cuda.cu
@device
def product_tiled(tile, out, left, LT, right, RT, bias, rows, columns, depth):
    left_piece = cuda.shared.array((TILE, _TILE_PADDED), real)
    right_piece = cuda.shared.array((TILE, _TILE_PADDED), real)
    top, side = corner(tile, columns, TILE, TILE)
    x, y, me = uint32(cuda.threadIdx.x), uint32(cuda.threadIdx.y), thread_in_block()
    total = real(0)
    for d0 in range(0, depth, TILE):
        load_piece(left_piece, left, LT, top, d0, TILE, TILE, rows, depth, me, TILE * TILE)
        load_piece(right_piece, right, RT, d0, side, TILE, TILE, depth, columns, me, TILE * TILE)
        cuda.syncthreads()  # both pieces are there
        for d in range(TILE):
            total += left_piece[y, d] * right_piece[d, x]
        cuda.syncthreads()  # all have read them; the next ones may come
    store(out, bias, top + y, side + x, rows, columns, total)


@device
def square_tiles(rows, columns):
    return ceil_div(rows, TILE) * ceil_div(columns, TILE)


@kernel
def dense_forward_tiled(y, x, w, b, M, N, K):
    for tile in my_tiles(square_tiles(M, N)):
        product_tiled(tile, y, x, False, w, False, b, M, N, K)


@kernel
def dense_backward_input_tiled(dx, dy, w, M, K, N):
    for tile in my_tiles(square_tiles(M, K)):
        product_tiled(tile, dx, dy, False, w.T, True, None, M, K, N)


@kernel
def dense_backward_weight_tiled(dw, x, dy, K, N, M):
    for tile in my_tiles(square_tiles(K, N)):
        product_tiled(tile, dw, x.T, True, dy, False, None, K, N, M)


# register_tiled -------------------------------------------------------------------------------------------


# dense_forward_register_tiled, dense_backward_input_register_tiled, dense_backward_weight_register_tiled: reuse
# in registers what was read from shared memory.
#
#   out[i,j] = sum over pieces of the depth of sum_d left[i,d] right[d,j]   reference.py (1), (2), (3)
#
# Threads   block (COLUMNS / 4, ROWS / 4), a tile of ROWS x COLUMNS.  A thread owns 4 x 4 elements, rows and
#           columns a block apart, so that lanes read neighbouring words of shared memory.
# Memory    8 values read from shared memory for 16 multiply-adds: 2 bytes each instead of 8.
# Limit     bound by arithmetic once the tiles fill the machine.
# Barriers  two a piece of the depth; no thread leaves before the last.
# Numerics  one sum in the order of d: the bits of the naive version.
# Source    Volkov & Demmel 2008, "Benchmarking GPUs to tune dense linear algebra", section 5.
# Same op   reference.py (float64)   cpu.py   cuda.cu
@device
def product_register_tiled(tile, out, left, LT, right, RT, bias, rows, columns, depth):
    left_piece = cuda.shared.array((ROWS, _DEPTH_PADDED), real)
    right_piece = cuda.shared.array((DEPTH, _COLUMNS_PADDED), real)
    high, wide = ROWS // 4, COLUMNS // 4
    top, side = corner(tile, columns, ROWS, COLUMNS)
    x, y, me = uint32(cuda.threadIdx.x), uint32(cuda.threadIdx.y), thread_in_block()
    total = cuda.local.array((4, 4), real)
    for i in range(4):
        for j in range(4):
            total[i, j] = real(0)
    for d0 in range(0, depth, DEPTH):
        load_piece(left_piece, left, LT, top, d0, ROWS, DEPTH, rows, depth, me, high * wide)
        load_piece(right_piece, right, RT, d0, side, DEPTH, COLUMNS, depth, columns, me, high * wide)
        cuda.syncthreads()  # both pieces are there
        for d in range(DEPTH):
            for i in range(4):
                for j in range(4):
                    total[i, j] += left_piece[y + i * high, d] * right_piece[d, x + j * wide]
        cuda.syncthreads()  # all have read them; the next ones may come
    for i in range(4):
        for j in range(4):
            store(out, bias, top + y + i * high, side + x + j * wide, rows, columns, total[i, j])


@device
def wide_tiles(rows, columns):
    return ceil_div(rows, ROWS) * ceil_div(columns, COLUMNS)


@kernel
def dense_forward_register_tiled(y, x, w, b, M, N, K):
    for tile in my_tiles(wide_tiles(M, N)):
        product_register_tiled(tile, y, x, False, w, False, b, M, N, K)


@kernel
def dense_backward_input_register_tiled(dx, dy, w, M, K, N):
    for tile in my_tiles(wide_tiles(M, K)):
        product_register_tiled(tile, dx, dy, False, w.T, True, None, M, K, N)


@kernel
def dense_backward_weight_register_tiled(dw, x, dy, K, N, M):
    for tile in my_tiles(wide_tiles(K, N)):
        product_register_tiled(tile, dw, x.T, True, dy, False, None, K, N, M)


# split_k --------------------------------------------------------------------------------------------------


# dense_forward_split_k, dense_backward_input_split_k, dense_backward_weight_split_k: for a batch of 32 rows,
# which is too few tiles to fill a machine; so the warps of a block share the depth of one small tile instead.
#
#   out[i,j] = sum over warps of (sum over the warp's pieces of the depth of sum_d left[i,d] right[d,j])
#       reference.py (1), (2), (3)
#
# Threads   block (32, SPLITS), a tile of 32 x 8.  A warp takes every SPLITS-th piece of 8 of the depth, and in
#           it a lane owns 4 x 2 elements, rows 8 and columns 4 apart.
# Memory    narrow tiles read left again for every 8 columns; it stays in cache.
# Limit     bound by the bandwidth of the L2 cache, no longer by the latency of a few blocks.
# Barriers  two a piece among the lanes of a warp, whose pieces are its own; one among all before the last sum
#           and one after it; no thread leaves before the last.
# Numerics  SPLITS sums, then their sum in the order of the warps: the same bits on every run.
# Source    NVIDIA CUTLASS documentation, "Efficient GEMM in CUDA", section "Parallelized Reductions"
#           (sliced-K).
# Same op   reference.py (float64)   cpu.py   cuda.cu
@device
def product_split_k(tile, out, left, LT, right, RT, bias, rows, columns, depth):
    left_piece = cuda.shared.array((SPLITS, 32, _SPLIT_PADDED), real)
    right_piece = cuda.shared.array((SPLITS, _SPLIT, _SPLIT_PADDED), real)
    partial = cuda.shared.array((SPLITS, 32, _SPLIT), real)
    top, side = corner(tile, columns, 32, 8)
    lane, warp = uint32(cuda.threadIdx.x), uint32(cuda.threadIdx.y)
    i0, j0 = divide(lane, 4)
    total = cuda.local.array((4, 2), real)
    for i in range(4):
        for j in range(2):
            total[i, j] = real(0)
    for d0 in steps(warp * 8, depth, SPLITS * 8):
        load_piece(left_piece[warp], left, LT, top, d0, 32, 8, rows, depth, lane, 32)
        load_piece(right_piece[warp], right, RT, d0, side, 8, 8, depth, columns, lane, 32)
        cuda.syncwarp()  # both pieces are there
        for d in range(8):
            for i in range(4):
                for j in range(2):
                    total[i, j] += left_piece[warp, i0 + 8 * i, d] * right_piece[warp, d, j0 + 4 * j]
        cuda.syncwarp()  # all lanes have read them; the next ones may come
    for i in range(4):
        for j in range(2):
            partial[warp, i0 + 8 * i, j0 + 4 * j] = total[i, j]
    cuda.syncthreads()  # the sums of all warps are there
    for e in steps(thread_in_block(), 32 * 8, 32 * SPLITS):
        i, j = divide(e, 8)
        together = real(0)
        for s in range(SPLITS):
            together += partial[s, i, j]
        store(out, bias, top + i, side + j, rows, columns, together)
    cuda.syncthreads()  # all have read the sums; the next tile's may come


@device
def narrow_tiles(rows, columns):
    return ceil_div(rows, 32) * ceil_div(columns, 8)


@kernel
def dense_forward_split_k(y, x, w, b, M, N, K):
    for tile in my_tiles(narrow_tiles(M, N)):
        product_split_k(tile, y, x, False, w, False, b, M, N, K)


@kernel
def dense_backward_input_split_k(dx, dy, w, M, K, N):
    for tile in my_tiles(narrow_tiles(M, K)):
        product_split_k(tile, dx, dy, False, w.T, True, None, M, K, N)


@kernel
def dense_backward_weight_split_k(dw, x, dy, K, N, M):
    for tile in my_tiles(narrow_tiles(K, N)):
        product_split_k(tile, dw, x.T, True, dy, False, None, K, N, M)


# bias -----------------------------------------------------------------------------------------------------


# dense_backward_bias: the column sums of the gradient.
#
#   db[n] = sum_m dy[m,n]   reference.py (4)
#
# Threads   block (32, 8), one tile of 32 columns with all rows; threadIdx.y walks m in steps of 8.
# Memory    dy is read once, the least possible.
# Limit     bound by bandwidth; at a small batch by latency.
# Barriers  those of the sum.  Threads with n >= N stay alive to reach them and add zeros.
# Numerics  fixed order of additions: the same bits on every run.
# Source    the formula.
# Same op   reference.py (float64)   cpu.py   cuda.cu
@device
def dense_backward_bias_tile(tile, scratch, db, dy, N, M):
    n = locate_on_line(tile)
    total = real(0)
    if n < N:
        for m in steps(cuda.threadIdx.y, M, cuda.blockDim.y):
            total += dy[m, n]
    total = sum_over_y(total, scratch)
    if n < N and cuda.threadIdx.y == 0:
        db[n] = total


@kernel
def dense_backward_bias(db, dy, N, M):
    scratch = cuda.shared.array(THREADS, real)
    for tile in my_tiles(ceil_div(N, cuda.blockDim.x)):
        dense_backward_bias_tile(tile, scratch, db, dy, N, M)
