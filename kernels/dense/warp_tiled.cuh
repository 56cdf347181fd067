// Who owns what.  A warp has 32 x 64 of a block's tile of 128 x 128; and in that a lane has four times 4 x 4,
// at the row and the column where its number stands:
//
//      column     0 to 63  64 to 127        column   0   4   8  12  16  20  24  28 | 32  36 ...  60
//      row  0     warp 0   warp 1           row  0   0   2   4   6   8  10  12  14 |  0   2 ...  14
//          32     warp 2   warp 3                4   1   3   5   7   9  11  13  15 |  1   3 ...  15
//          64     warp 4   warp 5                8  16  18  20  22  24  26  28  30 | 16  18 ...  30
//          96     warp 6   warp 7               12  17  19  21  23  25  27  29  31 | 17  19 ...  31
//                                               16   0   2   4   6   8  10  12  14 |  0   2 ...  14
//                                              ...
//                                               28  17  19  21  23  25  27  29  31 | 17  19 ...  31
//
// Lanes l and l ^ 2 have the same rows, l and l ^ 1 the same columns, so that a wavefront of shared memory
// serves 16 lanes instead of 8.

// The first of a thread's four places in a block's tile, in fours.
struct Place {
    int row, column;
};

__device__ inline Place place_of_thread() {
    int lane = threadIdx.x, warp = threadIdx.y;
    return {warp / 2 * 8 + lane / 16 * 2 + lane % 2, warp % 2 * 16 + lane / 2 % 8};
}

__device__ inline void multiply_tiles(real (&sum)[8][8], const Four (*left_tile)[LARGE / 4 + 1],
                                      const Four (*right_tile)[LARGE / 4 + 1], int tile_k, Place place) {
#pragma unroll 2
    for (int k = 0; k < tile_k; ++k) {
        Four a[2] = {left_tile[k][place.row], left_tile[k][place.row + 16 / 4]};
        Four b[2] = {right_tile[k][place.column], right_tile[k][place.column + 32 / 4]};
        for (int i = 0; i < 8; ++i)
            for (int j = 0; j < 8; ++j) sum[i][j] += a[i / 4].v[i % 4] * b[j / 4].v[j % 4];
    }
}

__device__ inline void store_sums(const real (&sum)[8][8], real* out, const real* bias, int top, int side,
                                  int rows, int columns, Place place) {
    for (int half = 0; half < 2; ++half) {
        int row = top + 4 * place.row, column = side + 4 * place.column + 32 * half;
        Four biases = bias ? load_quad(bias + column, columns - column) : Four{};
        for (int i = 0; i < 8; ++i)
            store_four(out, biases, row + i / 4 * 16 + i % 4, column, rows, columns, &sum[i][4 * half]);
    }
}

// dense_forward_warp_tiled, dense_backward_input_warp_tiled, dense_backward_weight_warp_tiled: larger tiles, of
// the block, of each warp and of each thread.
//
//   out[i,j] = sum over K-tiles of sum_k left[i,k] right[k,j]   reference.py (1), (2), (3)
//
// Threads   block (32, 8), a tile of LARGE x LARGE, LARGE = 128.  Each of the 8 warps owns 32 x 64 of it, a
//           thread 8 x 8.
// Memory    0.0801 bytes per multiply-add asked for, 0.0786 in sectors, 0.0469 the least; backward_input
//           0.0781, 0.0781, 0.0469; backward_weight 0.0781, 0.0781, 0.0469 (M = N = K = 256).  16 values read
//           from shared memory serve 64 multiply-adds.  Shared memory: 2 wavefronts per load, 1.6 per store;
//           backward_input 2, 1; backward_weight 2, 4.
// Limit     bound by multiply-adds: 64 of a warp take 16 clocks on Hopper, their 8 wavefronts 8.  But all wait
//           while a K-tile is fetched.
// Barriers  2 per K-tile of 16: as in tiled.  No thread leaves before the last.
// Numerics  one sum in the order of k: the bits of the naive version.
// Source    NVIDIA CUTLASS documentation, "Efficient GEMM in CUDA", section "Warp-level GEMM".
template <bool LT, bool RT>
__device__ void product_warp_tiled(int tile, real* out, Operand<LT> left, Operand<RT> right, const real* bias,
                                   int rows, int columns, int K) {
    __shared__ Four left_tile[K_TILE][LARGE / 4 + 1];
    __shared__ Four right_tile[K_TILE][LARGE / 4 + 1];
    const int threads = 32 * 8, me = thread_in_block();
    int across = ceil_div(columns, LARGE);
    int top = tile / across * LARGE, side = tile % across * LARGE;
    Place place = place_of_thread();
    real sum[8][8] = {};
    for (int k0 = 0; k0 < K; k0 += K_TILE) {
        load_fours<K_TILE, LARGE, !LT>(left_tile, left.data, left.stride, k0, top, K, rows, me, threads);
        load_fours<K_TILE, LARGE, RT>(right_tile, right.data, right.stride, k0, side, K, columns, me, threads);
        __syncthreads();  // both tiles are there
        multiply_tiles(sum, left_tile, right_tile, K_TILE, place);
        __syncthreads();  // all have read them; the next ones may come
    }
    store_sums(sum, out, bias, top, side, rows, columns, place);
}

__device__ inline int large_tiles(int rows, int columns) {
    return ceil_div(rows, LARGE) * ceil_div(columns, LARGE);
}

extern "C" __global__ void dense_forward_warp_tiled(real* y, const real* x, const real* w, const real* b, int M,
                                                    int N, int K) {
    FORWARD_OPERANDS;
    FOR_EACH_TILE(tile, large_tiles(M, N)) product_warp_tiled(tile, y, left, right, b, M, N, K);
}

extern "C" __global__ void dense_backward_input_warp_tiled(real* dx, const real* dy, const real* w, int M,
                                                           int K, int N) {
    BACKWARD_INPUT_OPERANDS;
    FOR_EACH_TILE(tile, large_tiles(M, K)) product_warp_tiled(tile, dx, left, right, NO_BIAS, M, K, N);
}

extern "C" __global__ void dense_backward_weight_warp_tiled(real* dw, const real* x, const real* dy, int K,
                                                            int N, int M) {
    BACKWARD_WEIGHT_OPERANDS;
    FOR_EACH_TILE(tile, large_tiles(K, N)) product_warp_tiled(tile, dw, left, right, NO_BIAS, K, N, M);
}
