// A dense layer and what stands before the next one: a product with an epilogue, and perhaps a prologue.
//
//      x (M, K)                     w (K, N)                       y (M, N)
//      [ all rows, 32 at a time ]   [ 8 columns of a block ]       [ the same 8 columns, all rows ]
//
// A block owns columns of y with all their rows, so what is asked of a column, as batch normalisation does,
// never leaves it.  The price is that every block reads all of x: as often as there are blocks, from the L2
// cache.  The text is built three times, as BUILDS in __init__.py says, twice with products on the tensor
// cores.

#include "../activation/element.cuh"
#include "../batchnorm/element.cuh"
#include "../dropout/element.cuh"
#include "../fused.cuh"

// For each row of a tile's columns: after(row, column, x w + b), where x is a factor of a product.
template <class X, class After>
__device__ void forward_tile(int tile, Tiles* tiles, X x, const real* w, const real* b, int M, int N, int K,
                             After after) {
    int side = tile * COLUMNS, n = side + threadIdx.x;
    real bias = n < N ? b[n] : 0;
    for (int top = 0; top < M; top += ROWS) {
        auto left = [&](int k) {
            auto element = x(k);
            return [=](int row) { return top + row < M && k < K ? element(top + row) : 0; };
        };
        auto right = [&](int column, int k) {
            return side + column < N && k < K ? w[k * N + side + column] : 0;
        };
        real sum = product<true, true>(tiles, left, right, K, [](int) {});
        int m = top + threadIdx.y;
        if (m < M && n < N) after(m, n, sum + bias);
    }
}

// fused_forward_leaky_relu: a dense layer and LeakyReLU.
//
//   y = LeakyReLU(x w + b)   reference.py (1)
//
// Threads   block (8, 32), a tile of 8 columns with all rows, 32 at a time; while they multiply, its 8 warps
//           share K.
// Memory    498 bytes per element asked for, 495 in sectors, 108 the least.  Each block reads all of x, which
//           lies in the L2 cache.  Shared memory: 1 wavefront per load, 1.17 per store; tensor_core 1, 1.
// Limit     bound by the L2 cache, of which every block asks all of x, and by shared memory alike.
// Barriers  2 per tile, 8 of a warp per tile: two of a warp for each of its K-tiles, two of all in the sum of
//           a product.  All stay to the last.
// Numerics  sums of a warp's K-tiles, then their sum in the order of the warps: the same bits on every run.
extern "C" __global__ void fused_forward_leaky_relu(real* y, const real* x, const real* w, const real* b,
                                                    real slope, int M, int N, int K) {
    __shared__ Tiles tiles[WARPS];
    Matrix input = {x, K};
    auto after = [&](int m, int n, real v) { y[m * N + n] = leaky_relu(v, slope); };
    FOR_EACH_TILE(tile, ceil_div(N, COLUMNS)) forward_tile(tile, tiles, input, w, b, M, N, K, after);
}

// fused_forward_embedding: the same of rows times the embeddings of their labels.
//
//   y = LeakyReLU((x table[labels]) w + b)   reference.py (2)
//
// Threads   block (8, 32), as fused_forward_leaky_relu.
// Memory    1280 bytes per element asked for, 987 in sectors, 110 the least.  A row of the table is read for
//           each row of x, which the L1 cache answers.  Shared memory: 1 wavefront per load, 1.17 per store;
//           tensor_core 1, 1.
// Limit     bound by the L2 cache, of which every block asks all of x, and by shared memory alike.
// Barriers  2 per tile, 8 of a warp per tile: two of a warp for each of its K-tiles, two of all in the sum of
//           a product.  All stay to the last.
// Numerics  one rounding more, as if the factor had been stored.
extern "C" __global__ void fused_forward_embedding(real* y, const real* x, const real* table, const int* labels,
                                                   const real* w, const real* b, real slope, int M, int N,
                                                   int K, int V) {
    __shared__ Tiles tiles[WARPS];
    Embedded input = {x, table, labels, K};
    auto after = [&](int m, int n, real v) { y[m * N + n] = leaky_relu(v, slope); };
    FOR_EACH_TILE(tile, ceil_div(N, COLUMNS)) forward_tile(tile, tiles, input, w, b, M, N, K, after);
}

// fused_forward_dropout: a dense layer, LeakyReLU and dropout.
//
//   y, mask = dropout(LeakyReLU(x w + b))   reference.py (3)
//
// Threads   block (8, 32), as fused_forward_leaky_relu; a thread draws the word of its element.
// Memory    337 bytes per element asked for, 330 in sectors, 73.1 the least.  Eight bytes of a row of mask take
//           a sector.  Shared memory: 1 wavefront per load, 1.17 per store; tensor_core 1, 1.
// Limit     bound by the L2 cache, of which every block asks all of x, and by shared memory alike.
// Barriers  2 per tile, 4 of a warp per tile: two of a warp for each of its K-tiles, two of all in the sum of
//           a product.  All stay to the last.
// Numerics  sums of a warp's K-tiles, then their sum in the order of the warps: the same bits on every run.
extern "C" __global__ void fused_forward_dropout(real* y, unsigned char* mask, const real* x, const real* w,
                                                 const real* b, const long long* iteration, real slope,
                                                 unsigned long long seed, unsigned stream, real rate, int M,
                                                 int N, int K) {
    __shared__ Tiles tiles[WARPS];
    Matrix input = {x, K};
    auto after = [&](int m, int n, real v) {
        int i = m * N + n;
        bool keep = keeps(stream_block(i / 4, iteration, seed, stream).v[i % 4], rate);
        mask[i] = keep;
        y[i] = dropped_out(leaky_relu(v, slope), keep, rate);
    };
    FOR_EACH_TILE(tile, ceil_div(N, COLUMNS)) forward_tile(tile, tiles, input, w, b, M, N, K, after);
}

