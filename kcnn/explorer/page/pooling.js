// Page 5: pooling, its three inverses, and the transposed convolution as patches that add up.

import { announce, figure, h, number, operator, plural, replace, term } from "./dom.js";
import { choice, whole } from "./store.js";
import { button, segments, slider, transport } from "./controls.js";
import { Grid, tint } from "./grid.js";
import { outputSize, transposedSize } from "./arithmetic.js";

const fields = {
  show: choice("pool", ["pool", "unpool", "overlap"]),
  kind: choice("max", ["max", "average", "globalmax", "globalaverage"]),
  seed: whole(3, 0, 999),
  n: whole(6, 2, 10),
  size: whole(2, 1, 5),
  s: whole(2, 1, 5),
  step: whole(4, 0, 200),
  k: whole(3, 1, 5),
  stride: whole(2, 1, 4),
  inputs: whole(3, 1, 5),
};

// Small numbers that look random and are the same for everybody who opens the same address.
export function numbers(seed, count) {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * 10);
  });
}

const square = (list, n) => Array.from({ length: n }, (_, r) => list.slice(r * n, r * n + n));
const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;

// Windows of a pooling with the value of each: {row, column, cells, value}, row by row.
export function pool(image, size, s, kind) {
  const whole = kind.startsWith("global");
  const [k, stride] = whole ? [image.length, 1] : [size, s];
  const out = outputSize(image.length, k, stride);
  const take = kind.endsWith("max") ? (cells) => Math.max(...cells) : mean;
  return { out, k, stride, windows: Array.from({ length: out * out }, (_, at) => {
    const [row, column] = [Math.floor(at / out) * stride, (at % out) * stride];
    const cells = image.slice(row, row + k).flatMap((line) => line.slice(column, column + k));
    return { row, column, cells, value: take(cells) };
  }) };
}

function poolPart(store) {
  const state = () => {
    const { n, size, s, kind, seed } = store.values;
    const image = square(numbers(seed, n * n), n);
    try {
      return { image, ...pool(image, size, s, kind) };
    } catch (error) {
      return { image, problem: error.message };
    }
  };
  const at = () => Math.min(store.values.step, (state().windows?.length ?? 1) - 1);
  const jump = (row, column) => {
    const { out, stride } = state();
    if (out) store.set({ step: Math.min(out - 1, Math.floor(row / stride)) * out + Math.min(out - 1, Math.floor(column / stride)) });
  };
  const input = new Grid("Input", { kind: "in", move: jump, at: () => { const { windows } = state(); return windows ? [windows[at()].row, windows[at()].column] : [0, 0]; } });
  const output = new Grid("Output", { kind: "out", move: (r, c) => store.set({ step: r * state().out + c }), at: () => [Math.floor(at() / (state().out ?? 1)), at() % (state().out ?? 1)] });
  const sum = h("p", { class: "total" });
  const problem = h("p", { class: "notice", role: "alert", hidden: true });
  const note = h("p", { class: "story" });
  const [inSize, outSize] = [0, 1].map(() => h("span", { class: "soft" }));
  const show = () => {
    const { image, windows, out, k, problem: wrong } = state();
    const n = image.length;
    problem.hidden = !wrong;
    problem.textContent = wrong ?? "";
    output.node.closest("figure")?.toggleAttribute("hidden", Boolean(wrong));
    for (const node of local) node.hidden = store.values.kind.startsWith("global");
    const now = windows?.[at()];
    const most = now && Math.max(...now.cells);
    input.show(n, n, (r, c) => {
      const inside = now && r >= now.row && r < now.row + k && c >= now.column && c < now.column + k;
      const best = inside && store.values.kind.endsWith("max") && image[r][c] === most;
      return { ...(best ? tint(1, 1, "out") : tint(image[r][c], 20, "in")), text: image[r][c] };
    });
    input.frame("window", now && [now.row, now.column, k, k], "ker");
    replace(inSize, `${n} × ${n}`);
    if (!now) return replace(sum);
    output.show(out, out, (r, c) => (r * out + c <= at() ? { ...tint(windows[r * out + c].value, 16, "out"), text: windows[r * out + c].value } : { kind: "unseen-cell" }));
    output.frame("now", [Math.floor(at() / out), at() % out, 1, 1], "ker");
    replace(outSize, h("span", { data: { result: "size" } }, out), ` × ${out}`);
    const listed = now.cells.length > 12 ? `${now.cells.slice(0, 11).join(store.values.kind.endsWith("max") ? ", " : " + ")} …` : now.cells.join(store.values.kind.endsWith("max") ? ", " : " + ");
    replace(sum, store.values.kind.endsWith("max") ? `max(${listed}) = ` : `(${listed}) ÷ ${now.cells.length} = `, term(number(now.value), "out"));
    replace(note, store.values.kind.startsWith("global")
      ? "Global pooling leaves one number a map, whatever its size. GoogLeNet and ResNet put it where AlexNet and VGG have dense layers of a hundred million weights."
      : `Pooling has no weights. ${number(n * n)} numbers become ${number(out * out)}; with 2×2 and stride 2, 224 → 112 → 56 → 28 → 14.`);
    announce(`${number(now.value)}`);
  };
  const local = [slider(store, "size", "Window", { kind: "ker" }), slider(store, "s", "Stride", { kind: "accent" })];
  store.on(show);
  const board = h("section", { class: "card board" }, segments(store, "kind", "Keep", { max: "the largest", average: "the average", globalmax: "global max", globalaverage: "global average" }),
    h("div", { class: "plates" }, figure("Input", "in", inSize, input.node), operator("→"), figure("Pooled", "out", outSize, output.node)), problem,
    transport(store, "step", () => state().windows?.length ?? 1), sum, note);
  show();
  return h("div", { class: "layout" }, h("div", { class: "wide" }, board), h("section", { class: "card settings" }, slider(store, "n", "Input", { kind: "in" }), local,
    button("Other numbers", () => store.set({ seed: (store.values.seed + 1) % 1000 }))));
}

