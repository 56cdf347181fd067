// dense_forward_uncoalesced, dense_backward_input_uncoalesced, dense_backward_weight_uncoalesced: the formula,
// one thread per element, and the lanes of a warp in the wrong direction.
//
//   out[i,j] = sum_k left[i,k] right[k,j]   reference.py (1), (2), (3)
//
// Threads   block (32, 8), a tile of 32 rows x 8 columns: threadIdx.x walks rows.
// Memory    8.03 bytes per multiply-add asked for, 33.1 in sectors, 0.0469 the least; backward_weight 8.02,
//           5.12, 0.0469 (M = N = K = 256).  The lanes of a warp read 32 rows of left: a sector each, of whose
//           32 bytes they take 4.  In backward_weight, where x^T is contiguous along its rows, only the stores
//           are as bad.
// Limit     bound by the L1 cache, which looks up 33 sectors for each multiply-add of a warp.
// Numerics  one sum in the order of k.
// Source    CUDA C++ Best Practices Guide, "Coalesced Access to Global Memory".
template <bool LT, bool RT>
__device__ void product_uncoalesced(int tile, real* out, Operand<LT> left, Operand<RT> right, const real* bias,
                                    int rows, int columns, int K) {
    int across = ceil_div(columns, 8);
    int i = tile / across * 32 + threadIdx.x, j = tile % across * 8 + threadIdx.y;
    if (i >= rows || j >= columns) return;
    real sum = 0;
    for (int k = 0; k < K; ++k) sum += left.at(i, k) * right.at(k, j);
    store(out, bias, i, j, rows, columns, sum);
}

__device__ inline int tall_tiles(int rows, int columns) {
    return ceil_div(rows, 32) * ceil_div(columns, 8);
}

extern "C" __global__ void dense_forward_uncoalesced(real* y, const real* x, const real* w, const real* b,
                                                     int M, int N, int K) {
    FORWARD_OPERANDS;
    FOR_EACH_TILE(tile, tall_tiles(M, N)) product_uncoalesced(tile, y, left, right, b, M, N, K);
}

extern "C" __global__ void dense_backward_input_uncoalesced(real* dx, const real* dy, const real* w, int M,
                                                            int K, int N) {
    BACKWARD_INPUT_OPERANDS;
    FOR_EACH_TILE(tile, tall_tiles(M, K)) product_uncoalesced(tile, dx, left, right, NO_BIAS, M, K, N);
}

extern "C" __global__ void dense_backward_weight_uncoalesced(real* dw, const real* x, const real* dy, int K,
                                                             int N, int M) {
    BACKWARD_WEIGHT_OPERANDS;
    FOR_EACH_TILE(tile, tall_tiles(K, N)) product_uncoalesced(tile, dw, left, right, NO_BIAS, K, N, M);
}