__device__ void batchnorm_tile(int tile, Tiles* tiles, real* scratch, real* y, real* r, real* mean, real* rstd,
                               real* moving_mean, real* moving_variance, const real* x, const real* w,
                               const real* b, const real* gamma, const real* beta, real slope, real eps,
                               real momentum, int M, int N, int K) {
    int c = tile * COLUMNS + threadIdx.x;
    bool inside = c < N;
    real gamma_c = inside ? gamma[c] : 0, beta_c = inside ? beta[c] : 0;
    real moved_mean = inside ? moving_mean[c] : 0, moved_variance = inside ? moving_variance[c] : 0;
    real moved_rstd = 1 / sqrt(moved_variance + eps);
    Matrix shown = {x, K}, learnt = {x + M * K, K};
    forward_tile(tile, tiles, shown, w, b, M, N, K, [&](int m, int n, real v) {
        y[m * N + n] = normalised(leaky_relu(v, slope), moved_mean, moved_rstd, gamma_c, beta_c);
    });
    real first = 0;  // of this thread's rows; others are read again
    forward_tile(tile, tiles, learnt, w, b, M, N, K, [&](int m, int n, real v) {
        real activated = leaky_relu(v, slope);
        if (m < ROWS) first = activated;
        r[m * N + n] = activated;
    });
    auto column = [&](int m) { return m < ROWS ? first : r[m * N + c]; };
    Moments of = column_moments(column, inside, M, eps, scratch);
    if (!inside) return;  // no barrier below
    for (int m = threadIdx.y; m < M; m += ROWS)
        y[(M + m) * N + c] = normalised(column(m), of.mean, of.rstd, gamma_c, beta_c);
    if (threadIdx.y == 0) {
        mean[c] = of.mean;
        rstd[c] = of.rstd;
        moving_mean[c] = momentum * moved_mean + (1 - momentum) * of.mean;
        moving_variance[c] = momentum * moved_variance + (1 - momentum) * of.variance;
    }
}

// fused_forward_batchnorm: a dense layer, LeakyReLU and batch normalisation of two mini-batches, one as in
// inference.
//
//   y[0] = batchnorm(LeakyReLU(x[0] w + b)),   r = LeakyReLU(x[1] w + b),   y[1] = batchnorm(r)
//       reference.py (4), (5)
//
// Threads   block (8, 32), as fused_forward_leaky_relu, for one half of x after the other.
// Memory    338 bytes per element asked for, 329 in sectors, 40.6 the least.  A thread keeps r of its first row
//           for the statistics.  Shared memory: 1 wavefront per load, 1.17 per store; tensor_core 1, 1.
// Limit     bound by the L2 cache, of which every block asks all of x, and by shared memory alike.
// Barriers  8 per tile, 8 of a warp per tile: two of a warp for each of its K-tiles, two of all in the sum of
//           a product.  All stay to the last.  Four in the sums of the statistics.
// Numerics  the moving statistics are read before they are moved; those of the mini-batch in two passes.  Sums
//           of a warp's K-tiles, then their sum in the order of the warps: the same bits on every run.
// Source    Ioffe & Szegedy 2015, arXiv:1502.03167, Algorithms 1 and 2.
extern "C" __global__ void fused_forward_batchnorm(real* y, real* r, real* mean, real* rstd, real* moving_mean,
                                                   real* moving_variance, const real* x, const real* w,
                                                   const real* b, const real* gamma, const real* beta,
                                                   real slope, real eps, real momentum, int M, int N, int K) {
    __shared__ Tiles tiles[WARPS];
    __shared__ real scratch[THREADS];
    FOR_EACH_TILE(tile, ceil_div(N, COLUMNS))
    batchnorm_tile(tile, tiles, scratch, y, r, mean, rstd, moving_mean, moving_variance, x, w, b, gamma, beta,
                   slope, eps, momentum, M, N, K);
}

// fused_forward_tanh: a dense layer and tanh.
//
//   y = tanh(x w + b)   reference.py (6)
//
// Threads   block (8, 32), as fused_forward_leaky_relu.
// Memory    646 bytes per element asked for, 644 in sectors, 73.3 the least.  Each block reads all of x, which
//           lies in the L2 cache.  Shared memory: 1 wavefront per load, 1.18 per store; tensor_core 1, 1.
// Limit     bound by the L2 cache, of which every block asks all of x, and by shared memory alike.
// Barriers  4 per tile, 16 of a warp per tile: two of a warp for each of its K-tiles, two of all in the sum of
//           a product.  All stay to the last.
// Numerics  sums of a warp's K-tiles, then their sum in the order of the warps: the same bits on every run.
extern "C" __global__ void fused_forward_tanh(real* y, const real* x, const real* w, const real* b, int M,
                                              int N, int K) {
    __shared__ Tiles tiles[WARPS];
    Matrix input = {x, K};
    auto after = [&](int m, int n, real v) { y[m * N + n] = tanh(v); };
    FOR_EACH_TILE(tile, ceil_div(N, COLUMNS)) forward_tile(tile, tiles, input, w, b, M, N, K, after);
}
