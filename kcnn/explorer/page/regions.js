// RoI Pool and RoI Align on one box, side by side (part of page 6).

import { announce, figure, h, number, replace, s } from "./dom.js";
import { slider } from "./controls.js";
import { Grid, tint } from "./grid.js";
import { cells, frames, Scene, spots } from "./scene.js";
import { roiAlign, roiPool } from "./geometry.js";

const MAP = Array.from({ length: 8 }, (_, r) =>
  Array.from({ length: 8 }, (_, c) =>
    Math.round(
      9 * Math.exp(-((r - 2.6) ** 2 + (c - 3.2) ** 2) / 7) + 6 * Math.exp(-((r - 5.5) ** 2 + (c - 6) ** 2) / 4),
    ),
  ),
);

export function regionsPart(store) {
  const scenes = ["RoI Pool", "RoI Align"].map((name) => new Scene(name, 8, 8, { change: (_, box) => store.set(box) }));
  const outputs = ["RoI Pool, output", "RoI Align, output"].map((name) => new Grid(name, { kind: "out" }));
  const chart = h("div");
  const show = () => {
    const { bins, x, y, w, h: high } = store.values;
    const box = scenes[0].limit({ x, y, w, h: high });
    const pooled = roiPool(MAP, box, bins);
    const aligned = roiAlign(MAP, box, bins);
    const shade = (r, c) => tint(MAP[r][c], 12, "in").fill;
    scenes[0].backdrop(cells(8, 8, shade), frames(pooled.cells, "out"));
    scenes[1].backdrop(
      cells(8, 8, shade),
      frames(
        aligned.map((_, at) => ({
          x: box.x + ((at % bins) * box.w) / bins,
          y: box.y + (Math.floor(at / bins) * box.h) / bins,
          w: box.w / bins,
          h: box.h / bins,
        })),
        "out",
      ),
      spots(
        aligned.flatMap(({ points }) => points),
        "out",
      ),
    );
    scenes.forEach((scene) => scene.box("roi", box, { kind: "ker", said: "Region" }));
    [pooled.cells, aligned].forEach((list, index) => {
      outputs[index].show(bins, bins, (r, c) => ({
        ...tint(list[r * bins + c].value, 10, "out"),
        text: number(list[r * bins + c].value, index ? 2 : 0),
      }));
      outputs[index].label(
        `${index ? "RoI Align" : "RoI Pool"}, output: ${list.map(({ value }) => number(value)).join(", ")}`,
      );
    });
    replace(chart, lines(box, bins));
    announce(
      `Pool ${pooled.cells.map(({ value }) => number(value)).join(", ")}; Align ${aligned.map(({ value }) => number(value)).join(", ")}`,
    );
  };
  store.on(show);
  const plates = scenes.map((scene, index) =>
    h(
      "div",
      { class: "pair" },
      figure(
        index ? "RoI Align" : "RoI Pool",
        "in",
        index ? "nothing is rounded" : "snapped to cells, maximum",
        scene.node,
      ),
      figure("Output", "out", "", outputs[index].node),
    ),
  );
  const node = h(
    "div",
    { class: "layout" },
    h(
      "div",
      { class: "wide" },
      h(
        "section",
        { class: "card board" },
        h(
          "p",
          { class: "story top-story" },
          "Drag the box, or its corner. Green lines are the bins; dots are the places where Align reads between the cells.",
        ),
        h("div", { class: "plates" }, plates),
        chart,
      ),
    ),
    h(
      "section",
      { class: "card settings" },
      slider(store, "x", "Left", { kind: "ker", step: 0.05 }),
      slider(store, "y", "Top", { kind: "ker", step: 0.05 }),
      slider(store, "w", "Width", { kind: "ker", step: 0.05 }),
      slider(store, "h", "Height", { kind: "ker", step: 0.05 }),
      slider(store, "bins", "Bins a side", { kind: "out" }),
    ),
  );
  show();
  return node;
}

// The first bin's value while the box slides from left to right: Pool jumps, Align glides.
function lines(box, bins) {
  const [wide, high, most] = [640, 130, 9.5];
  const end = 8 - box.w;
  const path = (value) =>
    Array.from({ length: 321 }, (_, i) => {
      const x = (i / 320) * end;
      return `${i ? "L" : "M"}${(40 + (i / 320) * (wide - 60)).toFixed(1)} ${(high - 24 - (value({ ...box, x }) / most) * (high - 36)).toFixed(1)}`;
    }).join("");
  const now = 40 + (end > 0 ? box.x / end : 0) * (wide - 60);
  return h(
    "figure",
    { class: "plate chart" },
    h(
      "figcaption",
      {},
      h("b", {}, "First bin while the box slides to the right"),
      h("span", { class: "dot neg" }),
      "Pool jumps",
      h("span", { class: "dot out" }),
      "Align glides",
    ),
    s(
      "svg",
      {
        class: "diagram",
        viewBox: `0 0 ${wide} ${high}`,
        style: { "max-width": `${wide}px` },
        role: "img",
        "aria-label": "Pool's value is a staircase, Align's a smooth curve",
      },
      s("path", { class: "axis", d: `M40 8V${high - 24}H${wide - 16}` }),
      s("path", { class: "now", d: `M${now} 8V${high - 24}` }),
      s("path", { class: "line neg", d: path((moved) => roiPool(MAP, moved, bins).cells[0].value) }),
      s("path", { class: "line out", d: path((moved) => roiAlign(MAP, moved, bins)[0].value) }),
      s("text", { x: 40, y: high - 6 }, "left = 0"),
      s("text", { x: wide - 16, y: high - 6, "text-anchor": "end" }, number(end)),
      s("text", { x: 34, y: 18, "text-anchor": "end" }, "9"),
      s("text", { x: 34, y: high - 22, "text-anchor": "end" }, "0"),
    ),
  );
}
