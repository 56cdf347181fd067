// What the versions in tiles have in common: their right operand, where a row of the product goes, and how a
// block of 128 threads brings a K-tile of both operands into shared memory.

// What lies in memory as it is: element (k, column) is that many steps behind the start of line k.
struct Matrix {
    const real* data;
    int columns;

    static const bool along_k = false;  // in which direction neighbours lie
    __device__ int step() const {
        return 1;
    }
    __device__ const real* line(int k) const {
        return data + k * columns;
    }
};

// The weights of a phase's taps, read the other way: k is (tap row, tap column, n), and columns are channels.
struct Taps {
    const real* w;
    Sizes s;
    Phase phase;

    static const bool along_k = true;
    __device__ int step() const {
        return s.N;
    }
    __device__ const real* line(int k) const {
        int tap = k / s.N, r = phase.first_row + tap / phase.taps_across * s.stride,
            t = phase.first_column + tap % phase.taps_across * s.stride;
        return w + (r * s.R + t) * s.C * s.N + k % s.N;
    }
};

// Where a row of the product goes; 0 if it is outside.
struct Rows {
    real* out;
    int columns;

    __device__ real* row(int i) const {
        return out + i * columns;
    }
};

struct RowsOfPhase {
    real* dx;
    Sizes s;
    Phase phase;

    __device__ real* row(int row) const {
        int b = row / (phase.across * phase.down), i = row / phase.across % phase.down * s.stride + phase.row,
            j = row % phase.across * s.stride + phase.column;
        return i < s.H && j < s.W ? dx + ((b * s.H + i) * s.W + j) * s.C : (real*)0;
    }
};

// A K-tile in shared memory has at(e, k), set(e, k, value) and order(n), the row or column that the n-th of
// eight groups of 16 lanes stores first: a warp's two groups must meet different banks.

// K-tiles of the left operand.  A thread gathers four elements of each: of one k and four rows, or of one row
// of x^T and four places.  So most divisions are done once, before the first.
template <bool TRANSPOSED, class Tile>
struct Gather {
    static const int threads = ROWS * COLUMNS / 16;
    static const int next_k = TRANSPOSED ? threads / ROWS : 0, next_e = TRANSPOSED ? 0 : threads / K_TILE;
    const Patches left;
    int k, e;  // this thread has (e, k), and three more, every fourth k or every eighth row
    Place mine[4];

    __device__ Gather(Patches patches, int top, int rows) : left(patches) {
        int me = thread_in_block();
        k = TRANSPOSED ? me / ROWS : me % K_TILE;
        e = TRANSPOSED ? me % ROWS : Tile::order(me / K_TILE);
        for (int l = 0; l < 4; ++l) {
            int i = top + e + l * next_e;
            mine[l] = NOWHERE;
            if (i < rows) mine[l] = TRANSPOSED ? left.tap(i) : left.row(i);
        }
    }

    __device__ void load(Tile& tile, int k0, int K) const {
        Place other = NOWHERE;
        if (!TRANSPOSED && k0 + k < K) other = left.tap(k0 + k);
        for (int l = 0; l < 4; ++l) {
            if (TRANSPOSED) {
                other = NOWHERE;
                if (k0 + k + l * next_k < K) other = left.row(k0 + k + l * next_k);
            }
            tile.set(e + l * next_e, k + l * next_k,
                     TRANSPOSED ? left.at(other, mine[l]) : left.at(mine[l], other));
        }
    }
};

// A K-tile of the right operand, by the same threads.
template <class Tile, class Right>
__device__ void load_right(Tile& tile, Right right, int k0, int side, int K, int columns) {
    const int threads = ROWS * COLUMNS / 16;
    int me = thread_in_block(), k = Right::along_k ? me % K_TILE : me / COLUMNS,
        e = Right::along_k ? Tile::order(me / K_TILE) : me % COLUMNS;
    for (int n = 0; n < K_TILE * COLUMNS / threads; ++n) {
        int kk = k + (Right::along_k ? 0 : n * (threads / COLUMNS));
        int j = e + (Right::along_k ? n * (threads / K_TILE) : 0);
        bool inside = k0 + kk < K && side + j < columns;
        tile.set(j, kk, inside ? right.line(k0 + kk)[(side + j) * right.step()] : (real)0);
    }
}

__device__ inline int wide_tiles(int rows, int columns) {
    return ceil_div(rows, ROWS) * ceil_div(columns, COLUMNS);
}
