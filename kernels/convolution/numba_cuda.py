"""The products of a convolution and its bias, as in cuda.cu, where the headers are.

Arrays keep their four dimensions: Numba makes no matrix of one.  So what is a struct of C++ is a tuple here,
and where an element lies is told by its four indices.  ``None`` for the phase says that a product has only one
part, and that the branch for the others is gone.
"""

from ..numba_common import (
    ceil_div,
    cuda,
    divide,
    locate,
    my_tiles,
    np,
    real,
    steps,
    thread_in_block,
    tiles_of,
    uint32,
)
from ..numba_source import device, kernel
from . import COLUMNS, K_TILE, ROWS, SIDE, SPLITS

int32 = np.int32

# Shapes of shared arrays must be names or numbers: Numba takes no ROWS + 2.
_ROWS_PADDED, _COLUMNS_PADDED = ROWS + 2, COLUMNS + 2
_SPLIT, _SIDE_PADDED = 8, SIDE + 4
_DOWN, _ACROSS = ROWS // 4, COLUMNS // 4  # the block's shape
_NOWHERE = -(1 << 30)


@device
def divided(a, b):
    """Quotient and remainder that may go on to be negative."""
    quotient, rest = divide(a, b)
    return int32(quotient), int32(rest)


@device
def split(number, middle, last):
    """The three indices of an element of a (., middle, last) array."""
    upper, z = divided(number, last)
    x, y = divided(upper, middle)
    return x, y, z


# naive -----------------------------------------------------------------------------------------------------


@device
def convolution_forward_naive_tile(tile, y, x, w, stride, padding, B, P, Q, N, H, W, C, R):
    row, n = locate(tile, N)
    if row >= B * P * Q or n >= N:
        return
    b, p, q = split(row, P, Q)
    total = real(0)
    for r in range(R):
        for s in range(R):
            i, j = stride * p - padding + r, stride * q - padding + s
            if i >= 0 and i < H and j >= 0 and j < W:
                for c in range(C):
                    total += x[uint32(b), uint32(i), uint32(j), c] * w[r, s, c, n]
    y[uint32(b), uint32(p), uint32(q), n] = total


@kernel
def convolution_forward_naive(y, x, w, stride, padding, B, P, Q, N, H, W, C, R):
    for tile in my_tiles(tiles_of(B * P * Q, N)):
        convolution_forward_naive_tile(tile, y, x, w, stride, padding, B, P, Q, N, H, W, C, R)


@device
def convolution_backward_input_naive_tile(tile, dx, dy, w, stride, padding, B, H, W, C, P, Q, N, R):
    row, c = locate(tile, C)
    if row >= B * H * W or c >= C:
        return
    b, i, j = split(row, H, W)
    r0, s0 = divided(i + padding, stride)[1], divided(j + padding, stride)[1]
    total = real(0)
    for r in steps(r0, R, stride):
        for s in steps(s0, R, stride):
            if i + padding >= r and j + padding >= s:
                p, q = divide(i + padding - r, stride)[0], divide(j + padding - s, stride)[0]
                if p < P and q < Q:
                    for n in range(N):
                        total += dy[uint32(b), p, q, n] * w[r, s, c, n]
    dx[uint32(b), uint32(i), uint32(j), c] = total


@kernel
def convolution_backward_input_naive(dx, dy, w, stride, padding, B, H, W, C, P, Q, N, R):
    for tile in my_tiles(tiles_of(B * H * W, C)):
        convolution_backward_input_naive_tile(tile, dx, dy, w, stride, padding, B, H, W, C, P, Q, N, R)


@device
def convolution_backward_weight_naive_tile(tile, dw, x, dy, stride, padding, R, C, N, B, H, W, P, Q):
    row, n = locate(tile, N)
    if row >= R * R * C or n >= N:
        return
    r, s, c = split(row, R, C)
    total = real(0)
    for b in range(B):
        for p in range(P):
            i = stride * p - padding + r
            if i >= 0 and i < H:
                for q in range(Q):
                    j = stride * q - padding + s
                    if j >= 0 and j < W:
                        total += x[b, uint32(i), uint32(j), uint32(c)] * dy[b, p, q, n]
    dw[uint32(r), uint32(s), uint32(c), n] = total


