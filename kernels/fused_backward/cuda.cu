// A dense layer's backward pass, what lies below it, and Adam: a product whose weight moves once it has been
// used.
//
//      dy (M, N)                    w, m, v (K, N)                 dx (M, K)
//      [ all rows, all columns ]    [ 8 rows of a block ]          [ 8 columns, all rows ]
//
// A block owns rows of w, and so the columns of dx with all their rows: what lies below can be done in the
// same kernel, batch normalisation and the embedding's table too.  While 32 columns of its rows are in shared
// memory, a warp makes the gradient of these elements from the same dy and moves them; no gradient is ever
// stored.  The columns of the bias are dealt out over the blocks.

#include "../activation/element.cuh"
#include "../adam/element.cuh"
#include "../batchnorm/element.cuh"
#include "../bce/element.cuh"
#include "../dropout/element.cuh"
#include "../fused.cuh"
#include "rows.cuh"

constexpr int MOST_ROWS = 256;  // of a mini-batch

// ---- the head -----------------------------------------------------------------------------------------------

// dlogits of all rows, in shared memory; the first block records loss, accuracy and, where it is asked for,
// them.
__device__ void head(real* of_logits, real* scratch, real* loss, real* accuracy, real* dlogits, const real* y,
                     const real* head_w, const real* head_b, real target, int M, int N) {
    int lane = lane_in_warp(), warp = thread_in_block() / 32;
    for (int m = warp; m < M; m += WARPS) {
        real sum = 0;
        for (int n = lane; n < N; n += 32) sum += y[m * N + n] * head_w[n];
        sum = sum_over_warp(sum);
        if (lane == 0) of_logits[m] = sum + head_b[0];
    }
    __syncthreads();  // the logits are there
    int m = thread_in_block();
    real logit = m < M ? of_logits[m] : 0;
    if (m < M) of_logits[m] = bce_gradient(logit, target, M);
    if (blockIdx.x == 0) {
        if (m < M && dlogits) dlogits[m] = of_logits[m];
        real of_loss = sum_over_warp(m < M ? bce_loss(logit, target) : 0);
        real of_right = sum_over_warp(m < M ? bce_right(logit, target) : 0);
        if (lane == 0) {
            scratch[warp] = of_loss;
            scratch[WARPS + warp] = of_right;
        }
    }
    __syncthreads();  // the gradients are there, and the first block's sums
    if (blockIdx.x == 0 && thread_in_block() == 0) {
        for (int w = 1; w < WARPS; ++w) {
            scratch[0] += scratch[w];
            scratch[WARPS] += scratch[WARPS + w];
        }
        loss[0] = scratch[0] / M;
        accuracy[0] = scratch[WARPS] / M;
    }
}

// What arrives below the head, as a factor of a product.
struct HeadGradient {
    const real *dlogits, *head_w, *y;
    const unsigned char* mask;
    real slope, rate;
    int columns;

    __device__ auto operator()(int column) const {
        real factor = column < columns ? head_w[column] : 0;
        return [*this, factor, column](int row) {
            int i = row * columns + column;
            return leaky_relu_gradient(dropped_out(dlogits[row] * factor, mask[i], rate), y[i], slope);
        };
    }
};

// The rate is one thread's work: in double, as in adam_step.
__device__ Adam adam_of(real* rate, const long long* t, double learning_rate, double beta1, double beta2,
                        double eps) {
    if (thread_in_block() == 0) *rate = adam_rate(t, learning_rate, beta1, beta2);
    __syncthreads();  // the rate is there
    return {beta1, beta2, eps, *rate};
}

// ---- frozen -------------------------------------------------------------------------------------------------

