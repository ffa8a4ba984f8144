// Page 6: regions of interest, suppression of doubles, a YOLO grid, overlap of two boxes.

import { announce, h, number, replace, s, term } from "./dom.js";
import { choice, decimal, whole } from "./store.js";
import { parted, slider, transport } from "./controls.js";
import { Grid, tint } from "./grid.js";
import { cells, frames, Scene } from "./scene.js";
import { decodeCell, iou, suppress } from "./geometry.js";
import { regionsPart } from "./regions.js";

const fields = {
  show: choice("roi", ["roi", "nms", "yolo", "iou"]),
  x: decimal(1.4, 0, 8),
  y: decimal(1.7, 0, 8),
  w: decimal(4.5, 0.5, 8),
  h: decimal(3.6, 0.5, 8),
  bins: whole(2, 1, 4),
  threshold: decimal(0.5, 0, 1),
  step: whole(0, 0, 20),
  ax: decimal(1, 0, 8),
  ay: decimal(0.8, 0, 6),
  aw: decimal(3.6, 0.5, 8),
  ah: decimal(3, 0.5, 6),
  bx: decimal(2.8, 0, 8),
  by: decimal(2, 0, 6),
  bw: decimal(3.8, 0.5, 8),
  bh: decimal(2.8, 0.5, 6),
  grid: whole(7, 1, 13),
  boxes: whole(2, 1, 5),
  classes: whole(20, 1, 200),
  cell: whole(23, 0, 168),
  cx: decimal(0.6, 0, 1),
  cy: decimal(0.4, 0, 1),
  cw: decimal(0.45, 0.02, 1),
  ch: decimal(0.6, 0.02, 1),
  sure: decimal(0.8, 0, 1),
  share: decimal(0.9, 0, 1),
};

const FOUND = [
  { x: 1, y: 1.2, w: 2.6, h: 4.1, score: 0.92 },
  { x: 1.3, y: 1, w: 2.6, h: 4.2, score: 0.85 },
  { x: 0.7, y: 1.7, w: 2.5, h: 3.9, score: 0.71 },
  { x: 2.4, y: 1.5, w: 2.4, h: 3.9, score: 0.55 },
  { x: 5.4, y: 2.3, w: 3.2, h: 2.6, score: 0.88 },
  { x: 6, y: 1.7, w: 3, h: 2.9, score: 0.79 },
  { x: 5, y: 2.8, w: 3, h: 2.4, score: 0.62 },
  { x: 7.7, y: 0.2, w: 1.9, h: 1.9, score: 0.66 },
];

function nmsPart(store) {
  const scene = new Scene("Boxes of a detector", 10, 6);
  const list = h("tbody");
  const story = h("p", { class: "story" });
  scene.backdrop(s("rect", { class: "floor", width: 400, height: 240, rx: 6 }));
  const show = () => {
    const steps = suppress(FOUND, store.values.threshold);
    const at = Math.min(store.values.step, steps.length);
    const kept = steps.slice(0, at).map(({ best }) => best);
    const gone = new Map(
      steps.slice(0, at).flatMap(({ best, dropped }) => dropped.map(({ index, iou: share }) => [index, [best, share]])),
    );
    const now = steps[at - 1];
    FOUND.forEach((box, index) =>
      scene.box(`b${index}`, box, {
        kind: index === now?.best ? "ker strong" : kept.includes(index) ? "out" : gone.has(index) ? "gone" : "in",
        label: gone.has(index) ? "" : number(box.score),
      }),
    );
    replace(
      list,
      FOUND.map((box, index) => {
        const state = kept.includes(index)
          ? ["kept", "out"]
          : gone.has(index)
            ? [`dropped by ${number(FOUND[gone.get(index)[0]].score)}`, "neg"]
            : ["waits", "in"];
        const share = now?.compared.find((item) => item.index === index)?.iou;
        return h(
          "tr",
          {},
          h("th", { scope: "row" }, number(box.score)),
          h("td", { class: "value" }, share === undefined ? "–" : number(share)),
          h("td", {}, term(state[0], state[1])),
        );
      }),
    );
    replace(
      story,
      !now
        ? `Step on: the surest box is kept, and those that overlap it by more than ${number(store.values.threshold)} are dropped.`
        : `${number(FOUND[now.best].score)} is the surest of those left: kept. ${now.dropped.length ? `${now.dropped.length} overlap it by more than ${number(store.values.threshold)}: dropped.` : "None overlaps it by more."}${at === steps.length ? ` Done: ${kept.length} of ${FOUND.length} boxes remain.` : ""}`,
    );
    scene.node.dataset.kept = kept.length;
    announce(story.textContent);
  };
  store.on(show);
  const node = h(
    "div",
    { class: "layout" },
    h(
      "div",
      { class: "wide" },
      h(
        "section",
        { class: "card board" },
        scene.node,
        transport(store, "step", () => suppress(FOUND, store.values.threshold).length + 1, {
          speed: 1100,
          said: (at) => `step ${at}`,
        }),
        story,
      ),
    ),
    h(
      "section",
      { class: "card settings" },
      slider(store, "threshold", "Overlap allowed (IoU)", { kind: "accent", step: 0.01 }),
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["Score", "IoU", "State"].map((name) => h("th", { scope: "col" }, name)),
          ),
        ),
        list,
      ),
    ),
  );
  show();
  return node;
}

