// Bookkeeping on the device, so that the host need not be asked and a recording of launches can be replayed.

// counters_advance: count on.
//
//   counters[i] += increments[i]   reference.py (1)
//
// Threads   block (THREADS, 1), one counter a thread.
// Memory    24 bytes a counter.
// Limit     bound by the launch itself.
// Numerics  integers, exact.
// Source    this project.
// Same op   reference.py   cpu.py   numba_cuda.py
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
// Threads   block (THREADS, 1), one loss a thread.
// Memory    8 bytes a loss and the iteration's number.
// Limit     bound by the launch itself.
// Numerics  a copy.
// Source    this project.
// Same op   reference.py (float64)   cpu.py   numba_cuda.py
__device__ void losses_record_tile(int tile, real* ring, const real* losses, const long long* iteration, int R,
                                   int C) {
    int c = tile * blockDim.x + threadIdx.x;
    if (c < C) ring[iteration[0] % R * C + c] = losses[c];
}

extern "C" __global__ void losses_record(real* ring, const real* losses, const long long* iteration, int R,
                                         int C) {
    FOR_EACH_TILE(tile, ceil_div(C, blockDim.x)) losses_record_tile(tile, ring, losses, iteration, R, C);
}
