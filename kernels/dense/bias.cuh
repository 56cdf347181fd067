// dense_backward_bias: the column sums of the gradient.
//
//   db[n] = sum_m dy[m,n]   reference.py (4)
//
// Threads   block (32, 8), one tile of 32 columns with all rows; threadIdx.y walks m in steps of 8.
// Memory    132 bytes per element asked for, 132 in sectors, 132 the least: dy is read once.  Shared memory: 1
//           wavefront per load, 1 per store.
// Limit     bound by bandwidth; at a small batch by latency.
// Barriers  2 per tile: those of the sum.  Threads with n >= N stay alive to reach them and add zeros.
// Numerics  fixed order of additions: the same bits on every run.
__device__ void dense_backward_bias_tile(int tile, real* scratch, real* db, const real* dy, int N, int M) {
    int n = tile * blockDim.x + threadIdx.x;
    real sum = 0;
    for (int m = threadIdx.y; n < N && m < M; m += blockDim.y) sum += dy[m * N + n];
    sum = sum_over_y(sum, scratch);
    if (n < N && threadIdx.y == 0) db[n] = sum;
}

extern "C" __global__ void dense_backward_bias(real* db, const real* dy, int N, int M) {
    __shared__ real scratch[THREADS];
    FOR_EACH_TILE(tile, ceil_div(N, blockDim.x)) dense_backward_bias_tile(tile, scratch, db, dy, N, M);
}
