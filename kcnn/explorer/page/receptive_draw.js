// The pictures of page 4: cones through stacks, and units joined by arrows.

import { h, number, s } from "./dom.js";
import { effective, receptive } from "./arithmetic.js";

const MOST_DOTS = 46;

// One unit at the top, everything it sees below: dots while they fit, bars when the field is large.
export function cone(layers, reach) {
  const last = reach.at(-1);
  if (!last) return h("p", { class: "soft" }, "Add a layer.");
  return last.size <= MOST_DOTS && layers.length <= 12 ? dots(layers, last.size) : bars(layers, reach);
}

// Positions that one unit of the top layer touches, layer by layer downwards; in units of that layer.
function seen(layers) {
  const levels = [new Set([0])];
  for (const { k, s: stride, d } of [...layers].reverse()) {
    const below = new Set();
    for (const unit of levels[0]) for (let tap = 0; tap < k; tap++) below.add(unit * stride + tap * d);
    levels.unshift(below);
  }
  return levels;
}

function dots(layers, width) {
  const [gap, rise, left] = [24, 58, 74];
  const levels = seen(layers);
  const reach = [{ size: 1, jump: 1, start: 0 }, ...receptive(layers.map((layer) => ({ ...layer, p: 0 })))];
  reach[0].start = 0.5;
  const x = (level, unit) => left + (reach[level].start + unit * reach[level].jump) * gap;
  const y = (level) => 26 + (layers.length - level) * rise;
  const arrows = [];
  const points = [];
  levels.forEach((units, level) => {
    if (level > 0) {
      const { k, s: stride, d } = layers[level - 1];
      for (const unit of units)
        for (let tap = 0; tap < k; tap++)
          arrows.push(
            s("line", {
              x1: x(level, unit),
              y1: y(level),
              x2: x(level - 1, unit * stride + tap * d),
              y2: y(level - 1),
            }),
          );
    }
    const count = Math.floor((width - 1 - reach[level].start + 0.5 + (reach[level].size - 1) / 2) / reach[level].jump);
    const first = level === 0 ? 0 : -Math.floor((reach[level].start - 0.5) / reach[level].jump);
    for (let unit = first; unit <= (level === 0 ? width - 1 : Math.max(count, 0)); unit++) {
      const at = x(level, unit);
      if (at > left + width * gap || at < left) continue;
      const kind = units.has(unit) ? (level === layers.length ? "out" : level === 0 ? "in" : "ker") : "idle";
      points.push(s("circle", { cx: at, cy: y(level), r: kind === "idle" ? 4.5 : 7, class: `unit ${kind}` }));
    }
    points.push(s("text", { x: 0, y: y(level) + 5 }, level === 0 ? "input" : `layer ${level}`));
  });
  const wide = left + width * gap + 8;
  return s(
    "svg",
    {
      class: "diagram",
      viewBox: `0 0 ${wide} ${y(0) + 42}`,
      style: { "max-width": `${wide}px`, "min-width": `${Math.min(wide * 0.85, 560)}px` },
      role: "img",
      "aria-label": `One unit after ${layers.length} layers sees ${width} inputs`,
    },
    s("g", { class: "links" }, arrows),
    points,
    s("path", { class: "brace", d: `M${left + 2} ${y(0) + 15}v6h${width * gap - 4}v-6` }),
    s(
      "text",
      { x: left + (width * gap) / 2, y: y(0) + 39, "text-anchor": "middle", class: "strong in" },
      `${number(width)} inputs`,
    ),
  );
}

