// elements.cuh: the mathematics of single elements and columns, which an op's own kernel shares with the
// kernels that fuse it with others.  The equations are those of each op's reference.py.

#pragma once

// ---- activation ---------------------------------------------------------------------------------------------

__device__ inline real leaky_relu(real x, real slope) {
    return x > 0 ? x : slope * x;
}

__device__ inline real leaky_relu_gradient(real dy, real x, real slope) {
    return x > 0 ? dy : slope * dy;
}

__device__ inline real tanh_gradient(real dy, real y) {
    return dy * (1 - y * y);
}

// ---- adam ---------------------------------------------------------------------------------------------------

struct Adam {
    double beta1, beta2, eps;
    real rate;
};

__device__ inline real adam_rate(const long long* t, double learning_rate, double beta1, double beta2) {
    double step = (double)t[0];
    return (real)(learning_rate * sqrt(1 - pow(beta2, step)) / (1 - pow(beta1, step)));
}

// Moves p, m and v by the gradient g.
__device__ inline void adam_move(real* p, real* m, real* v, real g, Adam adam) {
    real mi = (real)adam.beta1 * *m + (real)(1 - adam.beta1) * g;
    real vi = (real)adam.beta2 * *v + (real)(1 - adam.beta2) * g * g;
    *m = mi;
    *v = vi;
    *p -= adam.rate * mi / (sqrt(vi) + (real)adam.eps);
}

// ---- philox, dropout and batch ------------------------------------------------------------------------------

__device__ inline Quad<real> normals(Words words) {
    Quad<real> values;
    for (int j = 0; j < 4; j += 2) {
        real radius = sqrt(-2 * log(uniform(words.v[j]) + (real)(1.0 / 16777216.0)));
        real angle = 2 * uniform(words.v[j + 1]);  // in units of pi
        values.v[j] = radius * cospi(angle);
        values.v[j + 1] = radius * sinpi(angle);
    }
    return values;
}

__device__ inline int integer_below(word32 word, word32 high) {
    return (int)(((word64)word * high) >> 32);
}

__device__ inline bool keeps(word32 word, real rate) {
    return uniform(word) >= rate;
}

__device__ inline real dropped_out(real value, bool keep, real rate) {
    return keep ? value / (1 - rate) : 0;
}

__device__ inline real pixel_value(unsigned char pixel) {
    return ((real)pixel - (real)127.5) / (real)127.5;
}

// ---- bce ----------------------------------------------------------------------------------------------------

__device__ inline real bce_loss(real logit, real target) {
    return fmax(logit, (real)0) - logit * target + log1p(exp(-fabs(logit)));
}

__device__ inline bool bce_right(real logit, real target) {
    return (logit > 0) == (target > (real)0.5);
}

__device__ inline real bce_gradient(real logit, real target, int B) {
    real e = exp(-fabs(logit));
    real sigmoid = (logit < 0 ? e : (real)1) / (1 + e);
    return (sigmoid - target) / B;
}

// ---- batchnorm: a column, whose rows threadIdx.y walks ------------------------------------------------------

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
