// Page 2: what kernel, stride, padding and dilation do to sizes, forwards and transposed.

import { announce, figure, h, number, operator, plural, replace, term } from "./dom.js";
import { choice, flag, whole } from "./store.js";
import { presets, segments, slider, toggle, transport } from "./controls.js";
import { Grid, tint } from "./grid.js";
import { crop, effective, leftover, outputSize, padding, transposedSize } from "./arithmetic.js";
import { codeLines, facts, formula } from "./sizes_words.js";

const fields = {
  n: whole(7, 1, 32),
  k: whole(3, 1, 11),
  s: whole(1, 1, 8),
  pad: choice("number", ["valid", "same", "even", "full", "number"]),
  p: whole(1, 0, 16),
  d: whole(1, 1, 6),
  transposed: flag(false),
  extra: whole(0, 0, 7),
  view: choice("window", ["window", "count", "gradient"]),
  step: whole(9, 0, 99999),
};
const plain = { n: 5, k: 3, s: 1, pad: "number", p: 0, d: 1, transposed: false, extra: 0 };
const PRESETS = [
  ["3×3 on 4×4", { ...plain, n: 4 }],
  ["padding 1", { ...plain, p: 1 }],
  ["stride 2", { ...plain, s: 2 }],
  ["dilation 2", { ...plain, n: 7, d: 2 }],
  ["full", { ...plain, pad: "full" }],
  ["stride that does not fit", { ...plain, n: 6, s: 2 }],
  ["transposed, stride 2", { ...plain, n: 3, s: 2, p: 1, transposed: true }],
  ["… with output padding", { ...plain, n: 3, s: 2, p: 1, transposed: true, extra: 1 }],
];

// Every number on the page, from its settings; `problem` where nothing comes out.
export function work(values) {
  const { n, k, s, d, transposed, extra } = values;
  const mode = values.pad === "number" ? values.p : values.pad;
  const base = { n, k, s, d, mode, transposed, span: effective(k, d) };
  try {
    if (transposed) {
      const out = transposedSize(n, k, s, mode, d, extra);
      const [before, after, behind] = crop(mode, n, k, s, d, extra);
      return { ...base, out, before, after, behind };
    }
    const [before, after] = padding(mode, n, k, s, d);
    return { ...base, before, after, out: outputSize(n, k, s, mode, d), left: leftover(n, k, s, mode, d) };
  } catch (error) {
    return { ...base, problem: error.message };
  }
}

// Which tap of the kernel joins two cells that lie `away` apart, or -1.
const tap = (away, { k, d }) => (away >= 0 && away % d === 0 && away / d < k ? away / d : -1);

// Row k of Pascal's triangle: a bell-shaped kernel whose weights are told apart by eye.
export function binomial(k) {
  return Array.from({ length: k - 1 }).reduce((row) => [1, ...row.slice(1).map((v, i) => v + row[i]), 1], [1]);
}

