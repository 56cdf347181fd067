// The ops of a generator in inference, in JavaScript: a third language beside CUDA C++ and Numba CUDA.
//
// Names, arguments and their order are those of the contracts in kernels/*/__init__.py, equations those of the
// folders' reference.py.  Arrays are flat Float32Arrays, and sizes follow from their lengths; those that do not
// come after the arguments, in the order in which the contract names them.
//
// Numerics  JavaScript computes in float64; each step is rounded to float32, by Math.fround or by a store, as
//           the CPU's are: the bits are the CPU's, but for some of tanh.

const f32 = Math.fround;

// y[b,c] = x[b,c] table[labels[b],c]   embedding/reference.py (1)
export function embedding_forward(y, x, table, labels) {
  const C = y.length / labels.length;
  for (let b = 0; b < labels.length; ++b)
    for (let c = 0; c < C; ++c) y[b * C + c] = x[b * C + c] * table[labels[b] * C + c];
}

// y[m,n] = sum_k x[m,k] w[k,n] + b[n]   dense/reference.py (1)
//
// Tile      1 row by 8 columns: eight sums in registers while k runs; a number of x is read once for them all.
// Memory    4.5 bytes per multiply-add asked for.
// Numerics  one sum in the order of k, from the bias on.  A product of two float32 is exact in float64, so each
//           step is rounded as if fused, as the CPU's is, but where the sum's rounding to float64 makes a tie
//           for that to float32: about one step in 2^30.
export function dense_forward(y, x, w, b) {
  const N = b.length, K = w.length / N;
  for (let row = 0, from = 0; row < y.length; row += N, from += K) {
    let n = 0;
    for (; n + 8 <= N; n += 8) eight_columns(y, row + n, x, from, w, n, b, N, K);
    for (; n < N; ++n) one_column(y, row + n, x, from, w, n, b, N, K);
  }
}

function eight_columns(y, to, x, from, w, n, b, N, K) {
  let s0 = b[n], s1 = b[n + 1], s2 = b[n + 2], s3 = b[n + 3];
  let s4 = b[n + 4], s5 = b[n + 5], s6 = b[n + 6], s7 = b[n + 7];
  for (let k = 0, i = n; k < K; ++k, i += N) {
    const a = x[from + k];
    s0 = f32(s0 + a * w[i]);
    s1 = f32(s1 + a * w[i + 1]);
    s2 = f32(s2 + a * w[i + 2]);
    s3 = f32(s3 + a * w[i + 3]);
    s4 = f32(s4 + a * w[i + 4]);
    s5 = f32(s5 + a * w[i + 5]);
    s6 = f32(s6 + a * w[i + 6]);
    s7 = f32(s7 + a * w[i + 7]);
  }
  y[to] = s0;
  y[to + 1] = s1;
  y[to + 2] = s2;
  y[to + 3] = s3;
  y[to + 4] = s4;
  y[to + 5] = s5;
  y[to + 6] = s6;
  y[to + 7] = s7;
}

function one_column(y, to, x, from, w, n, b, N, K) {
  let s = b[n];
  for (let k = 0; k < K; ++k) s = f32(s + x[from + k] * w[k * N + n]);
  y[to] = s;
}

// dx[b,i,j,c] = sum_{r,s,n} dy[b, (i + d - r) / t, (j + d - s) / t, n] w[r,s,c,n]
//                                                                            convolution/reference.py (3)
// Forward, this is a transposed convolution.
//
// Tile      a slice of the elements (r,s,c) of a patch, for all places of an image: a product, dy w^T, of which
//           each row is then added to the pixels that a place has met.
// Memory    4.5 bytes per multiply-add asked for, as of the product; what a tile is made in fits a cache.
// Numerics  over n as the product; over (r,s) in the order of slices, and of places in them: the CPU's.
export function convolution_backward_input(...given) {
  convolve_backward(dense_forward, (length) => new Float32Array(length), ...given);
}

const SLICE = 128; // elements, as _DEEP of convolution/cpu.py

// The same by a product of one's choice; `spare` gives an array of so many numbers to compute in.
export function convolve_backward(product, spare, dx, dy, w, stride, padding, H, W, C, P, Q, N, R) {
  const elements = R * R * C, places = P * Q;
  const space = spare(spare_numbers(w, stride, padding, H, W, C, P, Q, N));
  dx.fill(0);
  for (let first = 0; first < elements; first += SLICE) {
    const wide = Math.min(SLICE, elements - first), given = space.subarray(0, places * wide);
    const across = space.subarray(places * wide, (places + N) * wide);
    const zeros = space.subarray((places + N) * wide, (places + N + 1) * wide).fill(0);
    transpose(across, w.subarray(first * N, (first + wide) * N), N);
    for (let b = 0; b * places * N < dy.length; ++b) {
      product(given, dy.subarray(b * places * N, (b + 1) * places * N), across, zeros);
      const image = dx.subarray(b * H * W * C, (b + 1) * H * W * C);
      give_back(image, given, first, wide, stride, padding, H, W, C, P, Q, R);
    }
  }
}

