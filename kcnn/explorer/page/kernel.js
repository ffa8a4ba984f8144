// Page 1: a kernel slides over a picture; every product is spelled out.

import { announce, figure, fileDrop, h, number, operator, plural, replace, term } from "./dom.js";
import { choice, decimal, flag, text, whole } from "./store.js";
import { button, segments, select, slider, toggle, transport } from "./controls.js";
import { gray, Grid, tint } from "./grid.js";
import {
  correlate,
  flipped,
  fromHex,
  INPUTS,
  isSymmetric,
  KERNELS,
  padded,
  relu,
  toHex,
  toWeights,
  windowAt,
} from "./filters.js";
import { kernelEditor } from "./kernel_editor.js";
import { readGray } from "./photo.js";
import { bigPicture } from "./bigpicture.js";

const fields = {
  input: choice("seven", [...Object.keys(INPUTS), "own"]),
  pixels: text("", /^([0-9a-f]{2})*$/, "two hexadecimal digits a pixel"),
  kernel: choice("sobel_x", [...Object.keys(KERNELS), "own"]),
  weights: text("", /^[-\d.,]*$/, "numbers with commas between"),
  divisor: whole(1, 1, 999),
  bias: decimal(0, -999, 999),
  mode: choice("correlation", ["correlation", "convolution"]),
  border: choice("none", ["none", "zeros"]),
  step: whole(20, 0, 2000),
  drag: choice("window", ["window", "paint"]),
  brush: whole(255, 0, 255),
  all: flag(false),
};

// Everything the page shows, worked out from its settings; `problem` where nothing comes out.
export function work(values) {
  const pixels = (values.input === "own" && fromHex(values.pixels)) || (INPUTS[values.input] ?? INPUTS.seven).pixels;
  const own = values.kernel === "own" && toWeights(values.weights);
  const chosen = KERNELS[values.kernel] ?? KERNELS.sobel_x;
  const kernel = own || chosen.weights;
  const divisor = own ? values.divisor : (chosen.divisor ?? 1);
  const used = values.mode === "convolution" ? flipped(kernel) : kernel;
  const pad = values.border === "zeros" ? (kernel.length - 1) / 2 : 0;
  const image = padded(pixels, pad);
  const base = { pixels, kernel, used, divisor, pad, image };
  try {
    const map = correlate(image, used, divisor, values.bias);
    const step = Math.min(values.step, map.length * map[0].length - 1);
    const [row, column] = [Math.floor(step / map[0].length), step % map[0].length];
    return {
      ...base,
      map,
      after: relu(map),
      step,
      row,
      column,
      now: windowAt(image, used, row, column, divisor, values.bias),
    };
  } catch (error) {
    return { ...base, problem: error.message };
  }
}

