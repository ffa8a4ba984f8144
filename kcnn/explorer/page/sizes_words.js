// The formula of page 2 in symbols and in numbers, the facts below it, and the same layer in Keras.

import { h, number, term } from "./dom.js";

const frac = (above, below) => h("span", { class: "frac" }, h("span", {}, above), h("span", {}, below));
const floor = (...inside) => h("span", { class: "floor" }, h("i", {}, "⌊"), inside, h("i", {}, "⌋"));

export function formula(now) {
  return now.transposed ? transposed(now) : forward(now);
}

function forward({ n, k, s, d, before = 0, after = 0, out, span, problem }) {
  const even = before === after;
  const line = (n, p, d, k, s, end) =>
    h(
      "p",
      { class: "formula" },
      term("out", "out"),
      " = ",
      floor(frac([term(n, "in"), " + ", p, " − ", d, "(", k, " − 1) − 1"], term(s, "accent"))),
      " + 1",
      end,
    );
  const name = even ? ["2", term("p", "pad")] : [term("p₀", "pad"), " + ", term("p₁", "pad")];
  const value = even ? ["2·", term(before, "pad")] : [term(before, "pad"), " + ", term(after, "pad")];
  return [
    line("n", name, term("d", "ker"), term("k", "ker"), "s"),
    line(n, value, [term(d, "ker")], term(k, "ker"), s, [" = ", problem ? "nothing" : term(out, "out")]),
    d > 1 &&
      h("p", { class: "soft" }, `${k} taps, ${d} apart, span d(k − 1) + 1 = ${span} cells with the weights of ${k}.`),
  ];
}

function transposed({ n, k, s, d, before = 0, after = 0, behind = 0, out, problem }) {
  const even = before === after;
  const name = even ? ["2", term("p", "pad")] : [term("p₀", "pad"), " − ", term("p₁", "pad")];
  const value = even ? ["2·", term(before, "pad")] : [term(before, "pad"), " − ", term(after, "pad")];
  const line = (n, s, d, k, p, extra, end) =>
    h(
      "p",
      { class: "formula" },
      term("out", "out"),
      " = (",
      term(n, "in"),
      " − 1)",
      term(s, "accent"),
      " + ",
      term(d, "ker"),
      "(",
      term(k, "ker"),
      " − 1) + 1 − ",
      p,
      " + ",
      term(extra, "out"),
      end,
    );
  return [
    line("n", "s", "d", "k", name, "extra"),
    line(n, `·${s}`, d, k, value, behind, [" = ", problem ? "nothing" : term(out, "out")]),
  ];
}

export function facts(now) {
  const { n, k, s, d, out, span, left, before, after, behind, transposed, problem } = now;
  const fact = (name, value, note) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, value, note && h("span", { class: "soft" }, note)));
  const weights = fact("Weights", number(k * k), " + 1 bias, one channel");
  if (problem) return [weights];
  return [
    fact("Effective kernel", `${span} × ${span}`),
    fact(transposed ? "Cropped" : "Padding", `${before} before, ${after} after`),
    transposed
      ? fact("Output padding", number(behind))
      : fact("Does the stride fit?", left ? "no" : "yes", left ? ` ${left} left over` : ""),
    weights,
    fact("Multiply-adds", number(transposed ? n * n * k * k : out * out * k * k), " one channel"),
    fact("Size", `${number(n)} → ${number(out)}`, ` ×${number((out / n) ** 2)} cells`),
  ].map((node) => node);
}

export function codeLines({ k, s, d, mode, before, after, behind, transposed, problem }) {
  if (problem) return "# nothing comes out of these settings";
  const args = [
    `filters`,
    k,
    s > 1 && `strides=${s}`,
    d > 1 && `dilation_rate=${d}`,
    mode === "same" && 'padding="same"',
    transposed && behind > 0 && mode !== "same" && `output_padding=${behind}`,
  ]
    .filter(Boolean)
    .join(", ");
  const both = before === after ? before : `((${before}, ${after}), (${before}, ${after}))`;
  const around = (before || after) && mode !== "same";
  const warning =
    s > 1 && d > 1 ? "# Keras refuses stride and dilation above 1 together; this is what they would do\n" : "";
  if (transposed)
    return `${warning}keras.layers.Conv2DTranspose(${args})${around ? `\nkeras.layers.Cropping2D(${both})` : ""}`;
  return `${warning}${around ? `keras.layers.ZeroPadding2D(${both})\n` : ""}keras.layers.Conv2D(${args})`;
}
