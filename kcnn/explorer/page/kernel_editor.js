// The kernel of page 1 as fields that can be typed into.

import { figure, h, replace, term } from "./dom.js";
import { tint } from "./grid.js";

// `now()` gives {kernel, divisor}; a change makes the kernel the visitor's own.
export function kernelEditor(store, now) {
  const table = h("div", { class: "kernel", role: "group", "aria-label": "Kernel, editable" });
  const below = h("div", { class: "under soft" });
  const size = h("span", { class: "soft" });
  let drawn = "";
  const copy = (change = {}) => {
    const { kernel, divisor } = now();
    return { kernel: "own", weights: kernel.flat().join(","), divisor, ...change };
  };
  const edit = (index, box) => {
    const good = /^-?\d{1,4}(\.\d{1,4})?$/.test(box.value.trim().replace("−", "-"));
    box.toggleAttribute("aria-invalid", !good);
    if (!good) return;
    const fresh = now().kernel.flat();
    fresh[index] = Number(box.value.trim().replace("−", "-"));
    store.set(copy({ weights: fresh.join(",") }));
  };
  const show = () => {
    const { kernel, divisor } = now();
    const k = kernel.length;
    if (drawn !== k) {
      drawn = k;
      table.style.setProperty("--columns", k);
      replace(
        table,
        kernel.flat().map((_, index) => {
          const box = h("input", {
            type: "text",
            inputmode: "decimal",
            "aria-label": `weight row ${Math.floor(index / k) + 1}, column ${(index % k) + 1}`,
            autocomplete: "off",
          });
          box.addEventListener("input", () => edit(index, box));
          box.addEventListener("blur", show);
          return box;
        }),
      );
    }
    kernel.flat().forEach((weight, index) => {
      const box = table.children[index];
      if (box !== document.activeElement) {
        box.value = weight;
        box.removeAttribute("aria-invalid");
      }
      const { fill } = tint(weight, Math.max(...kernel.flat().map(Math.abs)), "ker");
      box.style.background = fill;
    });
    replace(size, `${k} × ${k}`);
    replace(
      below,
      divisor !== 1 && h("span", {}, "each ÷ ", term(divisor, "ker")),
      store.values.mode === "convolution" && h("span", {}, "turned by 180° before it slides"),
    );
  };
  store.on(show);
  show();
  return {
    copy,
    node: figure("Kernel", "ker", size, table, below),
  };
}
