// The three products of a dense layer, six times over: each version adds one idea to the one before it.
//
//   forward           y(M,N)  = x(M,K)  w(K,N) + b      contraction over K   reference.py (1)
//   backward_input    dx(M,K) = dy(M,N) w(K,N)^T        over N               reference.py (2)
//   backward_weight   dw(K,N) = x(M,K)^T dy(M,N)        over M               reference.py (3)
//
// All three are out(rows, columns) = sum over the depth of left(row, d) right(d, column), with one operand
// perhaps read transposed; so each version is one function, and the passes differ in what they hand it.  The
// last three arguments of every kernel are rows, columns and depth under the pass's own names.  The sizes of
// tiles (TILE, ROWS, ...) come from the contract, __init__.py, which needs them for the launch as well.

// Element (i, j) of a matrix that lies in memory row by row, or of its transpose.
template <bool TRANSPOSED>
struct Operand {
    const real* data;
    int stride;  // elements from one row in memory to the next

    __device__ real at(int i, int j) const {
        return data[TRANSPOSED ? j * stride + i : i * stride + j];
    }
};

#define FORWARD_OPERANDS const Operand<false> left = {x, K}, right = {w, N}
#define BACKWARD_INPUT_OPERANDS          \
    const Operand<false> left = {dy, N}; \
    const Operand<true> right = {w, N}
#define BACKWARD_WEIGHT_OPERANDS       \
    const Operand<true> left = {x, K}; \
    const Operand<false> right = {dy, N}

__device__ inline void store(real* out, const real* bias, int row, int column, int rows, int columns,
                             real sum) {
    if (row < rows && column < columns) out[row * columns + column] = bias ? sum + bias[column] : sum;
}

// ---- naive --------------------------------------------------------------------------------------------------

// dense_forward_naive, dense_backward_input_naive, dense_backward_weight_naive: the formula, one thread an
// element.
//
//   out[i,j] = sum_d left[i,d] right[d,j]   reference.py (1), (2), (3)
//
// Threads   block (32, 8), a tile of as many elements.
// Memory    8 bytes asked for each multiply-add: an element of left is fetched once a column, one of right once
//           a row.
// Limit     bound by the caches.
// Numerics  one sum in the order of d.
// Source    the formula.
// Same op   reference.py (float64)   cpu.py   numba_cuda.py
template <bool LT, bool RT>
__device__ void product_naive(int tile, real* out, Operand<LT> left, Operand<RT> right, const real* bias,
                              int rows, int columns, int depth) {
    int i, j;
    if (!locate(tile, rows, columns, &i, &j)) return;
    real sum = 0;
    for (int d = 0; d < depth; ++d) sum += left.at(i, d) * right.at(d, j);
    store(out, bias, i, j, rows, columns, sum);
}

extern "C" __global__ void dense_forward_naive(real* y, const real* x, const real* w, const real* b, int M,
                                               int N, int K) {
    FORWARD_OPERANDS;
    FOR_EACH_TILE(tile, tiles_of(M, N)) product_naive(tile, y, left, right, b, M, N, K);
}

extern "C" __global__ void dense_backward_input_naive(real* dx, const real* dy, const real* w, int M, int K,
                                                      int N) {
    BACKWARD_INPUT_OPERANDS;
    FOR_EACH_TILE(tile, tiles_of(M, K)) product_naive(tile, dx, left, right, (const real*)0, M, K, N);
}

extern "C" __global__ void dense_backward_weight_naive(real* dw, const real* x, const real* dy, int K, int N,
                                                       int M) {
    BACKWARD_WEIGHT_OPERANDS;
    FOR_EACH_TILE(tile, tiles_of(K, N)) product_naive(tile, dw, left, right, (const real*)0, K, N, M);
}

// ---- tiled --------------------------------------------------------------------------------------------------

// Copy the HIGH x WIDE piece of an operand whose corner is (top, side) into shared memory, with zeros outside
// the operand's high x wide elements.  Neighbouring workers walk the direction in which memory is contiguous;
// the column of padding keeps the transposed walk off a single bank.
template <int HIGH, int WIDE, bool TRANSPOSED>
__device__ void load_piece(real (*piece)[WIDE + 1], Operand<TRANSPOSED> operand, int top, int side, int high,
                           int wide, int worker, int workers) {
    for (int e = worker; e < HIGH * WIDE; e += workers) {
        int i = TRANSPOSED ? e % HIGH : e / WIDE, j = TRANSPOSED ? e / HIGH : e % WIDE;
        piece[i][j] = top + i < high && side + j < wide ? operand.at(top + i, side + j) : (real)0;
    }
}

