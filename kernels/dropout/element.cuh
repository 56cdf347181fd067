// What dropout does to one element, for kernels that fuse it too.

__device__ inline bool keeps(word32 word, real rate) {
    return uniform(word) >= rate;
}

__device__ inline real dropped_out(real value, bool keep, real rate) {
    return keep ? value / (1 - rate) : 0;
}
