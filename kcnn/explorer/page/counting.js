// Page 3: what layers cost in weights and multiply-adds, and the numbers of well-known lectures worked out.

import { announce, h, number, replace, short, term } from "./dom.js";
import { choice, whole } from "./store.js";
import { presets, segments, slider } from "./controls.js";
import { convCost, denseCost, depthwiseCost, outputSize, separableCost } from "./arithmetic.js";

const fields = {
  show: choice("dense", ["dense", "kinds", "reduced", "inception", "vgg"]),
  n: whole(64, 1, 1024),
  c: whole(1, 1, 2048),
  units: whole(500, 1, 10000),
  k: whole(3, 1, 11),
  f: whole(32, 1, 2048),
  p: whole(1, 0, 5),
  middle: whole(16, 1, 1024),
};
const PRESETS = [
  ["64×64 gray → 500", { show: "dense", n: 64, c: 1, units: 500 }],
  ["64×64 colour → 500", { show: "dense", n: 64, c: 3, units: 500 }],
  ["512×512 → 1000", { show: "dense", n: 512, c: 1, units: 1000 }],
  ["ten 5×5 filters", { show: "kinds", n: 32, c: 3, k: 5, p: 2, f: 10 }],
  ["MobileNet layer", { show: "kinds", n: 14, c: 512, k: 3, p: 1, f: 512 }],
  ["1×1 reduction", { show: "reduced", n: 28, c: 192, k: 5, p: 2, f: 32, middle: 16 }],
  ["naive Inception", { show: "inception" }],
  ["VGG-16", { show: "vgg" }],
];

// Rows: {name, kind, weights, biases, macs, note}; told: sentences.
export function work(values) {
  try {
    return { dense, kinds, reduced, inception: () => inception(), vgg: () => vgg() }[values.show](values);
  } catch (error) {
    return { problem: error.message };
  }
}

const row = (name, kind, { weights, params, macs }, note) => ({ name, kind, weights, params, macs, note });
const sum = (name, kind, ...costs) =>
  row(
    name,
    kind,
    ["weights", "params", "macs"].reduce(
      (all, key) => ({ ...all, [key]: costs.reduce((total, cost) => total + cost[key], 0) }),
      {},
    ),
  );
const times = (big, small) => `${number(big / small, big / small < 100 ? 2 : 0)} times`;

function dense({ n, c, units, k, f, p }) {
  const full = denseCost(n * n * c, units);
  const out = outputSize(n, k, 1, p);
  const conv = convCost(out * out, k, c, f);
  return {
    rows: [
      row("Fully connected", "neg", full, `${number(n * n * c)} inputs to ${number(units)} units`),
      row("Convolution", "out", conv, `${f} filters of ${k} × ${k} × ${c}`),
    ],
    told: [
      `${n} × ${n} × ${c} pixels are ${number(n * n * c)} values. Every unit of a fully-connected layer has a weight for each: ${number(n * n * c)} × ${number(units)} = ${number(full.weights)} weights.`,
      `The convolution shares its weights over all positions: ${number(conv.weights)}, ${times(full.weights, conv.weights)} fewer, however large the picture is.`,
    ],
  };
}

function kinds({ n, c, k, f, p }) {
  const out = outputSize(n, k, 1, p);
  const cells = out * out;
  const [standard, split, deep] = [convCost(cells, k, c, f), separableCost(cells, k, c, f), depthwiseCost(cells, k, c)];
  return {
    rows: [
      row("Standard", "neg", standard, `each filter sees all ${c} maps`),
      row("Depthwise separable", "out", split, `${k} × ${k} on each map, then 1 × 1 across maps`),
      row("… its depthwise part", "ker", deep, "no mixing of maps"),
      row("1 × 1", "in", convCost(n * n, 1, c, f), "mixes maps, sees one pixel"),
    ],
    told: [
      `Output ${out} × ${out} × ${f}. A filter has ${k}·${k}·${c} weights and a bias: ${number(k * k * c + 1)} parameters, for ${f} of them ${number(standard.params)}.`,
      `Separable costs 1/(1/k² + 1/filters) = ${times(standard.macs, split.macs)} fewer multiply-adds. All of MobileNetV1: 8.56 times fewer multiply-adds, but 6.9 times fewer parameters.`,
    ],
  };
}

