// The ways back up from small maps: unpooling, and the transposed convolution as patches that add up (page 5).

import { figure, h, operator, plural, replace, term } from "./dom.js";
import { button, slider, transport } from "./controls.js";
import { Grid, tint } from "./grid.js";
import { transposedSize } from "./arithmetic.js";
import { numbers, pool, square } from "./pool.js";

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

export function unpoolPart(store) {
  const grids = ["Before pooling", "Max pooled", "Nearest neighbour", "Bed of nails", "Max unpooling"].map(
    (name, index) => new Grid(name, { kind: index ? "out" : "in" }),
  );
  const show = () => {
    const image = square(numbers(store.values.seed, 16), 4);
    const { windows } = pool(image, 2, 2, "max");
    const best = unpool(image, "switches");
    const kept = image.map((row, r) =>
      row.map((_, c) => {
        const { row: top, column: left, cells, value } = windows[(r >> 1) * 2 + (c >> 1)];
        return cells.indexOf(value) === (r - top) * 2 + (c - left);
      }),
    );
    grids[0].show(4, 4, (r, c) => ({
      ...(kept[r][c] ? tint(1, 1, "ker") : tint(image[r][c], 30, "in")),
      text: image[r][c],
    }));
    grids[1].show(2, 2, (r, c) => ({ ...tint(windows[r * 2 + c].value, 14, "out"), text: windows[r * 2 + c].value }));
    [unpool(image, "nearest"), unpool(image, "nails"), best].forEach((values, index) =>
      grids[index + 2].show(4, 4, (r, c) => ({ ...tint(values[r][c], 14, "out"), text: values[r][c] })),
    );
    for (const grid of grids)
      if (grid.shape[0] === 4)
        grid.many(
          "block",
          [0, 1, 2, 3].map((at) => [(at >> 1) * 2, (at & 1) * 2, 2, 2]),
          "edge",
        );
  };
  store.on(show);
  show();
  const names = ["Before pooling", "Max pooled", "Nearest neighbour", "Bed of nails", "Max unpooling"];
  const plate = (at, note) => figure(names[at], at ? "out" : "in", note, grids[at].node);
  return h(
    "section",
    { class: "card board" },
    h("div", { class: "plates" }, plate(0, "4 × 4, winners marked"), operator("→"), plate(1, "2 × 2")),
    h("h2", { class: "spaced" }, "Three ways back to 4 × 4"),
    h(
      "div",
      { class: "plates" },
      plate(2, "every cell copied"),
      plate(3, "first corner, zeros elsewhere"),
      plate(4, "where the winner stood"),
    ),
    h(
      "p",
      { class: "story" },
      "Nearest neighbour and bed of nails are two operations, though lectures sometimes give one name to both. Max unpooling needs the winners’ places from the pooling on the way down; SegNet keeps them.",
    ),
    h(
      "div",
      { class: "row" },
      button("Other numbers", () => store.set({ seed: (store.values.seed + 1) % 1000 })),
    ),
  );
}

// Patches that the inputs paint in one dimension, and their sum.
export function overlapAdd(inputs, kernel, s) {
  const size = transposedSize(inputs.length, kernel.length, s);
  const patches = inputs.map((x, i) =>
    Array.from({ length: size }, (_, at) =>
      at >= i * s && at < i * s + kernel.length ? x * kernel[at - i * s] : null,
    ),
  );
  return {
    size,
    patches,
    sum: Array.from({ length: size }, (_, at) => patches.reduce((total, patch) => total + (patch[at] ?? 0), 0)),
  };
}

export function overlapPart(store) {
  const grids = [
    ["Input", "in"],
    ["Kernel", "ker"],
    ["Patches", "ker"],
    ["Their sum", "out"],
  ].map(([name, kind]) => new Grid(name, { kind }));
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
    grids[2].show(
      values.length,
      size,
      (r, c) =>
        patches[r][c] === null || r > at
          ? { kind: "idle-cell" }
          : { ...tint(r === at ? 1 : 0.4, 1, "ker"), text: patches[r][c] },
      { words: true },
    );
    grids[2].frame("now", [at, at * store.values.stride, 1, kernel.length], "ker");
    const partial = sum.map((_, c) => patches.slice(0, at + 1).reduce((total, patch) => total + (patch[c] ?? 0), 0));
    const shared = (c) => patches.slice(0, at + 1).filter((patch) => patch[c] !== null).length;
    grids[3].show(1, size, (_, c) => ({ ...tint(shared(c), 3, "out"), text: partial[c] }), { words: true });
    grids[3].label(`Their sum: ${partial.join(", ")}`);
    replace(
      story,
      `(${values.length} − 1)·${store.values.stride} + ${kernel.length} = `,
      term(size, "out"),
      ` outputs. Input ${at + 1} paints ${values[at]} × (${kernel.join(", ")}). `,
      kernel.length > store.values.stride
        ? `Neighbouring patches share ${plural(kernel.length - store.values.stride, "cell")}, which add.`
        : "Patches do not overlap: the stride is at least the kernel.",
    );
  };
  store.on(show);
  const board = h(
    "section",
    { class: "card board" },
    h(
      "div",
      { class: "plates" },
      figure("Input", "in", "", grids[0].node),
      operator("∗ᵀ"),
      figure("Kernel", "ker", "", grids[1].node),
    ),
    figure("Patches", "ker", "one line for each input", grids[2].node),
    figure("Their sum", "out", "the output", grids[3].node),
    transport(store, "step", () => store.values.inputs, { speed: 900 }),
    story,
  );
  show();
  return h(
    "div",
    { class: "layout" },
    h("div", { class: "wide" }, board),
    h(
      "section",
      { class: "card settings" },
      slider(store, "inputs", "Inputs", { kind: "in" }),
      slider(store, "k", "Kernel", { kind: "ker" }),
      slider(store, "stride", "Stride", { kind: "accent" }),
    ),
  );
}
