// Batch normalisation of many rows of few columns: a block has a part of the rows, and leaves sums of it.
//
//      rows      | c = 0 ... 31 | 32 ... 63 |     One launch leaves a row of sums for each part.  In the next
//      part 0    |   block 0    |  block 1  |     each block adds up the rows of all parts, in their order,
//      part 1    |   block 2    |  block 3  |     and then goes on with its own part.  The end of a launch is
//       ...      |     ...      |    ...    |     the only barrier that all blocks have.

// The first row of a part; of the part behind the last one, how many rows there are.
__device__ inline int first_row_of(int part, int S, int B) {
    return min(part * ceil_div(B, S), B);
}

// batchnorm_moments: mean and centred squares of each part of the rows.
//
//   mean[s] = 1/n[s] sum_b x,   q[s] = sum_b (x - mean[s])^2   reference.py (7)
//
// Threads   block (32, 8), a tile of 32 columns of a part.
// Memory    792 bytes per element asked for, 792 in sectors, 400 the least.  An element is that of means, for
//           98 rows; x is read twice, the second time from cache.  Shared memory: 1 wavefront per load, 1 per
//           store.
// Limit     bound by bandwidth.
// Barriers  4 per tile: two in each sum.  Threads with c >= C stay alive to reach them and add zeros.
// Numerics  two passes, as in batchnorm_forward_train.  Fixed order of additions.
__device__ void batchnorm_moments_tile(int tile, real* scratch, real* means, real* squares, const real* x,
                                       int S, int C, int B) {
    int across = ceil_div(C, blockDim.x), s = tile / across, c = tile % across * blockDim.x + threadIdx.x;
    int first = first_row_of(s, S, B), last = first_row_of(s + 1, S, B);
    bool inside = c < C;
    auto column = [&](int b) { return x[(first + b) * C + c]; };
    real mean_s = column_sum(column, inside, last - first, scratch) / max(1, last - first);
    real squares_s = column_squares(column, mean_s, inside, last - first, scratch);
    if (inside && threadIdx.y == 0) {
        means[s * C + c] = mean_s;
        squares[s * C + c] = squares_s;
    }
}

extern "C" __global__ void batchnorm_moments(real* means, real* squares, const real* x, int S, int C, int B) {
    __shared__ real scratch[THREADS];
    FOR_EACH_TILE(tile, S * ceil_div(C, blockDim.x))
    batchnorm_moments_tile(tile, scratch, means, squares, x, S, C, B);
}

// batchnorm_normalise: batchnorm_forward_train, by the moments of the parts of all ranks.
//
//   mean = 1/RB sum_s n[s] mean[s],   var = 1/RB sum_s (q[s] + n[s] (mean[s] - mean)^2),
//   y = gamma (x - mean) rstd + beta,   moving = momentum moving + (1 - momentum) batch
//       reference.py (2), (3), (8)
//
// Threads   block (32, 8), a tile of 32 columns of a part.
// Memory    16.5 bytes per element asked for, 16.5 in sectors, 8.09 the least.  x is read, y written: 8 bytes.
//           The rest are the moments, which every block reads from the L2 cache.  Shared memory: 1 wavefront
//           per load, 1 per store.
// Limit     bound by bandwidth; with few rows, by the latency of the sums.
// Barriers  4 per tile: two in each sum.  Threads with c >= C stay alive to reach them and add zeros.
// Numerics  no difference of large numbers.  Every block computes the same bits; those of part 0 store them.
__device__ void batchnorm_normalise_tile(int tile, real* scratch, real* y, real* mean, real* rstd,
                                         real* moving_mean, real* moving_variance, const real* x,
                                         const real* moments, const real* gamma, const real* beta, real eps,
                                         real momentum, int B, int C, int R, int S) {
    int across = ceil_div(C, blockDim.x), s = tile / across, c = tile % across * blockDim.x + threadIdx.x;
    bool inside = c < C;
    auto rows_of = [&](int p) { return first_row_of(p % S + 1, S, B) - first_row_of(p % S, S, B); };
    auto mean_of = [&](int p) { return moments + (p + p / S * S) * C + c; };  // its square is S rows behind
    auto sum_of = [&](int p) { return rows_of(p) * *mean_of(p); };
    real mean_c = column_sum(sum_of, inside, R * S, scratch) / (R * B);
    auto squares_of = [&](int p) {
        real apart = *mean_of(p) - mean_c;
        return mean_of(p)[S * C] + rows_of(p) * apart * apart;
    };
    real variance = column_sum(squares_of, inside, R * S, scratch) / (R * B);
    if (!inside) return;  // no barrier below
    Moments of = {mean_c, variance, 1 / sqrt(variance + eps)};
    real gamma_c = gamma[c], beta_c = beta[c];
    int last = first_row_of(s + 1, S, B);
    for (int b = first_row_of(s, S, B) + threadIdx.y; b < last; b += blockDim.y)
        y[b * C + c] = normalised(x[b * C + c], of.mean, of.rstd, gamma_c, beta_c);
    if (s == 0 && threadIdx.y == 0) keep_moments(mean, rstd, moving_mean, moving_variance, c, of, momentum);
}

