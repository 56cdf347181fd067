// Kernels that break a rule, each in one way.

extern "C" __global__ void leaves_early(int n) {
    if (threadIdx.x >= n) return;
    __syncthreads();
}

extern "C" __global__ void parts_ways(int n) {
    if (threadIdx.x < n) {
        __syncthreads();
    } else {
        __syncthreads();
    }
}

extern "C" __global__ void misses_shuffle(int* out) {
    if (threadIdx.x != 7) out[threadIdx.x] = __shfl_sync(~0u, 1, 0);
    __syncthreads();
}

extern "C" __global__ void shuffles_outside_mask(int* out) {
    out[threadIdx.x] = __shfl_sync(1u, 1, 0);
}

extern "C" __global__ void misses_grid_barrier() {
    if (blockIdx.x > 0) grid_sync();
}

extern "C" __global__ void asserts(int n) {
    assert(n > int(threadIdx.x));
    __syncthreads();
}

extern "C" __global__ void traps() {
    if (blockIdx.x == 1) __trap();
}

extern "C" __global__ void last_one_wins(int* winner) {
    winner[0] = threadIdx.x;
}

extern "C" __global__ void masks_differ(int* out) {
    out[threadIdx.x] = __shfl_sync(threadIdx.x % 32 < 16 ? ~0u : 0xffff0000u, 1, 16);
    __syncthreads();
}
