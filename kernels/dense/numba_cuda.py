"""The three products of a dense layer: those versions of cuda.cu for which Numba has the words.

    forward           y(M,N)  = x(M,K)  w(K,N) + b      sum over K   reference.py (1)
    backward_input    dx(M,K) = dy(M,N) w(K,N)^T        over N       reference.py (2)
    backward_weight   dw(K,N) = x(M,K)^T dy(M,N)        over M       reference.py (3)

All three are out(i,j) = sum over k of left(i,k) right(k,j), with one operand perhaps read transposed; so each
version is one function over ``rows``, ``columns`` and ``K``, and the passes differ in what they hand it.
``w.T`` is a view whose type says that columns are contiguous, so Numba compiles each version anew for it, as
C++ does its templates.

Numba reads four floats of an array at once nowhere, and knows no ``mma``: so the ladder ends at register_tiled.
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
from . import COLUMNS, K_TILE, ROWS, SPLITS, TILE

# Shapes of shared arrays must be names or numbers: Numba takes no TILE + 2.
_TILE_PADDED, _ROWS_PADDED, _COLUMNS_PADDED = TILE + 2, ROWS + 4, COLUMNS + 4
_SPLIT, _SPLIT_PADDED, _SPLIT_ROWS_PADDED = 8, 8 + 4, 32 + 4


@device
def store(out, bias, row, column, rows, columns, total):
    if row < rows and column < columns:
        if bias is None:
            out[row, column] = total
        else:
            out[row, column] = total + bias[column]


@device
def corner(tile, columns, tile_rows, tile_columns):
    """Where in the output a tile begins: its row and column."""
    down, across = divide(tile, ceil_div(columns, tile_columns))
    return down * tile_rows, across * tile_columns


# uncoalesced -----------------------------------------------------------------------------------------------


# dense_forward_uncoalesced, dense_backward_input_uncoalesced, dense_backward_weight_uncoalesced: the formula,
# one thread per element, and the lanes of a warp in the wrong direction.
#
#   out[i,j] = sum_k left[i,k] right[k,j]   reference.py (1), (2), (3)
#
# Threads   block (32, 8), a tile of 32 rows x 8 columns: threadIdx.x walks rows.
# Memory    8.03 bytes per multiply-add asked for, 33.1 in sectors, 0.0469 the least (M = N = K = 256).  The
#           lanes of a warp read 32 rows of left: a sector each, of whose 32 bytes they take 4.  Of
#           backward_weight, where x^T is contiguous along its rows, that is so of the stores alone.
# Limit     bound by the L1 cache, where 33 sectors are looked up for each multiply-add of a warp.
# Numerics  one sum in the order of k.
# Source    CUDA C++ Best Practices Guide, "Coalesced Access to Global Memory".
# Same op   reference.py (float64)   cpu.py   cuda.cu
@device
def product_uncoalesced(tile, out, left, right, bias, rows, columns, K):
    top, side = corner(tile, columns, 32, 8)
    i, j = uint32(top + cuda.threadIdx.x), uint32(side + cuda.threadIdx.y)
    if i >= rows or j >= columns:
        return
    total = real(0)
    for k in range(K):
        total += left[i, k] * right[k, j]
    store(out, bias, i, j, rows, columns, total)


@device
def tall_tiles(rows, columns):
    return ceil_div(rows, 32) * ceil_div(columns, 8)


@kernel
def dense_forward_uncoalesced(y, x, w, b, M, N, K):
    for tile in my_tiles(tall_tiles(M, N)):
        product_uncoalesced(tile, y, x, w, b, M, N, K)


@kernel
def dense_backward_input_uncoalesced(dx, dy, w, M, K, N):
    for tile in my_tiles(tall_tiles(M, K)):
        product_uncoalesced(tile, dx, dy, w.T, None, M, K, N)


@kernel
def dense_backward_weight_uncoalesced(dw, x, dy, K, N, M):
    for tile in my_tiles(tall_tiles(K, N)):
        product_uncoalesced(tile, dw, x.T, dy, None, K, N, M)


# naive -----------------------------------------------------------------------------------------------------


# dense_forward_naive, dense_backward_input_naive, dense_backward_weight_naive: the lanes of a warp take
# neighbouring columns.
#
#   out[i,j] = sum_k left[i,k] right[k,j]   reference.py (1), (2), (3)
#
# Threads   block (32, 8), a tile of 8 rows x 32 columns: threadIdx.x walks columns.
# Memory    8.03 bytes per multiply-add asked for, 5.03 in sectors, 0.0469 the least (M = N = K = 256).  All
#           lanes want the same word of left, and 32 neighbours of right, which lie in 4 sectors.  Only
#           backward_input's w^T is as uncoalesced as before: each column is a row in memory.
# Limit     bound by the L1 cache: two requests per multiply-add.
# Numerics  one sum in the order of k: the bits of the uncoalesced version.
# Source    CUDA C++ Best Practices Guide, "Coalesced Access to Global Memory".
# Same op   reference.py (float64)   cpu.py   cuda.cu
@device
def product_naive(tile, out, left, right, bias, rows, columns, K):
    i, j = locate(tile, columns)
    if i >= rows or j >= columns:
        return
    total = real(0)
    for k in range(K):
        total += left[i, k] * right[k, j]
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


# tiled -----------------------------------------------------------------------------------------------------


# dense_forward_tiled, dense_backward_input_tiled, dense_backward_weight_tiled: the block shares what it
# fetches.
#
#   out[i,j] = sum over K-tiles of sum_k left[i,k] right[k,j]   reference.py (1), (2), (3)
#
# Threads   block (TILE, TILE), one element each of a tile of TILE x TILE.  For each K-tile of TILE a thread
#           copies one element of either operand into shared memory, then all multiply from there.
# Memory    0.531 bytes per multiply-add asked for, 0.523 in sectors, 0.0469 the least (M = N = K = 256).  An
#           element that is fetched is used TILE times.  Shared memory: 1 wavefront per load, 1 per store.
# Limit     bound by shared memory: 2 wavefronts per multiply-add of a warp.  Where a multiprocessor of Hopper
#           has one wavefront per clock it has 4 multiply-adds, so this is an eighth of its peak.
# Barriers  2 per K-tile of TILE: no tile is read before it is there, nor stored over while it is read; no
#           thread leaves before the last.
# Numerics  one sum in the order of k: the bits of the naive version.
# Source    CUDA C++ Programming Guide, "Shared Memory".
# Same op   reference.py (float64)   cpu.py   cuda.cu
@device
def product_tiled(tile, out, left, LT, right, RT, bias, rows, columns, K):
    left_tile = cuda.shared.array((TILE, _TILE_PADDED), real)
    right_tile = cuda.shared.array((TILE, _TILE_PADDED), real)
    top, side = corner(tile, columns, TILE, TILE)
    x, y = uint32(cuda.threadIdx.x), uint32(cuda.threadIdx.y)
    i, left_k = (x, y) if LT else (y, x)
    j, right_k = (y, x) if RT else (x, y)
    row, column = uint32(top + i), uint32(side + j)
    total = real(0)
    for k0 in steps(0, K, TILE):
        left_inside = row < rows and k0 + left_k < K
        right_inside = k0 + right_k < K and column < columns
        left_tile[i, left_k] = left[row, k0 + left_k] if left_inside else real(0)
        right_tile[right_k, j] = right[k0 + right_k, column] if right_inside else real(0)
        cuda.syncthreads()  # both tiles are there
        for k in range(TILE):
            total += left_tile[y, k] * right_tile[k, x]
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


# register_tiled --------------------------------------------------------------------------------------------


@device
def load_tile(tile, width, operand, along_k, k0, e0, K, extent, worker, workers):
    """Copy a K-tile of an operand (K, extent) into shared memory, with zeros beyond it.

    Neighbouring workers walk the direction in which memory is contiguous.
    """
    for n in steps(worker, len(tile) * width, workers):
        if along_k:
            upper, rest = divide(n, 8 * width)
            e, lower = divide(rest, 8)
            k = upper * 8 + lower
        else:
            k, e = divide(n, width)
        row, column = uint32(k0 + k), uint32(e0 + e)
        tile[k, e] = operand[row, column] if row < K and column < extent else real(0)


# dense_forward_register_tiled, dense_backward_input_register_tiled, dense_backward_weight_register_tiled: a
# thread reuses in registers what it read from shared memory.
#
#   out[i,j] = sum over K-tiles of sum_k left[i,k] right[k,j]   reference.py (1), (2), (3)
#
# Threads   block (COLUMNS / 4, ROWS / 4), a tile of ROWS x COLUMNS.  A thread owns 4 x 4 elements, rows and
#           columns a block apart, so that lanes read neighbouring words of shared memory.
# Memory    0.219 bytes per multiply-add asked for, 0.211 in sectors, 0.0469 the least (M = N = K = 256).  8
#           values read from shared memory serve 16 multiply-adds.  Shared memory: 1 wavefront per load, 1 per
#           store.
# Limit     bound by shared memory: 8 wavefronts per 16 multiply-adds of a warp, half of Hopper's peak.
# Barriers  2 per K-tile of K_TILE, as in tiled; no thread leaves before the last.
# Numerics  one sum in the order of k: the bits of the naive version.
# Source    Volkov & Demmel 2008, "Benchmarking GPUs to tune dense linear algebra", section 5.
# Same op   reference.py (float64)   cpu.py   cuda.cu
@device
def product_register_tiled(tile, out, left, LT, right, RT, bias, rows, columns, K):
    left_tile = cuda.shared.array((K_TILE, _ROWS_PADDED), real)
    right_tile = cuda.shared.array((K_TILE, _COLUMNS_PADDED), real)
    down, across = ROWS // 4, COLUMNS // 4  # the block's shape
    top, side = corner(tile, columns, ROWS, COLUMNS)
    x, y, me = uint32(cuda.threadIdx.x), uint32(cuda.threadIdx.y), thread_in_block()
    total, a = cuda.local.array((4, 4), real), cuda.local.array(4, real)
    for i in range(4):
        for j in range(4):
            total[i, j] = real(0)
    for k0 in range(0, K, K_TILE):
        load_tile(left_tile, ROWS, left.T, not LT, k0, top, K, rows, me, down * across)
        load_tile(right_tile, COLUMNS, right, RT, k0, side, K, columns, me, down * across)
        cuda.syncthreads()  # both tiles are there
        for k in range(K_TILE):
            for i in range(4):
                a[i] = left_tile[k, y + i * down]
            for j in range(4):
                b = right_tile[k, x + j * across]
                for i in range(4):
                    total[i, j] += a[i] * b
        cuda.syncthreads()  # all have read them; the next ones may come
    for i in range(4):
        for j in range(4):
            store(out, bias, top + y + i * down, side + x + j * across, rows, columns, total[i, j])


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


# split_k ---------------------------------------------------------------------------------------------------


# dense_forward_split_k, dense_backward_input_split_k, dense_backward_weight_split_k: for a batch of 32 rows,
# which is too few tiles to fill a GPU; so the warps of a block share the K of one small tile instead.
#
#   out[i,j] = sum over warps of (sum over the warp's K-tiles of sum_k left[i,k] right[k,j])
#       reference.py (1), (2), (3)
#
# Threads   block (32, SPLITS), a tile of 32 x 8.  A warp takes every SPLITS-th K-tile of 8, and in it a lane
#           owns 4 x 2 elements.
# Memory    0.635 bytes per multiply-add asked for, 0.631 in sectors, 0.138 the least (M = 32, N = 512, K =
#           784).  Narrow tiles read left again for every 8 columns; it stays in cache.
# Limit     bound by shared memory and by the bandwidth of the L2 cache alike, no longer by the latency of a few
#           blocks.
# Barriers  2 per K-tile of 8 among the lanes of a warp, whose tiles are its own; 2 per tile of the output among
#           all, around the last sum; no thread leaves before the last.
# Numerics  SPLITS sums, then their sum in the order of the warps: the same bits on every run.
# Source    NVIDIA CUTLASS documentation, "Efficient GEMM in CUDA", section "Parallelized Reductions"
#           (sliced-K).
# Same op   reference.py (float64)   cpu.py   cuda.cu
@device
def product_split_k(tile, out, left, LT, right, RT, bias, rows, columns, K):
    left_tile = cuda.shared.array((SPLITS, _SPLIT, _SPLIT_ROWS_PADDED), real)
    right_tile = cuda.shared.array((SPLITS, _SPLIT, _SPLIT_PADDED), real)
    partial = cuda.shared.array((SPLITS, 32, _SPLIT), real)
    top, side = corner(tile, columns, 32, 8)
    lane, warp = uint32(cuda.threadIdx.x), uint32(cuda.threadIdx.y)
    i0, j0 = divide(lane, 4)
    total = cuda.local.array((4, 2), real)
    for i in range(4):
        for j in range(2):
            total[i, j] = real(0)
    for k0 in steps(warp * 8, K, SPLITS * 8):
        load_tile(left_tile[warp], 32, left.T, not LT, k0, top, K, rows, lane, 32)
        load_tile(right_tile[warp], 8, right, RT, k0, side, K, columns, lane, 32)
        cuda.syncwarp()  # both tiles are there
        for k in range(8):
            for i in range(4):
                for j in range(2):
                    total[i, j] += left_tile[warp, k, i0 + 8 * i] * right_tile[warp, k, j0 + 4 * j]
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


@kernel
def dense_forward_split_k(y, x, w, b, M, N, K):
    for tile in my_tiles(tall_tiles(M, N)):
        product_split_k(tile, y, x, False, w, False, b, M, N, K)


@kernel
def dense_backward_input_split_k(dx, dy, w, M, K, N):
    for tile in my_tiles(tall_tiles(M, K)):
        product_split_k(tile, dx, dy, False, w.T, True, None, M, K, N)


@kernel
def dense_backward_weight_split_k(dw, x, dy, K, N, M):
    for tile in my_tiles(tall_tiles(K, N)):
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