// fused_backward_head: the discriminator's last layer, the loss, and the gradient through the layer below and
// its dropout.
//
//   dy by (7),   dx = LeakyReLU'(dropout'(dy w^T; x_mask); x)   reference.py (7), (4)
//
// Threads   block (8, 32), a tile of 8 rows of w and all rows of dx, 32 at a time; its 8 warps share N.  For
//           the head, a warp takes a row, and every block does all of it.
// Memory    15000000 bytes per element asked for, 15100000 in sectors, 1280000 the least.  Eight bytes of a
//           row of x_mask take a sector.  Shared memory: 1 wavefront per load, 1 per store.
// Limit     bound by the L2 cache, of which every block asks all of y, twice, and by shared memory alike.
// Barriers  4 per tile, 4 of a warp per tile: two of a warp for each of its K-tiles, two of all in the head
//           and in the sum of a product.
// Numerics  sums of a warp's K-tiles, then their sum in the order of the warps: the same bits on every run.
extern "C" __global__ void fused_backward_head(real* loss, real* accuracy, real* dx, const real* y,
                                               const unsigned char* mask, const real* head_w,
                                               const real* head_b, const real* w, const real* x,
                                               const unsigned char* x_mask, real target, real slope, real rate,
                                               int M, int K, int N) {
    __shared__ Tiles tiles[WARPS];
    __shared__ real of_logits[MOST_ROWS], scratch[2 * WARPS];
    head(of_logits, scratch, loss, accuracy, nullptr, y, head_w, head_b, target, M, N);
    HeadGradient dy = {of_logits, head_w, y, mask, slope, rate, N};
    auto below = [&](int m, int k, real g) {
        int i = m * K + k;
        if (m < M && k < K) dx[i] = leaky_relu_gradient(dropped_out(g, x_mask[i], rate), x[i], slope);
    };
    FOR_EACH_TILE(tile, ceil_div(K, COLUMNS))
    backward_tile<true>(tile, tiles, nullptr, dy, w, M, N, K, below, Frozen());
}

// fused_backward_leaky_relu: the gradient at a layer's input, through LeakyReLU.
//
//   dx = LeakyReLU'(dy w^T; x)   reference.py (1)
//
// Threads   block (8, 32), a tile of 8 rows of w and all rows of dx, 32 at a time; its 8 warps share N.
// Memory    328 bytes per element asked for, 328 in sectors, 76 the least.  Each block reads all of dy, which
//           lies in the L2 cache.  Shared memory: 1 wavefront per load, 1 per store.
// Limit     bound by the L2 cache, of which every block asks all of dy, and by shared memory alike.
// Barriers  2 per tile, 4 of a warp per tile: two of a warp for each of its K-tiles, two of all in the sum of
//           a product.  All stay to the last.
// Numerics  sums of a warp's K-tiles, then their sum in the order of the warps: the same bits on every run.
extern "C" __global__ void fused_backward_leaky_relu(real* dx, const real* dy, const real* w, const real* x,
                                                     real slope, int M, int K, int N) {
    __shared__ Tiles tiles[WARPS];
    Matrix given = {dy, N};
    auto below = [&](int m, int k, real g) {
        if (m < M && k < K) dx[m * K + k] = leaky_relu_gradient(g, x[m * K + k], slope);
    };
    FOR_EACH_TILE(tile, ceil_div(K, COLUMNS))
    backward_tile<true>(tile, tiles, nullptr, given, w, M, N, K, below, Frozen());
}

// fused_backward_tanh: the same through tanh.
//
//   dx = tanh'(dy w^T; x)   reference.py (2)
//
// Threads   block (8, 32), as fused_backward_leaky_relu.
// Memory    328 bytes per element asked for, 328 in sectors, 74.6 the least.  Each block reads all of dy,
//           which lies in the L2 cache.  Shared memory: 1 wavefront per load, 1 per store.
// Limit     bound by the L2 cache, of which every block asks all of dy, and by shared memory alike.
// Barriers  2 per tile, 4 of a warp per tile: two of a warp for each of its K-tiles, two of all in the sum of
//           a product.  All stay to the last.
// Numerics  sums of a warp's K-tiles, then their sum in the order of the warps: the same bits on every run.
extern "C" __global__ void fused_backward_tanh(real* dx, const real* dy, const real* w, const real* x, int M,
                                               int K, int N) {
    __shared__ Tiles tiles[WARPS];
    Matrix given = {dy, N};
    auto below = [&](int m, int k, real g) {
        if (m < M && k < K) dx[m * K + k] = tanh_gradient(g, x[m * K + k]);
    };
    FOR_EACH_TILE(tile, ceil_div(K, COLUMNS))
    backward_tile<true>(tile, tiles, nullptr, given, w, M, N, K, below, Frozen());
}

