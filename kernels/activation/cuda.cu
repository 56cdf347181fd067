// LeakyReLU and tanh: maps, the simplest pattern.  One thread per element; no thread needs another's result.
//
//                 block 0            block 1          block 2             blockIdx.x
//            0   1  ...  255   256 257 ... 511   512 513 ... 767    ...   blockIdx.x * blockDim.x + threadIdx.x
//      x     |   |        |     |   |       |     |   |       |
//      y     |   |        |     |   |       |     |   |       |
//
// A launch starts a grid of blocks of threads, which all run the kernel; blockIdx.x and threadIdx.x tell each
// which one it is.  32 threads of a block are a warp, whose lanes do the same at the same time: what they load
// is one request, and costs as many sectors of 32 bytes as they touch.  So neighbouring lanes take neighbouring
// elements: 32 floats lie in 4 sectors, and could be spread over 32.
//
// CUDA's own words are explained where kernels/README.md says: `__global__` makes a function a kernel, and
// `__device__` one that kernels call.  extern "C" leaves a kernel its name, by which it is launched.  The other
// words (`real`, which is float, and FOR_EACH_TILE below) are those of common.cuh, which is put in front of
// every cuda.cu; THREADS is 256, by geometry.py.  The formulas are functions of one element, in a file of their
// own, since fused kernels call them too.

#include "element.cuh"

// leaky_relu_forward: x where it is positive, a fraction of it elsewhere.
//
//   y = x if x > 0, else slope x   reference.py (1)
//
// Threads   block (THREADS, 1), one thread per element; the 32 lanes of a warp take neighbours.
// Memory    8 bytes per element asked for, 8 in sectors, 8 the least.
// Limit     one multiplication for 8 bytes: bound by bandwidth.
// Numerics  at exactly 0 the slope is taken, which gives 0 (and keeps the sign of -0).
// Source    Maas et al. 2013, "Rectifier nonlinearities improve neural network acoustic models", section 2.
extern "C" __global__ void leaky_relu_forward(real* y, const real* x, real slope, int B, int C) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;  // the number of this thread among those of all blocks
    int threads = gridDim.x * blockDim.x;           // how many these are
    // There is a thread for every element, and the last block may have some too many.  So each goes round once
    // or not at all; were there fewer threads than elements, each would go on to others.
    for (; i < B * C; i += threads) y[i] = leaky_relu(x[i], slope);
}

// Tiles.  The same loop, seen from a block: a tile is what it computes while each of its threads goes round
// once, here blockDim.x elements, and the block walks the tiles from its own number in steps of the number of
// blocks.  All other kernels say it so, by FOR_EACH_TILE, and consist of two functions: the body, given the
// number of a tile, and the kernel around it, which walks the tiles.  Two things come of it:
//
// - Any grid computes everything.  The contract (__init__.py) asks for one block per tile, and tests for fewer.
// - A body can be called by another kernel: embedding_backward_input calls that of embedding_forward.
//
// A `return` in a body ends the thread's work on this tile alone; the next one may follow.

// leaky_relu_backward: let the gradient through where x was positive, a fraction of it elsewhere.
//
//   dx = dy if x > 0, else slope dy   reference.py (2)
//
// Threads   block (THREADS, 1), a tile of as many elements.
// Memory    12 bytes per element asked for, 12 in sectors, 12 the least.
// Limit     bound by bandwidth.
// Numerics  the test is on x, not on y, and is the forward pass's.
__device__ void leaky_relu_backward_tile(int tile, real* dx, const real* dy, const real* x, real slope, int n) {
    int i = tile * blockDim.x + threadIdx.x;
    if (i < n) dx[i] = leaky_relu_gradient(dy[i], x[i], slope);
}

extern "C" __global__ void leaky_relu_backward(real* dx, const real* dy, const real* x, real slope, int B,
                                               int C) {
    FOR_EACH_TILE(tile, ceil_div(B * C, blockDim.x)) leaky_relu_backward_tile(tile, dx, dy, x, slope, B * C);
}

// tanh_forward: the generator's output, squeezed into the range of a pixel.
//
//   y = tanh(x)   reference.py (3)
//
// Threads   block (THREADS, 1), a tile of as many elements.
// Memory    8 bytes per element asked for, 8 in sectors, 8 the least.
// Limit     some 20 instructions per element: still bound by bandwidth on a large batch.
// Numerics  the library's tanh, within 2 units in the last place; the hardware's tanh.approx has 11 bits.
// Source    CUDA C++ Programming Guide, "Mathematical functions", table of errors.
__device__ void tanh_forward_tile(int tile, real* y, const real* x, int n) {
    int i = tile * blockDim.x + threadIdx.x;
    if (i < n) y[i] = tanh(x[i]);
}

extern "C" __global__ void tanh_forward(real* y, const real* x, int B, int C) {
    FOR_EACH_TILE(tile, ceil_div(B * C, blockDim.x)) tanh_forward_tile(tile, y, x, B * C);
}

// tanh_backward: the gradient through tanh, from its output alone.
//
//   dx = dy (1 - y^2)   reference.py (4)
//
// Threads   block (THREADS, 1), a tile of as many elements.
// Memory    12 bytes per element asked for, 12 in sectors, 12 the least.
// Limit     bound by bandwidth.
// Numerics  1 - y^2 is exact to half a unit of y^2; where tanh has saturated to 1 the gradient is 0.
__device__ void tanh_backward_tile(int tile, real* dx, const real* dy, const real* y, int n) {
    int i = tile * blockDim.x + threadIdx.x;
    if (i < n) dx[i] = tanh_gradient(dy[i], y[i]);
}

extern "C" __global__ void tanh_backward(real* dx, const real* dy, const real* y, int B, int C) {
    FOR_EACH_TILE(tile, ceil_div(B * C, blockDim.x)) tanh_backward_tile(tile, dx, dy, y, B * C);
}
