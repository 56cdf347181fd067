// fused_fma.cuh: how a warp multiplies the tiles of fused.cuh, in fused multiply-adds.
//
// Of the 32 x 8 elements a lane sums 4 x 4 over half of the K-tile; the lane 16 further has the other
// half.  It loads two neighbours of k at once, which lane ^ 1 wants of the left tile too, and lane ^ 2 of the
// right one: so a request of 8 bytes per lane is one wavefront, eight of them for 32 multiply-adds.

struct Fma {
    static constexpr int STRIDE = DEPTH + 2;  // so that the banks of no two lanes meet
    static constexpr int INPUTS = COLUMNS;

    // What a lane has of its warp's work: columns 4 low to 4 low + 3, rows mid + 8 i, and a half of the depth.
    struct Lane {
        int low = lane_in_warp() % 2, mid = lane_in_warp() / 2 % 8, half = lane_in_warp() / 16;
    };

    // Four neighbours in a tile's row, which need not begin at 16 bytes: by twos.  Lanes four rows apart begin
    // with different ones, since they would share banks.
    __device__ static Quad<real> load_four(const real* data) {
        int first = Lane().low;
        Pair a = load_pair(data + 2 * first), b = load_pair(data + 2 - 2 * first);
        return first ? Quad<real>{{b.v[0], b.v[1], a.v[0], a.v[1]}}
                     : Quad<real>{{a.v[0], a.v[1], b.v[0], b.v[1]}};
    }

    // Both halves of a warp get the sum of both.
    __device__ static void add_halves(real (&sum)[4][4]) {
        for (int i = 0; i < 4; ++i)
            for (int j = 0; j < 4; ++j) sum[i][j] += __shfl_xor_sync(~0u, sum[i][j], 16);
    }

    struct Product {
        real sum[4][4] = {};

        __device__ void add(const real* left, const real* right) {
            Lane lane;
            left += lane.mid * STRIDE + lane.half * DEPTH / 2;
            right += 4 * lane.low * STRIDE + lane.half * DEPTH / 2;
            for (int k = 0; k < DEPTH / 2; k += 2) {
                Pair a[4], b[4];
                for (int i = 0; i < 4; ++i) a[i] = load_pair(left + 8 * i * STRIDE + k);
                for (int j = 0; j < 4; ++j) b[j] = load_pair(right + j * STRIDE + k);
                for (int i = 0; i < 4; ++i)
                    for (int j = 0; j < 4; ++j) {
                        sum[i][j] += a[i].v[0] * b[j].v[0];
                        sum[i][j] += a[i].v[1] * b[j].v[1];
                    }
            }
        }

        __device__ void store(real* sums) {
            Lane lane;
            add_halves(sum);
            real* mine = sums + (4 * lane.low + 2 * lane.half) * SUMS + lane.mid;
            for (int i = 0; i < 4; ++i)
                for (int j = 0; j < 2; ++j) mine[j * SUMS + 8 * i] = lane.half ? sum[i][2 + j] : sum[i][j];
        }
    };

    // Of 8 rows and DEPTH columns of a weight: a lane sums rows 4 low + i, columns 4 mid + j, over every second
    // row of the mini-batch, and ends with two of these rows.
    struct Gradient {
        real sum[4][4] = {};

        template <class Inputs>
        __device__ void add(const real* dy, Inputs inputs) {
            Lane lane;
            for (int m = lane.half; 4 * lane.mid < DEPTH && m < ROWS; m += 2)
                for (int i = 0; i < 4; i += 2) {
                    Pair a = inputs.pair(m, 4 * lane.low + i);
                    for (int j = 0; j < 4; j += 2) {
                        Pair d = load_pair(dy + m * STRIDE + 4 * lane.mid + j);
                        for (int ii = 0; ii < 2; ++ii)
                            for (int jj = 0; jj < 2; ++jj) sum[i + ii][j + jj] += a.v[ii] * d.v[jj];
                    }
                }
        }

        __device__ void finish() {
            add_halves(sum);
        }

        __device__ static int column() {
            return 4 * Lane().mid;
        }

        __device__ static int row(int i) {
            Lane lane;
            return 4 * lane.low + 2 * i + lane.half;
        }

        // Element j of the lane's columns, in its row i.
        __device__ real at(int i, int j) const {
            return Lane().half ? sum[2 * i + 1][j] : sum[2 * i][j];
        }
    };
};
