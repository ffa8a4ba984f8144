// Page 4: how far back one unit sees, layer by layer; and who is joined to whom in one dimension.

import { announce, h, number, replace, term } from "./dom.js";
import { choice, text, whole } from "./store.js";
import { button, parted, presets, segments, slider } from "./controls.js";
import { outputSize, receptive } from "./arithmetic.js";
import { connections, cone, nested, sideBySide } from "./receptive_draw.js";

const LAYER = /^(c|p)(\d{1,2})(s\d{1,2})?(d\d{1,4})?(p\d{1,3})?$/;

// "c3s2d1p1.p2s2": letters are kind, stride, dilation, padding; absent means 1, 1, 0.
export function parse(stack) {
  const layers = stack
    .split(".")
    .filter(Boolean)
    .map((part) => {
      const found = LAYER.exec(part);
      const value = (group, fallback) => (found?.[group] ? Number(found[group].slice(1)) : fallback);
      return found && { kind: found[1], k: Number(found[2]), s: value(3, 1), d: value(4, 1), p: value(5, 0) };
    });
  return layers.every((layer) => layer && layer.k >= 1 && layer.s >= 1 && layer.d >= 1) && layers.length <= 60
    ? layers
    : undefined;
}

export const write = (layers) =>
  layers
    .map(({ kind, k, s, d, p }) => `${kind}${k}${s > 1 ? `s${s}` : ""}${d > 1 ? `d${d}` : ""}${p ? `p${p}` : ""}`)
    .join(".");

const repeat = (part, times) => Array(times).fill(part).join(".");
const vgg = [2, 2, 3, 3, 3].map((count) => `${repeat("c3p1", count)}.p2s2`).join(".");
const STACKS = {
  "Five 3×3": "c3.c3.c3.c3.c3",
  "Three 3×3": "c3.c3.c3",
  "One 7×7": "c7",
  "3×3, stride 2": "c3s2.c3",
  "Dilated 1, 2, 4, 8": "c3.c3d2.c3d4.c3d8",
  WaveNet: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512].map((d) => `c2${d > 1 ? `d${d}` : ""}`).join("."),
  "AlexNet, pool5": "c11s4.p3s2.c5p2.p3s2.c3p1.c3p1.c3p1.p3s2",
  "VGG-16, pool5": vgg,
};
const fields = {
  show: choice("stack", ["stack", "side", "links"]),
  stack: text(
    STACKS["Five 3×3"],
    { test: (value) => parse(value) !== undefined },
    "layers such as c3s2d1p1, with dots between",
  ),
  size: whole(224, 1, 4096),
  layers: whole(3, 1, 5),
  n: whole(7, 3, 14),
  k: whole(3, 1, 7),
  unit: whole(4, 1, 14),
  from: choice("below", ["below", "above", "sharing"]),
};

function build(store) {
  const parts = { stack: stackPart(store), side: sidePart(store), links: linksPart(store) };
  const titles = {
    stack: "A stack of layers",
    side: "Padding and dilation side by side",
    links: "Connections in one dimension",
  };
  const [tabs, board] = parted(store, titles, parts);
  return h("div", {}, tabs, h("div", { class: "wide" }, board));
}

function stackPart(store) {
  const picture = h("div", {
    class: "scroll growth",
    tabindex: 0,
    role: "region",
    "aria-label": "Picture of the stack",
  });
  const rows = h("tbody");
  const result = h("p", { class: "headline" });
  const note = h("p", { class: "story" });
  const change = (act) => {
    const layers = parse(store.values.stack);
    act(layers);
    store.set({ stack: write(layers) });
  };
  let drawn = "";
  const show = () => {
    const layers = parse(store.values.stack);
    const reach = receptive(layers);
    const last = reach.at(-1) ?? { size: 1, jump: 1 };
    let size = store.values.size;
    let stopped = "";
    const sizes = layers.map(({ k, s, d, p }) => {
      try {
        size = outputSize(size, k, s, p, d);
      } catch (error) {
        stopped ||= error.message;
        size = NaN;
      }
      return size;
    });
    replace(
      result,
      "One output unit sees ",
      h("b", { class: "term in", data: { result: "field" } }, number(last.size)),
      " × ",
      term(number(last.size), "in"),
      " inputs; neighbouring units are ",
      term(number(last.jump), "accent"),
      last.jump === 1 ? " input apart." : " inputs apart.",
    );
    replace(picture, cone(layers, reach), nested(reach, store.values.size));
    const key = layers.length;
    if (drawn !== key || !rows.contains(document.activeElement)) {
      drawn = key;
      replace(
        rows,
        layers.map((layer, index) => layerRow(layer, index, change)),
      );
    }
    [...rows.children].forEach((line, index) => {
      line.querySelector(".reach").textContent = number(reach[index].size);
      line.querySelector(".jump").textContent = number(reach[index].jump);
      line.querySelector(".start").textContent = number(reach[index].start);
      line.querySelector(".map").textContent = Number.isNaN(sizes[index]) ? "–" : number(sizes[index]);
    });
    replace(note, stopped ? h("span", { class: "problem" }, stopped) : remark(store.values.stack, last));
    announce(`Receptive field ${last.size}`);
  };
  store.on(show);
  const table = h(
    "div",
    { class: "scroll" },
    h(
      "table",
      { class: "layers" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["Layer", "Kernel", "Stride", "Dilation", "Padding", "Sees", "Jump", "Start", "Map", ""].map((name) =>
            h("th", { scope: "col" }, name),
          ),
        ),
      ),
      rows,
    ),
  );
  const add = h(
    "div",
    { class: "row" },
    button("+ convolution 3×3", () =>
      change((layers) => layers.length < 60 && layers.push({ kind: "c", k: 3, s: 1, d: 1, p: 0 })),
    ),
    button("+ pooling 2×2", () =>
      change((layers) => layers.length < 60 && layers.push({ kind: "p", k: 2, s: 2, d: 1, p: 0 })),
    ),
    button("Remove last", () => change((layers) => layers.pop())),
  );
  const node = h(
    "section",
    { class: "card board" },
    presets(
      store,
      "Stacks",
      Object.entries(STACKS).map(([name, stack]) => [name, { stack }]),
    ),
    result,
    picture,
    note,
    table,
    add,
    h("div", { class: "narrow spaced" }, slider(store, "size", "Input size", { kind: "in" })),
  );
  show();
  return node;
}

