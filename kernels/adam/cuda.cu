// Adam: a map with state, over all parameters of a network in one launch.  What an element becomes depends on
// what it was, and on no other element.
//
//      g            |      |      |     ...        read
//      m, v, p      o      o      o     ...        read, moved and written back, in place
//      thread       0      1      2     ...
//
// The rate is the same for all: one thread of a block computes it, and the others find it in shared memory,
// behind a barrier (bce/cuda.cu).

#include "element.cuh"

// adam_step: move every parameter by its gradient's running mean over the root of its running mean square.
//
//   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2,   p -= rate m / (sqrt(v) + eps)
//       reference.py (1)-(3)
//
// Threads   block (THREADS, 1), a tile of as many elements of the flat buffer.
// Memory    28 bytes per element asked for, 28.1 in sectors, 28 the least.  p, m and v are read and written, g
//           is read; t takes a sector per block.  Shared memory: 1 wavefront per load, 1 per store.
// Limit     11 operations for 28 bytes: bound by bandwidth.
// Barriers  1 per tile: between the thread that computes the rate and all that use it.
// Numerics  the rate and 1 - beta2 = 0.001 are formed in double: in float, 1 - 0.999f is off by 1e-5 of itself.
// Source    Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1 and the end of section 2 ("epsilon hat").
__device__ void adam_step_tile(int tile, real* p, real* m, real* v, const real* g, Adam adam, int n) {
    int i = tile * blockDim.x + threadIdx.x;
    if (i < n) adam_move(p + i, m + i, v + i, g[i], adam);
}

extern "C" __global__ void adam_step(real* p, real* m, real* v, const real* g, const long long* t,
                                     double learning_rate, double beta1, double beta2, double eps, int n) {
    __shared__ real rate;
    if (threadIdx.x == 0) rate = adam_rate(t, learning_rate, beta1, beta2);
    __syncthreads();  // the rate is there
    Adam adam = {beta1, beta2, eps, rate};
    FOR_EACH_TILE(tile, ceil_div(n, blockDim.x)) adam_step_tile(tile, p, m, v, g, adam, n);
}
