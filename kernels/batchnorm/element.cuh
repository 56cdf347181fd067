// What batch normalisation does to a column, whose rows threadIdx.y walks, for kernels that fuse it too.

// The sum of x(b) over so many rows; 0 of a column that is not there.  All threads of the block must arrive.
template <class X>
__device__ real column_sum(X x, bool inside, int rows, real* scratch) {
    real sum = 0;
    for (int b = threadIdx.y; inside && b < rows; b += blockDim.y) sum += x(b);
    return sum_over_y(sum, scratch);
}

// The sum of squares of what x(b) is apart from the mean.
template <class X>
__device__ real column_squares(X x, real mean, bool inside, int rows, real* scratch) {
    auto square = [&](int b) {
        real centred = x(b) - mean;
        return centred * centred;
    };
    return column_sum(square, inside, rows, scratch);
}

struct Moments {
    real mean, variance, rstd;
};

template <class X>
__device__ Moments column_moments(X x, bool inside, int B, real eps, real* scratch) {
    real mean = column_sum(x, inside, B, scratch) / B;
    real variance = column_squares(x, mean, inside, B, scratch) / B;
    return {mean, variance, 1 / sqrt(variance + eps)};
}

// What is kept of a column c for the backward pass, and for inference.
__device__ inline void keep_moments(real* mean, real* rstd, real* moving_mean, real* moving_variance, int c,
                                    Moments of, real momentum) {
    mean[c] = of.mean;
    rstd[c] = of.rstd;
    moving_mean[c] = momentum * moving_mean[c] + (1 - momentum) * of.mean;
    moving_variance[c] = momentum * moving_variance[c] + (1 - momentum) * of.variance;
}

__device__ inline real normalised(real x, real mean, real rstd, real gamma, real beta) {
    return gamma * ((x - mean) * rstd) + beta;
}

struct NormGradients {
    real dgamma, dbeta;
};

// The sums of dy(b) xhat and of dy(b), likewise.
template <class Dy, class X>
__device__ NormGradients column_gradients(Dy dy, X x, real mean, real rstd, bool inside, int rows,
                                          real* scratch) {
    real dbeta = 0, dgamma = 0;
    for (int b = threadIdx.y; inside && b < rows; b += blockDim.y) {
        real g = dy(b);
        dbeta += g;
        dgamma += g * ((x(b) - mean) * rstd);
    }
    dbeta = sum_over_y(dbeta, scratch);
    return {sum_over_y(dgamma, scratch), dbeta};
}

__device__ inline real normalised_gradient(real dy, real x, real mean, real rstd, real gamma, NormGradients of,
                                           int B) {
    real xhat = (x - mean) * rstd;
    return gamma * rstd * (dy - (of.dbeta + xhat * of.dgamma) / B);
}
