// What the versions in tiles have in common: their right operand, where a row of the product goes, and how
// threads bring a K-tile of both operands into shared memory.

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

// A K-tile in shared memory has at(e, k) and set(e, k, value), for e < extent and k < depth, and order(n), the
// row or column that the n-th group of lanes along K stores first: a warp's groups must meet different banks.

// K-tiles of the left operand, by extent * depth / 4 threads, of which this one is number `me`.  Each gathers
// four elements: of one k and four rows, or of one row of x^T and four places, one behind the other.  So most
// divisions are done once, before the first.
template <bool TRANSPOSED, class Tile>
struct Gather {
    static const int next_k = TRANSPOSED ? 1 : 0, next_e = TRANSPOSED ? 0 : Tile::extent / 4;
    static const int own = TRANSPOSED ? 1 : 4;  // rows of left
    const Patches left;
    int k, e;         // this thread has (e, k), and three more
    Place mine[own];  // theirs

    __device__ Gather(Patches patches, int top, int rows, int me) : left(patches) {
        k = TRANSPOSED ? me / Tile::extent * 4 : me % Tile::depth;
        e = TRANSPOSED ? me % Tile::extent : Tile::order(me / Tile::depth);
        for (int l = 0; l < own; ++l) {
            int i = top + e + l * next_e;
            mine[l] = NOWHERE;
            if (i < rows) mine[l] = TRANSPOSED ? left.tap(i) : left.row(i);
        }
    }

    // None of the four is waited for before all are on their way.
    __device__ void load(Tile& tile, int k0, int K) const {
        Place other = TRANSPOSED ? left.row(k0 + k) : left.tap(k0 + k);
        real four[4] = {};
        for (int l = 0; l < 4; ++l) {
            Place row = TRANSPOSED ? other : mine[l % own], tap = TRANSPOSED ? mine[l % own] : other;
            if (k0 + k + l * next_k < K) four[l] = left.at(row, tap);
            if (TRANSPOSED) other = left.after(other);
        }
        for (int l = 0; l < 4; ++l) tile.set(e + l * next_e, k + l * next_k, four[l]);
    }
};

// A K-tile of the right operand, by so many threads.
template <int WORKERS, class Tile, class Right>
__device__ void load_right(Tile& tile, Right right, int k0, int side, int K, int columns, int me) {
    const int each = Tile::extent * Tile::depth / WORKERS;
    int k = Right::along_k ? me % Tile::depth : me / Tile::extent * each,
        e = Right::along_k ? Tile::order(me / Tile::depth) : me % Tile::extent;
    for (int n = 0; n < each; ++n) {
        int kk = Right::along_k ? k : k + n, j = Right::along_k ? e + n * (WORKERS / Tile::depth) : e;
        bool inside = k0 + kk < K && side + j < columns;
        tile.set(j, kk, inside ? right.line(k0 + kk)[(side + j) * right.step()] : (real)0);
    }
}

__device__ inline int wide_tiles(int rows, int columns) {
    return ceil_div(rows, ROWS) * ceil_div(columns, COLUMNS);
}