extern "C" __global__ void batchnorm_normalise(real* y, real* mean, real* rstd, real* moving_mean,
                                               real* moving_variance, const real* x, const real* moments,
                                               const real* gamma, const real* beta, real eps, real momentum,
                                               int B, int C, int R, int S) {
    __shared__ real scratch[THREADS];
    FOR_EACH_TILE(tile, S * ceil_div(C, blockDim.x))
    batchnorm_normalise_tile(tile, scratch, y, mean, rstd, moving_mean, moving_variance, x, moments, gamma,
                             beta, eps, momentum, B, C, R, S);
}

// batchnorm_sums: what each part of the rows adds to the gradients of gamma and beta.
//
//   dbeta[s] = sum_b dy,   dgamma[s] = sum_b dy xhat   reference.py (9)
//
// Threads   block (32, 8), a tile of 32 columns of a part.
// Memory    856 bytes per element asked for, 856 in sectors, 792 the least.  An element is that of dgammas, for
//           98 rows of dy and x; a thread loads mean and rstd once for them.  Shared memory: 1 wavefront per
//           load, 1 per store.
// Limit     bound by bandwidth.
// Barriers  4 per tile: two in each sum.  Threads with c >= C stay alive to reach them and add zeros.
// Numerics  fixed order of additions.
__device__ void batchnorm_sums_tile(int tile, real* scratch, real* dgammas, real* dbetas, const real* dy,
                                    const real* x, const real* mean, const real* rstd, int S, int C, int B) {
    int across = ceil_div(C, blockDim.x), s = tile / across, c = tile % across * blockDim.x + threadIdx.x;
    int first = first_row_of(s, S, B), last = first_row_of(s + 1, S, B);
    bool inside = c < C;
    real mean_c = inside ? mean[c] : 0, rstd_c = inside ? rstd[c] : 0;
    auto arriving = [&](int b) { return dy[(first + b) * C + c]; };
    auto column = [&](int b) { return x[(first + b) * C + c]; };
    NormGradients of = column_gradients(arriving, column, mean_c, rstd_c, inside, last - first, scratch);
    if (inside && threadIdx.y == 0) {
        dbetas[s * C + c] = of.dbeta;
        dgammas[s * C + c] = of.dgamma;
    }
}

extern "C" __global__ void batchnorm_sums(real* dgammas, real* dbetas, const real* dy, const real* x,
                                          const real* mean, const real* rstd, int S, int C, int B) {
    __shared__ real scratch[THREADS];
    FOR_EACH_TILE(tile, S * ceil_div(C, blockDim.x))
    batchnorm_sums_tile(tile, scratch, dgammas, dbetas, dy, x, mean, rstd, S, C, B);
}

// batchnorm_dx: batchnorm_backward, by the sums of parts.
//
//   dbeta = sum_s dbeta[s],   dgamma = sum_s dgamma[s],   dx = gamma rstd (dy - dbeta / B - xhat dgamma / B)
//       reference.py (5), (10)
//
// Threads   block (32, 8), a tile of 32 columns of a part.
// Memory    18.2 bytes per element asked for, 18.2 in sectors, 12.1 the least.  dy and x are read, dx written:
//           12 bytes.  The rest are the sums, which every block reads from the L2 cache.  Shared memory: 1
//           wavefront per load, 1 per store.
// Limit     bound by bandwidth; with few rows, by the latency of the sums.
// Barriers  4 per tile: two in each sum.  Threads with c >= C stay alive to reach them and add zeros.
// Numerics  fixed order of additions.  Every block computes the same sums; those of part 0 store them.
__device__ void batchnorm_dx_tile(int tile, real* scratch, real* dx, real* dgamma, real* dbeta, const real* dy,
                                  const real* x, const real* gamma, const real* mean, const real* rstd,
                                  const real* dgammas, const real* dbetas, int B, int C, int S) {
    int across = ceil_div(C, blockDim.x), s = tile / across, c = tile % across * blockDim.x + threadIdx.x;
    bool inside = c < C;
    real dbeta_c = column_sum([&](int p) { return dbetas[p * C + c]; }, inside, S, scratch);
    real dgamma_c = column_sum([&](int p) { return dgammas[p * C + c]; }, inside, S, scratch);
    if (!inside) return;  // no barrier below
    NormGradients of = {dgamma_c, dbeta_c};
    real mean_c = mean[c], rstd_c = rstd[c], gamma_c = gamma[c];
    int last = first_row_of(s + 1, S, B);
    for (int b = first_row_of(s, S, B) + threadIdx.y; b < last; b += blockDim.y)
        dx[b * C + c] = normalised_gradient(dy[b * C + c], x[b * C + c], mean_c, rstd_c, gamma_c, of, B);
    if (s == 0 && threadIdx.y == 0) {
        dbeta[c] = dbeta_c;
        dgamma[c] = dgamma_c;
    }
}

extern "C" __global__ void batchnorm_dx(real* dx, real* dgamma, real* dbeta, const real* dy, const real* x,
                                        const real* gamma, const real* mean, const real* rstd,
                                        const real* dgammas, const real* dbetas, int B, int C, int S) {
    __shared__ real scratch[THREADS];
    FOR_EACH_TILE(tile, S * ceil_div(C, blockDim.x))
    batchnorm_dx_tile(tile, scratch, dx, dgamma, dbeta, dy, x, gamma, mean, rstd, dgammas, dbetas, B, C, S);
}