function build(store) {
  const state = () => work(store.values);
  const toWindow = (r, c) => {
    const { map, used } = state();
    if (!map) return;
    const half = (used.length - 1) / 2;
    const clamp = (value, most) => Math.min(most, Math.max(0, Math.round(value)));
    store.set({ step: clamp(r - half, map.length - 1) * map[0].length + clamp(c - half, map[0].length - 1) });
  };
  const paint = (r, c, value) => {
    const { pixels, pad } = state();
    const [row, column] = [r - pad, c - pad];
    if (pixels[row]?.[column] === undefined) return;
    const fresh = pixels.map((line) => [...line]);
    fresh[row][column] = value;
    store.set({ input: "own", pixels: toHex(fresh) });
  };
  let pen = [0, 0]; // where the keyboard paints
  const input = new Grid("Input", {
    kind: "in",
    at: () => (store.values.drag === "paint" ? pen : center()),
    move: (r, c, event) => {
      if (store.values.drag === "window") return toWindow(r, c);
      pen = [r, c];
      if (event.type.startsWith("pointer")) paint(r, c, store.values.brush);
      else show();
    },
    press: (r, c) =>
      store.values.drag === "paint" && paint(r, c, state().image[r][c] === store.values.brush ? 0 : store.values.brush),
  });
  const center = () => {
    const { row = 0, column = 0, used } = state();
    return [row + (used.length - 1) / 2, column + (used.length - 1) / 2];
  };
  const toCell = (r, c) => state().map && store.set({ step: r * state().map[0].length + c });
  const cell = () => [state().row ?? 0, state().column ?? 0];
  const output = new Grid("Map", { kind: "out", move: toCell, at: cell });
  const rectified = new Grid("Map after ReLU", { kind: "out", move: toCell, at: cell });
  const editor = kernelEditor(store, state);
  const sum = h("div", { class: "sum" });
  const problem = h("p", { class: "notice", role: "alert", hidden: true });
  const notes = h("div", { class: "notes" });
  const sizes = [input, output, rectified].map(() => h("span", { class: "soft" }));
  const picture = bigPicture(store, state);

  const show = () => {
    const now = state();
    const { pixels, image, used, pad, map, after, row, column, step } = now;
    const painting = store.values.drag === "paint";
    input.show(image.length, image[0].length, (r, c) => {
      const inside = pixels[r - pad]?.[c - pad] !== undefined;
      return { ...(inside ? gray(image[r][c]) : {}), text: image[r][c], kind: inside ? "" : "pad" };
    });
    input.frame("window", map && [row, column, used.length, used.length], "ker");
    input.frame("pen", painting && [...pen, 1, 1], "pen");
    input.label(
      `Input, ${pixels.length} by ${pixels[0].length}. ${painting ? "Arrow keys move the brush, Enter paints." : "Arrow keys move the window."}`,
    );
    problem.hidden = Boolean(map);
    for (const grid of [output, rectified]) grid.node.parentElement?.toggleAttribute("hidden", !map);
    if (!map) {
      problem.textContent = now.problem;
      return replace(sum);
    }
    const most = Math.max(...map.flat().map(Math.abs));
    for (const [grid, values] of [
      [output, map],
      [rectified, after],
    ]) {
      grid.show(map.length, map[0].length, (r, c) => {
        const seen = store.values.all || r * map[0].length + c <= step;
        return seen ? { ...tint(values[r][c], most), text: values[r][c] } : { kind: "unseen-cell" };
      });
      grid.frame("now", [row, column, 1, 1], "ker");
      grid.label(
        `${grid === output ? "Map" : "Map after ReLU"}, ${map.length} by ${map[0].length}. At row ${row}, column ${column}: ${number(grid === output ? map[row][column] : after[row][column])}. Arrow keys move.`,
      );
    }
    sizes.forEach((node, index) =>
      replace(node, [pixels, map, after][index].length, " × ", [pixels, map, after][index][0].length),
    );
    spell(sum, now, store.values);
    replace(notes, remarks(now, store.values));
    picture.show();
    announce(`Row ${row}, column ${column}: ${number(now.now.value)}`);
  };
  store.on(show);

  const count = () => {
    const { map } = state();
    return map ? map.length * map[0].length : 0;
  };
  const steps = transport(store, "step", count, {
    said: () => {
      const { row = 0, column = 0 } = state();
      return h("span", {}, "position ", term(`${row},${column}`, "ker"));
    },
  });
  const photo = fileDrop("Your photo…", async (file) => {
    try {
      store.set({ input: "own", pixels: toHex(await readGray(file, 16)) });
    } catch (error) {
      store.problems = [error.message];
      store.tell();
    }
  });
  const board = h(
    "section",
    { class: "card board" },
    h(
      "div",
      { class: "plates" },
      h("div", { class: "pair" }, figure("Input", "in", sizes[0], input.node), operator("∗"), editor.node),
      h(
        "div",
        { class: "pair" },
        operator("="),
        figure("Map", "out", sizes[1], output.node),
        figure("After ReLU", "out", sizes[2], rectified.node),
      ),
    ),
    problem,
    steps,
    sum,
  );
  const side = h(
    "section",
    { class: "card settings" },
    select(
      store,
      "input",
      "Input",
      { ...titles(INPUTS), own: "Your own" },
      { choose: (input) => (input === "own" ? { input, pixels: toHex(state().pixels) } : { input }) },
    ),
    h(
      "div",
      { class: "row" },
      photo,
      button("Clear", () =>
        store.set({ input: "own", pixels: toHex(state().pixels.map((line) => line.map(() => 0))), drag: "paint" }),
      ),
    ),
    select(
      store,
      "kernel",
      "Kernel",
      { ...titles(KERNELS), own: "Your own" },
      { choose: (kernel) => (kernel === "own" ? editor.copy() : { kernel }) },
    ),
    segments(store, "drag", "Drag on the input", { window: "moves the window", paint: "paints" }),
    slider(store, "brush", "Brush", { kind: "in" }),
    segments(store, "mode", "Operation", { correlation: "Correlation", convolution: "Convolution" }),
    segments(store, "border", "Border", { none: "none", zeros: "zeros" }),
    slider(store, "bias", "Bias", { kind: "ker", step: 1 }),
    toggle(store, "all", "Show the whole map at once"),
  );
  show();
  return h("div", { class: "layout" }, h("div", { class: "wide" }, board, notes, picture.node), side);
}