function yoloPart(store) {
  const grid = new Grid("Cells of the image", {
    kind: "in",
    move: (r, c) => store.set({ cell: r * store.values.grid + c }),
    at: () => [Math.floor(at() / store.values.grid), at() % store.values.grid],
  });
  const at = () => Math.min(store.values.cell, store.values.grid ** 2 - 1);
  const shape = h("p", { class: "headline" });
  const told = h("div", { class: "told" });
  const show = () => {
    const { grid: size, boxes, classes, cx, cy, cw, ch, sure, share } = store.values;
    const [row, column] = [Math.floor(at() / size), at() % size];
    const box = decodeCell(size, row, column, { x: cx, y: cy, w: cw, h: ch });
    grid.show(size, size, (r, c) => (r === row && c === column ? tint(1, 1, "ker") : tint(1, 8, "in")), {
      words: false,
    });
    grid.frame("cell", [row, column, 1, 1], "ker");
    grid.frame("box", [box.y * size, box.x * size, box.h * size, box.w * size], "out");
    grid.many("spot", [[row + cy - 0.09, column + cx - 0.09, 0.18, 0.18]], "out");
    grid.label(`${size} by ${size} cells, row ${row}, column ${column} chosen. Arrow keys choose a cell.`);
    replace(
      shape,
      term(size, "in"),
      " × ",
      term(size, "in"),
      " × (5·",
      term(boxes, "out"),
      " + ",
      term(classes, "accent"),
      ") = ",
      h("b", { data: { result: "values" } }, number(size * size * (5 * boxes + classes))),
      " numbers",
    );
    replace(
      told,
      h(
        "p",
        {},
        "Centre: ((",
        term(column, "ker"),
        " + ",
        term(number(cx), "out"),
        `) / ${size}, (`,
        term(row, "ker"),
        " + ",
        term(number(cy), "out"),
        `) / ${size}) = (${number((column + cx) / size, 3)}, ${number((row + cy) / size, 3)}) of the image.`,
      ),
      h(
        "p",
        {},
        `Size: ${number(cw * 100, 0)} % × ${number(ch * 100, 0)} % of the image: on 448 pixels ${number(cw * 448, 0)} × ${number(ch * 448, 0)}.`,
      ),
      h(
        "p",
        {},
        `Score of the class: ${number(sure)} × ${number(share)} = `,
        term(number(sure * share, 3), "out"),
        ".",
      ),
    );
  };
  store.on(show);
  const node = h(
    "div",
    { class: "layout" },
    h(
      "div",
      { class: "wide" },
      h("section", { class: "card board" }, shape, h("div", { class: "scene-grid" }, grid.node), told),
    ),
    h(
      "section",
      { class: "card settings" },
      slider(store, "grid", "Cells a side, S", { kind: "in" }),
      slider(store, "boxes", "Boxes a cell, B", { kind: "out" }),
      slider(store, "classes", "Classes, C", { kind: "accent" }),
      slider(store, "cx", "x in the cell", { kind: "out", step: 0.01 }),
      slider(store, "cy", "y in the cell", { kind: "out", step: 0.01 }),
      slider(store, "cw", "Width, share of the image", { kind: "out", step: 0.01 }),
      slider(store, "ch", "Height", { kind: "out", step: 0.01 }),
      slider(store, "sure", "Confidence", { kind: "ker", step: 0.01 }),
      slider(store, "share", "Class probability", { kind: "accent", step: 0.01 }),
    ),
  );
  show();
  return node;
}

function iouPart(store) {
  const scene = new Scene("Two boxes", 8, 6, {
    change: (name, { x, y, w, h: high }) =>
      store.set({ [`${name}x`]: x, [`${name}y`]: y, [`${name}w`]: w, [`${name}h`]: high }),
  });
  const result = h("p", { class: "headline" });
  const show = () => {
    const v = store.values;
    const [a, b] = [
      scene.limit({ x: v.ax, y: v.ay, w: v.aw, h: v.ah }),
      scene.limit({ x: v.bx, y: v.by, w: v.bw, h: v.bh }),
    ];
    const both = {
      x: Math.max(a.x, b.x),
      y: Math.max(a.y, b.y),
      w: Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x),
      h: Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y),
    };
    scene.backdrop(cells(6, 8), both.w > 0 && both.h > 0 ? frames([both], "filled") : []);
    scene.box("a", a, { kind: "in", label: "A", said: "Box A" });
    scene.box("b", b, { kind: "ker", label: "B", said: "Box B" });
    const found = iou(a, b);
    replace(
      result,
      "IoU = ",
      h(
        "span",
        { class: "frac" },
        h("span", {}, term(number(found.both), "out"), " shared"),
        h("span", {}, `${number(a.w * a.h)} + ${number(b.w * b.h)} − ${number(found.both)}`),
      ),
      " = ",
      h("b", { data: { result: "iou" } }, number(found.iou, 3)),
    );
    announce(`IoU ${number(found.iou, 3)}`);
  };
  store.on(show);
  show();
  return h(
    "section",
    { class: "card board" },
    result,
    scene.node,
    h(
      "p",
      { class: "story" },
      "Shared area over joint area: 0 apart, 1 equal. Detections count as right from 0.5 on in VOC; COCO averages over 0.50 to 0.95. Drag the boxes or their corners; Tab and the arrow keys work too.",
    ),
  );
}

function build(store) {
  const parts = { roi: regionsPart(store), nms: nmsPart(store), yolo: yoloPart(store), iou: iouPart(store) };
  const titles = {
    roi: "RoI Pool and RoI Align",
    nms: "Non-maximum suppression",
    yolo: "YOLO grid",
    iou: "Overlap (IoU)",
  };
  return h("div", {}, parted(store, titles, parts));
}

export const page = {
  id: "boxes",
  nav: "Boxes",
  title: "Boxes: what detectors do with them",
  lead: "Cut a region out of a map, drop the doubles, read boxes off a grid, and measure how well two boxes agree.",
  fields,
  build,
};
