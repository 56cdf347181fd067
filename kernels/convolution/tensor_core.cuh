#include "../fragments.cuh"

// A K-tile as the lanes of a fragment want it, (e, k) = (lane / 4, lane % 4) on 32 different banks: along K in
// rows of 20 words, else in lines of EXTENT and 8.
template <bool ALONG_K, int EXTENT>
struct TileOfFragments {
    static const int extent = EXTENT, depth = K_TILE;
    real row[ALONG_K ? EXTENT : K_TILE][ALONG_K ? K_TILE + 4 : EXTENT + 8];

    __device__ real at(int e, int k) const {
        return ALONG_K ? row[e][k] : row[k][e];
    }
    __device__ void set(int e, int k, real value) {
        (ALONG_K ? row[e][k] : row[k][e]) = value;
    }
    // Rows of 20 words share no bank if they are four apart.
    __device__ static int order(int n) {
        return n / 2 + n % 2 * 4;
    }
};

// convolution_forward_tensor_core, convolution_backward_input_tensor_core,
// convolution_backward_weight_tensor_core, convolution_forward_tensor_core_3x,
// convolution_backward_input_tensor_core_3x, convolution_backward_weight_tensor_core_3x: let the tensor cores
// multiply what is gathered, in TF32; the 3x versions in three parts, for the precision of float32.
//
//   out[i,j] = sum over K-tiles of mma(tf32(left), tf32(right))   reference.py (5)
//
// Threads   block (32, 4), a tile of ROWS x COLUMNS of one phase.  A warp owns 16 columns: two by two fragments
//           of 16 x 8, whose elements its lanes hold as fragments.cuh describes.  The gather is
//           implicit_gemm's.
// Memory    0.221 bytes per multiply-add asked for, 0.221 in sectors, 0.0525 the least; backward_input 0.225,
//           0.225, 0.0525 (B = 2).  Shared memory: 1 wavefront per load, 1 per store.
// Limit     bound by the gather and the caches: what multiplies reads 12 wavefronts of shared memory for four
//           fragments of 1024 multiply-adds.
// Barriers  2 per K-tile of 16: as in implicit_gemm.  No thread leaves before the last.
// Numerics  as dense/tensor_core.cuh: a relative error of up to 2^-10 of sum |left| |right|, in three parts of
//           2^-21; asked for by name, never chosen.
// Source    PTX ISA, "Matrix fragments for mma.m16n8k8"; Chetlur et al. 2014, arXiv:1410.0759, section 3.1.
template <bool IN_THREE, bool TRANSPOSED, class Right, class Out>
__device__ void product_tensor_core(int tile, Out out, Patches left, Right right, int rows, int columns,
                                    int K) {
    typedef TileOfFragments<!TRANSPOSED, ROWS> Left;
    __shared__ Left left_tile;
    __shared__ TileOfFragments<Right::along_k, COLUMNS> right_tile;
    int top = tile / ceil_div(columns, COLUMNS) * ROWS, side = tile % ceil_div(columns, COLUMNS) * COLUMNS;
    int me = thread_in_block(), g = threadIdx.x / 4, t = threadIdx.x % 4, mine = 16 * threadIdx.y;
    const Gather<TRANSPOSED, Left> gather(left, top, rows, me);

    real sum[2][2][4] = {};
    for (int k0 = 0; k0 < K; k0 += K_TILE) {
        gather.load(left_tile, k0, K);
        load_right<32 * 4>(right_tile, right, k0, side, K, columns, me);
        __syncthreads();  // both tiles are there
        for (int k = t; k < K_TILE; k += 8) {
            real b[2][2];
            for (int n = 0; n < 2; ++n)
                for (int part = 0; part < 2; ++part) b[n][part] = right_tile.at(mine + 8 * n + g, k + 4 * part);
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                int i = 16 * half + g;
                real a[4] = {left_tile.at(i, k), left_tile.at(i + 8, k), left_tile.at(i, k + 4),
                             left_tile.at(i + 8, k + 4)};
#pragma unroll
                for (int n = 0; n < 2; ++n) multiply_fragments<IN_THREE>(sum[half][n], a, b[n]);
            }
        }
        __syncthreads();  // all have read them; the next ones may come
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        int row = top + 8 * i + g;
        real* to = row < rows ? out.row(row) : (real*)0;
#pragma unroll
        for (int n = 0; n < 2; ++n) {
            int column = side + mine + 8 * n + 2 * t;
            const real* two = sum[i / 2][n] + i % 2 * 2;
            if (to && column < columns) store_two(to + column, two[0], two[1], column + 1 < columns);
        }
    }
}