function reduced({ n, c, k, f, p, middle }) {
  const out = outputSize(n, k, 1, p);
  const direct = convCost(out * out, k, c, f);
  const [first, second] = [convCost(n * n, 1, c, middle), convCost(out * out, k, middle, f)];
  return {
    rows: [
      row("Directly", "neg", direct, `${k} × ${k}, ${c} → ${f} maps`),
      sum("Through 1 × 1", "out", first, second),
      row("… 1 × 1 first", "in", first, `${c} → ${middle} maps`),
      row(`… then ${k} × ${k}`, "ker", second, `${middle} → ${f} maps`),
    ],
    told: [
      `Directly: ${out}·${out}·${f} outputs × ${k}·${k}·${c} = ${number(direct.macs)} multiply-adds. Reduced to ${middle} maps first: ${number(first.macs + second.macs)}, ${times(direct.macs, first.macs + second.macs)} fewer.`,
    ],
  };
}

function inception() {
  const cells = 28 * 28;
  const naive = [
    [1, 128],
    [3, 192],
    [5, 96],
  ].map(([k, f]) => row(`${k} × ${k}, ${f} filters`, "neg", convCost(cells, k, 256, f)));
  const thin = [
    row("1 × 1, 128 filters", "out", convCost(cells, 1, 256, 128)),
    sum("1 × 1 to 64, 3 × 3, 192", "out", convCost(cells, 1, 256, 64), convCost(cells, 3, 64, 192)),
    sum("1 × 1 to 64, 5 × 5, 96", "out", convCost(cells, 1, 256, 64), convCost(cells, 5, 64, 96)),
    row("pool, 1 × 1 to 64", "out", convCost(cells, 1, 256, 64)),
  ];
  const [a, b] = [sum("Naive module, all branches", "neg", ...naive), sum("With 1 × 1 bottlenecks", "out", ...thin)];
  return {
    rows: [a, b, ...naive.map((line) => ({ ...line, part: true })), ...thin.map((line) => ({ ...line, part: true }))],
    told: [
      `On 28 × 28 × 256 the naive module takes ${number(a.macs)} multiply-adds, the “854 M” of lectures; with 64-wide 1 × 1 convolutions before the large ones ${number(b.macs)}.`,
    ],
  };
}

const VGG = [64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512, "pool"];

function vgg() {
  let [size, maps, stage, step, values] = [224, 3, 1, 0, 224 * 224 * 3];
  const rows = [];
  for (const layer of VGG) {
    if (layer === "pool") {
      size /= 2;
      rows.push({
        ...row(`pool${stage}`, "soft", { weights: 0, params: 0, macs: 0 }, `${size} × ${size} × ${maps}`),
        part: true,
        values: size * size * maps,
      });
      [stage, step] = [stage + 1, 0];
    } else {
      step += 1;
      rows.push({
        ...row(`conv${stage}_${step}`, "out", convCost(size * size, 3, maps, layer), `${size} × ${size} × ${layer}`),
        part: true,
        values: size * size * layer,
      });
      maps = layer;
    }
    values += rows.at(-1).values;
  }
  let inputs = size * size * maps;
  for (const [name, units] of [
    ["fc6", 4096],
    ["fc7", 4096],
    ["fc8", 1000],
  ]) {
    rows.push({ ...row(name, "neg", denseCost(inputs, units), `${units}`), part: true, values: units });
    inputs = units;
    values += units;
  }
  const [all, last] = [sum("VGG-16", "accent", ...rows), sum("Its three dense layers", "neg", ...rows.slice(-3))];
  return {
    rows: [all, last, ...rows],
    memory: true,
    told: [
      `${number(all.params)} parameters, ${number((last.params / all.params) * 100, 0)} % of them in three dense layers; ${short(all.macs)} multiply-adds, nearly all in the convolutions.`,
      `One image leaves ${number(values)} values (input and all layers) in memory: ${number((values * 4) / 1e6, 1)} MB in float32. The 96 MB quoted in lectures counts something else.`,
    ],
  };
}

