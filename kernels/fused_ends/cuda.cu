// The two ends of an iteration: what it draws and what it leaves behind, one launch each, as each is too small
// to fill a GPU.

#include "../batch/element.cuh"
#include "../philox/element.cuh"

struct Draws {
    const long long* iteration;
    word64 seed;

    // Element i of a stream of integers.
    __device__ int integer(word32 stream, int i, word32 high) const {
        return integer_below(stream_block(i / 4, iteration, seed, stream).v[i % 4], high);
    }
};

// Pixel tiles come first, then those of the noise, a thread for four elements of it.
__device__ inline int noise_tiles(int M, int K) {
    return ceil_div(M * K, 4 * THREADS);
}

// This thread's pixel, if it has one: row `image` of the data set, which the index drawn for row b names.
__device__ inline bool draw_pixel(int tile, real* x, const unsigned char* images, Draws draws, word32 stream,
                                  int M, int P, int N, int* b, int* p, int* image) {
    if (!locate(tile, M, P, b, p)) return false;
    *image = draws.integer(stream, *b, N);
    x[*b * P + *p] = pixel_value(images[(long long)*image * P + *p]);
    return true;
}

__device__ inline int first_noise(int tile) {
    return 4 * (tile * THREADS + threadIdx.y * blockDim.x + threadIdx.x);
}

// fused_draw: a mini-batch of images, and noise twice.
//
//   x = images,   z = normals   reference.py (1)
//
// Threads   block (32, 8): tiles of as many pixels, then tiles of four numbers of noise per thread.
// Memory    14.3 bytes per element asked for, 7.61 in sectors, 6.02 the least.  An index is drawn anew for
//           each pixel.
// Limit     bound by latency: the cipher, then the image that it names.
// Numerics  as batch_gather and random_normal.
// Source    Salmon et al. 2011, section 3.3.
extern "C" __global__ void fused_draw(real* x, real* z, const unsigned char* images, const long long* iteration,
                                      unsigned long long seed, unsigned index_stream, unsigned noise_stream,
                                      int M, int P, int K, int N) {
    Draws draws = {iteration, seed};
    int pixel_tiles = tiles_of(M, P), b, p, image;
    FOR_EACH_TILE(tile, pixel_tiles + noise_tiles(M, K)) {
        if (tile < pixel_tiles) {
            draw_pixel(tile, x, images, draws, index_stream, M, P, N, &b, &p, &image);
            continue;
        }
        int i = first_noise(tile - pixel_tiles), there = M * K - i;
        if (there <= 0) continue;
        Quad<real> noise = normals(stream_block(i / 4, iteration, seed, noise_stream));
        store_quad(z + i, noise, there);
        store_quad(z + M * K + i, noise, there);
    }
}

// Rows of the table by the labels of four elements from i on, times the noise.
template <class Label>
__device__ Quad<real> embedded(Quad<real> noise, const real* table, Label label, int i, int there, int K) {
    Quad<real> result = {};
    int k = i % K;
    if (K - k >= 4) {
        Quad<real> factor = load_quad(table + label(i / K) * K + k, there);
        for (int j = 0; j < 4; ++j) result.v[j] = noise.v[j] * factor.v[j];
        return result;
    }
    for (int j = 0; j < 4 && j < there; ++j)
        result.v[j] = noise.v[j] * table[label((i + j) / K) * K + (i + j) % K];
    return result;
}

// fused_draw_embedding: a mini-batch of images and labels, noise, labels to ask for, and the noise times
// their embeddings.
//
//   x, labels[0] = images,   z = normals,   labels[1] = integers,   h[i] = z table[labels[i]]
//       reference.py (2)
//
// Threads   block (32, 8), as fused_draw.
// Memory    16.4 bytes per element asked for, 9.28 in sectors, 6.7 the least.  An index is drawn anew for each
//           pixel, and labels where the noise needs them.
// Limit     bound by latency: the cipher, then the label that it names, then its embedding.
// Numerics  as the single ops: the same bits.
// Source    Salmon et al. 2011, section 3.3.
extern "C" __global__ void fused_draw_embedding(real* x, int* labels, real* z, real* h,
                                                const unsigned char* images, const unsigned char* image_labels,
                                                const real* table, const long long* iteration,
                                                unsigned long long seed, unsigned index_stream,
                                                unsigned noise_stream, unsigned label_stream, int M, int P,
                                                int K, int N, int V) {
    Draws draws = {iteration, seed};
    auto shown = [&](int b) { return (int)image_labels[draws.integer(index_stream, b, N)]; };
    auto wanted = [&](int b) { return draws.integer(label_stream, b, V); };
    int pixel_tiles = tiles_of(M, P), b, p, image;
    FOR_EACH_TILE(tile, pixel_tiles + noise_tiles(M, K)) {
        if (tile < pixel_tiles) {
            if (draw_pixel(tile, x, images, draws, index_stream, M, P, N, &b, &p, &image) && p == 0) {
                labels[b] = image_labels[image];
                labels[M + b] = wanted(b);
            }
            continue;
        }
        int i = first_noise(tile - pixel_tiles), there = M * K - i;
        if (there <= 0) continue;
        Quad<real> noise = normals(stream_block(i / 4, iteration, seed, noise_stream));
        store_quad(z + i, noise, there);
        store_quad(h + i, embedded(noise, table, shown, i, there, K), there);
        store_quad(h + M * K + i, embedded(noise, table, wanted, i, there, K), there);
    }
}

// fused_record: the losses into the ring, then the counters on.
//
//   ring[counters[0] mod R] = losses,   counters += increments   reference.py (3)
//
// Threads   block (THREADS, 1).
// Memory    3.65 bytes per element asked for, 0.693 in sectors, 0.24 the least.  The elements are the ring's,
//           of which a launch writes one row.
// Limit     bound by the launch itself.
// Barriers  1 per tile: between the last look at the iteration's number and its change.
// Numerics  a copy, and integers.
extern "C" __global__ void fused_record(real* ring, long long* counters, const real* losses,
                                        const long long* increments, int R, int C, int n) {
    int row = counters[0] % R;
    for (int c = threadIdx.x; c < C; c += blockDim.x) ring[row * C + c] = losses[c];
    __syncthreads();  // all have read the iteration's number
    for (int i = threadIdx.x; i < n; i += blockDim.x) counters[i] += increments[i];
}
