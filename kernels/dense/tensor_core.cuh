#include "../fragments.cuh"

// A K-tile of 16, of 32 rows of left or 32 columns of right, as it lies in memory: along K in rows of 16, else
// in rows of 32.  The lanes of a fragment want (e, k) = (lane / 4, lane % 4): rows of 20 words, or of 40, put
// these on 32 different banks.
template <bool ALONG_K>
struct FragmentTile {
    Four row[ALONG_K ? 32 : 16][ALONG_K ? 20 / 4 : 40 / 4];

    __device__ real at(int e, int k) const {
        return ALONG_K ? row[e][k / 4].v[k % 4] : row[k][e / 4].v[e % 4];
    }

    // Each of 128 threads copies four elements.  Eight lanes store at a time: half of two rows of 16 that are
    // four rows apart, since neighbouring ones would share banks.
    __device__ void load(const real* data, int stride, int k0, int e0, int K, int extent) {
        int n = thread_in_block();
        if (ALONG_K) {
            int e = n / 32 * 8 + n / 4 % 2 * 4 + n / 8 % 4, k = n % 4;
            row[e][k] = load_four(data, stride, e0 + e, k0 + 4 * k, extent, K);
        } else {
            int k = n / 8, e = n % 8;
            row[k][e] = load_four(data, stride, k0 + k, e0 + 4 * e, K, extent);
        }
    }
};

// dense_forward_tensor_core, dense_backward_input_tensor_core, dense_backward_weight_tensor_core,
// dense_forward_tensor_core_3x, dense_backward_input_tensor_core_3x, dense_backward_weight_tensor_core_3x: let
// the tensor cores multiply, in TF32; the 3x versions in three parts, for the precision of float32.
//
//   out[i,j] = sum over K-tiles of mma(tf32(left), tf32(right))   reference.py (1), (2), (3)
//
// Threads   block (32, 4), a tile of 32 x 32.  A warp owns 8 columns: two 16 x 8 fragments, whose elements its
//           lanes hold as fragments.cuh describes.
// Memory    0.289 bytes per multiply-add asked for, 0.283 in sectors, 0.094 the least; backward_input 0.281,
//           0.281, 0.0938; backward_weight 0.281, 0.281, 0.0938 (M = N = K = 128).  A K-tile is read by all
//           four warps (left) or by one (right).  Shared memory: 1 wavefront per load, 4 per store.
// Limit     bound by the caches at small batches: the multiplications themselves cost next to nothing.
// Barriers  2 per K-tile of 16: as in tiled.  No thread leaves before the last.
// Numerics  factors are rounded to 11 significant bits, products are exact: a relative error of up to 2^-10 of
//           |left| |right|, in three parts of 2^-21.  Sums are float, on the tensor cores rounded toward zero.
//           So both are asked for by name, never chosen.  In double nothing is rounded.
// Source    PTX ISA, "Matrix fragments for mma.m16n8k8"; NVIDIA A100 white paper, section "TensorFloat-32";
//           Ootomo & Yokota 2022, arXiv:2203.03341 (the parts; how sums round).
template <bool IN_THREE, bool LT, bool RT>
__device__ void product_tensor_core(int tile, real* out, Operand<LT> left, Operand<RT> right, const real* bias,
                                    int rows, int columns, int K) {
    __shared__ FragmentTile<!LT> left_tile;
    __shared__ FragmentTile<RT> right_tile;
    int across = ceil_div(columns, 32);
    int top = tile / across * 32, side = tile % across * 32;
    int g = threadIdx.x / 4, t = threadIdx.x % 4, mine = 8 * threadIdx.y;
    real sum[2][4] = {};
    for (int k0 = 0; k0 < K; k0 += 16) {
        left_tile.load(left.data, left.stride, k0, top, K, rows);
        right_tile.load(right.data, right.stride, k0, side, K, columns);
        __syncthreads();  // both tiles are there
        for (int k = t; k < 16; k += 8) {
            real b[2] = {right_tile.at(mine + g, k), right_tile.at(mine + g, k + 4)};
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                int i = 16 * half + g;
                real a[4] = {left_tile.at(i, k), left_tile.at(i + 8, k), left_tile.at(i, k + 4),
                             left_tile.at(i + 8, k + 4)};
                multiply_fragments<IN_THREE>(sum[half], a, b);
            }
        }
        __syncthreads();  // all have read them; the next ones may come
    }
    int column = side + mine + 2 * t;
    real biases[2] = {bias && column < columns ? bias[column] : 0,
                      bias && column + 1 < columns ? bias[column + 1] : 0};
    for (int half = 0; half < 2; ++half)
        for (int e = 0; e < 4; e += 2) {
            int row = top + 16 * half + g + 4 * e;
            real first = sum[half][e] + biases[0], second = sum[half][e + 1] + biases[1];
            if (row < rows && column < columns)
                store_two(out + row * columns + column, first, second, column + 1 < columns);
        }
}

__device__ inline int fragment_tiles(int rows, int columns) {
    return ceil_div(rows, 32) * ceil_div(columns, 32);
}

extern "C" __global__ void dense_forward_tensor_core(real* y, const real* x, const real* w, const real* b,
                                                     int M, int N, int K) {
    FORWARD_OPERANDS;
    FOR_EACH_TILE(tile, fragment_tiles(M, N))
    product_tensor_core<false>(tile, y, left, right, b, M, N, K);
}

extern "C" __global__ void dense_backward_input_tensor_core(real* dx, const real* dy, const real* w, int M,
                                                            int K, int N) {
    BACKWARD_INPUT_OPERANDS;
    FOR_EACH_TILE(tile, fragment_tiles(M, K))
    product_tensor_core<false>(tile, dx, left, right, NO_BIAS, M, K, N);
}

extern "C" __global__ void dense_backward_weight_tensor_core(real* dw, const real* x, const real* dy, int K,
                                                             int N, int M) {
    BACKWARD_WEIGHT_OPERANDS;
    FOR_EACH_TILE(tile, fragment_tiles(K, N))
    product_tensor_core<false>(tile, dw, left, right, NO_BIAS, K, N, M);
}

extern "C" __global__ void dense_forward_tensor_core_3x(real* y, const real* x, const real* w, const real* b,
                                                        int M, int N, int K) {
    FORWARD_OPERANDS;
    FOR_EACH_TILE(tile, fragment_tiles(M, N))
    product_tensor_core<true>(tile, y, left, right, b, M, N, K);
}

extern "C" __global__ void dense_backward_input_tensor_core_3x(real* dx, const real* dy, const real* w, int M,
                                                               int K, int N) {
    BACKWARD_INPUT_OPERANDS;
    FOR_EACH_TILE(tile, fragment_tiles(M, K))
    product_tensor_core<true>(tile, dx, left, right, NO_BIAS, M, K, N);
}

extern "C" __global__ void dense_backward_weight_tensor_core_3x(real* dw, const real* x, const real* dy, int K,
                                                                int N, int M) {
    BACKWARD_WEIGHT_OPERANDS;
    FOR_EACH_TILE(tile, fragment_tiles(K, N))
    product_tensor_core<true>(tile, dw, left, right, NO_BIAS, K, N, M);
}
