// Who does what.  Each warp multiplies K-tiles of its own and has sums of the whole 32 x 8 tile of y; in these
// a lane has 4 x 2, from the row on and in the columns where its number stands:
//
//      k of    warp 0    0 to  7    64 to  71  ...          column     0   1   2   3 |  4   5   6   7
//              warp 1    8 to 15    72 to  79  ...          row  0     0   1   2   3 |  0   1   2   3
//             ...                                                4     4   5   6   7 |  4   5   6   7
//              warp 7   56 to 63   120 to 127  ...              ...
//                                                               28    28  29  30  31 | 28  29  30  31
//
// At the end the eight sums of an element lie in shared memory, and a thread adds them up.

// dense_forward_split_k, dense_backward_input_split_k, dense_backward_weight_split_k: for a batch of 32 rows,
// which is too few tiles to fill a GPU; so the warps of a block share the K of one small tile instead.
//
//   out[i,j] = sum over warps of (sum over the warp's K-tiles of sum_k left[i,k] right[k,j])
//       reference.py (1), (2), (3)
//
// Threads   block (32, SPLITS), SPLITS = 8, a tile of 32 x 8.  A warp takes every SPLITS-th K-tile of 8, and in
//           it a lane owns 4 x 2 elements.
// Memory    0.635 bytes per multiply-add asked for, 0.631 in sectors, 0.138 the least; backward_weight 0.753,
//           0.753, 0.138 (M = 32, N = 512, K = 784).  Narrow tiles read left again for every 8 columns; it
//           stays in cache.  Shared memory: 1.32 wavefronts per load, 1.23 per store; backward_input 1.32,
//           1.14; backward_weight 1.2, 6.
// Limit     bound by shared memory and by the L2 cache alike, no longer by the latency of a few blocks.
// Barriers  2 of a warp per K-tile of 64, 2 per tile: a warp's 8 of the 64 are its own; all meet before the
//           last sum and after it.  No thread leaves before the last.
// Numerics  SPLITS sums, then their sum in the order of the warps: the same bits on every run.
// Source    NVIDIA CUTLASS documentation, "Efficient GEMM in CUDA", section "Parallelized Reductions"
//           (sliced-K).
template <bool LT, bool RT>
__device__ void product_split_k(int tile, real* out, Operand<LT> left, Operand<RT> right, const real* bias,
                                int rows, int columns, int K) {
    __shared__ Four left_tile[SPLITS][8][32 / 4 + 1];
    __shared__ Four right_tile[SPLITS][8][8 / 4 + RT];
    __shared__ Four partial[SPLITS][8][32 / 4 + 1];  // column first
    int across = ceil_div(columns, 8), lane = threadIdx.x, warp = threadIdx.y;
    int top = tile / across * 32, side = tile % across * 8;
    Four sum[2] = {};  // rows 4 * (lane / 4) to + 3 of columns lane % 4 and + 4
    for (int k0 = warp * 8; k0 < K; k0 += SPLITS * 8) {
        load_fours<8, 32, !LT>(left_tile[warp], left.data, left.stride, k0, top, K, rows, lane, 32);
        load_fours<8, 8, RT>(right_tile[warp], right.data, right.stride, k0, side, K, columns, lane, 32);
        __syncwarp();  // both tiles are there
        for (int k = 0; k < 8; ++k) {
            Four a = left_tile[warp][k][lane / 4];
            for (int j = 0; j < 2; ++j) {
                real b = right_tile[warp][k][j].v[lane % 4];
                for (int i = 0; i < 4; ++i) sum[j].v[i] += a.v[i] * b;
            }
        }
        __syncwarp();  // all lanes have read them; the next ones may come
    }
    for (int j = 0; j < 2; ++j) partial[warp][4 * j + lane % 4][lane / 4] = sum[j];
    __syncthreads();  // the sums of all warps are there
    for (int e = thread_in_block(); e < 32 * 8; e += 32 * SPLITS) {
        int i = e / 8, j = e % 8;
        real total = 0;
        for (int s = 0; s < SPLITS; ++s) total += partial[s][j][i / 4].v[i % 4];
        store(out, bias, top + i, side + j, rows, columns, total);
    }
    __syncthreads();  // all have read the sums; the next tile's may come
}

extern "C" __global__ void dense_forward_split_k(real* y, const real* x, const real* w, const real* b, int M,
                                                 int N, int K) {
    FORWARD_OPERANDS;
    FOR_EACH_TILE(tile, tall_tiles(M, N)) product_split_k(tile, y, left, right, b, M, N, K);
}

extern "C" __global__ void dense_backward_input_split_k(real* dx, const real* dy, const real* w, int M, int K,
                                                        int N) {
    BACKWARD_INPUT_OPERANDS;
    FOR_EACH_TILE(tile, tall_tiles(M, K)) product_split_k(tile, dx, left, right, NO_BIAS, M, K, N);
}

extern "C" __global__ void dense_backward_weight_split_k(real* dw, const real* x, const real* dy, int K, int N,
                                                         int M) {
    BACKWARD_WEIGHT_OPERANDS;
    FOR_EACH_TILE(tile, tall_tiles(K, N)) product_split_k(tile, dw, left, right, NO_BIAS, K, N, M);
}
