// fragments.cuh: what the tensor cores multiply, as a warp holds it, and their instruction, in PTX and in plain
// C++.

// A float rounded to TF32: 10 bits of fraction, to nearest, ties away from zero.  A double stays as it is, so
// that gradients can be compared with finite differences.
__device__ inline double to_tf32(double value) {
    return value;
}

__device__ inline float to_tf32(float value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    word32 bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
    return __uint_as_float(bits);
#else
    return __uint_as_float((__float_as_uint(value) + 0x1000u) & 0xFFFFE000u);
#endif
}

// Two values of another lane.
__device__ inline void shuffle_pair(double* x, double* y, int lane) {
    *x = __shfl_sync(~0u, *x, lane);
    *y = __shfl_sync(~0u, *y, lane);
}

__device__ inline void shuffle_pair(float* x, float* y, int lane) {
    word64 both = (word64)__float_as_uint(*y) << 32 | __float_as_uint(*x);
    both = __shfl_sync(~0u, both, lane);
    *x = __uint_as_float((word32)both);
    *y = __uint_as_float((word32)(both >> 32));
}

// Which lane holds what of c += a b, by its number, and in which of its variables:
//
//      a    k    0   1   2   3 |  4   5   6   7     b  column    0   1 ...  7     c   0  1  2  3 ...  6  7
//      row  0    0   1   2   3 |  0   1   2   3        k   0     0   4 ... 28         0  0  1  1 ...  3  3
//           1    4   5   6   7 |  4   5   6   7            1     1   5 ... 29         4  4  5  5 ...  7  7
//          ...        a[0]     |      a[2]                 2     2   6 ... 30           c[0] and c[1]
//           7   28  29  30  31 | 28  29  30  31            3     3   7 ... 31        28 28 29 29 ... 31 31
//          -------------------------------------           ------- b[0], b[1]        ---------------------
//           8    0   1   2   3 |  0   1   2   3            4     0   4 ... 28         0  0  1  1 ...  3  3
//          ...        a[1]     |      a[3]                ...                           c[2] and c[3]
//          15   28  29  30  31 | 28  29  30  31            7     3   7 ... 31        28 28 29 29 ... 31 31

// c += a b for a 16 x 8 by 8 x 8 product that the 32 lanes of a warp hold together.  With g = lane / 4 and
// t = lane % 4:
//   a = (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4)      b = (t, g), (t + 4, g)      row, column
//   c = (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1)
// The tensor cores' instruction is volatile: all lanes take part, so it may be neither moved nor left out.
// The plain form asks the other lanes for what it needs of theirs.
template <class T>
__device__ void mma_plain(T c[4], const T a[4], const T b[2]) {
    int lane = lane_in_warp(), g = lane / 4, t = lane % 4;
    T upper[8], lower[8], right[2][8];  // rows g and g + 8 of a, columns 2t and 2t + 1 of b
    for (int k = 0; k < 8; ++k) {
        upper[k] = a[k / 4 * 2], lower[k] = a[k / 4 * 2 + 1];
        shuffle_pair(&upper[k], &lower[k], 4 * g + k % 4);
    }
    for (int j = 0; j < 2; ++j)
        for (int k = 0; k < 4; ++k) {
            right[j][k] = b[0], right[j][k + 4] = b[1];
            shuffle_pair(&right[j][k], &right[j][k + 4], 4 * (2 * t + j) + k);
        }
    for (int k = 0; k < 8; ++k)
        for (int j = 0; j < 2; ++j) {
            c[j] += upper[k] * right[j][k];
            c[2 + j] += lower[k] * right[j][k];
        }
}

__device__ inline void mma(double c[4], const double a[4], const double b[2]) {
    mma_plain(c, a, b);
}

__device__ inline void mma(float c[4], const float a[4], const float b[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
          "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
#else
    float a_read[4], b_read[2];  // as the instruction reads them: without the 13 bits that TF32 does not have
    for (int i = 0; i < 4; ++i) a_read[i] = __uint_as_float(__float_as_uint(a[i]) & 0xFFFFE000u);
    for (int i = 0; i < 2; ++i) b_read[i] = __uint_as_float(__float_as_uint(b[i]) & 0xFFFFE000u);
    mma_plain(c, a_read, b_read);
#endif
}

// c += a b with factors in TF32.  IN_THREE takes each factor apart, x = big + small, both of them in TF32, and
// adds small big + big small + big big, the smallest first; small small would be 2^-22 of the whole.
template <bool IN_THREE>
__device__ inline void multiply_fragments(real c[4], const real a[4], const real b[2]) {
    real a_big[4], b_big[2];
    for (int i = 0; i < 4; ++i) a_big[i] = to_tf32(a[i]);
    for (int i = 0; i < 2; ++i) b_big[i] = to_tf32(b[i]);
    if (IN_THREE) {
        real a_small[4], b_small[2];
        for (int i = 0; i < 4; ++i) a_small[i] = to_tf32(a[i] - a_big[i]);
        for (int i = 0; i < 2; ++i) b_small[i] = to_tf32(b[i] - b_big[i]);
        mma(c, a_small, b_big);
        mma(c, a_big, b_small);
    }
    mma(c, a_big, b_big);
}

// Store two neighbours of a row, of which the second may be beyond its end; in one access where aligned.
__device__ inline void store_two(real* at, real first, real second, bool both) {
    struct alignas(2 * sizeof(real)) Two {
        real v[2];
    } two = {first, second};
    if (both && (word64)at % sizeof(Two) == 0) {
        *(Two*)at = two;
    } else {
        at[0] = first;
        if (both) at[1] = second;
    }
}
