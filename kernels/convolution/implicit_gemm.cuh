// What lies in memory as it is: element (k, column) is that many steps behind the start of line k.
struct Matrix {
    const real* data;
    int columns;

    static const bool along_k = false;  // in which direction neighbours lie
    __device__ int step() const {
        return 1;
    }
    __device__ const real* line(int k) const {
        return data + k * columns;
    }
};

// The weights of a phase's taps, read the other way: k is (tap row, tap column, n), and columns are channels.
struct Taps {
    const real* w;
    Sizes s;
    Phase phase;

    static const bool along_k = true;
    __device__ int step() const {
        return s.N;
    }
    __device__ const real* line(int k) const {
        int tap = k / s.N, r = phase.first_row + tap / phase.taps_across * s.stride,
            t = phase.first_column + tap % phase.taps_across * s.stride;
        return w + (r * s.R + t) * s.C * s.N + k % s.N;
    }
};

// Where a row of the product goes; 0 if it is outside.
struct Rows {
    real* out;
    int columns;

    __device__ real* row(int i) const {
        return out + i * columns;
    }
};

struct RowsOfPhase {
    real* dx;
    Sizes s;
    Phase phase;

    __device__ real* row(int row) const {
        int b = row / (phase.across * phase.down), i = row / phase.across % phase.down * s.stride + phase.row,
            j = row % phase.across * s.stride + phase.column;
        return i < s.H && j < s.W ? dx + ((b * s.H + i) * s.W + j) * s.C : (real*)0;
    }
};

// convolution_forward_implicit_gemm, convolution_backward_input_implicit_gemm,
// convolution_backward_weight_implicit_gemm: a product in tiles, which gathers a K-tile of its left operand.
//
//   out[i,j] = sum over K-tiles of sum_k left[i,k] right[k,j]   reference.py (5)
//
// Threads   block (COLUMNS / 4, ROWS / 4), a tile of ROWS x COLUMNS of one phase; a thread owns 4 x 4 elements,
//           rows and columns a block apart.  Of left it gathers 4 elements of a K-tile: of one k and four rows,
//           or of one row of x^T and four places.  So most divisions are done once, before the K-tiles.
// Memory    0.221 bytes per multiply-add asked for, 0.221 in sectors, 0.0525 the least; backward_input 0.225,
//           0.225, 0.0525 (B = 2).  16 lanes read neighbouring channels of a patch.  Shared memory: 1 wavefront
//           per load, 1 per store.
// Limit     bound by shared memory: 8 wavefronts for 16 multiply-adds of a warp, half of Hopper's peak.
// Barriers  2 per K-tile of 16: no tile is read before it is there, nor stored over while it is read.  No
//           thread leaves before the last.
// Numerics  one sum in the order of k, with zeros for what is outside: the bits of the naive version.
// Source    Chetlur et al. 2014, arXiv:1410.0759, section 3.1 (cuDNN).
template <bool TRANSPOSED, class Right, class Out>
__device__ void product_implicit_gemm(int tile, Out out, Patches left, Right right, int rows, int columns,
                                      int K) {
    __shared__ real left_tile[K_TILE][ROWS + 2];  // two words of padding: 16 k of two rows on 32 banks
    __shared__ real right_tile[K_TILE][COLUMNS + 2];
    const int down = ROWS / 4, across = COLUMNS / 4, threads = down * across;
    int x = threadIdx.x, y = threadIdx.y, me = y * across + x;
    int top = tile / ceil_div(columns, COLUMNS) * ROWS, side = tile % ceil_div(columns, COLUMNS) * COLUMNS;

    // Of left this thread has (k, e), and three more, every fourth k or every eighth row.
    int k = TRANSPOSED ? me / ROWS : me % K_TILE, e = TRANSPOSED ? me % ROWS : me / K_TILE;
    const int next_k = TRANSPOSED ? threads / ROWS : 0, next_e = TRANSPOSED ? 0 : threads / K_TILE;
    Place mine[4];
    for (int l = 0; l < 4; ++l) {
        int i = top + e + l * next_e;
        mine[l] = NOWHERE;
        if (i < rows) mine[l] = TRANSPOSED ? left.tap(i) : left.row(i);
    }
    int right_k = Right::along_k ? me % K_TILE : me / COLUMNS;
    int right_e = Right::along_k ? me / K_TILE : me % COLUMNS;

    real sum[4][4] = {};
    for (int k0 = 0; k0 < K; k0 += K_TILE) {
        Place other = NOWHERE;
        if (!TRANSPOSED && k0 + k < K) other = left.tap(k0 + k);
        for (int l = 0; l < 4; ++l) {
            if (TRANSPOSED) {
                other = NOWHERE;
                if (k0 + k + l * next_k < K) other = left.row(k0 + k + l * next_k);
            }
            left_tile[k + l * next_k][e + l * next_e] =
                TRANSPOSED ? left.at(other, mine[l]) : left.at(mine[l], other);
        }
        for (int n = 0; n < K_TILE * COLUMNS / threads; ++n) {
            int kk = right_k + (Right::along_k ? 0 : n * (threads / COLUMNS));
            int j = right_e + (Right::along_k ? n * (threads / K_TILE) : 0);
            bool inside = k0 + kk < K && side + j < columns;
            right_tile[kk][j] = inside ? right.line(k0 + kk)[(side + j) * right.step()] : (real)0;
        }
        __syncthreads();  // both tiles are there
        for (int kk = 0; kk < K_TILE; ++kk) {
            real a[4], b[4];
            for (int i = 0; i < 4; ++i) a[i] = left_tile[kk][y + i * down];
            for (int j = 0; j < 4; ++j) b[j] = right_tile[kk][x + j * across];
            for (int i = 0; i < 4; ++i)
                for (int j = 0; j < 4; ++j) sum[i][j] += a[i] * b[j];
        }
        __syncthreads();  // all have read them; the next ones may come
    }
    for (int i = 0; i < 4; ++i) {
        int row = top + y + i * down;
        real* to = row < rows ? out.row(row) : (real*)0;
        for (int j = 0; to && j < 4; ++j)
            if (side + x + j * across < columns) to[side + x + j * across] = sum[i][j];
    }
}

