typedef Quad<real> Four;  // of common.cuh, as load_quad and store_quad: in one access, where it is aligned

// Wavefronts of 16 bytes per lane.  A wavefront has a word of each bank, 128 bytes, so a request of a warp goes
// by quarters, 8 lanes each.  A load goes by halves where lanes want the same in pairs: each lane l what l ^ 1
// wants, or each what l ^ 2 wants.  simt/trace.cpp counts so, and says who found it.

// Four neighbouring elements from (row, column) on, of a (rows, columns) matrix in memory; zeros outside it.
__device__ inline Four load_four(const real* data, int stride, int row, int column, int rows, int columns) {
    int there = row < rows ? columns - column : 0;
    return there > 0 ? load_quad(data + row * stride + column, there) : Four{};
}

// Store the sums of four neighbouring elements of a row, each with its bias.
__device__ inline void store_four(real* out, Four biases, int row, int column, int rows, int columns,
                                  const real* sum) {
    Four four;
    for (int j = 0; j < 4; ++j) four.v[j] = sum[j] + biases.v[j];
    if (row < rows) store_quad(out + row * columns + column, four, columns - column);
}

// As load_tile, but by fours.  Those that lie along K, two of each row and so the 32 bytes of a sector, are
// scattered over four rows of the tile; the same padding keeps the 32 words that lanes write at a time on 32
// banks.
template <int HEIGHT, int WIDTH, bool ALONG_K, int STRIDE>
__device__ void load_fours(Four (*tile)[STRIDE], const real* data, int stride, int k0, int e0, int K,
                           int extent, int worker, int workers) {
    for (int n = worker; n < HEIGHT * WIDTH / 4; n += workers) {
        if (ALONG_K) {
            int k = n / (2 * WIDTH) * 8 + n % 2 * 4, e = n / 2 % WIDTH;
            Four four = load_four(data, stride, e0 + e, k0 + k, extent, K);
            for (int j = 0; j < 4; ++j) tile[k + j][e / 4].v[e % 4] = four.v[j];
        } else {
            int k = n / (WIDTH / 4), e = n % (WIDTH / 4);
            tile[k][e] = load_four(data, stride, k0 + k, e0 + 4 * e, K, extent);
        }
    }
}

// dense_forward_vectorised, dense_backward_input_vectorised, dense_backward_weight_vectorised: memory is
// accessed four elements at a time.
//
//   out[i,j] = sum over K-tiles of sum_k left[i,k] right[k,j]   reference.py (1), (2), (3)
//
// Threads   block (COLUMNS / 4, ROWS / 4) = (16, 8), a tile of ROWS x COLUMNS = 32 x 64.  A thread owns 4 x 4
//           neighbouring elements.
// Memory    0.207 bytes per multiply-add asked for, 0.205 in sectors, 0.0469 the least; backward_input 0.203,
//           0.203, 0.0469; backward_weight 0.203, 0.203, 0.0469 (M = N = K = 256).  16 bytes per access, a
//           quarter of the requests; ends of rows, and rows that are not aligned, go one by one.  Shared
//           memory: 3 wavefronts per load, 2 per store; backward_input 3, 1; backward_weight 3, 4.
// Limit     bound by shared memory: by the rule above, 2 wavefronts for a load of left, where 16 lanes want the
//           same, and 4 for one of right.  They serve 16 multiply-adds of a warp: 4 clocks on Hopper.
// Barriers  2 per K-tile of 16: as in tiled.  No thread leaves before the last.
// Numerics  one sum in the order of k: the bits of the naive version.
// Source    CUDA C++ Best Practices Guide, "Coalesced access"; PTX ISA, ld.global.v4.
template <bool LT, bool RT>
__device__ void product_vectorised(int tile, real* out, Operand<LT> left, Operand<RT> right, const real* bias,
                                   int rows, int columns, int K) {
    __shared__ Four left_tile[K_TILE][ROWS / 4 + 1];
    __shared__ Four right_tile[K_TILE][COLUMNS / 4 + 1];
    const int threads = ROWS / 4 * COLUMNS / 4, me = thread_in_block();
    int across = ceil_div(columns, COLUMNS);
    int top = tile / across * ROWS, side = tile % across * COLUMNS;
    real sum[4][4] = {};
    for (int k0 = 0; k0 < K; k0 += K_TILE) {
        load_fours<K_TILE, ROWS, !LT>(left_tile, left.data, left.stride, k0, top, K, rows, me, threads);
        load_fours<K_TILE, COLUMNS, RT>(right_tile, right.data, right.stride, k0, side, K, columns, me,
                                        threads);
        __syncthreads();  // both tiles are there
        for (int k = 0; k < K_TILE; ++k) {
            Four a = left_tile[k][threadIdx.y], b = right_tile[k][threadIdx.x];
            for (int i = 0; i < 4; ++i)
                for (int j = 0; j < 4; ++j) sum[i][j] += a.v[i] * b.v[j];
        }
        __syncthreads();  // all have read them; the next ones may come
    }
    int row = top + 4 * threadIdx.y, column = side + 4 * threadIdx.x;
    Four biases = bias ? load_quad(bias + column, columns - column) : Four{};
    for (int i = 0; i < 4; ++i) store_four(out, biases, row + i, column, rows, columns, sum[i]);
}

extern "C" __global__ void dense_forward_vectorised(real* y, const real* x, const real* w, const real* b, int M,
                                                    int N, int K) {
    FORWARD_OPERANDS;
    FOR_EACH_TILE(tile, wide_tiles(M, N)) product_vectorised(tile, y, left, right, b, M, N, K);
}

extern "C" __global__ void dense_backward_input_vectorised(real* dx, const real* dy, const real* w, int M,
                                                           int K, int N) {
    BACKWARD_INPUT_OPERANDS;
    FOR_EACH_TILE(tile, wide_tiles(M, K)) product_vectorised(tile, dx, left, right, NO_BIAS, M, K, N);
}

extern "C" __global__ void dense_backward_weight_vectorised(real* dw, const real* x, const real* dy, int K,
                                                            int N, int M) {
    BACKWARD_WEIGHT_OPERANDS;
    FOR_EACH_TILE(tile, wide_tiles(K, N)) product_vectorised(tile, dw, left, right, NO_BIAS, K, N, M);
}
