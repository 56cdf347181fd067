// rows.cuh: what a block does with its rows of a weight: the product they are in, their gradient, and Adam.

// ---- the update ---------------------------------------------------------------------------------------------

struct Trained {
    real *p, *m, *v;

    __device__ void move(int i, real g, Adam adam) const {
        real pi = p[i], mi = m[i], vi = v[i];
        adam_move(&pi, &mi, &vi, g, adam);
        p[i] = pi;
        m[i] = mi;
        v[i] = vi;
    }
};

// A layer's inputs at a block's rows of w: kept in shared memory, or fetched, from a row of the mini-batch on.
struct Kept {
    static constexpr int STRIDE = Multiplier::INPUTS;
    static constexpr int SIZE = ROWS * STRIDE;
    const real* data;

    __device__ real operator()(int m, int k) const {
        return data[m * STRIDE + k];
    }

    __device__ Pair pair(int m, int k) const {
        return load_pair(data + m * STRIDE + k);
    }
};

template <class X>
struct Fetched {
    X x;
    int first, k0, K;

    __device__ real operator()(int m, int k) const {
        return k0 + k < K ? x(k0 + k)(first + m) : 0;
    }

    __device__ Pair pair(int m, int k) const {
        return {{(*this)(m, k), (*this)(m, k + 1)}};
    }
};

// What a block needs to update its rows of w, from k0 on: x(row, k) is the layer's input.
template <class X, class Dy>
struct Update {
    Trained w, b;
    Adam adam;
    X x;
    Dy dy;
    int tile, blocks, M, N, K;

    static constexpr bool trains = true;

    // Adds to the gradient of a lane's column of the bias.
    __device__ static void add_bias(real& db, const Tiles& tiles) {
        int lane = lane_in_warp();
        for (int m = 0; lane < DEPTH && m < ROWS; ++m) db += tiles.left[m * STRIDE + lane];
    }

    // Moves columns n0 to n0 + DEPTH - 1 of the block's rows of w.  The warp's tiles hold these of w, and of dy
    // the rows from `top` on, the last ones, of which `inputs` has x; those before are fetched again.
    __device__ void move(Tiles& tiles, const real* inputs, int top, int n0) const {
        bool of_bias = n0 / DEPTH % blocks == tile;
        Multiplier::Gradient dw;
        real db = 0;
        dw.add(tiles.left, Kept{inputs});
        if (of_bias) add_bias(db, tiles);
        for (int first = 0; first < top; first += ROWS) {
            __syncwarp();  // all lanes have read the rows before these
            auto rows = [&](int column) {
                auto element = dy(column);
                return [=, N = N](int row) { return column < N ? element(first + row) : 0; };
            };
            load_left(tiles, rows, n0);
            __syncwarp();  // these are there
            dw.add(tiles.left, Fetched<X>{x, first, tile * COLUMNS, K});
            if (of_bias) add_bias(db, tiles);
        }
        dw.finish();
        move_weights(dw, tiles, n0);
        int lane = lane_in_warp();
        if (of_bias && lane < DEPTH && n0 + lane < N) b.move(n0 + lane, db, adam);
    }

    __device__ void move_weights(const Multiplier::Gradient& dw, const Tiles& tiles, int n0) const {
        int n = dw.column(), there = N - n0 - n;
        for (int i = 0; i < 2; ++i) {
            int row = dw.row(i), k = tile * COLUMNS + row, at = k * N + n0 + n;
            if (k >= K || there <= 0 || n >= DEPTH) continue;
            Quad<real> p = Multiplier::load_four(tiles.right + row * STRIDE + n);
            Quad<real> m = load_quad(w.m + at, there), v = load_quad(w.v + at, there);
            for (int j = 0; j < 4; ++j) adam_move(&p.v[j], &m.v[j], &v.v[j], dw.at(i, j), adam);
            store_quad(w.p + at, p, there);
            store_quad(w.m + at, m, there);
            store_quad(w.v + at, v, there);
        }
    }
};

// Where the layer stays as it is.
struct Frozen {
    static constexpr bool trains = false;
};

// ---- the product --------------------------------------------------------------------------------------------

// For each row of a tile's columns: below(row, column, dy w^T), also of those outside, with 0; then, with an
// update, that of the tile's rows of w.  Without INPUT, there is the update alone.
template <bool INPUT, class Dy, class Below, class Layer>
__device__ void backward_tile(int tile, Tiles* tiles, real* inputs, Dy dy, const real* w, int M, int N, int K,
                              Below below, Layer layer) {
    int k0 = tile * COLUMNS, k = k0 + threadIdx.x;
    for (int top = 0; top < M; top += ROWS) {
        bool last = top + ROWS >= M;
        if constexpr (Layer::trains) {
            int m = top + threadIdx.y;
            if (last) inputs[threadIdx.y * Kept::STRIDE + threadIdx.x] = m < M && k < K ? layer.x(k)(m) : 0;
            __syncthreads();  // the inputs are there
        }
        auto left = [&](int n) {
            auto element = dy(n);
            return [=](int row) { return top + row < M && n < N ? element(top + row) : 0; };
        };
        auto right = [&](int column, int n) { return k0 + column < K && n < N ? w[(k0 + column) * N + n] : 0; };
        real sum = product<INPUT, false>(tiles, left, right, N, [&](int n0) {
            if constexpr (Layer::trains)
                if (last) layer.move(tiles[thread_in_block() / 32], inputs, top, n0);
        });
        below(top + threadIdx.y, k, sum);
    }
}
