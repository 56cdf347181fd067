// Copy a K-tile of an operand into shared memory: tile[k][e] is its element k0 + k of row (of left) or column
// (of right) e0 + e, and 0 beyond its K elements or its `extent` rows or columns.  K is the first index of
// either tile, so that what a warp multiplies at a time lies side by side.
//
// Neighbouring workers walk the direction in which memory is contiguous.  If that is along K, eight of them
// read the 32 bytes of a sector and the next eight those of the next row; a STRIDE of 4 words more than a
// multiple of 32 spreads what they write, down the tile, over all 32 banks.
template <int HEIGHT, int WIDTH, bool ALONG_K, int STRIDE>
__device__ void load_tile(real (*tile)[STRIDE], const real* data, int stride, int k0, int e0, int K, int extent,
                          int worker, int workers) {
    for (int n = worker; n < HEIGHT * WIDTH; n += workers) {
        int k = ALONG_K ? n / (8 * WIDTH) * 8 + n % 8 : n / WIDTH;
        int e = ALONG_K ? n / 8 % WIDTH : n % WIDTH;
        int row = ALONG_K ? e0 + e : k0 + k, column = ALONG_K ? k0 + k : e0 + e;
        bool inside = k0 + k < K && e0 + e < extent;
        tile[k][e] = inside ? data[row * stride + column] : (real)0;
    }
}

// Who owns what.  In a block's tile of 32 x 64, thread (x, y) owns rows y + 8 i and columns x + 16 j; those of
// thread (0, 0) are marked.  For each k it reads the four a and the four b, which give 16 products.
//
//                     b[0]        b[1]        b[2]        b[3]
//      column      0 ..... 15  16 .... 31  32 .... 47  48 .... 63
//      row  0      #           #           #           #             a[0]
//          ...
//           8      #           #           #           #             a[1]
//          ...
//          16      #           #           #           #             a[2]
//          ...
//          24      #           #           #           #             a[3]
//          ...
//
// A warp has 16 x and two y: at a time it reads 16 neighbouring words of right, or two of left.

// dense_forward_register_tiled, dense_backward_input_register_tiled, dense_backward_weight_register_tiled: a
// thread reuses in registers what it read from shared memory.
//
//   out[i,j] = sum over K-tiles of sum_k left[i,k] right[k,j]   reference.py (1), (2), (3)
//
// Threads   block (COLUMNS / 4, ROWS / 4) = (16, 8), a tile of ROWS x COLUMNS = 32 x 64, K_TILE = 16.
//           A thread owns 4 x 4 elements, rows and columns a block apart, so that lanes read neighbouring
//           words of shared memory.
// Memory    0.219 bytes per multiply-add asked for, 0.211 in sectors, 0.0469 the least; backward_input 0.203,
//           0.203, 0.0469; backward_weight 0.203, 0.203, 0.0469 (M = N = K = 256).  8 values read from shared
//           memory serve 16 multiply-adds.  Shared memory: 1 wavefront per load, 1 per store.
// Limit     bound by shared memory: 8 wavefronts for 16 multiply-adds of a warp, which take 4 clocks on Hopper.
// Barriers  2 per K-tile of 16: as in tiled.  No thread leaves before the last.
// Numerics  one sum in the order of k: the bits of the naive version.
// Source    Volkov & Demmel 2008, "Benchmarking GPUs to tune dense linear algebra", section 5.
template <bool LT, bool RT>
__device__ void product_register_tiled(int tile, real* out, Operand<LT> left, Operand<RT> right,
                                       const real* bias, int rows, int columns, int K) {
    __shared__ real left_tile[K_TILE][ROWS + 4];
    __shared__ real right_tile[K_TILE][COLUMNS + 4];
    const int down = ROWS / 4, across = COLUMNS / 4, threads = down * across;
    int x = threadIdx.x, y = threadIdx.y, me = thread_in_block();
    int top = tile / ceil_div(columns, COLUMNS) * ROWS, side = tile % ceil_div(columns, COLUMNS) * COLUMNS;
    real sum[4][4] = {};
    for (int k0 = 0; k0 < K; k0 += K_TILE) {
        load_tile<K_TILE, ROWS, !LT>(left_tile, left.data, left.stride, k0, top, K, rows, me, threads);
        load_tile<K_TILE, COLUMNS, RT>(right_tile, right.data, right.stride, k0, side, K, columns, me, threads);
        __syncthreads();  // both tiles are there
        for (int k = 0; k < K_TILE; ++k) {
            real a[4], b[4];
            for (int i = 0; i < 4; ++i) a[i] = left_tile[k][y + i * down];
            for (int j = 0; j < 4; ++j) b[j] = right_tile[k][x + j * across];
            for (int i = 0; i < 4; ++i)
                for (int j = 0; j < 4; ++j) sum[i][j] += a[i] * b[j];
        }
        __syncthreads();  // all have read them; the next ones may come
    }
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j)
            store(out, bias, top + y + i * down, side + x + j * across, rows, columns, sum[i][j]);
}

__device__ inline int wide_tiles(int rows, int columns) {
    return ceil_div(rows, ROWS) * ceil_div(columns, COLUMNS);
}

extern "C" __global__ void dense_forward_register_tiled(real* y, const real* x, const real* w, const real* b,
                                                        int M, int N, int K) {
    FORWARD_OPERANDS;
    FOR_EACH_TILE(tile, wide_tiles(M, N)) product_register_tiled(tile, y, left, right, b, M, N, K);
}

extern "C" __global__ void dense_backward_input_register_tiled(real* dx, const real* dy, const real* w, int M,
                                                               int K, int N) {
    BACKWARD_INPUT_OPERANDS;
    FOR_EACH_TILE(tile, wide_tiles(M, K)) product_register_tiled(tile, dx, left, right, NO_BIAS, M, K, N);
}

extern "C" __global__ void dense_backward_weight_register_tiled(real* dw, const real* x, const real* dy, int K,
                                                                int N, int M) {
    BACKWARD_WEIGHT_OPERANDS;
    FOR_EACH_TILE(tile, wide_tiles(K, N)) product_register_tiled(tile, dw, left, right, NO_BIAS, K, N, M);
}
