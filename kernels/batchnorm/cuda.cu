// Batch normalisation: reductions over columns.
//
//              c = 0  1 ... 31 | 32 ... 63 |       threadIdx.x walks columns, so that the 32 lanes of a warp
//      b = 0     y0 y0     y0  |           |       read neighbouring values of one row; threadIdx.y, y0 to y7,
//          1     y1 y1     y1  |           |       walks rows in steps of 8.
//         ...                  |    the    |
//          7     y7 y7     y7  |   next    |       Each thread adds up its rows.  Then the eight sums of a
//          8     y0 y0     y0  |   tile    |       column lie in shared memory, and sum_over_y (common.cuh)
//         ...                  |           |       adds them up.
//
// A tile is 32 features with all their rows, so statistics never leave the block: mean, variance and the
// normalised values come out of one kernel.

#include "element.cuh"

// batchnorm_forward_train: normalise each feature over the batch; keep mean and rstd for the backward pass.
//
//   y = gamma (x - mean) rstd + beta,   rstd = 1 / sqrt(var + eps),
//   moving = momentum moving + (1 - momentum) batch   reference.py (1), (2), (3)
//
// Threads   block (32, 8), a tile of 32 columns with all rows.
// Memory    18.8 bytes per element asked for, 18.8 in sectors, 9 the least.  x is read three times (mean,
//           squares, normalise), y written once: 16 bytes, and at B = 32 the later reads come from cache.  A
//           thread loads gamma and beta once for its four rows.  Shared memory: 1 wavefront per load, 1 per
//           store.
// Limit     about 8 operations for 16 bytes: bound by bandwidth.
// Barriers  4 per tile: two in each sum.  Threads with c >= C stay alive to reach them and add zeros.
// Numerics  two passes on purpose: E[x^2] - E[x]^2 loses all of var once |mean| >> std.  Fixed order of
//           additions.
// Source    Ioffe & Szegedy 2015, arXiv:1502.03167, Algorithm 1.
__device__ void batchnorm_forward_train_tile(int tile, real* scratch, real* y, real* mean, real* rstd,
                                             real* moving_mean, real* moving_variance, const real* x,
                                             const real* gamma, const real* beta, real eps, real momentum,
                                             int B, int C) {
    int c = tile * blockDim.x + threadIdx.x;
    bool inside = c < C;
    auto column = [&](int b) { return x[b * C + c]; };
    Moments of = column_moments(column, inside, B, eps, scratch);
    if (!inside) return;  // no barrier below
    // Loaded before the loop: in it they would be loaded for every row, because a compiler must assume that
    // the store to y changes them.
    real gamma_c = gamma[c], beta_c = beta[c];
    for (int b = threadIdx.y; b < B; b += blockDim.y)
        y[b * C + c] = normalised(column(b), of.mean, of.rstd, gamma_c, beta_c);
    if (threadIdx.y == 0) keep_moments(mean, rstd, moving_mean, moving_variance, c, of, momentum);
}

extern "C" __global__ void batchnorm_forward_train(real* y, real* mean, real* rstd, real* moving_mean,
                                                   real* moving_variance, const real* x, const real* gamma,
                                                   const real* beta, real eps, real momentum, int B, int C) {
    __shared__ real scratch[THREADS];
    FOR_EACH_TILE(tile, ceil_div(C, blockDim.x))
    batchnorm_forward_train_tile(tile, scratch, y, mean, rstd, moving_mean, moving_variance, x, gamma, beta,
                                 eps, momentum, B, C);
}

