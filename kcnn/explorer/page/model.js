// Page 7: a model of the visitor's own, asked through the server that opened it.

import { announce, card, fileDrop, h, number, replace } from "./dom.js";
import { choice, text } from "./store.js";
import { button, segments, select } from "./controls.js";
import { drawingPad } from "./drawing.js";
import { picture, pictures, unpack } from "./pictures.js";
import { ask } from "./ask.js";
import { evidencePart, fields as evidenceFields } from "./evidence.js";
import { fields as foolingFields, foolingPart } from "./fooling.js";

const DIGITS = Object.fromEntries([["none", "—"], ...Array.from({ length: 10 }, (_, d) => [String(d), String(d)])]);
const fields = {
  input: choice("draw", ["draw", "photo"]),
  digit: choice("none", Object.keys(DIGITS)),
  layer: text("", /^[\w./ -]{0,120}$/, "a layer's name"),
  ...evidenceFields,
  ...foolingFields,
};
const STRIPS = 12;
const ENOUGH = 64 * 64; // pixels up to which the evidence and the change are worked out unasked

function build(store) {
  const root = h("div", {});
  const served = document.documentElement.dataset.server === "1";
  const look = async () => {
    let about = { state: "none" };
    try {
      if (served) about = await ask("model");
    } catch (error) {
      about = { state: "failed", error: error.message };
    }
    root.dataset.state = about.state;
    if (about.state === "ready") replace(root, ready(store, about));
    else if (about.state === "loading") {
      replace(
        root,
        card("Opening the model", h("p", { class: "soft" }, "TensorFlow is starting; this takes some seconds.")),
      );
      setTimeout(look, 400);
    } else if (about.state === "failed")
      replace(root, h("p", { class: "notice", role: "alert" }, about.error), invitation());
    else replace(root, invitation());
  };
  look();
  return root;
}

function invitation() {
  return card(
    "Open a model",
    h(
      "p",
      {},
      "This page shows what a network of yours makes of a picture: its answer, the maps of every layer, the kernels it learned, and where the evidence lies. It asks the small server that kcnn starts, so give it a bundle:",
    ),
    h("pre", { class: "code", tabindex: 0 }, "kcnn train digits_lenet5\nkcnn explore saved_models/digits_lenet5"),
  );
}