__device__ inline int wide_tiles(int rows, int columns) {
    return ceil_div(rows, ROWS) * ceil_div(columns, COLUMNS);
}

extern "C" __global__ void convolution_forward_implicit_gemm(real* y, const real* x, const real* w, int stride,
                                                             int padding, int B, int P, int Q, int N, int H,
                                                             int W, int C, int R) {
    const Sizes s = SIZES;
    const Rows out = {y, N};
    const Matrix right = {w, N};
    FOR_EACH_TILE(tile, wide_tiles(B * P * Q, N))
    product_implicit_gemm<false>(tile, out, patches_of_x(x, s), right, B * P * Q, N, R * R * C);
}

extern "C" __global__ void convolution_backward_input_implicit_gemm(real* dx, const real* dy, const real* w,
                                                                    int stride, int padding, int B, int H,
                                                                    int W, int C, int P, int Q, int N, int R) {
    const Sizes s = SIZES;
    int rows = B * ceil_div(H, stride) * ceil_div(W, stride), per_phase = wide_tiles(rows, C);
    FOR_EACH_TILE(tile, stride * stride * per_phase) {
        const Phase phase(tile / per_phase, s);
        const RowsOfPhase out = {dx, s, phase};
        const Taps right = {w, s, phase};
        int K = phase.taps_down * phase.taps_across * N;
        product_implicit_gemm<false>(tile % per_phase, out, phase.patches(dy, s), right, rows, C, K);
    }
}

extern "C" __global__ void convolution_backward_weight_implicit_gemm(real* dw, const real* x, const real* dy,
                                                                     int stride, int padding, int R, int C,
                                                                     int N, int B, int H, int W, int P, int Q) {
    const Sizes s = SIZES;
    const Rows out = {dw, N};
    const Matrix right = {dy, N};
    FOR_EACH_TILE(tile, wide_tiles(R * R * C, N))
    product_implicit_gemm<true>(tile, out, patches_of_x(x, s), right, R * R * C, N, B * P * Q);
}