// batchnorm_forward_inference: normalise by the moving statistics; no row depends on another.
//
//   y = gamma (x - moving_mean) / sqrt(moving_variance + eps) + beta   reference.py (6)
//
// Threads   block (32, 8), a tile of as many elements: `locate` (common.cuh) gives a thread its row and column.
// Memory    24 bytes per element asked for, 24 in sectors, 8.5 the least.  x is read, y written: 8 bytes.  The
//           four vectors of C are loaded again for each row; they stay in cache.
// Limit     bound by bandwidth; the root is computed again for each row, which costs less than a barrier.
// Numerics  the same order of operations as in training.
// Source    Ioffe & Szegedy 2015, arXiv:1502.03167, Algorithm 2.
__device__ void batchnorm_forward_inference_tile(int tile, real* y, const real* x, const real* gamma,
                                                 const real* beta, const real* moving_mean,
                                                 const real* moving_variance, real eps, int B, int C) {
    int b, c;
    if (!locate(tile, B, C, &b, &c)) return;
    real rstd_c = 1 / sqrt(moving_variance[c] + eps);
    y[b * C + c] = normalised(x[b * C + c], moving_mean[c], rstd_c, gamma[c], beta[c]);
}

extern "C" __global__ void batchnorm_forward_inference(real* y, const real* x, const real* gamma,
                                                       const real* beta, const real* moving_mean,
                                                       const real* moving_variance, real eps, int B, int C) {
    FOR_EACH_TILE(tile, tiles_of(B, C))
    batchnorm_forward_inference_tile(tile, y, x, gamma, beta, moving_mean, moving_variance, eps, B, C);
}

// batchnorm_backward: the gradient through the normalisation, and those of gamma and beta.
//
//   dbeta = sum dy,   dgamma = sum dy xhat,   dx = gamma rstd (dy - dbeta / B - xhat dgamma / B)
//       reference.py (4), (5)
//
// Threads   block (32, 8), a tile of 32 columns with all rows, as forward.
// Memory    23.2 bytes per element asked for, 23.2 in sectors, 12.6 the least.  dy and x are read twice (sums,
//           dx), dx written: 20 bytes.  A thread loads mean, rstd and gamma once for its four rows.  Shared
//           memory: 1 wavefront per load, 1 per store.
// Limit     bound by bandwidth.
// Barriers  4 per tile: two in each sum.  Threads with c >= C stay alive to reach them and add zeros.
// Numerics  xhat is formed again from x, mean and rstd, which is cheaper than keeping it.  Fixed order of
//           additions.
// Source    Ioffe & Szegedy 2015, arXiv:1502.03167, section 3, simplified in reference.py.
__device__ void batchnorm_backward_tile(int tile, real* scratch, real* dx, real* dgamma, real* dbeta,
                                        const real* dy, const real* x, const real* gamma, const real* mean,
                                        const real* rstd, int B, int C) {
    int c = tile * blockDim.x + threadIdx.x;
    bool inside = c < C;
    real mean_c = inside ? mean[c] : 0, rstd_c = inside ? rstd[c] : 0;
    auto arriving = [&](int b) { return dy[b * C + c]; };
    auto column = [&](int b) { return x[b * C + c]; };
    NormGradients of = column_gradients(arriving, column, mean_c, rstd_c, inside, B, scratch);
    if (!inside) return;  // no barrier below
    real gamma_c = gamma[c];
    for (int b = threadIdx.y; b < B; b += blockDim.y)
        dx[b * C + c] = normalised_gradient(arriving(b), column(b), mean_c, rstd_c, gamma_c, of, B);
    if (threadIdx.y == 0) {
        dbeta[c] = of.dbeta;
        dgamma[c] = of.dgamma;
    }
}

extern "C" __global__ void batchnorm_backward(real* dx, real* dgamma, real* dbeta, const real* dy,
                                              const real* x, const real* gamma, const real* mean,
                                              const real* rstd, int B, int C) {
    __shared__ real scratch[THREADS];
    FOR_EACH_TILE(tile, ceil_div(C, blockDim.x))
    batchnorm_backward_tile(tile, scratch, dx, dgamma, dbeta, dy, x, gamma, mean, rstd, B, C);
}

#include "parts.cuh"  // the same where one block for 32 columns would be too few
