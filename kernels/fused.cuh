// fused.cuh: a product of 32 rows and 8 columns by one block, whose warps share the depth; the fused kernels add
// what comes before it, at the loads, and what comes after it, at the sum.
//
//      warp 0    k-tiles 0, 8, 16, ...    32 x 8 sums  \                          a thread adds up eight of them,
//      warp 1    k-tiles 1, 9, 17, ...    32 x 8 sums   >  shared memory          for row threadIdx.y and
//      ...                                              /                         column threadIdx.x
//
// A block has (COLUMNS, ROWS) threads, one for each element of its tile.  While the warps multiply they do not
// meet: each has tiles of its own in shared memory, so only its own lanes wait for each other.  Of 32 x 8
// elements a lane sums 4 x 4, of which the other half of its warp sums the other half of the depth: eight words
// of shared memory for 16 multiply-adds.

#pragma once

constexpr int WARPS = ROWS * COLUMNS / 32;
constexpr int DEPTH = sizeof(real) == 4 ? 32 : 8;  // of a warp's tile; in double, as much as there is room for
constexpr int LEFT = DEPTH + 2;  // words from one of its rows to the next: no two lanes' banks
constexpr int SUMS = ROWS + 4;   // meet, here and in the sums

struct Tiles {
    real left[ROWS * LEFT];             // (row, k); then the warp's sums, (column, row)
    real right[COLUMNS * (DEPTH + 4)];  // (column, k)
};

__device__ inline int thread_in_block() {
    return threadIdx.y * blockDim.x + threadIdx.x;
}

// The sum of a warp's values; every lane gets it.
__device__ inline real sum_over_warp(real value) {
    for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
    return value;
}

// Fills a warp's tile of the left factor with left(row, k), k from k0.
template <class Left>
__device__ void load_left(Tiles& tiles, Left left, int k0) {
    for (int e = thread_in_block() % 32; e < ROWS * DEPTH; e += 32)
        tiles.left[e / DEPTH * LEFT + e % DEPTH] = left(e / DEPTH, k0 + e % DEPTH);
}

// The same for right(column, k), whose neighbours in memory are columns, or else k.
template <int RIGHT, bool BY_COLUMN, class Right>
__device__ void load_right(Tiles& tiles, Right right, int k0) {
    for (int e = thread_in_block() % 32; e < COLUMNS * DEPTH; e += 32) {
        int column = BY_COLUMN ? e % COLUMNS : e / DEPTH, k = BY_COLUMN ? e / COLUMNS : e % DEPTH;
        tiles.right[column * RIGHT + k] = right(column, k0 + k);
    }
}

// Adds to a lane's sums: rows lane % 8 + 8 i, columns 4 (lane / 8 % 2) + j, every second k.
template <int RIGHT>
__device__ void multiply(real (&sum)[4][4], const Tiles& tiles) {
    int lane = thread_in_block() % 32;
    const real *left = tiles.left + lane % 8 * LEFT, *right = tiles.right + lane / 8 % 2 * 4 * RIGHT;
    for (int k = lane / 16; k < DEPTH; k += 2) {
        real a[4], b[4];
        for (int i = 0; i < 4; ++i) a[i] = left[8 * i * LEFT + k];
        for (int j = 0; j < 4; ++j) b[j] = right[j * RIGHT + k];
        for (int i = 0; i < 4; ++i)
            for (int j = 0; j < 4; ++j) sum[i][j] += a[i] * b[j];
    }
}

// Both halves of a warp get the sum of both.
__device__ inline void add_halves(real (&sum)[4][4]) {
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) sum[i][j] += __shfl_xor_sync(~0u, sum[i][j], 16);
}

// The sum over all warps, of this thread's row and column.
__device__ inline real sum_over_warps(real (&sum)[4][4], Tiles* tiles) {
    int lane = thread_in_block() % 32, half = lane / 16;
    add_halves(sum);
    real* mine = tiles[thread_in_block() / 32].left + (lane / 8 % 2 * 4 + 2 * half) * SUMS + lane % 8;
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 2; ++j) mine[j * SUMS + 8 * i] = half ? sum[i][2 + j] : sum[i][j];
    __syncthreads();  // the sums of all warps are there
    real total = 0;
    for (int w = 0; w < WARPS; ++w) total += tiles[w].left[threadIdx.x * SUMS + threadIdx.y];
    __syncthreads();  // all have read them; the next tiles may come
    return total;
}

// The sum over k of left(row, k) right(column, k), of this thread's row and column.  `each` is called with the
// first k of a warp's tile while it is there.  All threads of the block must arrive.
template <int RIGHT, bool BY_COLUMN, class LeftFactor, class Right, class Each>
__device__ real product(Tiles* tiles, LeftFactor left, Right right, int K, Each each) {
    real sum[4][4] = {};
    int warp = thread_in_block() / 32;
    for (int k0 = warp * DEPTH; k0 < K; k0 += WARPS * DEPTH) {
        load_left(tiles[warp], left, k0);
        load_right<RIGHT, BY_COLUMN>(tiles[warp], right, k0);
        __syncwarp();  // both tiles are there
        multiply<RIGHT>(sum, tiles[warp]);
        each(k0);
        __syncwarp();  // all lanes have read them; the next ones may come
    }
    return sum_over_warps(sum, tiles);
}