extern "C" __global__ void convolution_forward_tensor_core(real* y, const real* x, const real* w, int stride,
                                                           int padding, int B, int P, int Q, int N, int H,
                                                           int W, int C, int R) {
    const Sizes s = SIZES;
    const Rows out = {y, N};
    const Matrix right = {w, N};
    FOR_EACH_TILE(tile, wide_tiles(B * P * Q, N))
    product_tensor_core<false, false>(tile, out, patches_of_x(x, s), right, B * P * Q, N, R * R * C);
}

extern "C" __global__ void convolution_backward_input_tensor_core(real* dx, const real* dy, const real* w,
                                                                  int stride, int padding, int B, int H, int W,
                                                                  int C, int P, int Q, int N, int R) {
    const Sizes s = SIZES;
    int rows = B * ceil_div(H, stride) * ceil_div(W, stride), per_phase = wide_tiles(rows, C);
    FOR_EACH_TILE(tile, stride * stride * per_phase) {
        const Phase phase(tile / per_phase, s);
        const RowsOfPhase out = {dx, s, phase};
        const Taps right = {w, s, phase};
        int K = phase.taps_down * phase.taps_across * N;
        product_tensor_core<false, false>(tile % per_phase, out, phase.patches(dy, s), right, rows, C, K);
    }
}

extern "C" __global__ void convolution_backward_weight_tensor_core(real* dw, const real* x, const real* dy,
                                                                   int stride, int padding, int R, int C, int N,
                                                                   int B, int H, int W, int P, int Q) {
    const Sizes s = SIZES;
    const Rows out = {dw, N};
    const Matrix right = {dy, N};
    FOR_EACH_TILE(tile, wide_tiles(R * R * C, N))
    product_tensor_core<false, true>(tile, out, patches_of_x(x, s), right, R * R * C, N, B * P * Q);
}

extern "C" __global__ void convolution_forward_tensor_core_3x(real* y, const real* x, const real* w, int stride,
                                                              int padding, int B, int P, int Q, int N, int H,
                                                              int W, int C, int R) {
    const Sizes s = SIZES;
    const Rows out = {y, N};
    const Matrix right = {w, N};
    FOR_EACH_TILE(tile, wide_tiles(B * P * Q, N))
    product_tensor_core<true, false>(tile, out, patches_of_x(x, s), right, B * P * Q, N, R * R * C);
}

extern "C" __global__ void convolution_backward_input_tensor_core_3x(real* dx, const real* dy, const real* w,
                                                                     int stride, int padding, int B, int H,
                                                                     int W, int C, int P, int Q, int N, int R) {
    const Sizes s = SIZES;
    int rows = B * ceil_div(H, stride) * ceil_div(W, stride), per_phase = wide_tiles(rows, C);
    FOR_EACH_TILE(tile, stride * stride * per_phase) {
        const Phase phase(tile / per_phase, s);
        const RowsOfPhase out = {dx, s, phase};
        const Taps right = {w, s, phase};
        int K = phase.taps_down * phase.taps_across * N;
        product_tensor_core<true, false>(tile % per_phase, out, phase.patches(dy, s), right, rows, C, K);
    }
}

extern "C" __global__ void convolution_backward_weight_tensor_core_3x(real* dw, const real* x, const real* dy,
                                                                      int stride, int padding, int R, int C,
                                                                      int N, int B, int H, int W, int P,
                                                                      int Q) {
    const Sizes s = SIZES;
    const Rows out = {dw, N};
    const Matrix right = {dy, N};
    FOR_EACH_TILE(tile, wide_tiles(R * R * C, N))
    product_tensor_core<true, true>(tile, out, patches_of_x(x, s), right, R * R * C, N, B * P * Q);
}