function bars(layers, reach) {
  const [wide, high] = [720, 24];
  const most = reach.at(-1).size;
  const rows = [{ size: 1, jump: 1 }, ...reach];
  return s(
    "svg",
    {
      class: "diagram",
      viewBox: `0 0 ${wide + 220} ${rows.length * (high + 4) + 4}`,
      style: { "min-width": "560px", "max-width": "1000px" },
      role: "img",
      "aria-label": `The receptive field grows to ${most} inputs`,
    },
    rows
      .map(({ size }, index) => {
        const width = Math.max(3, (size / most) * wide);
        const layer = layers[index - 1];
        const name = layer
          ? `${layer.kind === "c" ? "conv" : "pool"} ${layer.k}${layer.s > 1 ? ` / ${layer.s}` : ""}${layer.d > 1 ? `, rate ${layer.d}` : ""}`
          : "input";
        return [
          s("text", { x: 0, y: index * (high + 4) + 18 }, name),
          s("rect", {
            class: `reach-bar ${layer?.kind === "p" ? "pad" : layer ? "ker" : "in"}`,
            x: 130 + (wide - width) / 2,
            y: index * (high + 4) + 2,
            width,
            height: high,
            rx: 4,
          }),
          s("text", { x: 140 + wide, y: index * (high + 4) + 18, class: "strong" }, number(size)),
        ];
      })
      .flat(),
  );
}

// The field of each layer as squares in the middle of the picture, cut off at its border.
export function nested(reach, size) {
  if (!reach.length) return null;
  const side = 260;
  const last = reach.at(-1).size;
  const scale = side / Math.max(size, last);
  const box = (cells, kind) =>
    s("rect", {
      class: kind,
      x: (side - cells * scale) / 2,
      y: (side - cells * scale) / 2,
      width: cells * scale,
      height: cells * scale,
    });
  const share = Math.min(1, last / size) ** 2;
  return h(
    "figure",
    { class: "plate" },
    h(
      "figcaption",
      {},
      h("b", {}, "On the picture"),
      h(
        "span",
        { class: "soft" },
        `${number(size)} × ${number(size)}: ${number(share * 100, share < 0.1 ? 2 : 0)} % of it${last > size ? ", and the border beyond" : ""}`,
      ),
    ),
    s(
      "svg",
      {
        class: "diagram",
        viewBox: `-2 -2 ${side + 4} ${side + 4}`,
        style: { "max-width": `${side}px` },
        role: "img",
        "aria-label": `A field of ${last} on a picture of ${size}`,
      },
      box(size, "whole"),
      [...reach].reverse().map(({ size: cells }) => box(cells, "field-box")),
    ),
  );
}

// Three 1-D stacks over the same inputs: plain, padded, dilated.
export function sideBySide(depth) {
  const stacks = [
    ["Plain", { p: 0 }, () => 1, false],
    ["With padding", { p: 1 }, () => 1, true],
    ["Dilated 1, 2, 4 …", { p: 0 }, (index) => 2 ** index, true],
  ];
  return stacks.map(([title, , rate, keeps]) => {
    const layers = Array.from({ length: depth }, (_, index) => ({ k: 3, s: 1, d: rate(index) }));
    const size = receptive(layers).at(-1).size;
    const inputs = Math.max(size, 2 * depth + 9);
    return h(
      "figure",
      { class: "plate" },
      h(
        "figcaption",
        {},
        h("b", {}, title),
        h(
          "span",
          { class: "soft" },
          `sees ${size}, ${inputs} → ${keeps ? inputs : inputs - layers.reduce((sum, { d }) => sum + 2 * d, 0)}`,
        ),
      ),
      ladder(layers, inputs, keeps, title),
    );
  });
}

