// A picture that differs by at most eps and is answered otherwise.

import { announce, card, h, number, replace } from "./dom.js";
import { choice, whole } from "./store.js";
import { button, segments, slider } from "./controls.js";
import { picture } from "./pictures.js";
import { ask, latest } from "./ask.js";

export const fields = {
  attack: choice("fgsm", ["fgsm", "pgd"]),
  eps: whole(16, 0, 128),
};

const percent = (share) => `${number(share * 100, 1)} %`;

// `seen` is {image, input}: the picture as a file and as the network sees it.
export function foolingPart(store, seen, guarded) {
  const fooled = h("div", { class: "fooled", "aria-live": "polite" });
  const colours = (found) => (found.count === 3 ? "rgb" : "gray");
  const plate = (title, image) => h("figure", {}, image, h("figcaption", { class: "hint" }, title));
  const show = async (current = () => true) => {
    if (!seen.image) return;
    const { attack, eps } = store.values;
    const found = await ask(`attack?method=${attack}&eps=${eps}`, seen.image);
    if (!current()) return;
    replace(
      fooled,
      h(
        "p",
        { class: "headline" },
        found.success ? `${found.before.label} becomes ` : "It is still ",
        h("b", { data: { result: "fooled", eps } }, found.label),
        " ",
        h("span", { class: "soft" }, percent(found.probability)),
      ),
      h(
        "div",
        { class: "row" },
        plate(`${found.before.label}, ${percent(found.before.probability)}`, picture(seen.input, colours(seen.input), 150)),
        plate(
          found.most > 0 ? `brighter and darker, by up to ${number(found.most)}` : "no change",
          picture(found.map, "kernel", 150, "The change of each pixel"),
        ),
        plate(`${found.label}, ${percent(found.probability)}`, picture(found.image, colours(found.image), 150)),
      ),
    );
    announce(`${found.success ? "fooled: " : "still "}${found.label}`);
  };
  const newest = latest(() => guarded(show));
  let last;
  store.on(({ attack, eps }) => {
    if (last !== undefined && last !== `${attack} ${eps}`) newest();
    last = `${attack} ${eps}`;
  });
  last = `${store.values.attack} ${store.values.eps}`;
  return {
    node: card(
      "Fool it",
      h(
        "p",
        { class: "hint" },
        "Every pixel may change by at most eps of 255, in the direction that misleads this network most.",
      ),
      h(
        "div",
        { class: "row" },
        segments(store, "attack", "Method", { fgsm: "one step (FGSM)", pgd: "many steps (PGD)" }),
        slider(store, "eps", "eps, pixel values", { kind: "accent" }),
      ),
      fooled,
    ),
    show,
    offer: () =>
      replace(
        fooled,
        button("Change the picture", () => guarded(show)),
      ),
  };
}
