// The ops with dense.wat among them, and the memory that it works in.

import * as kernels from "./kernels.js";

const PAGE = 2 ** 16; // bytes: what WebAssembly's memory is counted in
const LEAST = 8; // columns of the product's tile

// So many bytes, WebAssembly's where there is one; `floats` gives them away in turn.
export function room(bytes) {
  const wasm = globalThis.WebAssembly && new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) });
  const buffer = wasm ? wasm.buffer : new ArrayBuffer(bytes);
  let end = 0;
  const floats = (length) => new Float32Array(buffer, (end += 4 * length) - 4 * length, length);
  return { wasm, floats };
}

// Ops on arrays that lie in a room; `source` are the bytes of dense.wasm.  Rejects where there is no SIMD.
export async function simd({ wasm }, source) {
  const { instance } = await WebAssembly.instantiate(source, { page: { memory: wasm } });
  const { dense_forward } = instance.exports;
  return {
    ...kernels,
    dense_forward(y, x, w, b) {
      const N = b.length;
      if (N < LEAST) kernels.dense_forward(y, x, w, b);
      else dense_forward(...[y, x, w, b].map((array) => array.byteOffset), y.length / N, N, w.length / N);
    },
  };
}
