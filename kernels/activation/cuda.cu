// LeakyReLU and tanh: maps, the simplest pattern.  One thread an element; no thread needs another's result.

// leaky_relu_forward: x where it is positive, a fraction of it elsewhere.
//
//   y = x if x > 0, else slope x   reference.py (1)
//
// Threads   block (32, 8), a tile of as many elements; lanes of a warp take neighbouring columns.
// Memory    8 bytes per element asked for, 8 in sectors, 8 the least.
// Limit     one multiplication for 8 bytes: bound by bandwidth.
// Numerics  at exactly 0 the slope is taken, which gives 0 (and keeps the sign of -0).
// Source    Maas et al. 2013, "Rectifier nonlinearities improve neural network acoustic models", section 2.
__device__ void leaky_relu_forward_tile(int tile, real* y, const real* x, real slope, int B, int C) {
    int b, c;
    if (!locate(tile, B, C, &b, &c)) return;
    real v = x[b * C + c];
    y[b * C + c] = v > 0 ? v : slope * v;
}

extern "C" __global__ void leaky_relu_forward(real* y, const real* x, real slope, int B, int C) {
    FOR_EACH_TILE(tile, tiles_of(B, C)) leaky_relu_forward_tile(tile, y, x, slope, B, C);
}

// leaky_relu_backward: let the gradient through where x was positive, a fraction of it elsewhere.
//
//   dx = dy if x > 0, else slope dy   reference.py (2)
//
// Threads   block (32, 8), a tile of as many elements.
// Memory    12 bytes per element asked for, 12 in sectors, 12 the least.
// Limit     bound by bandwidth.
// Numerics  the test is on x, not on y, and is the forward pass's.
__device__ void leaky_relu_backward_tile(int tile, real* dx, const real* dy, const real* x, real slope, int B,
                                         int C) {
    int b, c;
    if (!locate(tile, B, C, &b, &c)) return;
    int i = b * C + c;
    real g = dy[i];
    dx[i] = x[i] > 0 ? g : slope * g;
}

extern "C" __global__ void leaky_relu_backward(real* dx, const real* dy, const real* x, real slope, int B,
                                               int C) {
    FOR_EACH_TILE(tile, tiles_of(B, C)) leaky_relu_backward_tile(tile, dx, dy, x, slope, B, C);
}

// tanh_forward: the generator's output, squeezed into the range of a pixel.
//
//   y = tanh(x)   reference.py (3)
//
// Threads   block (32, 8), a tile of as many elements.
// Memory    8 bytes per element asked for, 8 in sectors, 8 the least.
// Limit     some 20 instructions an element: still bound by bandwidth on a large batch.
// Numerics  the library's tanh, within 2 units in the last place; the hardware's tanh.approx has 11 bits.
// Source    CUDA C++ Programming Guide, "Mathematical functions", table of errors.
__device__ void tanh_forward_tile(int tile, real* y, const real* x, int B, int C) {
    int b, c;
    if (!locate(tile, B, C, &b, &c)) return;
    y[b * C + c] = tanh(x[b * C + c]);
}

extern "C" __global__ void tanh_forward(real* y, const real* x, int B, int C) {
    FOR_EACH_TILE(tile, tiles_of(B, C)) tanh_forward_tile(tile, y, x, B, C);
}

// tanh_backward: the gradient through tanh, from its output alone.
//
//   dx = dy (1 - y^2)   reference.py (4)
//
// Threads   block (32, 8), a tile of as many elements.
// Memory    12 bytes per element asked for, 12 in sectors, 12 the least.
// Limit     bound by bandwidth.
// Numerics  1 - y^2 is exact to half a unit of y^2; where tanh has saturated to 1 the gradient is 0.
__device__ void tanh_backward_tile(int tile, real* dx, const real* dy, const real* y, int B, int C) {
    int b, c;
    if (!locate(tile, B, C, &b, &c)) return;
    int i = b * C + c;
    dx[i] = dy[i] * (1 - y[i] * y[i]);
}

extern "C" __global__ void tanh_backward(real* dx, const real* dy, const real* y, int B, int C) {
    FOR_EACH_TILE(tile, tiles_of(B, C)) tanh_backward_tile(tile, dx, dy, y, B, C);
}