export function spare_numbers(w, stride, padding, H, W, C, P, Q, N) {
  return (P * Q + N + 1) * SLICE;
}

function transpose(out, x, columns) {
  const rows = x.length / columns;
  for (let m = 0; m < rows; ++m) for (let n = 0; n < columns; ++n) out[n * rows + m] = x[m * columns + n];
}

// Add what places give to elements `first` to `first + wide` of their patches to the pixels that those are of.
function give_back(dx, given, first, wide, stride, padding, H, W, C, P, Q, R) {
  for (let p = 0, from = 0; p < P; ++p)
    for (let q = 0; q < Q; ++q)
      for (let e = first, end; e < first + wide; from += end - e, e = end) {
        const tap = Math.floor(e / C);
        const i = p * stride - padding + Math.floor(tap / R), j = q * stride - padding + (tap % R);
        end = Math.min((tap + 1) * C, first + wide);
        if (i >= 0 && i < H && j >= 0 && j < W) add(dx, (i * W + j) * C + (e % C), given, from, end - e);
      }
}

function add(y, to, x, from, count) {
  for (let i = 0; i < count; ++i) y[to + i] += x[from + i];
}

// y[m,n] = y[m,n] + b[n]   convolution/reference.py (6)
export function bias_add(y, b) {
  for (let i = 0; i < y.length; ) for (let n = 0; n < b.length; ++n, ++i) y[i] += b[n];
}

// y = x if x > 0, else slope x   activation/reference.py (1)
export function leaky_relu_forward(y, x, slope) {
  const a = f32(slope);
  for (let i = 0; i < y.length; ++i) y[i] = x[i] > 0 ? x[i] : a * x[i];
}

// y = gamma (x - moving_mean) / sqrt(moving_variance + eps) + beta   batchnorm/reference.py (6)
export function batchnorm_forward_inference(y, x, gamma, beta, moving_mean, moving_variance, eps) {
  const C = gamma.length;
  for (let c = 0; c < C; ++c) {
    const rstd = f32(1 / f32(Math.sqrt(f32(moving_variance[c] + f32(eps)))));
    for (let i = c; i < y.length; i += C)
      y[i] = f32(gamma[c] * f32(f32(x[i] - moving_mean[c]) * rstd)) + beta[c];
  }
}

// y = tanh(x)   activation/reference.py (3)
//
// Numerics  the nearest float32, which the CPU's need not be: NumPy's, it may be the one beside it.
export function tanh_forward(y, x) {
  for (let i = 0; i < y.length; ++i) y[i] = Math.tanh(x[i]);
}

// Normals 2p and 2p + 1 from the words 2p and 2p + 1 of a stream   philox/reference.py (7)
export function random_normal(y, iteration, seed, stream) {
  const it = halves(iteration[0]), key = halves(seed);
  for (let i = 0; i < y.length; i += 4) {
    const words = philox([i / 4, stream, ...it], ...key); // (3)
    for (let j = 0; j < 4 && i + j < y.length; j += 2) {
      const radius = Math.sqrt(-2 * Math.log(uniform(words[j]) + 2 ** -24));
      const angle = 2 * Math.PI * uniform(words[j + 1]);
      y[i + j] = radius * Math.cos(angle);
      if (i + j + 1 < y.length) y[i + j + 1] = radius * Math.sin(angle);
    }
  }
}

// Four words from a counter and a key, by Philox4x32-10   philox/reference.py (1), (2)
function philox([c0, c1, c2, c3], k0, k1) {
  for (let round = 0; round < 10; ++round) {
    const [hi0, lo0] = product(0xd2511f53, c0), [hi1, lo1] = product(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [(hi1 ^ c1 ^ k0) >>> 0, lo1, (hi0 ^ c3 ^ k1) >>> 0, lo0];
    [k0, k1] = [(k0 + 0x9e3779b9) >>> 0, (k1 + 0xbb67ae85) >>> 0];
  }
  return [c0, c1, c2, c3];
}

// Both halves of the 64 bits of a b, by two products of 16 bits with 32, which float64 holds.
function product(a, b) {
  const low = (a & 0xffff) * b, rest = (a >>> 16) * b + Math.floor(low / 2 ** 16);
  return [Math.floor(rest / 2 ** 16), Math.imul(a, b) >>> 0];
}

// The low and the high 32 bits of a BigInt of 64.
function halves(bits) {
  return [Number(bits & 0xffffffffn), Number(BigInt.asUintN(64, bits) >> 32n)];
}

// Uniform in [0, 1)   philox/reference.py (4)
function uniform(word) {
  return (word >>> 8) * 2 ** -24;
}