@kernel
def convolution_backward_weight_naive(dw, x, dy, stride, padding, R, C, N, B, H, W, P, Q):
    for tile in my_tiles(tiles_of(R * R * C, N)):
        convolution_backward_weight_naive_tile(tile, dw, x, dy, stride, padding, R, C, N, B, H, W, P, Q)


# Tiles -----------------------------------------------------------------------------------------------------
# Patches: (height, width, channels, down, across, taps, step, tap_step, top, left).  A place: (offset, i, j).


@device
def row_of(patches, row, rows):
    """The place of a row of left, or nowhere."""
    _, _, _, down, across, _, step, _, top, left = patches
    if row >= rows:
        return int32(0), int32(_NOWHERE), int32(_NOWHERE)
    b, u, v = split(row, down, across)
    return b, int32(u * step + top), int32(v * step + left)


@device
def after(patches, row):
    """The place of the row behind it, for which nothing is divided."""
    _, _, _, down, across, _, step, _, top, left = patches
    b, i, j = row[0], row[1], int32(row[2] + step)
    if j == left + across * step:
        i, j = int32(i + step), int32(left)
    if i == top + down * step:
        b, i = int32(b + 1), int32(top)
    return b, i, j


@device
def tap_of(patches, k, K):
    """The place of an element of K, or nowhere."""
    _, _, channels, _, _, taps, _, tap_step, _, _ = patches
    if k >= K:
        return int32(0), int32(_NOWHERE), int32(_NOWHERE)
    tap, c = divided(k, channels)
    r, s = divided(tap, taps)
    return c, int32(r * tap_step), int32(s * tap_step)


@device
def phase_of(number, stride, padding, P, Q, N, down, across, R):
    """A phase of backward_input: its patches of dy, where its pixels and its taps are, and its K."""
    row, column = divided(number, stride)
    top, first_row = divided(row + padding, stride)
    left, first_column = divided(column + padding, stride)
    taps_down, taps = ceil_div(R - first_row, stride), ceil_div(R - first_column, stride)
    patches = (P, Q, N, down, across, taps, 1, -1, top, left)
    return patches, (row, column, first_row, first_column, taps), taps_down * taps * N


@device
def gathered(images, patches, row, tap):
    i, j = row[1] + tap[1], row[2] + tap[2]
    if i >= 0 and i < patches[0] and j >= 0 and j < patches[1]:
        return images[uint32(row[0]), uint32(i), uint32(j), uint32(tap[0])]
    return real(0)