__device__ inline int thread_in_block() {
    return threadIdx.y * blockDim.x + threadIdx.x;
}

// dense_forward_tiled, dense_backward_input_tiled, dense_backward_weight_tiled: share what is fetched.
//
//   out[i,j] = sum over pieces of the depth of sum_d left[i,d] right[d,j]   reference.py (1), (2), (3)
//
// Threads   block (TILE, TILE), one element each of a tile of as many.
// Memory    each element that is fetched is used TILE times: 8 / TILE bytes a multiply-add from global memory,
//           but still 8 from shared memory.
// Limit     bound by shared memory.
// Barriers  two a piece of the depth; no thread leaves before the last.
// Numerics  one sum in the order of d: the bits of the naive version.
// Source    CUDA C++ Programming Guide, "Shared memory".
// Same op   reference.py (float64)   cpu.py   numba_cuda.py
template <bool LT, bool RT>
__device__ void product_tiled(int tile, real* out, Operand<LT> left, Operand<RT> right, const real* bias,
                              int rows, int columns, int depth) {
    __shared__ real left_piece[TILE][TILE + 1];
    __shared__ real right_piece[TILE][TILE + 1];
    int across = ceil_div(columns, TILE);
    int top = tile / across * TILE, side = tile % across * TILE;
    real sum = 0;
    for (int d0 = 0; d0 < depth; d0 += TILE) {
        load_piece<TILE, TILE>(left_piece, left, top, d0, rows, depth, thread_in_block(), TILE * TILE);
        load_piece<TILE, TILE>(right_piece, right, d0, side, depth, columns, thread_in_block(), TILE * TILE);
        __syncthreads();  // both pieces are there
        for (int d = 0; d < TILE; ++d) sum += left_piece[threadIdx.y][d] * right_piece[d][threadIdx.x];
        __syncthreads();  // all have read them; the next ones may come
    }
    store(out, bias, top + threadIdx.y, side + threadIdx.x, rows, columns, sum);
}

__device__ inline int square_tiles(int rows, int columns) {
    return ceil_div(rows, TILE) * ceil_div(columns, TILE);
}

extern "C" __global__ void dense_forward_tiled(real* y, const real* x, const real* w, const real* b, int M,
                                               int N, int K) {
    FORWARD_OPERANDS;
    FOR_EACH_TILE(tile, square_tiles(M, N)) product_tiled(tile, y, left, right, b, M, N, K);
}

extern "C" __global__ void dense_backward_input_tiled(real* dx, const real* dy, const real* w, int M, int K,
                                                      int N) {
    BACKWARD_INPUT_OPERANDS;
    FOR_EACH_TILE(tile, square_tiles(M, K)) product_tiled(tile, dx, left, right, (const real*)0, M, K, N);
}

extern "C" __global__ void dense_backward_weight_tiled(real* dw, const real* x, const real* dy, int K, int N,
                                                       int M) {
    BACKWARD_WEIGHT_OPERANDS;
    FOR_EACH_TILE(tile, square_tiles(K, N)) product_tiled(tile, dw, left, right, (const real*)0, K, N, M);
}

// ---- register_tiled -----------------------------------------------------------------------------------------

