// dense_forward_naive, dense_backward_input_naive, dense_backward_weight_naive: the lanes of a warp take
// neighbouring columns.
//
//   out[i,j] = sum_k left[i,k] right[k,j]   reference.py (1), (2), (3)
//
// Threads   block (32, 8), a tile of 8 rows x 32 columns: threadIdx.x walks columns.
// Memory    8.03 bytes per multiply-add asked for, 5.03 in sectors, 0.0469 the least; backward_input 8.02, 33,
//           0.0469 (M = N = K = 256).  All lanes want the same word of left, and 32 neighbours of right, which
//           lie in 4 sectors.  Only backward_input, to which each column of w^T is a row in memory, gains
//           nothing.
// Limit     bound by the L1 cache, two requests for each multiply-add of a warp, and by the L2 cache where that
//           does not hold what is read again.
// Numerics  one sum in the order of k: the bits of the uncoalesced version.
// Source    CUDA C++ Best Practices Guide, "Coalesced Access to Global Memory".
template <bool LT, bool RT>
__device__ void product_naive(int tile, real* out, Operand<LT> left, Operand<RT> right, const real* bias,
                              int rows, int columns, int K) {
    int i, j;
    if (!locate(tile, rows, columns, &i, &j)) return;
    real sum = 0;
    for (int k = 0; k < K; ++k) sum += left.at(i, k) * right.at(k, j);
    store(out, bias, i, j, rows, columns, sum);
}

extern "C" __global__ void dense_forward_naive(real* y, const real* x, const real* w, const real* b, int M,
                                               int N, int K) {
    FORWARD_OPERANDS;
    FOR_EACH_TILE(tile, tiles_of(M, N)) product_naive(tile, y, left, right, b, M, N, K);
}

extern "C" __global__ void dense_backward_input_naive(real* dx, const real* dy, const real* w, int M, int K,
                                                      int N) {
    BACKWARD_INPUT_OPERANDS;
    FOR_EACH_TILE(tile, tiles_of(M, K)) product_naive(tile, dx, left, right, NO_BIAS, M, K, N);
}

extern "C" __global__ void dense_backward_weight_naive(real* dw, const real* x, const real* dy, int K, int N,
                                                       int M) {
    BACKWARD_WEIGHT_OPERANDS;
    FOR_EACH_TILE(tile, tiles_of(K, N)) product_naive(tile, dw, left, right, NO_BIAS, K, N, M);
}