function ladder(layers, inputs, keeps, title) {
  const [gap, rise] = [22, 46];
  const spare = layers.map(({ d }) => d);
  const edge = (level) => (keeps ? 0 : spare.slice(0, level).reduce((sum, d) => sum + d, 0));
  const middle = Math.floor(inputs / 2);
  const y = (level) => 16 + (layers.length - level) * rise;
  const levels = [new Set([middle])];
  for (const { d } of [...layers].reverse())
    levels.unshift(new Set([...levels[0]].flatMap((unit) => [unit - d, unit, unit + d])));
  const points = [];
  const arrows = [];
  levels.forEach((units, level) => {
    const pad = keeps && level < layers.length ? layers[level].d : 0;
    for (let unit = edge(level) - pad; unit < inputs - edge(level) + pad; unit++) {
      const outside = unit < 0 || unit >= inputs;
      if (outside && pad > 1) continue;
      const kind = outside
        ? "zero"
        : units.has(unit)
          ? level === layers.length
            ? "out"
            : level === 0
              ? "in"
              : "ker"
          : "idle";
      points.push(
        s("circle", {
          cx: (unit + 1.5) * gap,
          cy: y(level),
          r: kind === "idle" || kind === "zero" ? 4.5 : 6.5,
          class: `unit ${kind}`,
        }),
      );
    }
    if (level > 0)
      for (const unit of units)
        for (const tap of [-1, 0, 1])
          arrows.push(
            s("line", {
              x1: (unit + 1.5) * gap,
              y1: y(level),
              x2: (unit + tap * layers[level - 1].d + 1.5) * gap,
              y2: y(level - 1),
            }),
          );
  });
  const wide = (inputs + 2) * gap;
  return s(
    "svg",
    {
      class: "diagram",
      viewBox: `0 0 ${wide} ${y(0) + 16}`,
      style: { "max-width": `${wide}px` },
      role: "img",
      "aria-label": `${title}: ${layers.length} layers`,
    },
    s("g", { class: "links" }, arrows),
    points,
  );
}

// The same units joined by a convolution and by a dense layer; `choose(unit)` when one is picked.
export function connections(n, k, unit, from, choose) {
  const before = Math.floor((effective(k) - 1) / 2);
  const matrix = Array.from({ length: n }, (_, row) =>
    Array.from({ length: n }, (_, column) => {
      const tap = column - row + before;
      return tap >= 0 && tap < k ? tap : -1;
    }),
  );
  const dense = matrix.map((row) => row.map(() => 0));
  return [
    ["Convolution", matrix, `${k} weights`],
    ["Dense layer", dense, `${n * n} weights`],
  ].map(([title, joined, note], index) => {
    const gap = Math.min(56, 520 / n);
    const x = (i) => (i + 0.5) * gap;
    const lit = (row, column) =>
      from === "below"
        ? column === unit
        : from === "above"
          ? row === unit
          : index === 0
            ? joined[row][column] === before
            : row === unit && column === unit;
    const arrows = joined.flatMap((row, r) =>
      row.map(
        (tap, c) => tap >= 0 && s("line", { x1: x(c), y1: 128, x2: x(r), y2: 42, class: lit(r, c) ? "lit" : "" }),
      ),
    );
    const touched = (top, i) =>
      joined.some((row, r) => row.some((tap, c) => tap >= 0 && lit(r, c) && (top ? r : c) === i));
    const circle = (top, i) =>
      s(
        "g",
        { class: "pick", on: { click: () => choose(i) } },
        s("circle", {
          cx: x(i),
          cy: top ? 24 : 146,
          r: Math.min(17, gap / 2 - 3),
          class: `unit ${touched(top, i) ? (top ? "out" : "in") : "idle"} big`,
        }),
        s(
          "text",
          { x: x(i), y: (top ? 24 : 146) + 4.5, "text-anchor": "middle", class: touched(top, i) ? "on" : "" },
          `${top ? "s" : "x"}${i + 1}`,
        ),
      );
    const count = joined.flatMap((row, r) => row.filter((tap, c) => tap >= 0 && lit(r, c))).length;
    return h(
      "figure",
      { class: "plate" },
      h(
        "figcaption",
        {},
        h("b", {}, title),
        h("span", { class: "soft" }, `${note}, `, h("span", { data: { result: "links" } }, count), " lit"),
      ),
      s(
        "svg",
        {
          class: "diagram",
          viewBox: `0 0 ${n * gap} 170`,
          style: { "max-width": `${n * gap}px` },
          role: "img",
          "aria-label": `${title}: ${count} connections lit`,
        },
        s(
          "g",
          { class: "links" },
          arrows.filter((a) => a && !a.classList.contains("lit")),
          arrows.filter((a) => a && a.classList.contains("lit")),
        ),
        Array.from({ length: n }, (_, i) => [circle(true, i), circle(false, i)]),
      ),
    );
  });
}