// The three ways back from pooled values: copies, a corner among zeros, the remembered place among zeros.
export function unpool(image, way) {
  const { windows } = pool(image, 2, 2, "max");
  const result = image.map((row) => row.map(() => 0));
  for (const { row, column, cells, value } of windows) {
    const best = cells.indexOf(value);
    for (const place of [0, 1, 2, 3]) {
      const kept = way === "nearest" || (way === "nails" ? place === 0 : place === best);
      if (kept) result[row + (place >> 1)][column + (place & 1)] = value;
    }
  }
  return result;
}

function unpoolPart(store) {
  const grids = ["Before pooling", "Max pooled", "Nearest neighbour", "Bed of nails", "Max unpooling"].map((name, index) => new Grid(name, { kind: index ? "out" : "in" }));
  const show = () => {
    const image = square(numbers(store.values.seed, 16), 4);
    const { windows } = pool(image, 2, 2, "max");
    const best = unpool(image, "switches");
    const kept = image.map((row, r) => row.map((_, c) => {
      const { row: top, column: left, cells, value } = windows[(r >> 1) * 2 + (c >> 1)];
      return cells.indexOf(value) === (r - top) * 2 + (c - left);
    }));
    grids[0].show(4, 4, (r, c) => ({ ...(kept[r][c] ? tint(1, 1, "ker") : tint(image[r][c], 30, "in")), text: image[r][c] }));
    grids[1].show(2, 2, (r, c) => ({ ...tint(windows[r * 2 + c].value, 14, "out"), text: windows[r * 2 + c].value }));
    [unpool(image, "nearest"), unpool(image, "nails"), best].forEach((values, index) => grids[index + 2].show(4, 4, (r, c) => ({ ...tint(values[r][c], 14, "out"), text: values[r][c] })));
    for (const grid of grids) if (grid.shape[0] === 4) grid.many("block", [0, 1, 2, 3].map((at) => [(at >> 1) * 2, (at & 1) * 2, 2, 2]), "edge");
  };
  store.on(show);
  show();
  const names = ["Before pooling", "Max pooled", "Nearest neighbour", "Bed of nails", "Max unpooling"];
  const plate = (at, note) => figure(names[at], at ? "out" : "in", note, grids[at].node);
  return h("section", { class: "card board" }, h("div", { class: "plates" }, plate(0, "4 × 4, winners marked"), operator("→"), plate(1, "2 × 2")),
    h("h2", { class: "spaced" }, "Three ways back to 4 × 4"), h("div", { class: "plates" }, plate(2, "every cell copied"), plate(3, "first corner, zeros elsewhere"), plate(4, "where the winner stood")),
    h("p", { class: "story" }, "Nearest neighbour and bed of nails are two operations, though lectures sometimes give one name to both. Max unpooling needs the winners’ places from the pooling on the way down; SegNet keeps them."),
    h("div", { class: "row" }, button("Other numbers", () => store.set({ seed: (store.values.seed + 1) % 1000 }))));
}

