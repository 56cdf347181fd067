// What Adam does to one element, for kernels that fuse it too.

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
