// bias_add: a bias added to each row.
//
//   y[m,n] = y[m,n] + b[n]   reference.py (6)
//
// Threads   block (32, 8), a tile of as many elements.
// Memory    12 bytes per element asked for, 12 in sectors, 8 the least.  b is loaded again for each row, and
//           stays in cache.
// Limit     bound by bandwidth.
// Numerics  one addition.
__device__ void bias_add_tile(int tile, real* y, const real* b, int M, int N) {
    int m, n;
    if (locate(tile, M, N, &m, &n)) y[m * N + n] += b[n];
}

extern "C" __global__ void bias_add(real* y, const real* b, int M, int N) {
    FOR_EACH_TILE(tile, tiles_of(M, N)) bias_add_tile(tile, y, b, M, N);
}
