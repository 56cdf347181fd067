// convolution_forward_naive: the formula, one thread per element.
//
//   y[b,p,q,n] = sum_{r,s,c} x[b, stride p - padding + r, stride q - padding + s, c] w[r,s,c,n]
//       reference.py (1)
//
// Threads   block (32, 8), a tile of 8 places (b,p,q) x 32 columns n.
// Memory    6.9 bytes per multiply-add asked for, 4.32 in sectors, 0.0525 the least (B = 2).  All lanes of a
//           warp want the same element of x, and 32 neighbours of w.
// Limit     bound by the L1 cache: two requests for each multiply-add of a warp.
// Numerics  one sum in the order of (r,s,c); what lies beyond the image is left out.
__device__ void convolution_forward_naive_tile(int tile, real* y, const real* x, const real* w, Sizes s) {
    int row, n;
    if (!locate(tile, s.B * s.P * s.Q, s.N, &row, &n)) return;
    int b = row / (s.P * s.Q), p = row / s.Q % s.P, q = row % s.Q;
    real sum = 0;
    for (int r = 0; r < s.R; ++r)
        for (int t = 0; t < s.R; ++t) {
            int i = s.stride * p - s.padding + r, j = s.stride * q - s.padding + t;
            if (i < 0 || i >= s.H || j < 0 || j >= s.W) continue;
            const real *pixel = x + ((b * s.H + i) * s.W + j) * s.C,
                       *column = w + (r * s.R + t) * s.C * s.N + n;
            for (int c = 0; c < s.C; ++c) sum += pixel[c] * column[c * s.N];
        }
    y[row * s.N + n] = sum;
}

extern "C" __global__ void convolution_forward_naive(real* y, const real* x, const real* w, int stride,
                                                     int padding, int B, int P, int Q, int N, int H, int W,
                                                     int C, int R) {
    const Sizes s = SIZES;
    FOR_EACH_TILE(tile, tiles_of(B * P * Q, N)) convolution_forward_naive_tile(tile, y, x, w, s);
}

// convolution_backward_input_naive: the formula, one thread per element.
//
//   dx[b,i,j,c] = sum_{r,s,n} dy[b, (i + padding - r) / stride, (j + padding - s) / stride, n] w[r,s,c,n],
//   where these are whole   reference.py (3)
//
// Threads   block (32, 8), a tile of 8 pixels (b,i,j) x 32 channels c.
// Memory    6.91 bytes per multiply-add asked for, 28.5 in sectors, 0.0525 the least (B = 2).  Lanes read w in
//           steps of N, a sector each; with few channels most of a block has nothing to do.
// Limit     bound by the L1 cache.
// Numerics  one sum in the order of (r,s,n); what lies beyond y is left out.
__device__ void convolution_backward_input_naive_tile(int tile, real* dx, const real* dy, const real* w,
                                                      Sizes s) {
    int row, c;
    if (!locate(tile, s.B * s.H * s.W, s.C, &row, &c)) return;
    int b = row / (s.H * s.W), i = row / s.W % s.H + s.padding, j = row % s.W + s.padding;
    real sum = 0;
    for (int r = i % s.stride; r < s.R; r += s.stride)
        for (int t = j % s.stride; t < s.R; t += s.stride) {
            int p = (i - r) / s.stride, q = (j - t) / s.stride;
            if (i < r || p >= s.P || j < t || q >= s.Q) continue;
            const real *place = dy + ((b * s.P + p) * s.Q + q) * s.N,
                       *line = w + ((r * s.R + t) * s.C + c) * s.N;
            for (int n = 0; n < s.N; ++n) sum += place[n] * line[n];
        }
    dx[row * s.C + c] = sum;
}

extern "C" __global__ void convolution_backward_input_naive(real* dx, const real* dy, const real* w, int stride,
                                                            int padding, int B, int H, int W, int C, int P,
                                                            int Q, int N, int R) {
    const Sizes s = SIZES;
    FOR_EACH_TILE(tile, tiles_of(B * H * W, C)) convolution_backward_input_naive_tile(tile, dx, dy, w, s);
}

// convolution_backward_weight_naive: the formula, one thread per element.
//
//   dw[r,s,c,n] = sum_{b,p,q} x[b, stride p - padding + r, stride q - padding + s, c] dy[b,p,q,n]
//       reference.py (2)
//
// Threads   block (32, 8), a tile of 8 rows (r,s,c) x 32 columns n.
// Memory    6.94 bytes per multiply-add asked for, 4.35 in sectors, 0.0525 the least (B = 2).  All lanes of a
//           warp want the same element of x, and 32 neighbours of dy.
// Limit     bound by latency: a sum of all images' places in one thread.
// Numerics  one sum in the order of (b,p,q); what lies beyond the image is left out.
__device__ void convolution_backward_weight_naive_tile(int tile, real* dw, const real* x, const real* dy,
                                                       Sizes s) {
    int row, n;
    if (!locate(tile, s.R * s.R * s.C, s.N, &row, &n)) return;
    int r = row / (s.R * s.C), t = row / s.C % s.R, c = row % s.C;
    real sum = 0;
    for (int b = 0; b < s.B; ++b)
        for (int p = 0; p < s.P; ++p) {
            int i = s.stride * p - s.padding + r;
            if (i < 0 || i >= s.H) continue;
            for (int q = 0; q < s.Q; ++q) {
                int j = s.stride * q - s.padding + t;
                if (j < 0 || j >= s.W) continue;
                sum += x[((b * s.H + i) * s.W + j) * s.C + c] * dy[((b * s.P + p) * s.Q + q) * s.N + n];
            }
        }
    dw[row * s.N + n] = sum;
}

extern "C" __global__ void convolution_backward_weight_naive(real* dw, const real* x, const real* dy,
                                                             int stride, int padding, int R, int C, int N,
                                                             int B, int H, int W, int P, int Q) {
    const Sizes s = SIZES;
    FOR_EACH_TILE(tile, tiles_of(R * R * C, N)) convolution_backward_weight_naive_tile(tile, dw, x, dy, s);
}
