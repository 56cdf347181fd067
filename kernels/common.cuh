// common.cuh: what several kernels share.  launch.py puts it in front of each cuda.cu.

#ifndef REAL
#define REAL float
#endif
typedef REAL real;  // float, or double to compare gradients with finite differences

typedef unsigned long long word64;
typedef unsigned int word32;

// ---- tiles --------------------------------------------------------------------------------------------------
// A block walks the tiles from its own number in steps of the grid's; activation/cuda.cu says why.

__host__ __device__ inline int ceil_div(int a, int b) {
    return (a + b - 1) / b;
}

#define FOR_EACH_TILE(tile, count) for (int tile = blockIdx.x; tile < (count); tile += gridDim.x)

// Of an array of rows and columns a tile is as large as a block: x walks columns, so that the lanes of a warp
// touch neighbouring elements of a row; y walks rows.

// How many tiles cover a (rows, columns) array.
__device__ inline int tiles_of(int rows, int columns) {
    return ceil_div(rows, blockDim.y) * ceil_div(columns, blockDim.x);
}

// This thread's row and column in a tile of a (rows, columns) array; false outside it.
__device__ inline bool locate(int tile, int rows, int columns, int* row, int* column) {
    int across = ceil_div(columns, blockDim.x);
    *row = tile / across * blockDim.y + threadIdx.y;
    *column = tile % across * blockDim.x + threadIdx.x;
    return *row < rows && *column < columns;
}

// Warps are made of a block's threads in this order.
__device__ inline int thread_in_block() {
    return threadIdx.y * blockDim.x + threadIdx.x;
}

__device__ inline int lane_in_warp() {
    return thread_in_block() % 32;
}

// ---- sums ---------------------------------------------------------------------------------------------------

// The sum of `value` over threadIdx.y, for each threadIdx.x apart; every thread gets its column's.  `scratch`
// has room for a block.  All threads must arrive.  The order of the additions is fixed: the same bits on every
// run.
__device__ inline real sum_over_y(real value, real* scratch) {
    __syncthreads();  // scratch may still be read by the sum before this one
    scratch[threadIdx.y * blockDim.x + threadIdx.x] = value;
    __syncthreads();  // all values are there
    real sum = 0;
    for (int y = 0; y < (int)blockDim.y; ++y) sum += scratch[y * blockDim.x + threadIdx.x];
    return sum;
}

// The sum of `value` over a block of (x, 1) threads, x a power of two, by a tree; every thread gets it.
__device__ inline real sum_over_block(real value, real* scratch) {
    __syncthreads();  // scratch may still be read by the sum before this one
    scratch[threadIdx.x] = value;
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();  // the level before this one is complete
        if ((int)threadIdx.x < half) scratch[threadIdx.x] += scratch[threadIdx.x + half];
    }
    __syncthreads();  // the sum is there
    return scratch[0];
}

// ---- four neighbours in one access --------------------------------------------------------------------------
// A thread that owns four neighbouring elements and loads them one by one leaves 16 bytes between the lanes of
// each request, which then touches four times the sectors.  In one access of 16 bytes per lane, a warp's bytes
// lie in a row.

template <class T>
struct alignas(4 * sizeof(T)) Quad {
    T v[4];
};

// The elements data[0], data[1], ... of which `there` exist, at most four of them; zeros for the others.  In
// one access if all four exist and the address allows it.
template <class T>
__device__ Quad<T> load_quad(const T* data, int there) {
    if (there >= 4 && (word64)data % sizeof(Quad<T>) == 0) return *(const Quad<T>*)data;
    Quad<T> quad = {};
    for (int j = 0; j < 4 && j < there; ++j) quad.v[j] = data[j];
    return quad;
}

// The way back.
template <class T>
__device__ void store_quad(T* data, Quad<T> quad, int there) {
    if (there >= 4 && (word64)data % sizeof(Quad<T>) == 0)
        *(Quad<T>*)data = quad;
    else
        for (int j = 0; j < 4 && j < there; ++j) data[j] = quad.v[j];
}

// ---- Philox4x32-10: philox/reference.py (1) to (4) ----------------------------------------------------------

typedef Quad<word32> Words;

__device__ inline Words philox(Words c, word32 k0, word32 k1) {
    for (int round = 0; round < 10; ++round) {
        word64 p0 = (word64)0xD2511F53u * c.v[0], p1 = (word64)0xCD9E8D57u * c.v[2];
        c = {{(word32)(p1 >> 32) ^ c.v[1] ^ k0, (word32)p1, (word32)(p0 >> 32) ^ c.v[3] ^ k1, (word32)p0}};
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

// The four words of a stream's block; element i of the stream is word i % 4 of block i / 4.
__device__ inline Words stream_block(int block, const long long* iteration, word64 seed, word32 stream) {
    word64 it = (word64)iteration[0];
    Words counter = {{(word32)block, stream, (word32)it, (word32)(it >> 32)}};
    return philox(counter, (word32)seed, (word32)(seed >> 32));
}

// Uniform in [0, 1): 24 bits, which a float holds exactly.
__device__ inline real uniform(word32 word) {
    return (real)(word >> 8) * (real)(1.0 / 16777216.0);
}