function build(store) {
  const small = new Grid("Input", { kind: "in", move: (r, c) => point(r, c, true), at: () => at(true) });
  const large = new Grid("Output", { kind: "out", move: (r, c) => point(r, c, false), at: () => at(false) });
  const weights = new Grid("Kernel", { kind: "ker" });
  const problem = h("p", { class: "notice", role: "alert", hidden: true });
  const [inSize, outSize, kerSize] = [0, 1, 2].map(() => h("span", { class: "soft" }));
  const words = h("div", { class: "formula-box" });
  const told = h("dl", { class: "facts" });
  const code = h("pre", { class: "code", tabindex: 0, "aria-label": "The same in Keras" });
  const story = h("p", { class: "story" });

  // The cell the picture is about lies on the output, except where an input paints its patch.
  const onInput = () => store.values.transposed && store.values.view === "window";
  const side = () => {
    const { n, out } = work(store.values);
    return onInput() ? n : (out ?? 0);
  };
  const chosen = () => {
    const size = side();
    const step = Math.min(store.values.step, Math.max(0, size * size - 1));
    return [Math.floor(step / Math.max(1, size)), step % Math.max(1, size)];
  };
  const choose = (row, column) => {
    const size = side();
    const clamp = (value) => Math.min(size - 1, Math.max(0, Math.round(value)));
    if (size) store.set({ step: clamp(row) * size + clamp(column) });
  };
  const point = (r, c, fromInput) => {
    const { before, s, span, problem: none, transposed } = work(store.values);
    if (none) return;
    const half = (span - 1) / 2;
    if (transposed) {
      if (fromInput === onInput()) choose(fromInput ? r : r - before, fromInput ? c : c - before);
      else if (fromInput) choose(r * s + half - before, c * s + half - before);
      else choose((r - half) / s, (c - half) / s);
    } else if (fromInput) choose((r - half) / s, (c - half) / s);
    else choose(r, c);
  };
  const at = (fromInput) => {
    const [row, column] = chosen();
    const { before = 0, s, span, transposed } = work(store.values);
    const half = Math.floor((span - 1) / 2);
    if (transposed) {
      if (fromInput)
        return onInput() ? [row, column] : [Math.floor((row + before) / s), Math.floor((column + before) / s)];
      return onInput() ? [row * s + half, column * s + half] : [row + before, column + before];
    }
    return fromInput ? [row * s + half, column * s + half] : [row, column];
  };

  const show = () => {
    const now = work(store.values);
    problem.hidden = !now.problem;
    problem.textContent = now.problem ?? "";
    for (const grid of [small, large]) grid.node.closest("figure")?.toggleAttribute("hidden", Boolean(now.problem));
    replace(words, formula(now));
    replace(told, facts(now));
    replace(code, codeLines(now));
    replace(kerSize, `${now.k} × ${now.k}${now.d > 1 ? `, spread over ${now.span} × ${now.span}` : ""}`);
    showKernel(weights, now, store.values.view);
    extraField.hidden = !now.transposed || now.mode === "same";
    number_.hidden = store.values.pad !== "number";
    replace(story, now.problem ? "" : tale(now, store.values.view, chosen()));
    if (now.problem) return;
    (now.transposed ? showTransposed : showForward)(now, store.values.view, chosen(), small, large);
    replace(
      inSize,
      `${now.n} × ${now.n}${!now.transposed && now.before + now.after ? `, padded to ${now.n + now.before + now.after}` : ""}`,
    );
    replace(outSize, h("span", { data: { result: "size" } }, now.out), ` × ${now.out}`);
    small.label(`Input, ${now.n} by ${now.n}. Arrow keys move the window.`);
    large.label(`Output, ${now.out} by ${now.out}. Arrow keys choose a cell.`);
    announce(`Output ${now.out} by ${now.out}`);
  };
  const extraField = slider(store, "extra", "Output padding", { kind: "out" });
  const number_ = slider(store, "p", "Padding p", { kind: "pad" });
  const steps = transport(store, "step", () => side() ** 2, {
    said: () => h("span", {}, onInput() ? "input " : "output ", term(chosen().join(","), onInput() ? "in" : "out")),
  });
  const board = h(
    "section",
    { class: "card board" },
    segments(store, "view", "Show", {
      window: "The window",
      count: "How often each cell counts",
      gradient: "Gradients",
    }),
    h(
      "div",
      { class: "plates" },
      h(
        "div",
        { class: "pair" },
        figure("Input", "in", inSize, small.node),
        operator("∗"),
        figure("Kernel", "ker", kerSize, weights.node),
      ),
      h("div", { class: "pair" }, operator("="), figure("Output", "out", outSize, large.node)),
    ),
    problem,
    steps,
    story,
    words,
    told,
    code,
  );
  const settings = h(
    "section",
    { class: "card settings" },
    toggle(store, "transposed", "Transposed"),
    slider(store, "n", "Input n", { kind: "in" }),
    slider(store, "k", "Kernel k", { kind: "ker" }),
    slider(store, "s", "Stride s", { kind: "accent" }),
    segments(store, "pad", "Padding", { valid: "valid", same: "same", half: "even", full: "full", number: "p" }),
    number_,
    slider(store, "d", "Dilation d", { kind: "ker" }),
    extraField,
    h(
      "p",
      { class: "hint" },
      "“same” is Keras’: the output has ⌈n/s⌉ cells and an odd padding cell goes to the end. “even” pads d(k−1)/2, rounded down, on both sides; “full” d(k−1).",
    ),
  );
  store.on(show);
  show();
  return h(
    "div",
    {},
    presets(store, "Try", PRESETS),
    h("div", { class: "layout" }, h("div", { class: "wide" }, board), settings),
  );
}

function showKernel(grid, { k }, view) {
  const w = binomial(k);
  grid.show(k, k, (r, c) =>
    view === "gradient" ? { ...tint(w[r] * w[c], Math.max(...w) ** 2, "ker"), text: w[r] * w[c] } : tint(1, 2, "ker"),
  );
  grid.label(`Kernel, ${k} by ${k}`);
}

