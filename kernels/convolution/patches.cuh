// What the products have in common: where their operands' elements lie.

struct Sizes {
    int B, P, Q, N, H, W, C, R, stride, padding;
};

#define SIZES {B, P, Q, N, H, W, C, R, stride, padding}

// Part of an element's place in an image: a row of left has one part, an element of K the other.
struct Place {
    int offset, i, j;  // the image's first row, counted through all images, or the channel; row and column
};

// A place that is in no image, whatever is added to it.
#define NOWHERE {0, -(1 << 30), -(1 << 30)}

// Images (B, height, width, channels) as the rows of a matrix: row (b,u,v) is the patch whose first tap meets
// (u step + top, v step + left); K is (tap row, tap column, channel), and taps are tap_step pixels apart.
struct Patches {
    const real* images;
    int height, width, channels, down, across, taps, step, tap_step, top, left;

    __device__ Place row(int row) const {
        int line = row / across;
        return {line / down * height, line % down * step + top, row % across * step + left};
    }

    // The place of the row behind it, for which nothing is divided.
    __device__ Place after(Place row) const {
        row.j += step;
        if (row.j == left + across * step) row.j = left, row.i += step;
        if (row.i == top + down * step) row.i = top, row.offset += height;
        return row;
    }

    __device__ Place tap(int k) const {
        int tap = k / channels;
        return {k % channels, tap / taps * tap_step, tap % taps * tap_step};
    }

    __device__ real at(Place row, Place tap) const {
        int i = row.i + tap.i, j = row.j + tap.j;
        bool inside = 0 <= i && i < height && 0 <= j && j < width;
        return inside ? images[((row.offset + i) * width + j) * channels + tap.offset] : (real)0;
    }
};

// Of forward and of backward_weight: those of x, in the places of y.
__device__ inline Patches patches_of_x(const real* x, Sizes s) {
    return {x, s.H, s.W, s.C, s.P, s.Q, s.R, s.stride, 1, -s.padding, -s.padding};
}

// The pixels (stride u + row, stride v + column) of x, u < down and v < across, which the same taps meet.
struct Phase {
    int row, column, down, across;
    int first_row, first_column, taps_down, taps_across;  // every stride-th tap from the first on

    __device__ Phase(int number, Sizes s)
        : row(number / s.stride),
          column(number % s.stride),
          down(ceil_div(s.H, s.stride)),
          across(ceil_div(s.W, s.stride)),
          first_row((row + s.padding) % s.stride),
          first_column((column + s.padding) % s.stride),
          taps_down(ceil_div(s.R - first_row, s.stride)),
          taps_across(ceil_div(s.R - first_column, s.stride)) {}

    // Of backward_input: those of dy that the phase's pixels have gone into.
    __device__ Patches patches(const real* dy, Sizes s) const {
        int top = (row + s.padding) / s.stride, left = (column + s.padding) / s.stride;
        return {dy, s.P, s.Q, s.N, down, across, taps_across, 1, -1, top, left};
    }
};