// fused_backward_embedding: the same through the embedding, and tanh below it.
//
//   dx = tanh'(dy w^T table[labels]; x)   reference.py (3)
//
// Threads   block (8, 32), as fused_backward_leaky_relu.
// Memory    336 bytes per element asked for, 332 in sectors, 75.9 the least.  Each block reads all of dy,
//           which lies in the L2 cache.  Shared memory: 1 wavefront per load, 1 per store.
// Limit     bound by the L2 cache, of which every block asks all of dy, and by shared memory alike.
// Barriers  2 per tile, 4 of a warp per tile: two of a warp for each of its K-tiles, two of all in the sum of
//           a product.  All stay to the last.
// Numerics  sums of a warp's K-tiles, then their sum in the order of the warps: the same bits on every run.
extern "C" __global__ void fused_backward_embedding(real* dx, const real* dy, const real* w, const real* x,
                                                    const real* table, const int* labels, int M, int K, int N,
                                                    int V) {
    __shared__ Tiles tiles[WARPS];
    Matrix given = {dy, N};
    auto below = [&](int m, int k, real g) {
        if (m < M && k < K) dx[m * K + k] = tanh_gradient(g * table[labels[m] * K + k], x[m * K + k]);
    };
    FOR_EACH_TILE(tile, ceil_div(K, COLUMNS))
    backward_tile<true>(tile, tiles, nullptr, given, w, M, N, K, below, Frozen());
}

// ---- trained ------------------------------------------------------------------------------------------------

template <class X, class Dy>
__device__ Update<X, Dy> update(int tile, Trained w, Trained b, Adam adam, X x, Dy dy, int M, int N, int K) {
    return {w, b, adam, x, dy, tile, ceil_div(K, COLUMNS), M, N, K};
}

// fused_train_head: the head, the gradient through the layer below and its dropout, and the update of that
// layer.
//
//   dy by (7),   dx = LeakyReLU'(dropout'(dy w^T; x_mask); x),   Adam   reference.py (7), (4), (8)
//
// Threads   block (8, 32), a tile of 8 rows of w and all rows of dx, 32 at a time; its 8 warps share N.  While
//           32 columns of its 8 rows of w are in shared memory, a warp makes their gradient and moves them.
// Memory    20300000 bytes per element asked for, 20400000 in sectors, 6540000 the least.  Eight bytes of a row
//           of x_mask take a sector.  Shared memory: 1.02 wavefronts per load, 1 per store; tensor_core 1.32,
//           1.01.
// Limit     bound by the L2 cache, of which every block asks all of y, twice, and by shared memory alike.
// Barriers  6 per tile, 4 of a warp per tile: two of a warp for each of its K-tiles; of all, one after Adam's
//           rate, one after the inputs, two in the sum of a product.  Two in the head.
// Numerics  dx is made of w as it was.  Adam's rate is formed in double.  Sums of a warp's K-tiles, then their
//           sum in the order of the warps: the same bits on every run.
// Source    Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1.
extern "C" __global__ void fused_train_head(real* loss, real* accuracy, real* dlogits, real* dx, real* w,
                                            real* w_m, real* w_v, real* b, real* b_m, real* b_v, const real* y,
                                            const unsigned char* mask, const real* head_w, const real* head_b,
                                            const real* x, const unsigned char* x_mask, const long long* t,
                                            real target, real slope, real rate, double learning_rate,
                                            double beta1, double beta2, double eps, int M, int K, int N) {
    __shared__ Tiles tiles[WARPS];
    __shared__ real rate_of_adam;
    __shared__ __align__(16) real inputs[Kept::SIZE], of_logits[MOST_ROWS], scratch[2 * WARPS];
    Adam adam = adam_of(&rate_of_adam, t, learning_rate, beta1, beta2, eps);
    head(of_logits, scratch, loss, accuracy, dlogits, y, head_w, head_b, target, M, N);
    HeadGradient dy = {of_logits, head_w, y, mask, slope, rate, N};
    auto below = [&](int m, int k, real g) {
        int i = m * K + k;
        if (m < M && k < K) dx[i] = leaky_relu_gradient(dropped_out(g, x_mask[i], rate), x[i], slope);
    };
    Matrix input = {x, K};
    FOR_EACH_TILE(tile, ceil_div(K, COLUMNS))
    backward_tile<true>(tile, tiles, inputs, dy, w, M, N, K, below,
                        update(tile, {w, w_m, w_v}, {b, b_m, b_v}, adam, input, dy, M, N, K));
}