// dense_forward_register_tiled, dense_backward_input_register_tiled, dense_backward_weight_register_tiled:
// reuse in registers what was read from shared memory.
//
//   out[i,j] = sum over pieces of the depth of sum_d left[i,d] right[d,j]   reference.py (1), (2), (3)
//
// Threads   block (COLUMNS / 4, ROWS / 4), a tile of ROWS x COLUMNS.  A thread owns 4 x 4 elements, rows and
//           columns a block apart, so that lanes read neighbouring words of shared memory.
// Memory    8 values read from shared memory for 16 multiply-adds: 2 bytes each instead of 8.
// Limit     bound by arithmetic once the tiles fill the machine.
// Barriers  two a piece of the depth; no thread leaves before the last.
// Numerics  one sum in the order of d: the bits of the naive version.
// Source    Volkov & Demmel 2008, "Benchmarking GPUs to tune dense linear algebra", section 5.
// Same op   reference.py (float64)   cpu.py   numba_cuda.py
template <bool LT, bool RT>
__device__ void product_register_tiled(int tile, real* out, Operand<LT> left, Operand<RT> right,
                                       const real* bias, int rows, int columns, int depth) {
    __shared__ real left_piece[ROWS][DEPTH + 1];
    __shared__ real right_piece[DEPTH][COLUMNS + 1];
    const int high = ROWS / 4, wide = COLUMNS / 4, x = threadIdx.x, y = threadIdx.y;
    int across = ceil_div(columns, COLUMNS);
    int top = tile / across * ROWS, side = tile % across * COLUMNS;
    real sum[4][4] = {};
    for (int d0 = 0; d0 < depth; d0 += DEPTH) {
        load_piece<ROWS, DEPTH>(left_piece, left, top, d0, rows, depth, thread_in_block(), high * wide);
        load_piece<DEPTH, COLUMNS>(right_piece, right, d0, side, depth, columns, thread_in_block(),
                                   high * wide);
        __syncthreads();  // both pieces are there
        for (int d = 0; d < DEPTH; ++d)
            for (int i = 0; i < 4; ++i)
                for (int j = 0; j < 4; ++j)
                    sum[i][j] += left_piece[y + i * high][d] * right_piece[d][x + j * wide];
        __syncthreads();  // all have read them; the next ones may come
    }
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j)
            store(out, bias, top + y + i * high, side + x + j * wide, rows, columns, sum[i][j]);
}

__device__ inline int wide_tiles(int rows, int columns) {
    return ceil_div(rows, ROWS) * ceil_div(columns, COLUMNS);
}

extern "C" __global__ void dense_forward_register_tiled(real* y, const real* x, const real* w, const real* b,
                                                        int M, int N, int K) {
    FORWARD_OPERANDS;
    FOR_EACH_TILE(tile, wide_tiles(M, N)) product_register_tiled(tile, y, left, right, b, M, N, K);
}

extern "C" __global__ void dense_backward_input_register_tiled(real* dx, const real* dy, const real* w, int M,
                                                               int K, int N) {
    BACKWARD_INPUT_OPERANDS;
    FOR_EACH_TILE(tile, wide_tiles(M, K))
    product_register_tiled(tile, dx, left, right, (const real*)0, M, K, N);
}

extern "C" __global__ void dense_backward_weight_register_tiled(real* dw, const real* x, const real* dy, int K,
                                                                int N, int M) {
    BACKWARD_WEIGHT_OPERANDS;
    FOR_EACH_TILE(tile, wide_tiles(K, N))
    product_register_tiled(tile, dw, left, right, (const real*)0, K, N, M);
}

// ---- vectorised ---------------------------------------------------------------------------------------------

struct alignas(4 * sizeof(real)) Four {
    real v[4];
};

// Four elements of a row in memory that start at data[0], of which `there` exist, zeros for the others; in one
// access where the address allows it.
__device__ inline Four load_four(const real* data, int there) {
    if (there >= 4 && (word64)data % sizeof(Four) == 0) return *(const Four*)data;
    Four four = {};
    for (int j = 0; j < 4 && j < there; ++j) four.v[j] = data[j];
    return four;
}

// As load_piece, but by fours, and with the depth first in shared memory: piece[d] has the operand's elements
// of depth d and other index e, contiguous in memory along e or along the depth.
template <int WIDE, bool ALONG_DEPTH>
__device__ void load_fours(Four (*piece)[WIDE / 4], const real* data, int stride, int d0, int e0, int depth,
                           int wide) {
    int threads = blockDim.x * blockDim.y;
    for (int four = thread_in_block(); four < DEPTH * WIDE / 4; four += threads) {
        int d = ALONG_DEPTH ? four % (DEPTH / 4) * 4 : four / (WIDE / 4);
        int e = ALONG_DEPTH ? four / (DEPTH / 4) : four % (WIDE / 4) * 4;
        int row = ALONG_DEPTH ? e0 + e : d0 + d, column = ALONG_DEPTH ? d0 + d : e0 + e;
        bool inside = row < (ALONG_DEPTH ? wide : depth);
        int there = inside ? (ALONG_DEPTH ? depth : wide) - column : 0;
        Four values = there > 0 ? load_four(data + (long long)row * stride + column, there) : Four{};
        if (!ALONG_DEPTH) piece[d][e / 4] = values;
        for (int j = 0; ALONG_DEPTH && j < 4; ++j) piece[d + j][e / 4].v[e % 4] = values.v[j];
    }
}

