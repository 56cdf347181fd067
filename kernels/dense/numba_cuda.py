"""The products of a dense layer and the gradient of its bias, as in cuda.cu, where the headers are.

``w.T`` is a view whose type says that columns are contiguous, so Numba compiles each version anew for it, as
C++ does its templates.

Numba has no access to four floats of an array at once, on which vectorised and the rungs above it stand, and no
``mma``: so the ladder ends at register_tiled, split_k reads element by element, and there is no tensor_core.
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
