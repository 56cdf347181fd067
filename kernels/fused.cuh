// fused.cuh: a product of 32 rows and 8 columns by one block, whose warps share the depth; the fused kernels
// add what comes before it, at the loads, and what comes after it, at the sum.
//
//      warp 0    K-tiles 0, 8, 16, ...    32 x 8 sums  \                   a thread adds up eight of them, of
//      warp 1    K-tiles 1, 9, 17, ...    32 x 8 sums   >  shared memory   row threadIdx.y, column threadIdx.x
//      ...                                              /
//
// A block has (COLUMNS, ROWS) threads, one for each element of its tile.  While the warps multiply they do not
// meet: each has tiles of its own in shared memory, so only its own lanes wait for each other.
//
// The multiplying itself is fused_fma.cuh's or, where PARTS is defined, fused_tensor_core.cuh's.

constexpr int WARPS = ROWS * COLUMNS / 32;
constexpr int DEPTH = sizeof(real) == 4 ? 32 : 8;  // of a K-tile; in double, as much as there is room for
constexpr int SUMS = ROWS + 4;                     // from one column of a warp's sums to the next

struct alignas(2 * sizeof(real)) Pair {
    real v[2];
};

__device__ inline Pair load_pair(const real* data) {
    return *(const Pair*)data;
}

#include "fragments.cuh"
#include "fused_fma.cuh"
#include "fused_tensor_core.cuh"

#ifdef PARTS
struct Multiplier : TensorCore<PARTS == 3> {};
#else
struct Multiplier : Fma {};
#endif

constexpr int STRIDE = Multiplier::STRIDE;  // from one row or column of a tile to the next

struct alignas(4 * sizeof(real)) Tiles {
    real left[ROWS * STRIDE];      // (row, k); then the warp's sums, (column, row)
    real right[COLUMNS * STRIDE];  // (column, k)
};

// A factor of a product: given a column, what then gives its element of a row.
struct Matrix {
    const real* data;
    int columns;

    __device__ auto operator()(int column) const {
        const real* from = data + column;
        return [from, columns = columns](int row) { return from[row * columns]; };
    }
};

// Each row times the row of the table that its label names.
struct Embedded {
    const real *data, *table;
    const int* labels;
    int columns;

    __device__ auto operator()(int column) const {
        const real *from = data + column, *factor = table + column;
        return [from, factor, labels = labels, columns = columns](int row) {
            return from[row * columns] * factor[labels[row] * columns];
        };
    }
};

// The sum of a warp's values; every lane gets it.
__device__ inline real sum_over_warp(real value) {
    for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
    return value;
}

// Fills a warp's tile of the left factor from k0 on; left(k) as a Matrix does.
template <class Left>
__device__ void load_left(Tiles& tiles, Left left, int k0) {
    int lane = lane_in_warp(), k = lane % DEPTH;
    auto element = left(k0 + k);
#pragma unroll 16
    for (int row = lane / DEPTH; row < ROWS; row += 32 / DEPTH) tiles.left[row * STRIDE + k] = element(row);
}

// The same of right(column, k), whose neighbours in memory are columns, or else k.
template <bool BY_COLUMN, class Right>
__device__ void load_right(Tiles& tiles, Right right, int k0) {
#pragma unroll
    for (int e = lane_in_warp(); e < COLUMNS * DEPTH; e += 32) {
        int column = BY_COLUMN ? e % COLUMNS : e / DEPTH, k = BY_COLUMN ? e / COLUMNS : e % DEPTH;
        tiles.right[column * STRIDE + k] = right(column, k0 + k);
    }
}

// The sum over all warps, of this thread's row and column.
__device__ inline real sum_over_warps(Multiplier::Product& product, Tiles* tiles) {
    product.store(tiles[thread_in_block() / 32].left);
    __syncthreads();  // the sums of all warps are there
    real total = 0;
    for (int warp = 0; warp < WARPS; ++warp) total += tiles[warp].left[threadIdx.x * SUMS + threadIdx.y];
    __syncthreads();  // all have read them; the next tiles may come
    return total;
}

// The sum over k of left row times right column, of this thread's row and column.  `each` is called with the
// first k of a warp's K-tile while that is there.  All threads of the block must arrive.
// If the sum is not WANTED, that is all it does.
template <bool WANTED, bool BY_COLUMN, class Left, class Right, class Each>
__device__ real product(Tiles* tiles, Left left, Right right, int K, Each each) {
    Multiplier::Product product;
    int warp = thread_in_block() / 32;
    for (int k0 = warp * DEPTH; k0 < K; k0 += WARPS * DEPTH) {
        load_left(tiles[warp], left, k0);
        load_right<BY_COLUMN>(tiles[warp], right, k0);
        __syncwarp();  // both tiles are there
        if (WANTED) product.add(tiles[warp].left, tiles[warp].right);
        each(k0);
        __syncwarp();  // all lanes have read them; the next ones may come
    }
    if (WANTED) return sum_over_warps(product, tiles);
    __syncthreads();  // all warps are done; the next tiles may come
    return 0;
}
