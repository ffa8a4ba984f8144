// Which places of a picture speak for a class: covering them, or a method that looks inside the network.

import { card, h, number, replace } from "./dom.js";
import { choice, text } from "./store.js";
import { button, segments, select } from "./controls.js";
import { evidence, picture } from "./pictures.js";
import { ask, latest } from "./ask.js";

const METHODS = {
  "By covering": { occlusion: "Covering parts" },
  "By the maps of a layer": {
    grad_cam: "Grad-CAM",
    grad_cam_plus: "Grad-CAM++",
    layer_cam: "Layer-CAM",
    score_cam: "Score-CAM",
    cam: "CAM",
  },
  "By slopes at the pixels": {
    saliency: "Saliency",
    smooth_grad: "SmoothGrad",
    integrated_gradients: "Integrated Gradients",
    guided_backprop: "Guided backpropagation",
    deconvnet: "Deconvnet",
  },
};
const TITLES = Object.assign({}, ...Object.values(METHODS));
const OF_A_LAYER = Object.keys(METHODS["By the maps of a layer"]).filter((name) => name !== "cam");
const STORY = {
  occlusion: "A square covers one place after another; where the probability falls, there was evidence.",
  grad_cam: "The maps of a layer, each weighted by how much the class gains from it.",
  grad_cam_plus: "As Grad-CAM, but only slopes that raise the score count, and each place for itself.",
  layer_cam: "Every place of a map has its own weight, so early layers can be read too.",
  score_cam: "The picture is seen through each map; maps through which the class is seen weigh most.",
  cam: "The closing weights, applied before the pooling.",
  saliency: "How much the score changes with each pixel.",
  smooth_grad: "The mean slope over noisy copies of the picture.",
  integrated_gradients: "Slopes, added up on the way from a blank picture to this one.",
  guided_backprop: "Slopes at the pixels, where only what is positive goes back.",
  deconvnet: "The answer, projected back to pixels by the transposed kernels.",
};

export const fields = {
  method: choice("occlusion", Object.keys(TITLES)),
  about: text("", /^\d{0,6}$/, "the number of a class"),
  fill: choice("background", ["background", "gray"]),
};

// `seen` is {image, input}: the picture as a file and as the network sees it.
export function evidencePart(store, about, seen, guarded) {
  const heat = h("div", { class: "heat" });
  const story = h("p", { class: "hint" });
  const fill = segments(store, "fill", "Cover with", { background: "background", gray: "gray" });
  const hasMaps = () => about.layers.some(({ name, shape }) => name === store.values.layer && shape.length === 3);
  const question = ({ method, about: target, fill: colour, layer }) => {
    const asked = new URLSearchParams(target && { class: target });
    if (method === "occlusion") asked.set("fill", colour);
    else asked.set("method", method);
    if (OF_A_LAYER.includes(method) && hasMaps()) asked.set("layer", layer);
    return `${method === "occlusion" ? "occlusion" : "explain"}?${asked}`;
  };
  const told = (found, method) => {
    const label = h("b", {}, found.label);
    if (method === "occlusion")
      return [
        "Orange: covering this place lowers the probability of ",
        label,
        ` (by up to ${number(found.most * 100, 1)} points). Blue: covering it helps.`,
      ];
    if (found.picture) return ["What of the picture ", label, " goes back to. Gray is nothing."];
    return found.most > 0 ? ["Orange: what speaks for ", label, "."] : ["Nothing here speaks for ", label, "."];
  };
  const show = async (current = () => true) => {
    if (!seen.image) return;
    const { method } = store.values;
    const found = await ask(question(store.values), seen.image);
    if (!current() || method !== store.values.method) return;
    replace(
      heat,
      found.picture ? picture(found.picture, "rgb", 224) : evidence(seen.input, found.map, 224),
      h("p", { class: "hint" }, told(found, method), h("span", { data: { result: "method" }, hidden: true }, method)),
    );
  };
  const newest = latest(() => guarded(show));
  let last;
  const settings = () => {
    const { method } = store.values;
    fill.hidden = method !== "occlusion";
    replace(
      story,
      STORY[method],
      OF_A_LAYER.includes(method) && (hasMaps() ? ` The layer is ${store.values.layer}.` : " Choose a layer below."),
    );
    const now = question(store.values);
    if (last !== undefined && now !== last) newest();
    last = now;
  };
  store.on(settings);
  settings();
  const classes = Object.fromEntries([["", "the answer"], ...about.labels.map((label, at) => [String(at), label])]);
  return {
    node: card(
      "Where the evidence lies",
      story,
      about.methods.length > 0 && select(store, "method", "Method", METHODS),
      select(store, "about", "Evidence for", classes),
      fill,
      heat,
    ),
    show,
    offer: () =>
      replace(
        heat,
        button("Look for the evidence", () => guarded(show)),
      ),
  };
}
