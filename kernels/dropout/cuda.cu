// Inverted dropout: a map that draws its own random numbers, four to a thread, as in philox/cuda.cu's picture.

#include "element.cuh"

// dropout_forward: keep an element with probability 1 - rate and scale it up, and remember which were kept.
//
//   mask = 1 if u >= rate,   y = mask x / (1 - rate)   reference.py (1), (2)
//
// Threads   block (THREADS, 1); a thread makes four neighbouring elements, which share one run of the cipher.
// Memory    11 bytes per element asked for, 9.25 in sectors, 9 the least.  x is read, y and a byte of mask are
//           written, each in one access for four elements; every thread loads the iteration, 8 bytes that a
//           warp has in one sector.
// Limit     some 30 integer instructions per element: bound by the integer units.
// Numerics  u has 24 bits and is exact in float, so every backend keeps the same elements.
// Source    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".
__device__ void dropout_forward_tile(int tile, real* y, unsigned char* mask, const real* x,
                                     const long long* iteration, word64 seed, word32 stream, real rate,
                                     word32 first, int n) {
    int block = tile * blockDim.x + threadIdx.x, i = 4 * block;
    if (i >= n) return;
    Words words = stream_block(first + block, iteration, seed, stream);
    Quad<real> values = load_quad(x + i, n - i);
    Quad<unsigned char> keep;
    for (int j = 0; j < 4; ++j) {
        keep.v[j] = keeps(words.v[j], rate);
        values.v[j] = dropped_out(values.v[j], keep.v[j], rate);
    }
    store_quad(mask + i, keep, n - i);
    store_quad(y + i, values, n - i);
}

extern "C" __global__ void dropout_forward(real* y, unsigned char* mask, const real* x,
                                           const long long* iteration, unsigned long long seed, unsigned stream,
                                           real rate, unsigned first, int B, int C) {
    FOR_EACH_TILE(tile, ceil_div(B * C, 4 * blockDim.x))
    dropout_forward_tile(tile, y, mask, x, iteration, seed, stream, rate, first, B * C);
}

// dropout_backward: the gradient goes where the value went.
//
//   dx = mask dy / (1 - rate)   reference.py (3)
//
// Threads   block (THREADS, 1), a tile of as many elements.
// Memory    9 bytes per element asked for, 9 in sectors, 9 the least.
// Limit     bound by bandwidth.
// Numerics  one rounding.
__device__ void dropout_backward_tile(int tile, real* dx, const real* dy, const unsigned char* mask, real rate,
                                      int n) {
    int i = tile * blockDim.x + threadIdx.x;
    if (i < n) dx[i] = dropped_out(dy[i], mask[i], rate);
}

extern "C" __global__ void dropout_backward(real* dx, const real* dy, const unsigned char* mask, real rate,
                                            int B, int C) {
    FOR_EACH_TILE(tile, ceil_div(B * C, blockDim.x)) dropout_backward_tile(tile, dx, dy, mask, rate, B * C);
}
