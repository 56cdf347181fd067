// The page: what is asked for lies in the address and in the controls, and is drawn whenever it changes.

import { Generator, walk } from "./generator.js";
import { download } from "./weights.js";

const WEIGHTS = "generator.safetensors";
const HANDS = 10; // seeds that are shown at once
const ALONE = 4; // pictures of a plain GAN, which has no number to draw
const SECONDS = 2.5; // that a walk takes from seed to seed
const LAST = 2n ** 64n - 1n;

const $ = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const usual = { number: $("number").value, seed: "0", walk: "0", into: $("into").value, morph: "0" };

let generator, asked = false, playing = 0, since = 0, shown = "", later = 0;

// What is asked for -------------------------------------------------------------------------------------------

const digits = (id) => [...$(id).value].map(Number);
const number = () => (generator.table ? digits("number") : Array(ALONE).fill(0));
const share = (id) => Number($(id).value) / 100;
const seed = () => BigInt($("seed").value || 0);
const following = (one) => BigInt.asUintN(64, one + 1n);

// Nothing but digits, as many as there is room for, and of a seed no more than 64 bits.
function tidy(input) {
  const kept = input.value.replace(/[^0-9]/g, "").slice(0, input.maxLength);
  if (kept !== input.value) input.value = kept;
  if (input.id === "seed" && kept && BigInt(kept) > LAST) input.value = String(LAST);
}

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const name in usual) {
    $(name).value = given.get(name) ?? usual[name];
    if ($(name).type === "text") tidy($(name));
  }
}

function writeAddress() {
  const changed = Object.keys(usual).filter((name) => $(name).value !== usual[name]);
  const hash = new URLSearchParams(changed.map((name) => [name, $(name).value])).toString();
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
}

function setSeed(value) {
  $("seed").value = String(BigInt.asUintN(64, value));
  $("walk").value = "0";
  ask();
}

// Drawing -----------------------------------------------------------------------------------------------------

function ask() {
  if (!asked) requestAnimationFrame(draw);
  asked = true;
}

function draw() {
  asked = false;
  if (!generator) return;
  const labels = number(), pixels = picture(labels);
  show($("digits"), labels.length, pixels);
  describe(labels);
  if (playing) return;
  clearTimeout(later);
  later = setTimeout(settle, 150);
}

function picture(labels) {
  const z = noise(seed(), labels.length), t = share("walk");
  const at = t ? walk(z, noise(following(seed()), labels.length), t) : z;
  if (!generator.table) return timed(at);
  if (!share("morph")) return timed(at, { labels });
  const others = digits("into"), ends = labels.map((label, i) => others[i] ?? label);
  const rows = generator.between(labels, ends, share("morph"));
  return timed(at, { [generator.table]: rows, labels: labels.map((_, i) => i) });
}

function timed(...given) {
  const from = performance.now(), pixels = generator.draw(...given);
  $("time").textContent = `${(performance.now() - from).toFixed(1)} ms`;
  return pixels;
}

const noise = (from, count) => generator.noiseOf(from, count);

// A canvas for each picture: black ink, as opaque as a pixel is bright.
function show(place, count, pixels) {
  place.querySelector("img")?.remove();
  while (place.children.length > count) place.lastElementChild.remove();
  while (place.children.length < count) place.append(canvas(generator.side, generator.side));
  place.classList.toggle("many", count > 5);
  const size = generator.side ** 2;
  [...place.children].forEach((each, m) => ink(each, 0, pixels.subarray(m * size, (m + 1) * size)));
}

function canvas(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height });
}

function ink(where, left, pixels) {
  const image = new ImageData(generator.side, generator.side);
  pixels.forEach((v, i) => (image.data[4 * i + 3] = v));
  where.getContext("2d").putImageData(image, left, 0);
}

// What is drawn, in words: below the sheet, for whoever does not see it, and as a command.
function describe(labels) {
  const what = generator.table ? $("number").value || "No number" : "Four digits";
  const [far, much] = [$("walk").value, $("morph").value];
  const morphs = generator.table !== undefined && much !== "0";
  const hand = far === "0" ? `seed ${seed()}` : `seed ${seed()}, ${far} % of the way to ${following(seed())}`;
  const words = `${what}, ${hand}${morphs ? `, ${much} % ${$("into").value}` : ""}`;
  $("caption").textContent = words;
  $("digits").ariaLabel = `Drawn by the network: ${words}`;
  $("walk-output").textContent = `${far} %`;
  $("morph-output").textContent = `${much} %`;
  const asking = generator.table ? `--digits ${$("number").value} --count 1` : `--count ${ALONE}`;
  $("command").hidden = far !== "0" || morphs || !labels.length;
  $("command").lastElementChild.textContent = `python -m cgan_raw.sample RUN ${asking} --seed ${seed()}`;
}

