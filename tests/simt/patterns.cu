// Kernels that touch memory in one known way each, so that what a trace must count follows by arithmetic.
typedef REAL real;

#define I (blockIdx.x * blockDim.x + threadIdx.x)
#define T threadIdx.x

extern "C" __global__ void contiguous(real* y, const real* x) {
    y[I] = x[I];
}

extern "C" __global__ void strided(real* y, const real* x, int stride) {
    y[I] = x[I * stride];
}

extern "C" __global__ void backwards(real* y, const real* x) {
    y[I] = x[gridDim.x * blockDim.x - 1 - I];
}

extern "C" __global__ void broadcast(real* y, const real* x) {
    y[I] = x[blockIdx.x];
}

extern "C" __global__ void misaligned(real* y, const real* x, int offset) {
    y[I] = x[I + offset];
}

extern "C" __global__ void bytes(unsigned char* y, const unsigned char* x) {
    y[I] = x[I];
}

// y is x transposed; a block of (32, 8) for all 32 x 32 elements.
extern "C" __global__ void transposed(real* y, const real* x) {
    for (int row = threadIdx.y; row < 32; row += 8) y[T * 32 + row] = x[row * 32 + T];
}

// The same through shared memory: columns of 32 words lie in one bank, columns of 33 in all.
template <int WIDTH>
__device__ void transpose_shared(real* y, const real* x) {
    __shared__ real tile[32][WIDTH];
    for (int row = threadIdx.y; row < 32; row += 8) tile[row][T] = x[row * 32 + T];
    __syncthreads();
    for (int row = threadIdx.y; row < 32; row += 8) y[row * 32 + T] = tile[T][row];
}

extern "C" __global__ void unpadded(real* y, const real* x) {
    transpose_shared<32>(y, x);
}

extern "C" __global__ void padded(real* y, const real* x) {
    transpose_shared<33>(y, x);
}

extern "C" __global__ void dynamic(real* y, const real* x) {
    extern __shared__ real tile[];
    tile[T] = x[T];
    __syncthreads();
    y[T] = tile[blockDim.x - 1 - T];
}

// All lanes want one word, or as many words of one bank as `stride` makes it.
extern "C" __global__ void shared_strided(real* y, int stride) {
    __shared__ real words[32 * 32];
    for (int i = T; i < 32 * 32; i += 32) words[i] = (real)i;
    __syncthreads();
    y[T] = words[T * stride];
}

template <class Wide>
__device__ void wide(Wide* y, const Wide* x, int stride) {
    __shared__ Wide words[32 * 4];
    words[T * stride] = x[T * stride];
    __syncthreads();
    y[T] = words[T * stride];
}

extern "C" __global__ void sixteen(real* y, const real* x, int stride) {
    wide((float4*)y, (const float4*)x, stride);
}

extern "C" __global__ void eight(real* y, const real* x, int stride) {
    wide((float2*)y, (const float2*)x, stride);
}

// Lanes l and l ^ bit want the same 16 bytes: those whose place is the lane's number without this bit.
extern "C" __global__ void shared_by_lanes(real* y, int bit) {
    __shared__ float4 tile[32];
    tile[T] = make_float4(T, T, T, T);
    __syncthreads();
    float4 four = tile[T / (2 * bit) * bit + T % bit];
    y[T] = four.x * four.y + four.z * four.w;
}

extern "C" __global__ void components(real* y, const real* x) {
    float4 four = ((const float4*)x)[T];
    y[T] = four.x * four.y + four.z * four.w;
}

struct Unaligned {
    real v[4];
};

extern "C" __global__ void straddles(real* y, const real* x) {
    *(Unaligned*)y = *(const Unaligned*)(x + 6);
}

// Four neighbours one by one are four requests.
extern "C" __global__ void four_times_four(real* y, const real* x) {
    for (int j = 0; j < 4; ++j) y[4 * I + j] = x[4 * I + j];
}

extern "C" __global__ void every_other(real* y, const real* x) {
    if (I % 2 == 0) y[I] = x[I];
}

// All lanes load, one of them needs it.
extern "C" __global__ void loaded_before_a_branch(real* y, const real* x) {
    real value = x[T];
    if (T == 0) y[0] = value;
}

// The first half of the first warp stays away; a warp reads a sector of its own.
extern "C" __global__ void late_lanes(real* y, const real* x) {
    if (T >= 16) y[T] = x[T / 32 * 8];
}

extern "C" __global__ void guarded(real* y, const real* x, int n) {
    if (I >= n) return;
    y[I] = x[I];
}

// Lane l goes round l + 1 times.
extern "C" __global__ void triangle(real* y, const real* x) {
    real sum = 0;
    for (int k = 0; k <= (int)T; ++k) sum += x[k];
    y[T] = sum;
}

// One place, the halves of a warp in turn: what a barrier parts is not one request.
extern "C" __global__ void halves_in_turn(real* y, const real* x) {
    for (int half = 0; half < 2; ++half) {
        if ((int)T / 16 == half) y[T] = x[T];
        __syncthreads();
    }
}

// Lanes part and meet again, twice under the same condition.
extern "C" __global__ void meet_again(real* y, const real* x, const real* z) {
    real sum = 0;
    if (T % 2 == 0) sum = x[T];
    sum += z[T];
    if (T % 2 == 0) sum *= x[T + 32];
    sum -= z[T + 32];
    y[T] = sum;
}

// A thread's own array is no memory.
extern "C" __global__ void own_array(real* y, const real* x, int n) {
    real own[32];
    for (int i = 0; i < 32; ++i) own[i] = x[i * 32 + T];
    real sum = 0;
    for (int i = 0; i < n; ++i) sum += own[(i * 7 + T) % 32];
    y[T] = sum;
}

__device__ __attribute__((noinline)) real fetch(const real* from, int i) {
    return from[i];
}

// One place that reads two arrays.
extern "C" __global__ void two_arrays(real* y, const real* x, const real* z) {
    y[T] = fetch(x, T) + fetch(z, 8 * T);
}

extern "C" __global__ void atomics(int* sum, const int* x) {
    __shared__ int bins[32];
    bins[T] = 0;
    __syncthreads();
    atomicAdd(&bins[x[T]], 1);
    __syncthreads();
    atomicAdd(sum, bins[T]);
    atomicCAS(sum + 1, -1, (int)T);
}

extern "C" __global__ void barriers(real* y, int n) {
    for (int i = 0; i < n; ++i) __syncthreads();
    if (T < 32)
        for (int i = 0; i < (int)blockIdx.x; ++i) __syncwarp();
    y[I] = __shfl_sync(~0u, (real)T, 0);
}

// n loads, and one more in each block after the first; each of them is waited for.
extern "C" __global__ void load_by_load(real* y, const real* x, int n) {
    real sum = 0;
    for (int i = 0; i < n + (int)blockIdx.x; ++i) {
        sum += x[i * blockDim.x + T] + x[i * blockDim.x];
        __syncthreads();
    }
    y[I] = sum;
}

extern "C" __global__ void past_the_end(real* y, const real* x) {
    y[I] = x[I + 1];
}
