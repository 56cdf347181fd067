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

// ---- the tensor cores' instruction, in PTX and in plain C++ -------------------------------------------------

// A float rounded to TF32: 10 bits of fraction, to nearest, ties away from zero.  A double stays as it is, so
// that gradients can be compared with finite differences.
__device__ inline double to_tf32(double value) {
    return value;
}

__device__ inline float to_tf32(float value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    word32 bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
    return __uint_as_float(bits);
#else
    return __uint_as_float((__float_as_uint(value) + 0x1000u) & 0xFFFFE000u);
#endif
}

// Two values of another lane.
__device__ inline void shuffle_pair(double* x, double* y, int lane) {
    *x = __shfl_sync(~0u, *x, lane);
    *y = __shfl_sync(~0u, *y, lane);
}

__device__ inline void shuffle_pair(float* x, float* y, int lane) {
    word64 both = (word64)__float_as_uint(*y) << 32 | __float_as_uint(*x);
    both = __shfl_sync(~0u, both, lane);
    *x = __uint_as_float((word32)both);
    *y = __uint_as_float((word32)(both >> 32));
}

// c += a b for a 16 x 8 by 8 x 8 product that the 32 lanes of a warp hold together.  With g = lane / 4 and
// t = lane % 4:
//   a = (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4)      b = (t, g), (t + 4, g)      row, column
//   c = (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1)
// The tensor cores' instruction is volatile: all lanes take part, so it may be neither moved nor left out.
// The plain form asks the other lanes for what it needs of theirs.
template <class T>
__device__ void mma_plain(T c[4], const T a[4], const T b[2]) {
    int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    T upper[8], lower[8], right[2][8];  // rows g and g + 8 of a, columns 2t and 2t + 1 of b
    for (int k = 0; k < 8; ++k) {
        upper[k] = a[k / 4 * 2], lower[k] = a[k / 4 * 2 + 1];
        shuffle_pair(&upper[k], &lower[k], 4 * g + k % 4);
    }
    for (int j = 0; j < 2; ++j)
        for (int k = 0; k < 4; ++k) {
            right[j][k] = b[0], right[j][k + 4] = b[1];
            shuffle_pair(&right[j][k], &right[j][k + 4], 4 * (2 * t + j) + k);
        }
    for (int k = 0; k < 8; ++k)
        for (int j = 0; j < 2; ++j) {
            c[j] += upper[k] * right[j][k];
            c[2 + j] += lower[k] * right[j][k];
        }
}

__device__ inline void mma(double c[4], const double a[4], const double b[2]) {
    mma_plain(c, a, b);
}

__device__ inline void mma(float c[4], const float a[4], const float b[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
          "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
#else
    float a_read[4], b_read[2];  // as the instruction reads them: without the 13 bits that TF32 does not have
    for (int i = 0; i < 4; ++i) a_read[i] = __uint_as_float(__float_as_uint(a[i]) & 0xFFFFE000u);
    for (int i = 0; i < 2; ++i) b_read[i] = __uint_as_float(__float_as_uint(b[i]) & 0xFFFFE000u);
    mma_plain(c, a_read, b_read);
#endif
}
