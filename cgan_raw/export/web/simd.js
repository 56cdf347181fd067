// The ops by dense.wat, and the memory that it works in.

import * as kernels from "./kernels.js";

const PAGE = 2 ** 16; // bytes: what WebAssembly's memory is counted in
const LEAST = 8; // columns of the product's tile

// So many bytes, WebAssembly's where there is one.  `floats` gives them away in turn, `spare` lends those that
// are left.
export function room(bytes) {
  const wasm = globalThis.WebAssembly && new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) });
  const buffer = wasm ? wasm.buffer : new ArrayBuffer(bytes);
  let end = 0;
  const floats = (length) => new Float32Array(buffer, (end += 4 * length) - 4 * length, length);
  const spare = (length) => new Float32Array(buffer, end, length);
  return { wasm, floats, spare };
}

// Ops on arrays that lie in a room; `source` are the bytes of dense.wasm.  Rejects where there is no relaxed
// SIMD, or one that rounds a step twice: its sums would not be those of the plain product.
export async function simd({ wasm, spare }, source) {
  const { instance } = await WebAssembly.instantiate(source, { page: { memory: wasm } });
  const { dense_forward: product, step } = instance.exports, e = 2 ** -12;
  if (step(1 + e, 1 + e, -1 - 2 * e) !== e * e) throw new Error("A step is rounded twice.");

  function dense_forward(y, x, w, b) {
    const N = b.length, addresses = [y, x, w, b].map((array) => array.byteOffset);
    if (N < LEAST) kernels.dense_forward(y, x, w, b);
    else product(...addresses, y.length / N, N, w.length / N);
  }
  function convolution_backward_input(...given) {
    kernels.convolve_backward(dense_forward, spare, ...given);
  }
  return { ...kernels, dense_forward, convolution_backward_input };
}