function ready(store, about) {
  const problem = h("p", { class: "notice", role: "alert", hidden: true });
  const answer = h("div", { class: "answer", "aria-live": "polite" });
  const strips = h("div", { class: "strips" });
  const detail = h("div", { class: "detail" });
  const preview = h("img", { class: "upload", alt: "Your photo", hidden: true });
  const seen = {};
  let turn = 0;

  const guarded = async (act) => {
    const mine = turn;
    try {
      await act(() => mine === turn);
      if (mine === turn) problem.hidden = true;
    } catch (error) {
      if (mine !== turn) return;
      problem.hidden = false;
      problem.textContent = error.message;
    }
  };
  // A picture that the server refuses leaves everything as it was.
  const take = (blob, isFile = false) => {
    turn += 1;
    guarded(async (current) => {
      const found = await ask("predict", blob);
      if (!current()) return;
      Object.assign(seen, { image: blob, input: found.input });
      URL.revokeObjectURL(preview.src);
      preview.hidden = !isFile;
      if (isFile) preview.src = URL.createObjectURL(blob);
      showAnswer(found);
      await Promise.all([
        loadStrips(current),
        showDetail(current),
        ...extras.map((part) => (about.size[0] * about.size[1] <= ENOUGH ? part.show(current) : part.offer())),
      ]);
    });
  };
  const showAnswer = (found) => {
    replace(
      answer,
      h(
        "div",
        { class: "verdict" },
        h(
          "span",
          { class: "seen" },
          picture(found.input, found.input.count === 3 ? "rgb" : "gray", 112),
          h("span", { class: "hint" }, `as the network sees it, ${found.input.height} × ${found.input.width}`),
        ),
        h(
          "div",
          {},
          h(
            "p",
            { class: "headline" },
            h("b", { data: { result: "label" } }, found.label),
            " ",
            h("span", { class: "soft" }, `${number(found.probability * 100, 1)} %`),
          ),
          h(
            "ul",
            { class: "scores" },
            found.scores
              .slice(0, 5)
              .map(({ label, probability }) =>
                h(
                  "li",
                  {},
                  h("span", {}, label),
                  h("i", { style: { width: `${probability * 100}%` } }),
                  h("span", { class: "value" }, `${number(probability * 100, 1)} %`),
                ),
              ),
          ),
        ),
      ),
    );
    announce(`${found.label}, ${number(found.probability * 100, 0)} percent`);
  };
  const maps = about.layers.filter(({ shape }) => shape.length === 3);
  const chosen = [
    ...(maps.length <= STRIPS
      ? maps
      : Array.from({ length: STRIPS }, (_, i) => maps[Math.round((i * (maps.length - 1)) / (STRIPS - 1))])),
    ...about.layers.filter(({ shape }) => shape.length === 1).slice(-3),
  ];
  const loadStrips = async (current) => {
    for (const layer of chosen) {
      const found = await ask(`maps?layer=${encodeURIComponent(layer.name)}`, seen.image);
      if (!current()) return;
      const strip = h(
        "button",
        {
          type: "button",
          class: "strip",
          "aria-pressed": layer.name === store.values.layer,
          data: { layer: layer.name },
          on: { click: () => store.set({ layer: layer.name }) },
        },
        h(
          "span",
          { class: "name" },
          h("b", {}, layer.name),
          h("span", { class: "soft" }, `${layer.kind} ${layer.shape.join(" × ")}`),
        ),
        h("span", { class: "row" }, pictures(found, "map", layer.shape.length === 3 ? 52 : 0, 10)),
      );
      const old = [...strips.children].find((node) => node.dataset.layer === layer.name);
      if (old) old.replaceWith(strip);
      else strips.append(strip);
    }
  };
  const layer = () => about.layers.find(({ name }) => name === store.values.layer) ?? maps[0] ?? about.layers[0];
  const showDetail = async (current = () => true) => {
    const now = layer();
    if (!now || !seen.image) return;
    const [found, kernels] = await Promise.all([
      ask(`maps?layer=${encodeURIComponent(now.name)}`, seen.image),
      now.kernel && ask(`kernels?layer=${encodeURIComponent(now.name)}`),
    ]);
    if (!current() || now !== layer()) return;
    for (const strip of strips.children) strip.setAttribute("aria-pressed", strip.dataset.layer === now.name);
    replace(
      detail,
      h("h2", {}, now.name, h("span", { class: "soft" }, ` ${now.kind}, ${now.shape.join(" × ")}`)),
      h(
        "p",
        { class: "hint" },
        now.shape.length === 3
          ? `${found.count} of ${found.of} maps, from ${number(found.low)} (dark) to ${number(found.high)} (bright)`
          : `${found.of} values, from ${number(found.low)} to ${number(found.high)}`,
      ),
      h("div", { class: "maps" }, pictures(found, "map", now.shape.length === 3 ? 92 : 0)),
      kernels && [
        h("h2", { class: "spaced" }, "Learned kernels"),
        h(
          "p",
          { class: "hint" },
          `${now.kernel[0]} × ${now.kernel[1]}; ${kernels.filters} of ${now.kernel[3]} filters across, ${kernels.channels} of ${now.kernel[2]} channels down. Orange positive, blue negative, up to ${number(kernels.high, 3)}.`,
        ),
        kernelTable(kernels),
      ],
    );
  };
  const evidence = evidencePart(store, about, seen, guarded);
  const fooling = about.attacks.length > 0 && foolingPart(store, seen, guarded);
  const extras = [evidence, fooling].filter(Boolean);

  const pad = drawingPad(take);
  const photo = fileDrop("Drop or choose a photo…", (file) => take(file, true));
  const drawn = h(
    "div",
    {},
    pad.node,
    h(
      "div",
      { class: "row" },
      button("Clear", () => {
        pad.clear();
        store.set({ digit: "none" });
      }),
      select(store, "digit", "Draw for me", DIGITS),
    ),
  );
  const dropped = h("div", {}, photo, preview);
  let last = {};
  const show = () => {
    const { input, digit, layer: name } = store.values;
    drawn.hidden = input !== "draw";
    dropped.hidden = input !== "photo";
    if (digit !== last.digit && digit !== "none") pad.write(Number(digit));
    if (name !== last.layer && last.layer !== undefined) guarded(showDetail);
    last = { digit, layer: name };
  };
  store.on(show);
  show();
  const facts = h(
    "p",
    { class: "soft facts-line" },
    h("b", {}, about.name),
    `: ${about.size.join(" × ")} × ${about.channels}, ${about.labels.length} classes`,
    about.params && `, ${number(about.params)} parameters`,
  );
  return [
    facts,
    problem,
    h(
      "div",
      { class: "model-grid" },
      h(
        "section",
        { class: "card" },
        segments(store, "input", "Picture", { draw: "Draw", photo: "Photo" }),
        drawn,
        dropped,
      ),
      card("Prediction", answer, h("p", { class: "hint first-hint" }, "Draw a digit or drop a photo.")),
      evidence.node,
    ),
    fooling?.node,
    about.layers.length
      ? [
          card(
            "Through the network",
            h("p", { class: "hint" }, "The first maps of each layer; choose one to see all of them."),
            strips,
          ),
          h("section", { class: "card" }, detail),
        ]
      : card(
          "Layers",
          h("p", {}, "A .tflite file no longer tells its layers; open the bundle or the run to see maps and kernels."),
        ),
  ];
}

function kernelTable(found) {
  const all = unpack(found);
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Learned kernels" },
    h(
      "div",
      { class: "kernels", style: { "--columns": found.filters } },
      Array.from({ length: found.channels }, (_, channel) =>
        Array.from({ length: found.filters }, (_, filter) =>
          picture(
            { ...found, count: 1, values: [all[filter * found.channels + channel]] },
            "kernel",
            34,
            `filter ${filter + 1}, channel ${channel + 1}`,
          ),
        ),
      ),
    ),
  );
}

export const page = {
  id: "model",
  nav: "Your model",
  title: "Inside your own model",
  lead: "Give it a digit or a photo. See what it answers, what every layer makes of the picture, and which places it relied on.",
  fields,
  build,
};