// When nothing has changed for a moment.
function settle() {
  writeAddress();
  $("said").textContent = $("caption").textContent;
  drawHands();
}

// The same number in other hands, one after the other, so that the page stays alive meanwhile.
function drawHands() {
  const first = seed() - (seed() % BigInt(HANDS)), labels = number(), key = `${first} ${labels}`;
  if (key !== shown) {
    shown = key;
    const seeds = Array.from({ length: HANDS }, (_, i) => BigInt.asUintN(64, first + BigInt(i)));
    $("hands").replaceChildren(...seeds.map((of) => hand(of, labels, key)));
  }
  for (const each of $("hands").querySelectorAll("input")) each.checked = each.value === String(seed());
}

function hand(of, labels, key) {
  const label = document.createElement("label"), radio = document.createElement("input");
  Object.assign(radio, { type: "radio", name: "hand", value: String(of), ariaLabel: `Seed ${of}` });
  radio.addEventListener("change", () => setSeed(of));
  const sheet = canvas(generator.side * Math.max(1, labels.length), generator.side);
  label.append(radio, sheet, String(of));
  setTimeout(() => {
    if (key !== shown || !labels.length) return;
    const pixels = generator.draw(noise(of, labels.length), { labels }), size = generator.side ** 2;
    labels.forEach((_, m) => ink(sheet, m * generator.side, pixels.subarray(m * size, (m + 1) * size)));
  });
  return label;
}

// Walking by itself -------------------------------------------------------------------------------------------

function play() {
  if (playing) return stop();
  since = performance.now();
  playing = requestAnimationFrame(step);
  $("play").textContent = "Pause";
  $("play").ariaPressed = "true";
}

function stop() {
  cancelAnimationFrame(playing);
  playing = 0;
  $("play").textContent = "Play";
  $("play").ariaPressed = "false";
  ask();
}

// From seed to seed without a halt; where motion is to be reduced, a picture of each.
function step(now) {
  const gone = ((now - since) / SECONDS / 1000) * 100;
  const at = still.matches ? 0 : Number($("walk").value) + gone;
  const passes = still.matches ? gone >= 100 : at >= 100;
  if (passes) $("seed").value = String(following(seed()));
  if (gone >= 1 && !still.matches) $("walk").value = String(Math.floor(at % 100));
  if (passes || (gone >= 1 && !still.matches)) {
    since = now;
    draw();
  }
  playing = requestAnimationFrame(step);
}

// Beginning ---------------------------------------------------------------------------------------------------

function listen() {
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  $("controls").addEventListener("input", ({ target }) => {
    if (target.type === "text") tidy(target);
    if (target.id in usual) ask();
  });
  $("before").addEventListener("click", () => setSeed(seed() - 1n));
  $("after").addEventListener("click", () => setSeed(seed() + 1n));
  $("any").addEventListener("click", () => setSeed(BigInt(Math.floor(Math.random() * 2 ** 32))));
  $("play").addEventListener("click", play);
  $("copy").addEventListener("click", copy);
  $("kernels").addEventListener("change", ({ target }) => { generator.ops = generator[target.value]; ask(); });
  addEventListener("hashchange", () => { readAddress(); ask(); });
}

async function copy() {
  writeAddress();
  const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  $("said").textContent = $("copy").textContent = copied ? "Copied" : "See the address bar";
  setTimeout(() => ($("copy").textContent = "Copy link"), 2000);
}

// WebAssembly where there is SIMD; without it, the page goes on as it is.
async function useSimd() {
  try {
    const answer = await fetch("dense.wasm");
    await generator.useSimd(await answer.arrayBuffer());
    document.querySelector("[value=simd]").checked = true;
  } catch {
    document.querySelector("[value=simd]").disabled = true;
  }
}

async function begin() {
  $("help").remove();
  readAddress();
  listen();
  if (location.hash) $("digits").replaceChildren();
  $("progress").hidden = false;
  try {
    generator = new Generator(await download(WEIGHTS, (part) => ($("progress").value = part)));
    await useSimd();
  } catch (error) {
    $("problem").textContent = `Nothing can be drawn. ${error.message}`;
    $("problem").hidden = false;
    $("controls").inert = true;
    return;
  } finally {
    $("progress").hidden = true;
  }
  const told = (number) => number.toLocaleString("en");
  $("facts").textContent =
    `${told(generator.parameters)} parameters, trained for ${told(generator.iteration)} iterations ` +
    `(seed ${generator.seed}). Nothing that you type leaves this page.`;
  $("kernels").hidden = false;
  draw();
}

begin();
