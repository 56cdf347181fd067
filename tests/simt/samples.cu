// Small kernels that use each of CUDA's words as it should be used.
typedef REAL real;

// sums[block] = the block's sum of x, added as a tree.
extern "C" __global__ void block_sum(real* sums, const real* x, int n) {
    __shared__ real partial[256];
    int i = blockIdx.x * blockDim.x + threadIdx.x, t = threadIdx.x;
    partial[t] = i < n ? x[i] : real(0);
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (t < half) partial[t] += partial[t + half];
    }
    if (t == 0) sums[blockIdx.x] = partial[0];
}

// The same in dynamic shared memory.
extern "C" __global__ void block_sum_dynamic(real* sums, const real* x, int n) {
    extern __shared__ real partial[];
    int i = blockIdx.x * blockDim.x + threadIdx.x, t = threadIdx.x;
    partial[t] = i < n ? x[i] : real(0);
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (t < half) partial[t] += partial[t + half];
    }
    if (t == 0) sums[blockIdx.x] = partial[0];
}

// Where every thread stands: its block's and its own number, linear and split.
extern "C" __global__ void positions(int* seen) {
    int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    int i = block * blockDim.x * blockDim.y * blockDim.z + thread;
    seen[2 * i] = (blockIdx.z * 100 + blockIdx.y) * 100 + blockIdx.x;
    seen[2 * i + 1] = (threadIdx.z * 100 + threadIdx.y) * 100 + threadIdx.x;
}

// sums[warp] = the warp's sum of x.
extern "C" __global__ void warp_sum(real* sums, const real* x) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    real sum = x[i];
    for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_down_sync(~0u, sum, offset);
    if (i % 32 == 0) sums[i / 32] = sum;
}

// Row r of out(5,n) is one kind of shuffle of x within groups of `width` lanes.
extern "C" __global__ void shuffles(int* out, const int* x, int width, int step, int n) {
    int i = threadIdx.x;
    out[0 * n + i] = __shfl_sync(~0u, x[i], step, width);
    out[1 * n + i] = __shfl_up_sync(~0u, x[i], step, width);
    out[2 * n + i] = __shfl_down_sync(~0u, x[i], step, width);
    out[3 * n + i] = __shfl_xor_sync(~0u, x[i], step, width);
    // Both halves at once, each under a mask of its own.
    out[4 * n + i] = i % 32 < 16 ? __shfl_sync(0x0000ffffu, x[i], 3) : __shfl_sync(0xffff0000u, x[i], 19);
}

// Rows of out(7,n): ballot, any, all, population count of the ballot, then the same of the whole block.
extern "C" __global__ void votes(unsigned* out, const int* x, int n) {
    int i = threadIdx.x, predicate = x[i] > 0;
    out[0 * n + i] = __ballot_sync(~0u, predicate);
    out[1 * n + i] = __any_sync(~0u, predicate);
    out[2 * n + i] = __all_sync(~0u, predicate);
    out[3 * n + i] = __popc(__ballot_sync(~0u, predicate));
    out[4 * n + i] = __syncthreads_count(predicate);
    out[5 * n + i] = __syncthreads_or(predicate);
    out[6 * n + i] = __syncthreads_and(predicate);
}

// Every thread of every block works on the same words.
extern "C" __global__ void atomics(int* sum, float* float_sum, unsigned* most, int* least, int* by_cas,
                                   const int* x) {
    int value = x[blockIdx.x * blockDim.x + threadIdx.x];
    atomicAdd(sum, value);
    atomicAdd(float_sum, 1);
    atomicMax(most, value);
    atomicMin(least, value);
    for (int old = atomicAdd(by_cas, 0), seen;; old = seen) {
        seen = atomicCAS(by_cas, old, old + value);
        if (seen == old) break;
    }
}

// Each round reads what the neighbouring block wrote in the round before.
extern "C" __global__ void grid_rounds(long long* values, int rounds) {
    for (int round = 0; round < rounds; ++round) {
        long long left = values[(blockIdx.x + gridDim.x - 1) % gridDim.x];
        grid_sync();
        if (threadIdx.x == 0) values[blockIdx.x] += left;
        grid_sync();
    }
}

// What threads find in static and in dynamic shared memory before anyone wrote it; blocks leave zeros behind.
extern "C" __global__ void unwritten(real* found_static, real* found_dynamic) {
    __shared__ real array[32];
    extern __shared__ real dynamic[];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    found_static[i] = array[threadIdx.x];
    found_dynamic[i] = dynamic[threadIdx.x];
    array[threadIdx.x] = dynamic[threadIdx.x] = 0;
}

// One of each kind of parameter, with comments and qualifiers in the way.
extern "C" __global__ void __launch_bounds__(32)
    parameters(double* __restrict__ out,  // 8 numbers
               const unsigned char* bytes, real scale, float f, /* signed */ int i, unsigned u, long long l,
               unsigned long long ull, const long long* many) {
    if (threadIdx.x > 0) return;
    out[0] = bytes[0], out[1] = scale, out[2] = f, out[3] = i, out[4] = u, out[5] = l, out[6] = ull,
    out[7] = many[1];
}
