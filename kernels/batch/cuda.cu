// The mini-batch: a gather.  Where a thread reads is told by what it has read before.
//
//      indices   7  2  7          x   row 0  <-  images   row 7
//                                     row 1  <-           row 2
//                                     row 2  <-           row 7
//
// Rows and columns count here.  `locate` (common.cuh) gives a thread its own in a tile of 8 x 32: x walks
// columns, so that the lanes of a warp are neighbours in a row, and y walks rows.

#include "element.cuh"

// batch_gather: fetch rows of the data set by index and scale their pixels to the range of tanh.
//
//   x[b] = (images[indices[b]] - 127.5) / 127.5,   y[b] = labels[indices[b]]   reference.py (1), (2)
//
// Threads   block (32, 8), a tile of as many pixels; lanes of a warp read neighbouring bytes of one image.
// Memory    9.01 bytes per element asked for, 6.58 in sectors, 5.01 the least.  A byte of an image is read,
//           a float written; all lanes of a warp load the same index, one sector.
// Limit     bound by latency: each row waits for its index.
// Numerics  p - 127.5 is exact; one rounding.
__device__ void batch_gather_tile(int tile, real* x, int* y, const unsigned char* images,
                                  const unsigned char* labels, const int* indices, int B, int P) {
    int b, p;
    if (!locate(tile, B, P, &b, &p)) return;
    int row = indices[b];
    x[b * P + p] = pixel_value(images[(long long)row * P + p]);
    if (p == 0) y[b] = labels[row];
}

extern "C" __global__ void batch_gather(real* x, int* y, const unsigned char* images,
                                        const unsigned char* labels, const int* indices, int B, int P, int N) {
    FOR_EACH_TILE(tile, tiles_of(B, P)) batch_gather_tile(tile, x, y, images, labels, indices, B, P);
}
