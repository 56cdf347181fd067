// Kernels that are right with broken = 0, and have one bug that a sanitizer must find otherwise.

extern "C" __global__ void global_off_by_one(float* y, int n, int broken) {
    int i = threadIdx.x;
    if (i < n) y[i + broken] = 1;
}

extern "C" __global__ void dynamic_shared_off_by_one(float* y, int n, int broken) {
    extern __shared__ float buffer[];
    buffer[threadIdx.x + broken] = 1;
    __syncthreads();
    y[threadIdx.x] = buffer[threadIdx.x];
}

extern "C" __global__ void static_shared_off_by_one(float* y, int n, int broken) {
    __shared__ float buffer[32];
    buffer[threadIdx.x + broken] = 1;
    __syncthreads();
    y[threadIdx.x] = buffer[threadIdx.x];
}

extern "C" __global__ void local_off_by_one_after_barrier(float* y, int n, int broken) {
    float mine[4] = {1, 2, 3, 4};
    float* last = mine + 3 + broken;
    asm("" : "+r"(last));  // so that g++ does not see the bug
    __syncthreads();
    y[threadIdx.x] = *last;
}

extern "C" __global__ void misaligned_vector(float* y, int n, int broken) {
    float4* group = reinterpret_cast<float4*>(y + broken);
    if (threadIdx.x == 0) group[0] = make_float4(1, 2, 3, 4);
}

extern "C" __global__ void dropped_barrier(float* y, int n, int broken) {
    __shared__ float buffer[32];
    buffer[threadIdx.x] = threadIdx.x;
    if (!broken) __syncthreads();
    y[threadIdx.x] = buffer[(threadIdx.x + 1) % n];
}

extern "C" __global__ void dropped_second_barrier(float* y, int n, int broken) {
    __shared__ float buffer[32];
    float sum = 0;
    for (int round = 0; round < 3; ++round) {
        buffer[threadIdx.x] = round;
        __syncthreads();
        sum += buffer[(threadIdx.x + 1) % n];
        if (!broken) __syncthreads();
    }
    y[threadIdx.x] = sum;
}

// A shuffle orders no memory; __syncwarp does.
extern "C" __global__ void dropped_syncwarp(float* y, int n, int broken) {
    __shared__ float buffer[32];
    buffer[threadIdx.x] = threadIdx.x;
    float one = __shfl_sync(~0u, 1.0f, 0);
    if (!broken) __syncwarp();
    y[threadIdx.x] = one * buffer[(threadIdx.x + 1) % n];
}

// Each warp reads what the other wrote; __syncwarp orders only its own.
extern "C" __global__ void dropped_barrier_between_warps(float* y, int n, int broken) {
    __shared__ float buffer[64];
    buffer[threadIdx.x] = threadIdx.x;
    __syncwarp();
    if (!broken) __syncthreads();
    if (threadIdx.x < n) y[threadIdx.x] = buffer[threadIdx.x + 32];
}

// Blocks 0 and 3 write the same word, on two OS threads; block 1 makes sure that 3 comes long after 0.
extern "C" __global__ void blocks_collide(float* y, int n, int broken) {
    if (threadIdx.x > 0) return;
    if (blockIdx.x == 1)
        for (int i = 0; i < 30000000; ++i) asm volatile("");
    if (blockIdx.x % 3 == 0) y[broken ? 0 : blockIdx.x] = blockIdx.x;
}

extern "C" __global__ void dropped_grid_barrier(float* y, int n, int broken) {
    if (threadIdx.x == 0) y[blockIdx.x] = 1;
    if (!broken) grid_sync();
    if (threadIdx.x == 1) y[16 + blockIdx.x] = y[(blockIdx.x + 1) % gridDim.x];
}

// The last block to come adds up what all of them wrote.
extern "C" __global__ void last_block_sums(float* y, int n, int broken) {
    __shared__ bool last;
    if (threadIdx.x == 0) {
        y[blockIdx.x] = 1;
        __threadfence();
        unsigned* count = reinterpret_cast<unsigned*>(y + 31);
        last = broken || atomicAdd(count, 1) == gridDim.x - 1;
    }
    __syncthreads();
    if (last && threadIdx.x == 1)
        for (unsigned i = 1; i < gridDim.x; ++i) y[0] += y[i];
}