function layerRow(layer, index, change) {
  const box = (key, name, least, most) => {
    const input = h("input", {
      type: "number",
      class: "typed",
      min: least,
      max: most,
      value: layer[key],
      "aria-label": `${name} of layer ${index + 1}`,
    });
    input.addEventListener("input", () => {
      const value = Number(input.value);
      const good = input.value !== "" && Number.isInteger(value) && value >= least && value <= most;
      input.toggleAttribute("aria-invalid", !good);
      input.title = good ? "" : `${name} must be a whole number from ${least} to ${most}.`;
      if (good)
        change((layers) => {
          layers[index][key] = value;
        });
    });
    return h("td", {}, input);
  };
  return h(
    "tr",
    {},
    h(
      "th",
      { scope: "row" },
      h("span", { class: `dot ${layer.kind === "c" ? "ker" : "pad"}` }),
      ` ${index + 1} ${layer.kind === "c" ? "conv" : "pool"}`,
    ),
    box("k", "Kernel", 1, 99),
    box("s", "Stride", 1, 99),
    box("d", "Dilation", 1, 9999),
    box("p", "Padding", 0, 999),
    h("td", { class: "reach value" }),
    h("td", { class: "jump value" }),
    h("td", { class: "start value" }),
    h("td", { class: "map value" }),
    h(
      "td",
      {},
      button("×", () => change((layers) => layers.splice(index, 1)), {
        label: `Remove layer ${index + 1}`,
        kind: "round",
      }),
    ),
  );
}

function remark(stack, last) {
  const known = {
    [STACKS["Three 3×3"]]:
      "Three 3×3 see as far as one 7×7, with 27 C² weights in place of 49 C²: 0.55 of them, and two more nonlinearities.",
    [STACKS["3×3, stride 2"]]: "3 + 2·2 = 7: the second kernel’s taps lie as far apart as the first layer’s stride.",
    [STACKS["Dilated 1, 2, 4, 8"]]:
      "3, 7, 15, 31: the field grows exponentially because the rates double. With a constant rate it grows linearly.",
    [STACKS.WaveNet]: "Ten layers of two taps, the rate doubling each time, see 1,024 samples.",
    [STACKS["AlexNet, pool5"]]: "AlexNet: 195 pixels of 227, shallow with large kernels.",
    [STACKS["VGG-16, pool5"]]: "VGG-16: 212 pixels of 224, deep with small kernels; about the same as AlexNet.",
  };
  return (
    known[stack] ??
    `Each layer adds (k − 1)·d times the strides before it. Padding moves the field, it does not widen it. ${last.size > 1 ? "The middle of the field counts most: more paths lead there." : ""}`
  );
}

function sidePart(store) {
  const picture = h("div", { class: "trio" });
  const show = () => replace(picture, sideBySide(store.values.layers));
  store.on(show);
  show();
  return h(
    "section",
    { class: "card board" },
    h("div", { class: "narrow" }, slider(store, "layers", "Layers of 3 taps", { kind: "ker" })),
    picture,
    h(
      "p",
      { class: "story" },
      "Padding keeps the output as long as the input and leaves the field alone. Dilation spreads the taps and widens the field with the same number of weights; the output keeps its length only with padding.",
    ),
  );
}

function linksPart(store) {
  const picture = h("div", { class: "duo" });
  const story = h("p", { class: "story" });
  const show = () => {
    const { n, k, from } = store.values;
    const unit = Math.min(store.values.unit, n) - 1;
    replace(
      picture,
      connections(n, k, unit, from, (choice) => store.set({ unit: choice + 1 })),
    );
    replace(
      story,
      {
        below: [
          `Sparse: input x${unit + 1} touches only the outputs whose kernel covers it, ${k} at most. In a dense layer it touches all ${n}.`,
        ],
        above: [`Output s${unit + 1} sees ${k} inputs at most; in a dense layer all ${n}.`],
        sharing: [
          `The bold arrows carry the same middle weight: it is used ${n} times, and learns from all of them. The layer has ${k} weights; the dense one ${n * n}, each used once.`,
        ],
      }[from],
    );
  };
  store.on(show);
  show();
  return h(
    "section",
    { class: "card board" },
    segments(store, "from", "Look", {
      below: "from below: whom an input reaches",
      above: "from above: what an output sees",
      sharing: "shared weights",
    }),
    picture,
    story,
    h(
      "div",
      { class: "three" },
      slider(store, "n", "Inputs", { kind: "in" }),
      slider(store, "k", "Kernel", { kind: "ker" }),
      slider(store, "unit", "Unit", { kind: "accent" }),
    ),
  );
}

export const page = {
  id: "receptive",
  nav: "Receptive field",
  title: "How much one unit sees",
  lead: "Every layer looks at a window of the layer below. Stack them, and the window onto the picture grows.",
  fields,
  build,
};
