// Counter-based random numbers: a map from the number of an element to its value, with no state at all.
//
//      thread               0                   1                   2
//      counter    (0, stream, it)     (1, stream, it)     (2, stream, it)         it: the iteration
//                     | cipher            | cipher            | cipher
//      words       0  1  2  3          4  5  6  7          8  9 10 11
//      y           0  1  2  3          4  5  6  7          8  9 10 11             one access of 16 bytes each
//
// The cipher, Philox, and that access, store_quad, are in common.cuh, where dropout finds them too.

#include "element.cuh"

// philox_words: the bare generator, for tests against published answers.
//
//   words = philox(counter, key)   reference.py (1), (2)
//
// Threads   block (THREADS, 1), one thread per counter.
// Memory    10 bytes per element asked for, 12 in sectors, 10 the least (n = 1024).  A counter and its words
//           are moved in one access each.  The two words of a key are not: each load asks for 4 of every 8
//           bytes.
// Limit     some 100 integer instructions for 40 bytes: bound by the integer units.
// Numerics  integers, exact.
// Source    Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3.
__device__ void philox_words_tile(int tile, word32* words, const word32* counters, const word32* keys, int n) {
    int i = tile * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Words counter = load_quad(counters + 4 * i, 4);
    store_quad(words + 4 * i, philox(counter, keys[2 * i], keys[2 * i + 1]), 4);
}

extern "C" __global__ void philox_words(unsigned* words, const unsigned* counters, const unsigned* keys,
                                        int n) {
    FOR_EACH_TILE(tile, ceil_div(n, blockDim.x)) philox_words_tile(tile, words, counters, keys, n);
}

// random_uniform: initial weights.
//
//   y = (2 u - 1) limit   reference.py (4), (5)
//
// Threads   block (THREADS, 1); a thread makes a block of four elements, which share one run of the cipher.
// Memory    6 bytes per element asked for, 4.25 in sectors, 4 the least.  A warp stores 512 bytes in a row;
//           every thread loads the iteration, 8 bytes that a warp has in one sector.
// Limit     bound by the integer units.
// Numerics  2 u - 1 is exact; one rounding.
// Source    Salmon et al. 2011, section 3.3.
__device__ void random_uniform_tile(int tile, real* y, const long long* iteration, word64 seed, word32 stream,
                                    real limit, int n) {
    int block = tile * blockDim.x + threadIdx.x;
    if (4 * block >= n) return;
    Words words = stream_block(block, iteration, seed, stream);
    Quad<real> values;
    for (int j = 0; j < 4; ++j) values.v[j] = (2 * uniform(words.v[j]) - 1) * limit;
    store_quad(y + 4 * block, values, n - 4 * block);
}

extern "C" __global__ void random_uniform(real* y, const long long* iteration, unsigned long long seed,
                                          unsigned stream, real limit, int n) {
    FOR_EACH_TILE(tile, ceil_div(n, 4 * blockDim.x))
    random_uniform_tile(tile, y, iteration, seed, stream, limit, n);
}

// random_normal: noise for the generator, two normals from two uniforms.
//
//   r = sqrt(-2 ln u1),  r cos(2 pi u2), r sin(2 pi u2)   reference.py (7)
//
// Threads   block (THREADS, 1); a thread makes a block of four elements: two pairs.
// Memory    6 bytes per element asked for, 4.25 in sectors, 4 the least: as random_uniform.
// Limit     bound by arithmetic: a logarithm, a root and a sine with its cosine for each pair.
// Numerics  u1 is in (0, 1], so the logarithm is finite; cospi and sinpi need no 2 pi u2, which is rounded.
// Source    Box & Muller 1958, "A note on the generation of random normal deviates".
__device__ void random_normal_tile(int tile, real* y, const long long* iteration, word64 seed, word32 stream,
                                   int n) {
    int block = tile * blockDim.x + threadIdx.x;
    if (4 * block >= n) return;
    Words words = stream_block(block, iteration, seed, stream);
    store_quad(y + 4 * block, normals(words), n - 4 * block);
}

extern "C" __global__ void random_normal(real* y, const long long* iteration, unsigned long long seed,
                                         unsigned stream, int n) {
    FOR_EACH_TILE(tile, ceil_div(n, 4 * blockDim.x)) random_normal_tile(tile, y, iteration, seed, stream, n);
}

// random_integers: indices of a mini-batch, and labels.
//
//   k = (w high) >> 32   reference.py (6)
//
// Threads   block (THREADS, 1); a thread makes a block of four elements.
// Memory    6 bytes per element asked for, 5 in sectors, 4.25 the least: as random_uniform, for 32 elements.
// Limit     bound by latency: a mini-batch is a few dozen numbers.
// Numerics  a 64-bit product; no value is more likely than another by over high / 2^32.
// Source    Lemire 2019, arXiv:1805.10941, section 3, without its rejection step.
__device__ void random_integers_tile(int tile, int* y, const long long* iteration, word64 seed, word32 stream,
                                     word32 high, int n) {
    int block = tile * blockDim.x + threadIdx.x;
    if (4 * block >= n) return;
    Words words = stream_block(block, iteration, seed, stream);
    Quad<int> values;
    for (int j = 0; j < 4; ++j) values.v[j] = integer_below(words.v[j], high);
    store_quad(y + 4 * block, values, n - 4 * block);
}

extern "C" __global__ void random_integers(int* y, const long long* iteration, unsigned long long seed,
                                           unsigned stream, unsigned high, int n) {
    FOR_EACH_TILE(tile, ceil_div(n, 4 * blockDim.x))
    random_integers_tile(tile, y, iteration, seed, stream, high, n);
}
