// A dense layer and what stands before the next one: a product with an epilogue, and perhaps a prologue.
//
//      x (M, K)                     w (K, N)                       y (M, N)
//      [ all rows, 32 at a time ]   [ 8 columns of a block ]       [ the same 8 columns, all rows ]
//
// A block owns columns of y with all their rows, so what is asked of a column, as batch normalisation does, never
// leaves it.  The price is that every block reads all of x: as often as there are blocks, from the L2 cache.

#include "../elements.cuh"
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

extern "C" __global__ void fused_forward_leaky_relu(real* y, const real* x, const real* w, const real* b,
                                                    real slope, int M, int N, int K) {
    __shared__ Tiles tiles[WARPS];
    Matrix input = {x, K};
    auto after = [&](int m, int n, real v) { y[m * N + n] = leaky_relu(v, slope); };
    FOR_EACH_TILE(tile, ceil_div(N, COLUMNS)) forward_tile(tile, tiles, input, w, b, M, N, K, after);
}

extern "C" __global__ void fused_forward_embedding(real* y, const real* x, const real* table, const int* labels,
                                                   const real* w, const real* b, real slope, int M, int N,
                                                   int K, int V) {
    __shared__ Tiles tiles[WARPS];
    Embedded input = {x, table, labels, K};
    auto after = [&](int m, int n, real v) { y[m * N + n] = leaky_relu(v, slope); };
    FOR_EACH_TILE(tile, ceil_div(N, COLUMNS)) forward_tile(tile, tiles, input, w, b, M, N, K, after);
}

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

extern "C" __global__ void fused_forward_tanh(real* y, const real* x, const real* w, const real* b, int M,
                                              int N, int K) {
    __shared__ Tiles tiles[WARPS];
    Matrix input = {x, K};
    auto after = [&](int m, int n, real v) { y[m * N + n] = tanh(v); };
    FOR_EACH_TILE(tile, ceil_div(N, COLUMNS)) forward_tile(tile, tiles, input, w, b, M, N, K, after);
}
