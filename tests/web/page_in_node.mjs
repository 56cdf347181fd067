// A page's modules in node: jobs come in as lines of JSON, and what they give goes out as lines.
//
// An array is {array: its bytes in base64, dtype: NumPy's name}, a 64-bit number {big: its digits}.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";

const site = `${process.argv[2]}/`;
const from = (name) => import(pathToFileURL(site + name));
const [kernels, { room, simd }, { Generator, walk }] = await Promise.all(
  ["kernels.js", "simd.js", "generator.js"].map(from),
);
const file = (name) => new Uint8Array(readFileSync(site + name));
// Node 20 has to be asked for relaxed SIMD.
if (!WebAssembly.validate(file("dense.wasm"))) setFlagsFromString("--experimental-wasm-relaxed-simd");

const ARRAYS = { float32: Float32Array, int32: Int32Array, int64: BigInt64Array };
const GUARD = 64; // numbers: no tile is wider
const SPARE = 2 ** 16; // numbers: no op here asks for more

const packed = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");

function unpacked(value) {
  if (value.big !== undefined) return BigInt(value.big);
  if (value.array === undefined) return value;
  const bytes = Buffer.from(value.array, "base64");
  return new ARRAYS[value.dtype](bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

// Whether dense.wasm can be used here.
async function able() {
  return { able: await simd(room(1), file("dense.wasm")).then(() => true, () => false) };
}

// An op on arguments in calling order; float32 arrays lie in one room, NaN before and behind each.
async function op({ name, fast, given }) {
  const values = given.map(unpacked), floats = values.filter((value) => value instanceof Float32Array);
  const rooms = floats.reduce((sum, value) => sum + value.length + GUARD, GUARD);
  const place = room(4 * (rooms + SPARE));
  const guards = [place.floats(GUARD).fill(NaN)];
  const placed = values.map((value) => {
    if (!(value instanceof Float32Array)) return value;
    const array = place.floats(value.length);
    array.set(value);
    guards.push(place.floats(GUARD).fill(NaN));
    return array;
  });
  const ops = fast ? await simd(place, file("dense.wasm")) : kernels;
  ops[name](...placed);
  const whole = guards.every((guard) => guard.every(Number.isNaN));
  return { whole, after: placed.map((value) => (ArrayBuffer.isView(value) ? packed(value) : null)) };
}

let generator;

// Pictures as of `sample`: digits null for a plain GAN.
async function draw({ fast, kind, seed, digits, count, steps }) {
  generator ??= new Generator(file("generator.safetensors"));
  if (!generator.simd) await generator.useSimd(file("dense.wasm"));
  generator.ops = fast ? generator.simd : generator.plain;
  return { pixels: packed(pictures[kind](BigInt(seed), digits, count, steps)) };
}

const each = (count, make) => Array.from({ length: count }, (_, i) => make(i));
const rows = (arrays) => Float32Array.from(arrays.flatMap((array) => [...array]));

const pictures = {
  sample(seed, digits, count) {
    const labels = digits?.flatMap((digit) => each(count, () => digit));
    return generator.draw(generator.noiseOf(seed, labels?.length ?? count), { labels });
  },
  interpolate(seed, digits, _, steps) {
    const noise = generator.noiseOf(seed, 2), C = generator.noise;
    const way = each(steps, (k) => walk(noise.subarray(0, C), noise.subarray(C), k / (steps - 1)));
    const labels = digits?.flatMap((digit) => each(steps, () => digit));
    return generator.draw(rows((digits ?? [null]).flatMap(() => way)), { labels });
  },
  morph(seed, [one, other], count, steps) {
    const noise = generator.noiseOf(seed, count), C = generator.noise;
    const z = rows(each(count * steps, (i) => noise.subarray(C * Math.floor(i / steps)).subarray(0, C)));
    const table = rows(each(steps, (k) => generator.between([one], [other], k / (steps - 1))));
    return generator.draw(z, { [generator.table]: table, labels: each(count * steps, (i) => i % steps) });
  },
};

const jobs = { able, op, draw };

for await (const line of createInterface({ input: process.stdin })) {
  const { job, ...what } = JSON.parse(line);
  const answer = await jobs[job](what).catch((error) => ({ error: String(error.stack) }));
  console.log(JSON.stringify(answer));
}
