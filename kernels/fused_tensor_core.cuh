// fused_tensor_core.cuh: how a warp multiplies the tiles of fused.cuh on the tensor cores, as two fragments of
// 16 x 8.
//
//      left (32, k)        right (k, 8)                   g = lane / 4, t = lane % 4
//      [ rows  0 to 15 ]   [ ]       rows g, g + 8        of left, at k = t and t + 4
//      [ rows 16 to 31 ]   [ ]       column g             of right, at the same
//                                    columns 2t, 2t + 1   of both rows' sums
//
// A gradient's fragments have columns of the weight for rows, and its rows for columns.  Which element stands
// where in a fragment is free, if both factors agree: so k = t and t + 4 are rows 2t and 2t + 1 of the
// mini-batch, and rows g and g + 8 are neighbouring columns.  Then a lane loads, and owns, fours.

template <bool IN_THREE>
struct TensorCore {
    static constexpr int STRIDE = DEPTH + 4;  // rows g and columns t of a fragment are on 32 banks
    static constexpr int INPUTS = COLUMNS + 4;

    struct Lane {
        int g = lane_in_warp() / 4, t = lane_in_warp() % 4;
    };

    __device__ static Quad<real> load_four(const real* data) {
        return *(const Quad<real>*)data;
    }

    struct Product {
        real sum[2][4] = {};

        __device__ void add(const real* left, const real* right) {
            Lane lane;
            for (int k = lane.t; k < DEPTH; k += 8) {
                real b[2] = {right[lane.g * STRIDE + k], right[lane.g * STRIDE + k + 4]};
#pragma unroll
                for (int half = 0; half < 2; ++half) {
                    const real *upper = left + (16 * half + lane.g) * STRIDE + k, *lower = upper + 8 * STRIDE;
                    real a[4] = {upper[0], lower[0], upper[4], lower[4]};
                    multiply_fragments<IN_THREE>(sum[half], a, b);
                }
            }
        }

        __device__ void store(real* sums) {
            Lane lane;
            for (int half = 0; half < 2; ++half)
                for (int e = 0; e < 4; ++e)
                    sums[(2 * lane.t + e % 2) * SUMS + 16 * half + lane.g + e / 2 * 8] = sum[half][e];
        }
    };

    // Of 8 rows and DEPTH columns of a weight: a lane has rows 2t and 2t + 1, columns 4g to 4g + 3.
    struct Gradient {
        real sum[2][4] = {};

        template <class Inputs>
        __device__ void add(const real* dy, Inputs inputs) {
            Lane lane;
            for (int m = 2 * lane.t; m < ROWS; m += 8) {
                real b[2] = {inputs(m, lane.g), inputs(m + 1, lane.g)};
                Quad<real> upper = {}, lower = {};  // in double, a K-tile has fewer columns than a fragment
                if (column() < DEPTH) upper = load_four(dy + m * STRIDE + column());
                if (column() < DEPTH) lower = load_four(dy + (m + 1) * STRIDE + column());
#pragma unroll
                for (int half = 0; half < 2; ++half) {
                    real a[4] = {upper.v[2 * half], upper.v[2 * half + 1], lower.v[2 * half],
                                 lower.v[2 * half + 1]};
                    multiply_fragments<IN_THREE>(sum[half], a, b);
                }
            }
        }

        __device__ void finish() {}

        __device__ static int column() {
            return 4 * Lane().g;
        }

        __device__ static int row(int i) {
            return 2 * Lane().t + i;
        }

        __device__ real at(int i, int j) const {
            return sum[j / 2][j % 2 * 2 + i];
        }
    };
};
