// The loss of one logit and its gradient, for kernels that fuse them too.

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
