// Bookkeeping on the device, so that the host need not be asked and a recording of launches can be replayed.
//
//      iteration       0   1   2   3   4   5   6   7 ...
//      row of ring     0   1   2   3   0   1   2   3 ...       with R = 4 rows: the latest four can be read

// counters_advance: count on.
//
//   counters[i] += increments[i]   reference.py (1)
//
// Threads   block (THREADS, 1), one thread per counter.
// Memory    24 bytes per element asked for, 24 in sectors, 24 the least.
// Limit     bound by the launch itself.
// Numerics  integers, exact.
__device__ void counters_advance_tile(int tile, long long* counters, const long long* increments, int n) {
    int i = tile * blockDim.x + threadIdx.x;
    if (i < n) counters[i] += increments[i];
}

extern "C" __global__ void counters_advance(long long* counters, const long long* increments, int n) {
    FOR_EACH_TILE(tile, ceil_div(n, blockDim.x)) counters_advance_tile(tile, counters, increments, n);
}

// losses_record: put the losses of this iteration into a ring, over those of R iterations ago.
//
//   ring[iteration mod R] = losses   reference.py (2)
//
// Threads   block (THREADS, 1), one thread per loss.
// Memory    0.16 bytes per element asked for, 0.213 in sectors, 0.0933 the least.  The elements are the ring's,
//           of which a launch writes one row of 100.
// Limit     bound by the launch itself.
// Numerics  a copy.
__device__ void losses_record_tile(int tile, real* ring, const real* losses, const long long* iteration, int R,
                                   int C) {
    int c = tile * blockDim.x + threadIdx.x;
    if (c < C) ring[iteration[0] % R * C + c] = losses[c];
}

extern "C" __global__ void losses_record(real* ring, const real* losses, const long long* iteration, int R,
                                         int C) {
    FOR_EACH_TILE(tile, ceil_div(C, blockDim.x)) losses_record_tile(tile, ring, losses, iteration, R, C);
}