function showForward(now, view, [row, column], input, output) {
  const { n, k, s, d, before, after, out, span, left } = now;
  const size = n + before + after;
  const w = binomial(k);
  const reads = Array.from(
    { length: size },
    (_, i) => Array.from({ length: out }, (_, o) => tap(i - o * s, now)).filter((t) => t >= 0).length,
  );
  const most = Math.max(...reads) ** 2;
  input.show(
    size,
    size,
    (r, c) => {
      const inside = r >= before && c >= before && r < before + n && c < before + n;
      const never = r >= size - left || c >= size - left;
      const kind = `${inside ? "" : "pad"} ${never ? "never" : ""}`;
      const text = inside ? "" : "0";
      const [u, v] = [tap(r - row * s, now), tap(c - column * s, now)];
      if (view === "count")
        return inside ? { ...tint(reads[r] * reads[c], most, "in"), text: reads[r] * reads[c], kind } : { kind, text };
      if (u < 0 || v < 0) return { ...(inside && !never ? tint(1, 4, "in") : {}), kind, text };
      if (view === "gradient")
        return { ...tint(w[u] * w[v], Math.max(...w) ** 2, "ker"), text: inside ? w[u] * w[v] : "0", kind };
      return { ...tint(2, 3, "ker"), text, kind };
    },
    { words: size <= 16 },
  );
  input.frame("real", before + after > 0 && [before, before, n, n], "edge");
  input.frame("window", view !== "count" && [row * s, column * s, span, span], d > 1 ? "ker dashed" : "ker");
  output.show(out, out, (r, c) =>
    view === "count"
      ? tint(1, 3, "out")
      : r === row && c === column
        ? tint(1, 1, "out")
        : r * out + c < row * out + column
          ? tint(1, 2.5, "out")
          : tint(1, 6, "out"),
  );
  output.frame("now", view !== "count" && [row, column, 1, 1], "out");
  output.frame("real", null);
}

function showTransposed(now, view, [row, column], input, output) {
  const { n, k, s, d, before, after, behind, out, span } = now;
  const size = (n - 1) * s + span + behind;
  const w = binomial(k);
  const [fr, fc] = [row + before, column + before];
  const painted = Array.from(
    { length: size },
    (_, o) => Array.from({ length: n }, (_, i) => tap(o - i * s, now)).filter((t) => t >= 0).length,
  );
  const most = Math.max(...painted) ** 2;
  input.show(n, n, (r, c) => {
    if (view === "window") return r === row && c === column ? tint(1, 1, "in") : tint(1, 4, "in");
    if (view === "count") return tint(1, 4, "in");
    const [u, v] = [tap(fr - r * s, now), tap(fc - c * s, now)];
    return u < 0 || v < 0 ? {} : { ...tint(w[u] * w[v], Math.max(...w) ** 2, "ker"), text: w[u] * w[v] };
  });
  input.frame("window", view === "window" && [row, column, 1, 1], "in");
  input.frame("real", null);
  output.show(
    size,
    size,
    (r, c) => {
      const inside = r >= before && c >= before && r < before + out && c < before + out;
      const kind = inside ? "" : "pad";
      const count = painted[r] * painted[c];
      const [u, v] = [tap(r - row * s, now), tap(c - column * s, now)];
      if (view === "window" && u >= 0 && v >= 0) return { ...tint(1, 1, "ker"), kind };
      if (view === "gradient") return { ...(inside && r === fr && c === fc ? tint(1, 1, "out") : {}), kind };
      return { ...(inside ? tint(count, most * 1.6, "out") : {}), kind, text: view === "count" ? count : "" };
    },
    { words: size <= 16 },
  );
  output.frame("real", before + after > 0 && [before, before, out, out], "edge");
  output.frame(
    "now",
    view === "window" ? [row * s, column * s, span, span] : view === "gradient" && [fr, fc, 1, 1],
    view === "window" ? (d > 1 ? "ker dashed" : "ker") : "out",
  );
}

function tale(now, view, [row, column]) {
  const where = `${row},${column}`;
  if (now.transposed) {
    if (view === "window")
      return [
        `Input `,
        term(where, "in"),
        ` paints ${plural(now.k ** 2, "cell")} of the output, each its value times one weight. Where patches overlap they add; dashed cells are cropped.`,
      ];
    if (view === "count")
      return [
        "How many inputs paint each output. Uneven numbers are what draws a checkerboard into generated pictures; they are even where the stride divides the kernel.",
      ];
    return [
      "Output ",
      term(where, "out"),
      " feels the inputs that are coloured: the gradient of that output with respect to each is the weight that joins them.",
    ];
  }
  if (view === "window")
    return [
      "Output ",
      term(where, "out"),
      ` is made of the ${plural(now.k ** 2, "cell")} under the kernel.`,
      now.left > 0 && ` Hatched: ${plural(now.left, "row")} and ${plural(now.left, "column")} that no window reaches.`,
    ];
  if (view === "count")
    return [
      "How many outputs read each input. Without padding the border counts least: a corner is read once, the middle up to ",
      term(number(Math.min(now.k, now.out) ** 2), "ker"),
      " times.",
    ];
  return [
    "The gradient of output ",
    term(where, "out"),
    " with respect to each input is the weight that joins them, and 0 elsewhere. Here the weights are a bell.",
  ];
}

export const page = {
  id: "sizes",
  nav: "Arithmetic",
  title: "Convolution arithmetic",
  lead: "Input, kernel, stride, padding and dilation decide the size of what comes out. Move them and watch; the formula moves along.",
  fields,
  build,
};