// dense_forward_vectorised, dense_backward_input_vectorised, dense_backward_weight_vectorised: move four at a
// time.
//
//   out[i,j] = sum over pieces of the depth of sum_d left[i,d] right[d,j]   reference.py (1), (2), (3)
//
// Threads   block (COLUMNS / 4, ROWS / 4), a tile of ROWS x COLUMNS.  A thread owns 4 x 4 neighbouring
//           elements.
// Memory    16-byte accesses to global and to shared memory: a quarter of the instructions for the same bytes.
//           Ends of rows and unaligned rows are fetched one by one.
// Limit     bound by arithmetic once the tiles fill the machine.
// Barriers  two a piece of the depth; no thread leaves before the last.
// Numerics  one sum in the order of d: the bits of the naive version.
// Source    CUDA C++ Best Practices Guide, "Coalesced access"; PTX ISA, ld.global.v4.
// Same op   reference.py (float64)   cpu.py
template <bool LT, bool RT>
__device__ void product_vectorised(int tile, real* out, Operand<LT> left, Operand<RT> right, const real* bias,
                                   int rows, int columns, int depth) {
    __shared__ Four left_piece[DEPTH][ROWS / 4];
    __shared__ Four right_piece[DEPTH][COLUMNS / 4];
    int across = ceil_div(columns, COLUMNS);
    int top = tile / across * ROWS, side = tile % across * COLUMNS;
    real sum[4][4] = {};
    for (int d0 = 0; d0 < depth; d0 += DEPTH) {
        load_fours<ROWS, !LT>(left_piece, left.data, left.stride, d0, top, depth, rows);
        load_fours<COLUMNS, RT>(right_piece, right.data, right.stride, d0, side, depth, columns);
        __syncthreads();  // both pieces are there
        for (int d = 0; d < DEPTH; ++d) {
            Four a = left_piece[d][threadIdx.y], b = right_piece[d][threadIdx.x];
            for (int i = 0; i < 4; ++i)
                for (int j = 0; j < 4; ++j) sum[i][j] += a.v[i] * b.v[j];
        }
        __syncthreads();  // all have read them; the next ones may come
    }
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j)
            store(out, bias, top + 4 * threadIdx.y + i, side + 4 * threadIdx.x + j, rows, columns, sum[i][j]);
}

extern "C" __global__ void dense_forward_vectorised(real* y, const real* x, const real* w, const real* b, int M,
                                                    int N, int K) {
    FORWARD_OPERANDS;
    FOR_EACH_TILE(tile, wide_tiles(M, N)) product_vectorised(tile, y, left, right, b, M, N, K);
}

extern "C" __global__ void dense_backward_input_vectorised(real* dx, const real* dy, const real* w, int M,
                                                           int K, int N) {
    BACKWARD_INPUT_OPERANDS;
    FOR_EACH_TILE(tile, wide_tiles(M, K)) product_vectorised(tile, dx, left, right, (const real*)0, M, K, N);
}

extern "C" __global__ void dense_backward_weight_vectorised(real* dw, const real* x, const real* dy, int K,
                                                            int N, int M) {
    BACKWARD_WEIGHT_OPERANDS;
    FOR_EACH_TILE(tile, wide_tiles(K, N)) product_vectorised(tile, dw, left, right, (const real*)0, K, N, M);
}

// ---- split_k ------------------------------------------------------------------------------------------------

