// What becomes of a block's words, for kernels that fuse the draw too.

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
