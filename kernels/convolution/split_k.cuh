// Who does what.  Each warp multiplies K-tiles of its own and has sums of the whole tile of 16 x 16; in these a
// lane has 4 x 2, from the row on and in the columns where its number stands:
//
//      k of    warp 0    0 to  7    64 to  71  ...          column     0   1  ...   7 |  8   9  ...  15
//              warp 1    8 to 15    72 to  79  ...          row  0     0   1  ...   7 |  0   1  ...   7
//             ...                                                4     8   9  ...  15 |  8   9  ...  15
//              warp 7   56 to 63   120 to 127  ...               8    16  17  ...  23 | 16  17  ...  23
//                                                               12    24  25  ...  31 | 24  25  ...  31
//
// At the end the eight sums of an element lie in shared memory, and a thread adds them up.

typedef Quad<real> Four;

// A K-tile of a warp with a line for each k.  Lines of 20 words put 8 k of four neighbours on 32 banks, and 16
// neighbours of two k that are four apart.
struct TileOfFours {
    static const int extent = SIDE, depth = 8;
    Four line[depth][extent / 4 + 1];

    __device__ real at(int e, int k) const {
        return line[k][e / 4].v[e % 4];
    }
    __device__ void set(int e, int k, real value) {
        line[k][e / 4].v[e % 4] = value;
    }
    __device__ static int order(int n) {
        return n;
    }
};

// convolution_forward_split_k, convolution_backward_input_split_k, convolution_backward_weight_split_k: for
// products of few tiles but much K, as gradients of weights are; the warps of a block share K of a small tile.
//
//   out[i,j] = sum over warps of (sum over the warp's K-tiles of sum_k left[i,k] right[k,j])   reference.py (5)
//
// Threads   block (32, SPLITS), SPLITS = 8, a tile of SIDE x SIDE = 16 x 16 of one phase.  A warp takes every
//           SPLITS-th K-tile of 8, gathers it and multiplies it alone; in it a lane owns 4 x 2 elements.
// Memory    0.505 bytes per multiply-add asked for, 0.505 in sectors, 0.0525 the least; backward_input 0.509,
//           0.509, 0.0525; backward_weight 0.506, 0.506, 0.0525 (B = 2).  Small tiles read each element more
//           often than large ones, mostly from caches.  Shared memory: 1.35 wavefronts per load, 1.05 per
//           store; backward_input 1.36, 1.09; backward_weight 1.45, 1.39.
// Limit     bound by instructions: beside each that multiplies are three or four others, most of them for where
//           elements lie.  Where even small tiles are few, by latency: that of a gather in each K-tile.
// Barriers  2 of a warp per K-tile of 64, 2 per tile: a warp's 8 of the 64 are its own; all meet before the
//           last sum and after it.  No thread leaves before the last.
// Numerics  SPLITS sums, then their sum in the order of the warps: the same bits on every run.
// Source    NVIDIA CUTLASS documentation, "Efficient GEMM in CUDA", section "Parallelized Reductions"
//           (sliced-K).
template <bool TRANSPOSED, class Right, class Out>
__device__ void product_split_k(int tile, Out out, Patches left, Right right, int rows, int columns, int K) {
    __shared__ TileOfFours left_tile[SPLITS], right_tile[SPLITS];
    __shared__ Four partial[SPLITS][SIDE][SIDE / 4 + 1];  // column first
    int lane = threadIdx.x, warp = threadIdx.y;
    int top = tile / ceil_div(columns, SIDE) * SIDE, side = tile % ceil_div(columns, SIDE) * SIDE;
    const Gather<TRANSPOSED, TileOfFours> gather(left, top, rows, lane);

    Four sum[2] = {};  // rows 4 * (lane / 8) to + 3 of columns lane % 8 and + 8
    for (int k0 = warp * 8; k0 < K; k0 += SPLITS * 8) {
        gather.load(left_tile[warp], k0, K);
        load_right<32>(right_tile[warp], right, k0, side, K, columns, lane);
        __syncwarp();  // both tiles are there
        for (int k = 0; k < 8; ++k) {
            Four a = left_tile[warp].line[k][lane / 8];
            for (int j = 0; j < 2; ++j) {
                real b = right_tile[warp].at(lane % 8 + 8 * j, k);
                for (int i = 0; i < 4; ++i) sum[j].v[i] += a.v[i] * b;
            }
        }
        __syncwarp();  // all lanes have read them; the next ones may come
    }
    for (int j = 0; j < 2; ++j) partial[warp][lane % 8 + 8 * j][lane / 8] = sum[j];
    __syncthreads();  // the sums of all warps are there
    int i = thread_in_block() / SIDE, j = thread_in_block() % SIDE;
    real total = 0;
    for (int s = 0; s < SPLITS; ++s) total += partial[s][j][i / 4].v[i % 4];
    real* to = top + i < rows ? out.row(top + i) : (real*)0;
    if (to && side + j < columns) to[side + j] = total;
    __syncthreads();  // all have read the sums; the next tile's may come
}

__device__ inline int small_tiles(int rows, int columns) {
    return ceil_div(rows, SIDE) * ceil_div(columns, SIDE);
}

extern "C" __global__ void convolution_forward_split_k(real* y, const real* x, const real* w, int stride,
                                                       int padding, int B, int P, int Q, int N, int H, int W,
                                                       int C, int R) {
    const Sizes s = SIZES;
    const Rows out = {y, N};
    const Matrix right = {w, N};
    FOR_EACH_TILE(tile, small_tiles(B * P * Q, N))
    product_split_k<false>(tile, out, patches_of_x(x, s), right, B * P * Q, N, R * R * C);
}

extern "C" __global__ void convolution_backward_input_split_k(real* dx, const real* dy, const real* w,
                                                              int stride, int padding, int B, int H, int W,
                                                              int C, int P, int Q, int N, int R) {
    const Sizes s = SIZES;
    int rows = B * ceil_div(H, stride) * ceil_div(W, stride), per_phase = small_tiles(rows, C);
    FOR_EACH_TILE(tile, stride * stride * per_phase) {
        const Phase phase(tile / per_phase, s);
        const RowsOfPhase out = {dx, s, phase};
        const Taps right = {w, s, phase};
        int K = phase.taps_down * phase.taps_across * N;
        product_split_k<false>(tile % per_phase, out, phase.patches(dy, s), right, rows, C, K);
    }
}

extern "C" __global__ void convolution_backward_weight_split_k(real* dw, const real* x, const real* dy,
                                                               int stride, int padding, int R, int C, int N,
                                                               int B, int H, int W, int P, int Q) {
    const Sizes s = SIZES;
    const Rows out = {dw, N};
    const Matrix right = {dy, N};
    FOR_EACH_TILE(tile, small_tiles(R * R * C, N))
    product_split_k<true>(tile, out, patches_of_x(x, s), right, R * R * C, N, B * P * Q);
}
