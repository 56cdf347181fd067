// dense_forward_tiled, dense_backward_input_tiled, dense_backward_weight_tiled: the block shares what it
// fetches.
//
//   out[i,j] = sum over K-tiles of sum_k left[i,k] right[k,j]   reference.py (1), (2), (3)
//
// Threads   block (TILE, TILE), TILE = 16, one element each of a tile of TILE x TILE.  For each K-tile of TILE
//           a thread copies one element of either operand into shared memory, then all multiply from there.
// Memory    0.531 bytes per multiply-add asked for, 0.523 in sectors, 0.0469 the least; backward_input 0.516,
//           0.516, 0.0469; backward_weight 0.516, 0.516, 0.0469 (M = N = K = 256).  What is fetched is used
//           TILE times.  Shared memory: 1 wavefront per load, 1 per store.
// Limit     bound by shared memory: 2 wavefronts for each multiply-add of a warp, of which a multiprocessor of
//           Hopper does 4 in the clock of a wavefront.  A compiler that reads four neighbours of left at once,
//           as NVIDIA's does, leaves 1.5.
// Barriers  2 per K-tile of 16: no tile is read before it is there, nor stored over while it is read.  No
//           thread leaves before the last.
// Numerics  one sum in the order of k: the bits of the naive version.
// Source    CUDA C++ Programming Guide, "Shared Memory".
template <bool LT, bool RT>
__device__ void product_tiled(int tile, real* out, Operand<LT> left, Operand<RT> right, const real* bias,
                              int rows, int columns, int K) {
    __shared__ real left_tile[TILE][TILE + 2 * LT];
    __shared__ real right_tile[TILE][TILE + 2 * RT];
    int across = ceil_div(columns, TILE);
    int top = tile / across * TILE, side = tile % across * TILE;
    int x = threadIdx.x, y = threadIdx.y;
    // The element that this thread copies: x walks along the rows that lie in memory.  Of a transposed operand
    // these are columns, and two words of padding keep the lanes that walk down a tile on different banks.
    int i = LT ? x : y, left_k = LT ? y : x, right_k = RT ? x : y, j = RT ? y : x;
    real sum = 0;
    for (int k0 = 0; k0 < K; k0 += TILE) {
        bool left_inside = top + i < rows && k0 + left_k < K;
        bool right_inside = k0 + right_k < K && side + j < columns;
        left_tile[i][left_k] = left_inside ? left.at(top + i, k0 + left_k) : (real)0;
        right_tile[right_k][j] = right_inside ? right.at(k0 + right_k, side + j) : (real)0;
        __syncthreads();  // both tiles are there
        for (int k = 0; k < TILE; ++k) sum += left_tile[y][k] * right_tile[k][x];
        __syncthreads();  // all have read them; the next ones may come
    }
    store(out, bias, top + y, side + x, rows, columns, sum);
}

__device__ inline int square_tiles(int rows, int columns) {
    return ceil_div(rows, TILE) * ceil_div(columns, TILE);
}

extern "C" __global__ void dense_forward_tiled(real* y, const real* x, const real* w, const real* b, int M,
                                               int N, int K) {
    FORWARD_OPERANDS;
    FOR_EACH_TILE(tile, square_tiles(M, N)) product_tiled(tile, y, left, right, b, M, N, K);
}

extern "C" __global__ void dense_backward_input_tiled(real* dx, const real* dy, const real* w, int M, int K,
                                                      int N) {
    BACKWARD_INPUT_OPERANDS;
    FOR_EACH_TILE(tile, square_tiles(M, K)) product_tiled(tile, dx, left, right, NO_BIAS, M, K, N);
}

extern "C" __global__ void dense_backward_weight_tiled(real* dw, const real* x, const real* dy, int K, int N,
                                                       int M) {
    BACKWARD_WEIGHT_OPERANDS;
    FOR_EACH_TILE(tile, square_tiles(K, N)) product_tiled(tile, dw, left, right, NO_BIAS, K, N, M);
}