// Patches that the inputs paint in one dimension, and their sum.
export function overlapAdd(inputs, kernel, s) {
  const size = transposedSize(inputs.length, kernel.length, s);
  const patches = inputs.map((x, i) => Array.from({ length: size }, (_, at) => (at >= i * s && at < i * s + kernel.length ? x * kernel[at - i * s] : null)));
  return { size, patches, sum: Array.from({ length: size }, (_, at) => patches.reduce((total, patch) => total + (patch[at] ?? 0), 0)) };
}

function overlapPart(store) {
  const grids = [["Input", "in"], ["Kernel", "ker"], ["Patches", "ker"], ["Their sum", "out"]].map(([name, kind]) => new Grid(name, { kind }));
  const story = h("p", { class: "story" });
  const state = () => {
    const { inputs, k, stride, seed } = store.values;
    const values = numbers(seed + 1, inputs).map((v) => (v % 5) + 1);
    const kernel = Array.from({ length: k }, (_, i) => Math.min(i, k - 1 - i) + 1);
    return { values, kernel, ...overlapAdd(values, kernel, stride) };
  };
  const show = () => {
    const { values, kernel, patches, sum, size } = state();
    const at = Math.min(store.values.step, values.length - 1);
    grids[0].show(1, values.length, (_, c) => ({ ...tint(c === at ? 1 : 0.3, 1, "in"), text: values[c] }));
    grids[1].show(1, kernel.length, (_, c) => ({ ...tint(1, 3, "ker"), text: kernel[c] }));
    grids[2].show(values.length, size, (r, c) => (patches[r][c] === null || r > at ? { kind: "idle-cell" } : { ...tint(r === at ? 1 : 0.4, 1, "ker"), text: patches[r][c] }), { words: true });
    grids[2].frame("now", [at, at * store.values.stride, 1, kernel.length], "ker");
    const partial = sum.map((_, c) => patches.slice(0, at + 1).reduce((total, patch) => total + (patch[c] ?? 0), 0));
    const shared = (c) => patches.slice(0, at + 1).filter((patch) => patch[c] !== null).length;
    grids[3].show(1, size, (_, c) => ({ ...tint(shared(c), 3, "out"), text: partial[c] }), { words: true });
    grids[3].label(`Their sum: ${partial.join(", ")}`);
    replace(story, `(${values.length} − 1)·${store.values.stride} + ${kernel.length} = `, term(size, "out"), ` outputs. Input ${at + 1} paints ${values[at]} × (${kernel.join(", ")}). `,
      kernel.length > store.values.stride ? `Neighbouring patches share ${plural(kernel.length - store.values.stride, "cell")}, which add.` : "Patches do not overlap: the stride is at least the kernel.");
  };
  store.on(show);
  const board = h("section", { class: "card board" }, h("div", { class: "plates" }, figure("Input", "in", "", grids[0].node), operator("∗ᵀ"), figure("Kernel", "ker", "", grids[1].node)),
    figure("Patches", "ker", "one line for each input", grids[2].node), figure("Their sum", "out", "the output", grids[3].node), transport(store, "step", () => store.values.inputs, { speed: 900 }), story);
  show();
  return h("div", { class: "layout" }, h("div", { class: "wide" }, board), h("section", { class: "card settings" }, slider(store, "inputs", "Inputs", { kind: "in" }), slider(store, "k", "Kernel", { kind: "ker" }), slider(store, "stride", "Stride", { kind: "accent" })));
}

function build(store) {
  const parts = { pool: poolPart(store), unpool: unpoolPart(store), overlap: overlapPart(store) };
  const show = () => Object.entries(parts).forEach(([name, node]) => { node.hidden = store.values.show !== name; });
  store.on(show);
  show();
  return h("div", {}, segments(store, "show", "Show", { pool: "Pooling", unpool: "Unpooling", overlap: "Transposed: overlap and add" }), Object.values(parts));
}

export const page = {
  id: "pooling",
  nav: "Pooling",
  title: "Pooling, and the way back up",
  lead: "Pooling keeps the strongest or the average answer of a window. Segmentation and generation have to go back to full size; here are the ways.",
  fields,
  build,
};