// dense_forward_split_k, dense_backward_input_split_k, dense_backward_weight_split_k: for a batch of 32 rows,
// which is too few tiles to fill a machine; so the warps of a block share the depth of one small tile instead.
//
//   out[i,j] = sum over warps of (sum over the warp's pieces of the depth of sum_d left[i,d] right[d,j])
//       reference.py (1), (2), (3)
//
// Threads   block (32, SPLITS), a tile of 32 x 8.  A warp takes every SPLITS-th piece of 8 of the depth, and in
//           it a lane owns 4 x 2 elements, rows 8 and columns 4 apart.
// Memory    narrow tiles read left again for every 8 columns; it stays in cache.
// Limit     bound by the bandwidth of the L2 cache, no longer by the latency of a few blocks.
// Barriers  two a piece among the lanes of a warp, whose pieces are its own; one among all before the last sum
//           and one after it; no thread leaves before the last.
// Numerics  SPLITS sums, then their sum in the order of the warps: the same bits on every run.
// Source    NVIDIA CUTLASS documentation, "Efficient GEMM in CUDA", section "Parallelized Reductions"
//           (sliced-K).
// Same op   reference.py (float64)   cpu.py   numba_cuda.py
template <bool LT, bool RT>
__device__ void product_split_k(int tile, real* out, Operand<LT> left, Operand<RT> right, const real* bias,
                                int rows, int columns, int depth) {
    __shared__ real left_piece[SPLITS][32][8 + 1];
    __shared__ real right_piece[SPLITS][8][8 + 1];
    __shared__ real partial[SPLITS][32][8];
    int across = ceil_div(columns, 8), lane = threadIdx.x, warp = threadIdx.y;
    int top = tile / across * 32, side = tile % across * 8;
    int i0 = lane / 4, j0 = lane % 4;
    real sum[4][2] = {};
    for (int d0 = warp * 8; d0 < depth; d0 += SPLITS * 8) {
        load_piece<32, 8>(left_piece[warp], left, top, d0, rows, depth, lane, 32);
        load_piece<8, 8>(right_piece[warp], right, d0, side, depth, columns, lane, 32);
        __syncwarp();  // both pieces are there
        for (int d = 0; d < 8; ++d)
            for (int i = 0; i < 4; ++i)
                for (int j = 0; j < 2; ++j)
                    sum[i][j] += left_piece[warp][i0 + 8 * i][d] * right_piece[warp][d][j0 + 4 * j];
        __syncwarp();  // all lanes have read them; the next ones may come
    }
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 2; ++j) partial[warp][i0 + 8 * i][j0 + 4 * j] = sum[i][j];
    __syncthreads();  // the sums of all warps are there
    for (int e = thread_in_block(); e < 32 * 8; e += 32 * SPLITS) {
        real total = 0;
        for (int s = 0; s < SPLITS; ++s) total += partial[s][e / 8][e % 8];
        store(out, bias, top + e / 8, side + e % 8, rows, columns, total);
    }
    __syncthreads();  // all have read the sums; the next tile's may come
}

__device__ inline int narrow_tiles(int rows, int columns) {
    return ceil_div(rows, 32) * ceil_div(columns, 8);
}

extern "C" __global__ void dense_forward_split_k(real* y, const real* x, const real* w, const real* b, int M,
                                                 int N, int K) {
    FORWARD_OPERANDS;
    FOR_EACH_TILE(tile, narrow_tiles(M, N)) product_split_k(tile, y, left, right, b, M, N, K);
}

extern "C" __global__ void dense_backward_input_split_k(real* dx, const real* dy, const real* w, int M, int K,
                                                        int N) {
    BACKWARD_INPUT_OPERANDS;
    FOR_EACH_TILE(tile, narrow_tiles(M, K)) product_split_k(tile, dx, left, right, (const real*)0, M, K, N);
}

extern "C" __global__ void dense_backward_weight_split_k(real* dw, const real* x, const real* dy, int K, int N,
                                                         int M) {
    BACKWARD_WEIGHT_OPERANDS;
    FOR_EACH_TILE(tile, narrow_tiles(K, N)) product_split_k(tile, dw, left, right, (const real*)0, K, N, M);
}

// ---- tensor_core --------------------------------------------------------------------------------------------

