// Page 5: pooling, its three inverses, and the transposed convolution as patches that add up.

import { announce, figure, h, number, operator, replace, term } from "./dom.js";
import { choice, whole } from "./store.js";
import { button, parted, segments, slider, transport } from "./controls.js";
import { Grid, tint } from "./grid.js";
import { numbers, pool, square } from "./pool.js";
import { overlapPart, unpoolPart } from "./unpooling.js";

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
    if (out)
      store.set({
        step: Math.min(out - 1, Math.floor(row / stride)) * out + Math.min(out - 1, Math.floor(column / stride)),
      });
  };
  const input = new Grid("Input", {
    kind: "in",
    move: jump,
    at: () => {
      const { windows } = state();
      return windows ? [windows[at()].row, windows[at()].column] : [0, 0];
    },
  });
  const output = new Grid("Output", {
    kind: "out",
    move: (r, c) => store.set({ step: r * state().out + c }),
    at: () => [Math.floor(at() / (state().out ?? 1)), at() % (state().out ?? 1)],
  });
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
    output.show(out, out, (r, c) =>
      r * out + c <= at()
        ? { ...tint(windows[r * out + c].value, 16, "out"), text: windows[r * out + c].value }
        : { kind: "unseen-cell" },
    );
    output.frame("now", [Math.floor(at() / out), at() % out, 1, 1], "ker");
    replace(outSize, h("span", { data: { result: "size" } }, out), ` × ${out}`);
    const listed =
      now.cells.length > 12
        ? `${now.cells.slice(0, 11).join(store.values.kind.endsWith("max") ? ", " : " + ")} …`
        : now.cells.join(store.values.kind.endsWith("max") ? ", " : " + ");
    replace(
      sum,
      store.values.kind.endsWith("max") ? `max(${listed}) = ` : `(${listed}) ÷ ${now.cells.length} = `,
      term(number(now.value), "out"),
    );
    replace(
      note,
      store.values.kind.startsWith("global")
        ? "Global pooling leaves one number a map, whatever its size. GoogLeNet and ResNet put it where AlexNet and VGG have dense layers of a hundred million weights."
        : `Pooling has no weights. ${number(n * n)} numbers become ${number(out * out)}; with 2×2 and stride 2, 224 → 112 → 56 → 28 → 14.`,
    );
    announce(`${number(now.value)}`);
  };
  const local = [slider(store, "size", "Window", { kind: "ker" }), slider(store, "s", "Stride", { kind: "accent" })];
  store.on(show);
  const board = h(
    "section",
    { class: "card board" },
    segments(store, "kind", "Keep", {
      max: "the largest",
      average: "the average",
      globalmax: "global max",
      globalaverage: "global average",
    }),
    h(
      "div",
      { class: "plates" },
      figure("Input", "in", inSize, input.node),
      operator("→"),
      figure("Pooled", "out", outSize, output.node),
    ),
    problem,
    transport(store, "step", () => state().windows?.length ?? 1),
    sum,
    note,
  );
  show();
  return h(
    "div",
    { class: "layout" },
    h("div", { class: "wide" }, board),
    h(
      "section",
      { class: "card settings" },
      slider(store, "n", "Input", { kind: "in" }),
      local,
      button("Other numbers", () => store.set({ seed: (store.values.seed + 1) % 1000 })),
    ),
  );
}

function build(store) {
  const parts = { pool: poolPart(store), unpool: unpoolPart(store), overlap: overlapPart(store) };
  const titles = { pool: "Pooling", unpool: "Unpooling", overlap: "Transposed: overlap and add" };
  return h("div", {}, parted(store, titles, parts));
}

export const page = {
  id: "pooling",
  nav: "Pooling",
  title: "Pooling, and the way back up",
  lead: "Pooling keeps the strongest or the average answer of a window. Segmentation and generation have to go back to full size; here are the ways.",
  fields,
  build,
};