function build(store) {
  const table = h("div", { class: "table", role: "region", "aria-label": "Costs", tabindex: 0 });
  const told = h("div", { class: "told" });
  const problem = h("p", { class: "notice", role: "alert", hidden: true });
  const inputs = {
    n: slider(store, "n", "Picture, pixels a side", { kind: "in" }),
    c: slider(store, "c", "Maps in", { kind: "in" }),
    units: slider(store, "units", "Units", { kind: "accent" }),
    k: slider(store, "k", "Kernel", { kind: "ker" }),
    p: slider(store, "p", "Padding", { kind: "pad" }),
    f: slider(store, "f", "Filters", { kind: "out" }),
    middle: slider(store, "middle", "Maps between", { kind: "accent" }),
  };
  const used = {
    dense: ["n", "c", "units", "k", "p", "f"],
    kinds: ["n", "c", "k", "p", "f"],
    reduced: ["n", "c", "k", "p", "f", "middle"],
    inception: [],
    vgg: [],
  };
  const settings = h(
    "section",
    { class: "card settings" },
    Object.values(inputs),
    h(
      "p",
      { class: "hint" },
      "One multiply-add is one multiplication with its addition. Stride 1; bars grow with the logarithm.",
    ),
  );
  const show = () => {
    const { rows, told: lines, problem: wrong, memory } = work(store.values);
    for (const [key, node] of Object.entries(inputs)) node.hidden = !used[store.values.show].includes(key);
    settings.hidden = !used[store.values.show].length;
    problem.hidden = !wrong;
    problem.textContent = wrong ?? "";
    replace(
      told,
      (lines ?? []).map((line) => h("p", {}, line)),
    );
    replace(table, rows ? drawTable(rows, memory) : "");
    if (rows) announce(`${rows[0].name}: ${number(rows[0].weights)} weights`);
  };
  store.on(show);
  show();
  const board = h(
    "section",
    { class: "card board" },
    segments(store, "show", "Compare", {
      dense: "Dense or convolution",
      kinds: "Kinds of convolution",
      reduced: "1×1 reduction",
      inception: "Inception",
      vgg: "VGG-16",
    }),
    problem,
    told,
    table,
  );
  return h(
    "div",
    {},
    presets(store, "Numbers from lectures", PRESETS),
    h("div", { class: "layout" }, h("div", { class: "wide" }, board), settings),
  );
}

function drawTable(rows, memory) {
  const most = {
    params: Math.max(...rows.map(({ params }) => params)),
    macs: Math.max(...rows.map(({ macs }) => macs)),
  };
  const bar = (value, key, kind) =>
    h(
      "div",
      { class: `bar ${kind}` },
      h("span", { class: "value", title: number(value) }, number(value)),
      h("i", {
        style: { width: `${value ? Math.max(1.5, (Math.log10(value + 1) / Math.log10(most[key] + 1)) * 100) : 0}%` },
      }),
    );
  return h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "Layer"),
        h("th", { scope: "col" }, "Parameters"),
        h("th", { scope: "col" }, "Multiply-adds"),
        memory && h("th", { scope: "col" }, "Memory"),
      ),
    ),
    h(
      "tbody",
      {},
      rows.map((line) =>
        h(
          "tr",
          { class: line.part ? "part" : "" },
          h(
            "th",
            { scope: "row" },
            h("span", { class: `dot ${line.kind}` }),
            " ",
            line.name,
            line.note && h("span", { class: "note" }, line.note),
          ),
          h("td", { data: { weights: line.weights, params: line.params } }, bar(line.params, "params", line.kind)),
          h("td", { data: { macs: line.macs } }, bar(line.macs, "macs", line.kind)),
          memory &&
            h(
              "td",
              { class: "value" },
              line.values ? `${number((line.values * 4) / 1e6, line.values < 25000 ? 3 : 2)} MB` : "",
            ),
        ),
      ),
    ),
  );
}

export const page = {
  id: "counting",
  nav: "Counting",
  title: "Counting weights and multiplications",
  lead: "Why pictures need convolutions: a dense layer pays for every pair of pixel and unit. Then, how to pay even less.",
  fields,
  build,
};