// fused_train_leaky_relu: the gradient at a layer's input, through LeakyReLU, and the layer's update.
//
//   dx = LeakyReLU'(dy w^T; x),   Adam   reference.py (1), (8)
//
// Threads   block (8, 32), a tile of 8 rows of w and all rows of dx, 32 at a time; its 8 warps share N.  While
//           32 columns of its 8 rows of w are in shared memory, a warp makes their gradient and moves them.
// Memory    653 bytes per element asked for, 653 in sectors, 397 the least.  w, m and v are read and written;
//           each block reads all of dy, from the L2 cache.  Shared memory: 1.02 wavefronts per load, 1 per
//           store; tensor_core 1.48, 1.01.
// Limit     bound by the L2 cache, and by shared memory.
// Barriers  4 per tile, 4 of a warp per tile: two of a warp for each of its K-tiles; of all, one after Adam's
//           rate, one after the inputs, two in the sum of a product.
// Numerics  dx is made of w as it was.  Adam's rate is formed in double.  Sums of a warp's K-tiles, then their
//           sum in the order of the warps: the same bits on every run.
// Source    Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1.
extern "C" __global__ void fused_train_leaky_relu(real* dx, real* w, real* w_m, real* w_v, real* b, real* b_m,
                                                  real* b_v, const real* dy, const real* x, const long long* t,
                                                  real slope, double learning_rate, double beta1, double beta2,
                                                  double eps, int M, int K, int N) {
    __shared__ Tiles tiles[WARPS];
    __shared__ real rate_of_adam;
    __shared__ __align__(16) real inputs[Kept::SIZE];
    Adam adam = adam_of(&rate_of_adam, t, learning_rate, beta1, beta2, eps);
    Matrix given = {dy, N};
    Matrix input = {x, K};
    auto below = [&](int m, int k, real g) {
        if (m < M && k < K) dx[m * K + k] = leaky_relu_gradient(g, x[m * K + k], slope);
    };
    FOR_EACH_TILE(tile, ceil_div(K, COLUMNS))
    backward_tile<true>(tile, tiles, inputs, given, w, M, N, K, below,
                        update(tile, {w, w_m, w_v}, {b, b_m, b_v}, adam, input, given, M, N, K));
}

