// What becomes of one pixel, for kernels that fuse the gather too.

__device__ inline real pixel_value(unsigned char pixel) {
    return ((real)pixel - (real)127.5) / (real)127.5;
}