const titles = (table) => Object.fromEntries(Object.entries(table).map(([key, { title }]) => [key, title]));

function spell(node, { now, row, column, divisor, used }, { bias }) {
  const { products, sum, value } = now;
  const tall = used.length <= 3;
  const cells = products.flat();
  const lines = tall
    ? h(
        "div",
        { class: "products", style: { "--columns": used.length } },
        cells.map(({ x, w, product }) =>
          h(
            "span",
            { class: product ? "product" : "product nil" },
            term(number(x), "in"),
            " × ",
            term(number(w), "ker"),
            h("span", { class: "eq" }, " = "),
            h("b", {}, number(product)),
          ),
        ),
      )
    : h(
        "p",
        { class: "soft" },
        `${cells.filter(({ product }) => product).length} of ${cells.length} products are not zero.`,
      );
  const nonzero = cells.map(({ product }) => product).filter(Boolean);
  const listed = nonzero
    .slice(0, 9)
    .map(
      (product, index) =>
        `${index ? (product < 0 ? " − " : " + ") : product < 0 ? "−" : ""}${number(Math.abs(product))}`,
    )
    .join("");
  replace(
    node,
    h("h2", {}, "At position ", term(`${row},${column}`, "ker")),
    lines,
    h(
      "p",
      { class: "total" },
      listed || "0",
      nonzero.length > 9 && ` + ${nonzero.length - 9} more`,
      nonzero.length !== 1 && h("span", {}, " = ", h("b", { data: { result: "sum" } }, number(sum))),
      divisor !== 1 && h("span", {}, " ÷ ", term(divisor, "ker"), " = ", h("b", {}, number(sum / divisor))),
      bias !== 0 &&
        h("span", {}, bias < 0 ? " − " : " + ", term(number(Math.abs(bias)), "ker"), " = ", h("b", {}, number(value))),
      h("span", { class: "then" }, "ReLU: max(0, ", number(value), ") = ", term(number(Math.max(0, value)), "out")),
    ),
  );
}

function remarks({ kernel, used, map }, values) {
  const taps = used.length ** 2;
  const list = [
    `Each output costs ${taps} multiplications and ${plural(taps - 1, "addition")}; the map has ${number(map.length * map[0].length)} outputs, and all share the same ${taps} weights.`,
  ];
  if (isSymmetric(kernel))
    list.push("This kernel looks the same turned by 180°, so correlation and convolution agree.");
  else
    list.push(
      "Layers of networks compute the correlation; true convolution turns the kernel by 180° first. With this kernel the two differ.",
    );
  if (values.input === "nine" && values.kernel === "sobel_x")
    list.push("Sobel on 1…9 gives 8. A figure of 24 found in lecture notes is the sum of the positive products only.");
  return list.map((line) => h("p", {}, line));
}

export const page = {
  id: "kernel",
  nav: "Kernel",
  title: "A kernel slides over a picture",
  lead: "Put the window somewhere, multiply what lies under it by the kernel, add everything up: one number of the map. Then move on.",
  fields,
  build,
};
