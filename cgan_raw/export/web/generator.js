// A generator in inference: the layers that its file describes, walked in order, each a call of an op.

import * as kernels from "./kernels.js";
import { room, simd } from "./simd.js";
import { read } from "./weights.js";

const ROWS = 32; // images at a time: so many share what is read of the weights

export class Generator {
  // `bytes` are those of a file of weights.  Throws an Error that says what is wrong with them.
  constructor(bytes) {
    const { description, tensors } = read(bytes);
    Object.assign(this, description); // model, iteration, seed, noise, stream, side, zeros, layers
    this.parameters = numbers(tensors);
    for (const name in this.zeros) tensors[name] = new Float32Array(this.zeros[name]);
    this.widths = widths(description, tensors);
    const rows = ROWS * this.widths.reduce((sum, width) => sum + width);
    const convolutions = this.layers.filter(({ op }) => op === "convolution_backward_input");
    const spare = convolutions.map((layer) => kernels.spare_numbers(...layer.arguments));
    this.memory = room(4 * (numbers(tensors) + rows + Math.max(0, ...spare)));
    this.tensors = place(this.memory, tensors);
    this.outputs = this.widths.map((width) => this.memory.floats(ROWS * width));
    this.ops = this.plain = kernels;
  }

  // Multiply by dense.wat from now on; `source` are the bytes of dense.wasm.
  async useSimd(source) {
    this.ops = this.simd = await simd(this.memory, source);
  }

  // The embeddings' name among the tensors; undefined for a plain GAN, which has none.
  get table() {
    return this.layers.find(({ op }) => op === "embedding_forward")?.arguments[0];
  }

  // (count, noise): that of `sample --seed`, whose first rows do not depend on the count.
  noiseOf(seed, count) {
    const z = new Float32Array(count * this.noise);
    kernels.random_normal(z, [0n], seed, this.stream);
    return z;
  }

  // A table with a row per image: a share of the way between two labels' embeddings, as of `sample --morph`.
  between(labels, others, share) {
    const table = this.tensors[this.table], C = this.noise;
    return Float32Array.from({ length: labels.length * C }, (_, i) => {
      const m = Math.floor(i / C), c = i % C;
      return (1 - share) * table[labels[m] * C + c] + share * table[others[m] * C + c];
    });
  }

  // (count, noise) -> pictures (count, side, side) uint8: stores into the array clamp, and round to even.
  //
  // `given` has, by name, the labels, which are rows of the table, and what stands in the place of a tensor.
  draw(z, given = {}) {
    const count = z.length / this.noise, pixels = new Uint8ClampedArray(count * this.side ** 2);
    for (let from = 0; from < count; from += ROWS) {
      const labels = given.labels?.slice(from, from + ROWS);
      const part = z.subarray(from * this.noise, (from + ROWS) * this.noise);
      const y = this.forward(part, { ...given, labels });
      for (let i = 0; i < y.length; ++i) pixels[from * this.side ** 2 + i] = (y[i] + 1) * 127.5;
    }
    return pixels;
  }

  // (rows, noise) -> (rows, side side) in [-1, 1], in a buffer that the next call overwrites.
  forward(z, given) {
    const rows = z.length / this.noise, inputs = this.outputs[0].subarray(0, z.length);
    inputs.set(z);
    return this.layers.reduce((x, { op, updates, arguments: names }, i) => {
      const y = updates ? x : this.outputs[i + 1].subarray(0, rows * this.widths[i + 1]);
      const value = (name) => (typeof name === "number" ? name : given[name] ?? this.tensors[name]);
      this.ops[op](...(updates ? [y] : [y, x]), ...names.map(value));
      return y;
    }, inputs);
  }
}

// z(t) = cos(t) z_0 + sin(t) z_1 for a share of a quarter turn, as of `sample --interpolate`.
export function walk(from, to, share) {
  const t = share * (Math.PI / 2);
  return from.map((v, i) => Math.cos(t) * v + Math.sin(t) * to[i]);
}

// How wide a row is that an op makes of one of this width, by the arguments after x; false if they do not fit.
const MADE = {
  embedding_forward: (width, table) => table.length % width === 0 && width,
  dense_forward: (width, w, b) => w.length === width * b.length && b.length,
  convolution_backward_input: (width, w, stride, padding, H, W, C, P, Q, N, R) =>
    width === P * Q * N && w.length === R * R * C * N && H * W * C,
  bias_add: (width, b) => width % b.length === 0 && width,
  batchnorm_forward_inference: (width, gamma) => width % gamma.length === 0 && width,
  leaky_relu_forward: (width) => width,
  tanh_forward: (width) => width,
};

// Numbers per row before the first layer and after each; an Error if tensors do not fit.
function widths({ noise, side, layers }, tensors) {
  const found = [noise];
  for (const { op, arguments: names } of layers) {
    if (!Object.hasOwn(MADE, op)) throw new Error(`The weights ask for an op that is not here: ${op}.`);
    const own = names.filter((name) => typeof name === "string" && name !== "labels");
    const missing = own.find((name) => !(name in tensors));
    if (missing) throw new Error(`The weights have no ${missing}.`);
    const width = MADE[op](found.at(-1), ...names.map((name) => tensors[name] ?? name));
    if (!width) throw new Error(`${own[0]} of the weights has another size than the layers around it.`);
    found.push(width);
  }
  if (found.at(-1) !== side ** 2) throw new Error("The weights are of another network than they say.");
  return found;
}

function numbers(tensors) {
  return Object.values(tensors).reduce((sum, tensor) => sum + tensor.length, 0);
}

function place(memory, tensors) {
  const placed = Object.entries(tensors).map(([name, tensor]) => [name, memory.floats(tensor.length)]);
  placed.forEach(([name, array]) => array.set(tensors[name]));
  return Object.fromEntries(placed);
}
