// Binary cross-entropy on the logit: a reduction to a number, by a tree.
//
//      thread       0       1       2       3      4   5   6   7        with 8 threads instead of 256
//                   a       b       c       d      e   f   g   h        what each has added up
//      half = 4    a+e     b+f     c+g     d+h                          and that of the thread 4 further
//      half = 2  a+e+c+g b+f+d+h                                        and that of the thread 2 further
//      half = 1    all                                                  and that of the next
//
// The numbers lie in shared memory, which all threads of a block read and write.  At a barrier (__syncthreads)
// each waits until all have come: what was written before it can be read behind it.  There is one per level, in
// sum_over_block (common.cuh).  Word w of shared memory lies in bank w % 32; a request of a warp takes one
// wavefront if its lanes want one word of each bank at most, as these neighbours do, else as many as there are
// different words wanted of one bank.

#include "element.cuh"

// bce_forward: the mean loss of a batch against one target, and the share of logits on the right side.
//
//   loss = mean of max(l, 0) - l t + ln(1 + exp(-|l|)),   accuracy = share of (l > 0) = (t > 1/2)
//       reference.py (1), (3)
//
// Threads   one block (THREADS, 1).  A thread adds up every 256th logit, then a tree adds up the threads.
// Memory    136 bytes per element asked for, 192 in sectors, 136 the least.  The element is the loss: 32 logits
//           are read for it, and accuracy is written beside it, each in a sector of its own.  Shared memory: 1
//           wavefront per load, 1 per store.
// Limit     bound by latency: two trees of eight steps.
// Barriers  20 per tile: ten in each sum, one before and after it and one per level of the tree.  All threads
//           of the block stay to the end.
// Numerics  no exponent is positive, so nothing overflows.  A fixed tree: the same bits on every run.
extern "C" __global__ void bce_forward(real* loss, real* accuracy, const real* logits, real target, int B) {
    __shared__ real scratch[THREADS];
    real terms = 0, right = 0;
    for (int b = threadIdx.x; b < B; b += blockDim.x) {
        real logit = logits[b];
        terms += bce_loss(logit, target);
        right += bce_right(logit, target);
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
// Threads   block (THREADS, 1), one thread per logit.
// Memory    8 bytes per element asked for, 8 in sectors, 8 the least.
// Limit     bound by latency.
// Numerics  the sigmoid from exp(-|l|) on both sides of 0, so nothing overflows and small values keep their
//           digits.
__device__ void bce_backward_tile(int tile, real* dlogits, const real* logits, real target, int B) {
    int b = tile * blockDim.x + threadIdx.x;
    if (b < B) dlogits[b] = bce_gradient(logits[b], target, B);
}

extern "C" __global__ void bce_backward(real* dlogits, const real* logits, real target, int B) {
    FOR_EACH_TILE(tile, ceil_div(B, blockDim.x)) bce_backward_tile(tile, dlogits, logits, target, B);
}
