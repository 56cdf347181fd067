// A K-tile with a line for each k.  Two words of padding put 16 k of two neighbours on 32 banks.
template <int EXTENT>
struct TileOfLines {
    static const int extent = EXTENT, depth = K_TILE;
    real line[K_TILE][EXTENT + 2];

    __device__ real at(int e, int k) const {
        return line[k][e];
    }
    __device__ void set(int e, int k, real value) {
        line[k][e] = value;
    }
    __device__ static int order(int n) {
        return n;
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
    __shared__ TileOfLines<ROWS> left_tile;
    __shared__ TileOfLines<COLUMNS> right_tile;
    const int down = ROWS / 4, across = COLUMNS / 4;
    int x = threadIdx.x, y = threadIdx.y, me = thread_in_block();
    int top = tile / ceil_div(columns, COLUMNS) * ROWS, side = tile % ceil_div(columns, COLUMNS) * COLUMNS;
    const Gather<TRANSPOSED, TileOfLines<ROWS>> gather(left, top, rows, me);

    real sum[4][4] = {};
    for (int k0 = 0; k0 < K; k0 += K_TILE) {
        gather.load(left_tile, k0, K);
        load_right<down * across>(right_tile, right, k0, side, K, columns, me);
        __syncthreads();  // both tiles are there
        for (int k = 0; k < K_TILE; ++k) {
            real a[4], b[4];
            for (int i = 0; i < 4; ++i) a[i] = left_tile.at(y + i * down, k);
            for (int j = 0; j < 4; ++j) b[j] = right_tile.at(x + j * across, k);
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
