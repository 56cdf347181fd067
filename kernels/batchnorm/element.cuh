// What batch normalisation does to a column, whose rows threadIdx.y walks, for kernels that fuse it too.

struct Moments {
    real mean, variance, rstd;
};

// Of x(b) over the rows; of 0 in a column that is not there.  All threads of the block must arrive.
template <class X>
__device__ Moments column_moments(X x, bool inside, int B, real eps, real* scratch) {
    real sum = 0;
    for (int b = threadIdx.y; inside && b < B; b += blockDim.y) sum += x(b);
    real mean = sum_over_y(sum, scratch) / B;
    sum = 0;
    for (int b = threadIdx.y; inside && b < B; b += blockDim.y) {
        real centred = x(b) - mean;
        sum += centred * centred;
    }
    real variance = sum_over_y(sum, scratch) / B;
    return {mean, variance, 1 / sqrt(variance + eps)};
}

__device__ inline real normalised(real x, real mean, real rstd, real gamma, real beta) {
    return gamma * ((x - mean) * rstd) + beta;
}

struct NormGradients {
    real dgamma, dbeta;
};

// The sums of dy(b) xhat and of dy(b), as above.
template <class Dy, class X>
__device__ NormGradients column_gradients(Dy dy, X x, real mean, real rstd, bool inside, int B, real* scratch) {
    real dbeta = 0, dgamma = 0;
    for (int b = threadIdx.y; inside && b < B; b += blockDim.y) {
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