// dense_forward_tensor_core, dense_backward_input_tensor_core, dense_backward_weight_tensor_core: let the
// tensor cores multiply, in TF32.
//
//   out[i,j] = sum over pieces of the depth of mma(tf32(left), tf32(right))   reference.py (1), (2), (3)
//
// Threads   block (32, 4), a tile of 32 x 32.  A warp owns 8 columns: two 16 x 8 fragments, whose elements its
//           lanes hold as common.cuh describes.
// Memory    pieces of 16 of the depth in shared memory, read by all four warps (left) or by one (right).
// Limit     bound by the caches at small batches: the multiplications themselves cost next to nothing.
// Barriers  two a piece of the depth; no thread leaves before the last.
// Numerics  factors are rounded to 11 significant bits, products are exact, sums are float: relative error up
//           to 2^-10 of |left| |right|, so this version is asked for by name, never chosen.  In double nothing
//           is rounded.
// Source    PTX ISA, "Matrix fragments for mma.m16n8k8"; NVIDIA A100 white paper, section "TensorFloat-32".
// Same op   reference.py (float64)   cpu.py
template <bool LT, bool RT>
__device__ void product_tensor_core(int tile, real* out, Operand<LT> left, Operand<RT> right, const real* bias,
                                    int rows, int columns, int depth) {
    __shared__ real left_piece[32][16 + 1];
    __shared__ real right_piece[16][32 + 1];
    int across = ceil_div(columns, 32);
    int top = tile / across * 32, side = tile % across * 32;
    int g = threadIdx.x / 4, t = threadIdx.x % 4, mine = 8 * threadIdx.y;
    real sum[2][4] = {};
    for (int d0 = 0; d0 < depth; d0 += 16) {
        load_piece<32, 16>(left_piece, left, top, d0, rows, depth, thread_in_block(), 128);
        load_piece<16, 32>(right_piece, right, d0, side, depth, columns, thread_in_block(), 128);
        __syncthreads();  // both pieces are there
        for (int k = 0; k < 16; k += 8) {
            real b[2] = {to_tf32(right_piece[k + t][mine + g]), to_tf32(right_piece[k + t + 4][mine + g])};
            for (int half = 0; half < 2; ++half) {
                int i = 16 * half + g;
                real a[4] = {to_tf32(left_piece[i][k + t]), to_tf32(left_piece[i + 8][k + t]),
                             to_tf32(left_piece[i][k + t + 4]), to_tf32(left_piece[i + 8][k + t + 4])};
                mma(sum[half], a, b);
            }
        }
        __syncthreads();  // all have read them; the next ones may come
    }
    for (int half = 0; half < 2; ++half)
        for (int e = 0; e < 4; ++e)
            store(out, bias, top + 16 * half + g + e / 2 * 8, side + mine + 2 * t + e % 2, rows, columns,
                  sum[half][e]);
}

__device__ inline int fragment_tiles(int rows, int columns) {
    return ceil_div(rows, 32) * ceil_div(columns, 32);
}

extern "C" __global__ void dense_forward_tensor_core(real* y, const real* x, const real* w, const real* b,
                                                     int M, int N, int K) {
    FORWARD_OPERANDS;
    FOR_EACH_TILE(tile, fragment_tiles(M, N)) product_tensor_core(tile, y, left, right, b, M, N, K);
}

extern "C" __global__ void dense_backward_input_tensor_core(real* dx, const real* dy, const real* w, int M,
                                                            int K, int N) {
    BACKWARD_INPUT_OPERANDS;
    FOR_EACH_TILE(tile, fragment_tiles(M, K))
    product_tensor_core(tile, dx, left, right, (const real*)0, M, K, N);
}

extern "C" __global__ void dense_backward_weight_tensor_core(real* dw, const real* x, const real* dy, int K,
                                                             int N, int M) {
    BACKWARD_WEIGHT_OPERANDS;
    FOR_EACH_TILE(tile, fragment_tiles(K, N))
    product_tensor_core(tile, dw, left, right, (const real*)0, K, N, M);
}

// ---- bias ---------------------------------------------------------------------------------------------------

// dense_backward_bias: the column sums of the gradient.
//
//   db[n] = sum_m dy[m,n]   reference.py (4)
//
// Threads   block (32, 8), one tile of 32 columns with all rows; threadIdx.y walks m in steps of 8.
// Memory    dy is read once, the least possible.
// Limit     bound by bandwidth; at a small batch by latency.
// Barriers  those of the sum.  Threads with n >= N stay alive to reach them and add zeros.
// Numerics  fixed order of additions: the same bits on every run.
// Source    the formula.
// Same op   reference.py (float64)   cpu.py   numba_cuda.py
__device__ void dense_backward_bias_tile(int tile, real* scratch, real* db, const real* dy, int N, int M) {
    int n = tile * blockDim.x + threadIdx.x;
    real sum = 0;
    for (int m = threadIdx.y; n < N && m < M; m += blockDim.y) sum += dy[m * N + n];
    sum = sum_over_y(sum, scratch);
    if (n < N && threadIdx.y == 0) db[n] = sum;
}

extern "C" __global__ void dense_backward_bias(real* db, const real* dy, int N, int M) {
    __shared__ real scratch[THREADS];
    FOR_EACH_TILE(tile, ceil_div(N, blockDim.x)) dense_backward_bias_tile(tile, scratch, db, dy, N, M);
}