@device
def load_left(tile, extent, images, patches, transposed, top, k0, rows, K, me):
    """This thread's four elements of a K-tile: four rows of one k, or four k of one row of x^T."""
    if transposed:
        group, e = divide(me, extent)
        tap, place = tap_of(patches, top + e, rows), row_of(patches, k0 + 4 * group, K)
        for k in range(4 * group, 4 * group + 4):
            tile[k, e] = gathered(images, patches, place, tap) if k0 + k < K else real(0)
            place = after(patches, place)
    else:
        first, k = divide(me, len(tile))
        tap = tap_of(patches, k0 + k, K)
        for n in range(4):
            e = first + n * (extent // 4)
            tile[k, e] = gathered(images, patches, row_of(patches, top + e, rows), tap)


@device
def load_lines(tile, extent, right, middle, last, k0, side, K, columns, me, workers):
    """A K-tile of what lies in memory as it is, (., middle, last, columns)."""
    each = len(tile) * extent // workers
    group, e = divide(me, extent)
    for k in range(each * group, each * group + each):
        a, b, c = split(k0 + k, middle, last)
        inside = k0 + k < K and side + e < columns
        tile[k, e] = right[uint32(a), uint32(b), uint32(c), uint32(side + e)] if inside else real(0)


@device
def load_taps(tile, extent, w, phase, stride, N, k0, side, K, columns, me, workers):
    """A K-tile of the weights of a phase's taps, read the other way."""
    _, _, first_row, first_column, taps = phase
    first, k = divide(me, len(tile))
    if k0 + k < K:
        tap, n = divided(k0 + k, N)
        r, s = divided(tap, taps)
    else:
        r, s, n = int32(0), int32(0), int32(0)
    r, s = uint32(first_row + r * stride), uint32(first_column + s * stride)
    for e in steps(first, extent, workers // len(tile)):
        inside = k0 + k < K and side + e < columns
        tile[k, e] = w[r, s, uint32(side + e), uint32(n)] if inside else real(0)


@device
def load_right(tile, extent, right, phase, stride, N, middle, last, k0, side, K, columns, me, workers):
    if phase is None:
        load_lines(tile, extent, right, middle, last, k0, side, K, columns, me, workers)
    else:
        load_taps(tile, extent, right, phase, stride, N, k0, side, K, columns, me, workers)


@device
def store(out, phase, stride, row, column, middle, last, columns, total):
    """An element of the product, which goes to a pixel of the phase, if there is one."""
    if column < columns:
        a, b, c = split(row, middle, last)
        if phase is None:
            out[uint32(a), uint32(b), uint32(c), uint32(column)] = total
        else:
            i, j = b * stride + phase[0], c * stride + phase[1]
            if i < out.shape[1] and j < out.shape[2]:
                out[uint32(a), uint32(i), uint32(j), uint32(column)] = total


# implicit_gemm ---------------------------------------------------------------------------------------------


@device
def product_implicit_gemm(tile, out, images, patches, transposed, right, phase, stride, N, sizes, middle, last):
    """``middle`` and ``last`` tell how rows of out fall into indices, and K of right, unless it has a phase."""
    left_tile = cuda.shared.array((K_TILE, _ROWS_PADDED), real)
    right_tile = cuda.shared.array((K_TILE, _COLUMNS_PADDED), real)
    rows, columns, K = sizes
    down, across = divide(tile, ceil_div(columns, COLUMNS))
    top, side = down * ROWS, across * COLUMNS
    x, y, me = uint32(cuda.threadIdx.x), uint32(cuda.threadIdx.y), thread_in_block()
    total, a = cuda.local.array((4, 4), real), cuda.local.array(4, real)
    for i in range(4):
        for j in range(4):
            total[i, j] = real(0)
    for k0 in range(0, K, K_TILE):
        load_left(left_tile, ROWS, images, patches, transposed, top, k0, rows, K, me)
        load_right(
            *(right_tile, COLUMNS, right, phase, stride, N, middle[1], last[1]),
            *(k0, side, K, columns, me, _DOWN * _ACROSS),
        )
        cuda.syncthreads()  # both tiles are there
        for k in range(K_TILE):
            for i in range(4):
                a[i] = left_tile[k, y + i * _DOWN]
            for j in range(4):
                b = right_tile[k, x + j * _ACROSS]
                for i in range(4):
                    total[i, j] += a[i] * b
        cuda.syncthreads()  # all have read them; the next ones may come
    for i in range(4):
        row = top + y + i * _DOWN
        if row < rows:
            for j in range(4):
                column = side + x + j * _ACROSS
                store(out, phase, stride, row, column, middle[0], last[0], columns, total[i, j])


@device
def wide_tiles(rows, columns):
    return ceil_div(rows, ROWS) * ceil_div(columns, COLUMNS)


@kernel
def convolution_forward_implicit_gemm(y, x, w, stride, padding, B, P, Q, N, H, W, C, R):
    patches, sizes = (H, W, C, P, Q, R, stride, 1, -padding, -padding), (B * P * Q, N, R * R * C)
    for tile in my_tiles(wide_tiles(B * P * Q, N)):
        product_implicit_gemm(tile, y, x, patches, False, w, None, stride, N, sizes, (P, R), (Q, C))


@kernel
def convolution_backward_input_implicit_gemm(dx, dy, w, stride, padding, B, H, W, C, P, Q, N, R):
    down, across = ceil_div(H, stride), ceil_div(W, stride)
    rows = B * down * across
    tiles = wide_tiles(rows, C)
    for number in my_tiles(stride * stride * tiles):
        part, tile = divide(number, tiles)
        patches, phase, K = phase_of(part, stride, padding, P, Q, N, down, across, R)
        product_implicit_gemm(
            *(tile, dx, dy, patches, False, w, phase, stride, N),
            *((rows, C, K), (down, down), (across, across)),
        )


@kernel
def convolution_backward_weight_implicit_gemm(dw, x, dy, stride, padding, R, C, N, B, H, W, P, Q):
    patches, sizes = (H, W, C, P, Q, R, stride, 1, -padding, -padding), (R * R * C, N, B * P * Q)
    for tile in my_tiles(wide_tiles(R * R * C, N)):
        product_implicit_gemm(tile, dw, x, patches, True, dy, None, stride, N, sizes, (R, P), (C, Q))


# split_k ---------------------------------------------------------------------------------------------------


@device
def product_split_k(tile, out, images, patches, transposed, right, phase, stride, N, sizes, middle, last):
    left_tile = cuda.shared.array((SPLITS, _SPLIT, _SIDE_PADDED), real)
    right_tile = cuda.shared.array((SPLITS, _SPLIT, _SIDE_PADDED), real)
    partial = cuda.shared.array((SPLITS, SIDE, SIDE), real)
    rows, columns, K = sizes
    down, across = divide(tile, ceil_div(columns, SIDE))
    top, side = down * SIDE, across * SIDE
    lane, warp = uint32(cuda.threadIdx.x), uint32(cuda.threadIdx.y)
    i0, j0 = divide(lane, 8)
    total = cuda.local.array((4, 2), real)
    for i in range(4):
        for j in range(2):
            total[i, j] = real(0)
    for k0 in steps(warp * _SPLIT, K, SPLITS * _SPLIT):
        load_left(left_tile[warp], SIDE, images, patches, transposed, top, k0, rows, K, lane)
        load_right(
            *(right_tile[warp], SIDE, right, phase, stride, N, middle[1], last[1]),
            *(k0, side, K, columns, lane, 32),
        )
        cuda.syncwarp()  # both tiles are there
        for k in range(_SPLIT):
            for i in range(4):
                for j in range(2):
                    total[i, j] += left_tile[warp, k, i0 + 4 * i] * right_tile[warp, k, j0 + 8 * j]
        cuda.syncwarp()  # all lanes have read them; the next ones may come
    for i in range(4):
        for j in range(2):
            partial[warp, i0 + 4 * i, j0 + 8 * j] = total[i, j]
    cuda.syncthreads()  # the sums of all warps are there
    i, j = divide(thread_in_block(), SIDE)
    together = real(0)
    for s in range(SPLITS):
        together += partial[s, i, j]
    if top + i < rows:
        store(out, phase, stride, top + i, side + j, middle[0], last[0], columns, together)
    cuda.syncthreads()  # all have read the sums; the next tile's may come


@device
def small_tiles(rows, columns):
    return ceil_div(rows, SIDE) * ceil_div(columns, SIDE)


@kernel
def convolution_forward_split_k(y, x, w, stride, padding, B, P, Q, N, H, W, C, R):
    patches, sizes = (H, W, C, P, Q, R, stride, 1, -padding, -padding), (B * P * Q, N, R * R * C)
    for tile in my_tiles(small_tiles(B * P * Q, N)):
        product_split_k(tile, y, x, patches, False, w, None, stride, N, sizes, (P, R), (Q, C))


@kernel
def convolution_backward_input_split_k(dx, dy, w, stride, padding, B, H, W, C, P, Q, N, R):
    down, across = ceil_div(H, stride), ceil_div(W, stride)
    rows = B * down * across
    tiles = small_tiles(rows, C)
    for number in my_tiles(stride * stride * tiles):
        part, tile = divide(number, tiles)
        patches, phase, K = phase_of(part, stride, padding, P, Q, N, down, across, R)
        product_split_k(
            *(tile, dx, dy, patches, False, w, phase, stride, N),
            *((rows, C, K), (down, down), (across, across)),
        )


@kernel
def convolution_backward_weight_split_k(dw, x, dy, stride, padding, R, C, N, B, H, W, P, Q):
    patches, sizes = (H, W, C, P, Q, R, stride, 1, -padding, -padding), (R * R * C, N, B * P * Q)
    for tile in my_tiles(small_tiles(R * R * C, N)):
        product_split_k(tile, dw, x, patches, True, dy, None, stride, N, sizes, (R, P), (C, Q))


# bias -----------------------------------------------------------------------------------------------------


@device
def bias_add_tile(tile, y, b, M, N):
    m, n = locate(tile, N)
    if m < M and n < N:
        y[m, n] += b[n]


@kernel
def bias_add(y, b, M, N):
    for tile in my_tiles(tiles_of(M, N)):
        bias_add_tile(tile, y, b, M, N)
