// Binary cross-entropy on the logit: a reduction to a number.

// bce_forward: the mean loss of a batch against one target, and the share of logits on the right side.
//
//   loss = mean of max(l, 0) - l t + ln(1 + exp(-|l|)),   accuracy = share of (l > 0) = (t > 1/2)
//       reference.py (1), (3)
//
// Threads   one block (THREADS, 1).  A thread adds up every 256th logit, then a tree adds up the threads.
// Memory    4 bytes read a logit, the least possible.
// Limit     bound by latency: two trees of eight steps.
// Barriers  those of the two sums; all threads of the block stay to the end.
// Numerics  no exponent is positive, so nothing overflows.  A fixed tree: the same bits on every run.
// Source    the rearrangement in reference.py.
// Same op   reference.py (float64)   cpu.py   numba_cuda.py
extern "C" __global__ void bce_forward(real* loss, real* accuracy, const real* logits, real target, int B) {
    __shared__ real scratch[THREADS];
    real terms = 0, right = 0;
    for (int b = threadIdx.x; b < B; b += blockDim.x) {
        real l = logits[b];
        terms += fmax(l, (real)0) - l * target + log1p(exp(-fabs(l)));
        right += (l > 0) == (target > (real)0.5);
    }
    terms = sum_over_block(terms, scratch);
    right = sum_over_block(right, scratch);
    if (threadIdx.x == 0) {
        loss[0] = terms / B;
        accuracy[0] = right / B;
    }
}

// bce_backward: where the gradient of everything starts.
//
//   dl = (sigmoid(l) - t) / B   reference.py (2)
//
// Threads   block (THREADS, 1), one logit a thread.
// Memory    4 bytes read and 4 written a logit, the least possible.
// Limit     bound by latency.
// Numerics  the sigmoid from exp(-|l|) on both sides of 0, so nothing overflows and small values keep their
//           digits.
// Source    the derivative of (1).
// Same op   reference.py (float64)   cpu.py   numba_cuda.py
__device__ void bce_backward_tile(int tile, real* dlogits, const real* logits, real target, int B) {
    int b = tile * blockDim.x + threadIdx.x;
    if (b >= B) return;
    real l = logits[b];
    real e = exp(-fabs(l));
    real sigmoid = (l < 0 ? e : (real)1) / (1 + e);
    dlogits[b] = (sigmoid - target) / B;
}

extern "C" __global__ void bce_backward(real* dlogits, const real* logits, real target, int B) {
    FOR_EACH_TILE(tile, ceil_div(B, blockDim.x)) bce_backward_tile(tile, dlogits, logits, target, B);
}