__device__ void norm_below(int tile, real* scratch, real* dx, Trained gamma, Trained beta, const real* r,
                           const real* mean, const real* rstd, real first, real slope, Adam adam, int M,
                           int K) {
    int c = tile * COLUMNS + threadIdx.x;
    bool inside = c < K;
    real mean_c = inside ? mean[c] : 0, rstd_c = inside ? rstd[c] : 0, gamma_c = inside ? gamma.p[c] : 0;
    auto dy = [&](int m) { return m < ROWS ? first : dx[m * K + c]; };
    auto x = [&](int m) { return r[m * K + c]; };
    NormGradients of = column_gradients(dy, x, mean_c, rstd_c, inside, M, scratch);
    if (!inside) return;  // no barrier below
    for (int m = threadIdx.y; m < M; m += ROWS) {
        real g = normalised_gradient(dy(m), x(m), mean_c, rstd_c, gamma_c, of, M);
        dx[m * K + c] = leaky_relu_gradient(g, x(m), slope);
    }
    if (threadIdx.y == 0) gamma.move(c, of.dgamma, adam);
    if (threadIdx.y == 1) beta.move(c, of.dbeta, adam);
}

// fused_train_batchnorm: the same through batch normalisation and LeakyReLU, with the update of gamma and
// beta.
//
//   dx = LeakyReLU'(batchnorm'(dy w^T; r); r),   Adam   reference.py (5), (8)
//
// Threads   block (8, 32), as fused_train_leaky_relu.
// Memory    1010 bytes per element asked for, 1010 in sectors, 605 the least.  w, m and v are read and written;
//           each block reads all of dy, from the L2 cache.  A thread keeps dy w^T of its first row.  Shared
//           memory: 1.02 wavefronts per load, 1 per store; tensor_core 1.37, 1.01.
// Limit     bound by the L2 cache, and by shared memory.
// Barriers  8 per tile, 8 of a warp per tile: two of a warp for each of its K-tiles; of all, one after Adam's
//           rate, one after the inputs, two in the sum of a product.  Four in the sums of dgamma and dbeta.
// Numerics  dx is made of w as it was.  Adam's rate is formed in double.  Sums of a warp's K-tiles, then their
//           sum in the order of the warps: the same bits on every run.
// Source    Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.
extern "C" __global__ void fused_train_batchnorm(real* dx, real* w, real* w_m, real* w_v, real* b, real* b_m,
                                                 real* b_v, real* gamma, real* gamma_m, real* gamma_v,
                                                 real* beta, real* beta_m, real* beta_v, const real* dy,
                                                 const real* x, const real* r, const real* mean,
                                                 const real* rstd, const long long* t, real slope,
                                                 double learning_rate, double beta1, double beta2, double eps,
                                                 int M, int K, int N) {
    __shared__ Tiles tiles[WARPS];
    __shared__ real rate_of_adam;
    __shared__ __align__(16) real inputs[Kept::SIZE], scratch[THREADS];
    Adam adam = adam_of(&rate_of_adam, t, learning_rate, beta1, beta2, eps);
    Matrix given = {dy, N};
    Matrix input = {x, K};
    FOR_EACH_TILE(tile, ceil_div(K, COLUMNS)) {
        real first = 0;  // of this thread's rows; others are read again
        auto below = [&](int m, int k, real g) {
            if (m < ROWS) first = g;
            if (m >= ROWS && m < M && k < K) dx[m * K + k] = g;
        };
        backward_tile<true>(tile, tiles, inputs, given, w, M, N, K, below,
                            update(tile, {w, w_m, w_v}, {b, b_m, b_v}, adam, input, given, M, N, K));
        norm_below(tile, scratch, dx, {gamma, gamma_m, gamma_v}, {beta, beta_m, beta_v}, r, mean, rstd, first,
                   slope, adam, M, K);
    }
}

