// Copy an element, or four neighbours, from global to shared memory; zeros, if it is not `there`.  From sm_80
// on the thread goes on while the copy is under way, until wait_for_copies() waits for all that this thread has
// started. Elsewhere it is done at once.
template <class T>
__device__ inline void start_copy(T* to, const real* from, bool there) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    const int at_once = sizeof(T) < 16 ? sizeof(T) : 16;
    word32 address = (word32)__cvta_generic_to_shared(to);
    for (int done = 0; done < (int)sizeof(T); done += at_once)
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(address + done),
                     "l"((const char*)from + done), "n"(at_once), "r"(there ? at_once : 0)
                     : "memory");
#else
    *to = there ? *(const T*)from : T{};
#endif
}

__device__ inline void wait_for_copies() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

// As load_fours, of the first 8 of the K elements from `data` on; a thread's part of it takes few registers, so
// that two blocks fit on a multiprocessor.  Where memory is contiguous along K, elements are copied one by one,
// since no copy can scatter what it reads; the lanes of a warp are those of load_tile.
template <bool ALONG_K>
__device__ void start_tile(Four (*tile)[LARGE / 4 + 1], const real* data, int stride, int e0, int K,
                           int extent) {
    int me = thread_in_block();
    if (ALONG_K) {
        int k = me % 8;
        for (int e = 0; e < LARGE; e += 32) {
            int row = min(e0 + e + me / 8, extent - 1);  // any that exists: nobody stores what it gives
            start_copy(tile[k]->v + e + me / 8, data + (word32)(row * stride + k), k < K);
        }
    } else {
        int k = me / 32, e = me % 32 * 4;
        const real* from = data + (word32)k * stride + e0 + e;
        if (stride % 4 == 0 && (word64)data % 16 == 0)  // rows are aligned, and end with a whole four
            start_copy(&tile[k][e / 4], from, k < K && e0 + e < extent);
        else
            for (int j = 0; j < 4; ++j)
                start_copy(&tile[k][e / 4].v[j], from + j, k < K && e0 + e + j < extent);
    }
}

// Two buffers.  While K-tile k is multiplied out of one of them, K-tile k + 1 is copied into the other:
//
//      copied        0 to A | 1 to B | 2 to A | 3 to B |
//      multiplied           | 0 of A | 1 of B | 2 of A | 3 of B          time goes to the right
//      barrier              ^        ^        ^        ^        ^

// dense_forward_double_buffered, dense_backward_input_double_buffered, dense_backward_weight_double_buffered:
// the next K-tile is fetched while this one is multiplied.
//
//   out[i,j] = sum over K-tiles of sum_k left[i,k] right[k,j]   reference.py (1), (2), (3)
//
// Threads   block (32, 8), a tile of LARGE x LARGE, LARGE = 128.  Each of the 8 warps owns 32 x 64 of it, a
//           thread 8 x 8.
// Memory    0.0801 bytes per multiply-add asked for, 0.0786 in sectors, 0.0469 the least; backward_input
//           0.0781, 0.0781, 0.0469; backward_weight 0.0781, 0.0781, 0.0469 (M = N = K = 256).  As in
//           warp_tiled, past the registers.  Shared memory: 2 wavefronts per load, 1.6 per store;
//           backward_input 2, 1; backward_weight 2, 4.
// Limit     bound by multiply-adds, four of five instructions.  At most 128 registers, so that two blocks fit
//           on a multiprocessor.
// Barriers  1 per K-tile of 8, 1 per tile: the K-tile is there, and all have read the one in whose place the
//           next is fetched.  No thread leaves before the last.
// Numerics  one sum in the order of k: the bits of the naive version.
// Source    PTX ISA, cp.async; CUDA C++ Programming Guide, "Asynchronous Data Copies".
template <bool LT, bool RT>
__device__ void product_double_buffered(int tile, real* out, Operand<LT> left, Operand<RT> right,
                                        const real* bias, int rows, int columns, int K) {
    const int tile_k = 8;  // four tiles of doubles fit in 48 KB, too
    __shared__ Four left_tile[2][tile_k][LARGE / 4 + 1];
    __shared__ Four right_tile[2][tile_k][LARGE / 4 + 1];
    int across = ceil_div(columns, LARGE);
    int top = tile / across * LARGE, side = tile % across * LARGE;
    auto start = [&](int buffer, int k0) {
        const real* left_at = left.data + k0 * (LT ? left.stride : 1);
        const real* right_at = right.data + k0 * (RT ? 1 : right.stride);
        start_tile<!LT>(left_tile[buffer], left_at, left.stride, top, K - k0, rows);
        start_tile<RT>(right_tile[buffer], right_at, right.stride, side, K - k0, columns);
    };
    Place place = place_of_thread();
    real sum[8][8] = {};
    start(0, 0);
    for (int k0 = 0; k0 < K; k0 += tile_k) {
        int buffer = k0 / tile_k % 2;
        wait_for_copies();
        __syncthreads();  // this K-tile is there, and all have read the one before it
        if (k0 + tile_k < K) start(1 - buffer, k0 + tile_k);
        multiply_tiles(sum, left_tile[buffer], right_tile[buffer], tile_k, place);
    }
    __syncthreads();  // all have read the last ones; those of the next tile may come
    store_sums(sum, out, bias, top, side, rows, columns, place);
}

extern "C" __global__ void dense_forward_double_buffered(real* y, const real* x, const real* w, const real* b,
                                                         int M, int N, int K) {
    FORWARD_OPERANDS;
    FOR_EACH_TILE(tile, large_tiles(M, N)) product_double_buffered(tile, y, left, right, b, M, N, K);
}

extern "C" __global__ void dense_backward_input_double_buffered(real* dx, const real* dy, const real* w, int M,
                                                                int K, int N) {
    BACKWARD_INPUT_OPERANDS;
    FOR_EACH_TILE(tile, large_tiles(M, K)) product_double_buffered(tile, dx, left, right, NO_BIAS, M, K, N);
}

extern "C" __global__ void dense_backward_weight_double_buffered(real* dw, const real* x, const real* dy, int K,
                                                                 int N, int M) {
    BACKWARD_WEIGHT_OPERANDS;
    FOR_EACH_TILE(tile, large_tiles(K, N)) product_double_buffered(tile, dw, left, right, NO_BIAS, K, N, M);
}
