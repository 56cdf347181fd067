// The file of weights: fetched, with word of how much has come, and taken apart.  It is a file of safetensors:
// 8 bytes with the header's length, the header as JSON, the tensors.

const KEY = "cgan_raw"; // of the header's metadata: a description of the network, see web_page.py

// All bytes of the file at `url`; `progress` is told the share of them that has come, from 0 to 1.
export async function download(url, progress) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} is missing: the server answers ${answer.status}.`);
  const parts = [], reader = answer.body.getReader();
  let loaded = 0, total = 0;
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    parts.push(value);
    loaded += value.length;
    total ||= size(await join(parts)); // answers may be packed on the way: only the file itself knows its size
    progress(total ? loaded / total : 0);
  }
  if (!total || loaded < total)
    throw new Error(`${url} is cut short: ${loaded} bytes have come${total ? ` of ${total}` : ""}.`);
  return join(parts);
}

async function join(parts) {
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

// Bytes of the whole file, from its beginning; 0 if that is too short to say.
function size(bytes) {
  const found = header(bytes);
  return found && found.start + Math.max(0, ...tensors(found).map(([, { data_offsets }]) => data_offsets[1]));
}

function header(bytes) {
  if (bytes.length < 8) return 0;
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  if (length > 2 ** 20) throw new Error("The weights are not a file of safetensors.");
  if (bytes.length < 8 + length) return 0;
  return { start: 8 + length, entries: JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) };
}

function tensors({ entries }) {
  return Object.entries(entries).filter(([name]) => name !== "__metadata__");
}

// The description of the network, and its tensors by name, as Float32Arrays.
export function read(bytes) {
  const found = header(bytes), said = found.entries.__metadata__?.[KEY];
  if (!said) throw new Error("The weights do not say of which network they are.");
  const named = tensors(found).map(([name, { dtype, data_offsets: [from, to] }]) => {
    const Words = dtype === "F16" ? Uint16Array : Float32Array;
    const words = new Words(bytes.buffer, found.start + from, (to - from) / Words.BYTES_PER_ELEMENT);
    return [name, dtype === "F16" ? Float32Array.from(words, single) : words];
  });
  return { description: JSON.parse(said), tensors: Object.fromEntries(named) };
}

// IEEE 754 binary16 to a number; files have no infinities.
function single(half) {
  const sign = half & 0x8000 ? -1 : 1, exponent = (half >> 10) & 31, fraction = half & 1023;
  return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
}