// fused_train_embedding: the update of a network's first layer and of the embedding below it.
//
//   dtable = embedding'(dy w^T; x, labels),   Adam   reference.py (6), (8)
//
// Threads   block (8, 32), as fused_train_leaky_relu; row threadIdx.y of the table gathers its rows of the
//           mini-batch.
// Memory    49.5 bytes per element asked for, 43.3 in sectors, 24.9 the least.  w, m and v are read and
//           written; each block reads all of dy, from the L2 cache.  Shared memory: 1.03 wavefronts per load, 1
//           per store; tensor_core 1.48, 1.01.
// Limit     bound by the L2 cache, and by shared memory.
// Barriers  5 per tile, 4 of a warp per tile: two of a warp for each of its K-tiles; of all, one after Adam's
//           rate, one after the inputs, two in the sum of a product.  One before the gather.
// Numerics  dx is made of w as it was.  Adam's rate is formed in double.  Sums of a warp's K-tiles, then their
//           sum in the order of the warps: the same bits on every run.
// Source    Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1.
extern "C" __global__ void fused_train_embedding(real* w, real* w_m, real* w_v, real* b, real* b_m, real* b_v,
                                                 real* table, real* table_m, real* table_v, const real* dy,
                                                 const real* x, const int* labels, const long long* t,
                                                 double learning_rate, double beta1, double beta2, double eps,
                                                 int K, int N, int V, int M) {
    __shared__ Tiles tiles[WARPS];
    __shared__ real rate_of_adam;
    __shared__ __align__(16) real inputs[Kept::SIZE], products[THREADS];
    Adam adam = adam_of(&rate_of_adam, t, learning_rate, beta1, beta2, eps);
    Matrix given = {dy, N};
    Embedded input = {x, table, labels, K};
    FOR_EACH_TILE(tile, ceil_div(K, COLUMNS)) {
        real of_label = 0;  // the gradient of row threadIdx.y of the table, in this thread's column
        auto below = [&](int m, int k, real g) {
            products[thread_in_block()] = m < M && k < K ? g * x[m * K + k] : 0;
            __syncthreads();  // those of all rows are there; the next ones come behind the next product
            int top = m - threadIdx.y;
            for (int row = 0; row < ROWS && top + row < M; ++row)
                if (labels[top + row] == (int)threadIdx.y) of_label += products[row * COLUMNS + threadIdx.x];
        };
        backward_tile<true>(tile, tiles, inputs, given, w, M, N, K, below,
                            update(tile, {w, w_m, w_v}, {b, b_m, b_v}, adam, input, given, M, N, K));
        int k = tile * COLUMNS + threadIdx.x, v = threadIdx.y;
        if (k < K && v < V) Trained{table, table_m, table_v}.move(v * K + k, of_label, adam);
    }
}

// fused_train_dense: a layer's update alone.
//
//   dw = x^T dy,   db = sum of dy's rows,   Adam   reference.py (8)
//
// Threads   block (8, 32), as fused_train_leaky_relu.
// Memory    169 bytes per element asked for, 332 in sectors, 152 the least.  At the head's one column a lane of
//           32 has work.  Shared memory: 1 wavefront per load, 1 per store; tensor_core 1.91, 1.1.
// Limit     bound by latency.
// Barriers  3 per tile, 2 of a warp per tile: two of a warp for each of its K-tiles; of all, one after Adam's
//           rate, one after the inputs, one at the end.
// Numerics  dx is made of w as it was.  Adam's rate is formed in double.  Sums of a warp's K-tiles, then their
//           sum in the order of the warps: the same bits on every run.
// Source    Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1.
extern "C" __global__ void fused_train_dense(real* w, real* w_m, real* w_v, real* b, real* b_m, real* b_v,
                                             const real* dy, const real* x, const long long* t,
                                             double learning_rate, double beta1, double beta2, double eps,
                                             int K, int N, int M) {
    __shared__ Tiles tiles[WARPS];
    __shared__ real rate_of_adam;
    __shared__ __align__(16) real inputs[Kept::SIZE];
    Adam adam = adam_of(&rate_of_adam, t, learning_rate, beta1, beta2, eps);
    Matrix given = {dy, N};
    Matrix input = {x, K};
    auto below = [](int, int, real) {};
    FOR_EACH_TILE(tile, ceil_div(K, COLUMNS))
    backward_tile<false>(tile, tiles, inputs, given, w, M, N, K, below,
                         update(tile, {w, w_m, w_v}, {b, b_m, b_v}, adam, input, given, M, N, K));
}
