// A drawing with boxes that can be dragged, resized at a corner, and moved with the arrow keys.

import { h, s } from "./dom.js";

const UNIT = 40;

export class Scene {
  // change(name, box): a box was moved; sizes are in cells of the scene.
  constructor(label, wide, high, { change, step = 0.1, smallest = 0.5 } = {}) {
    Object.assign(this, { wide, high, change, step, smallest, boxes: {} });
    this.back = s("g");
    this.front = s("g");
    this.svg = s(
      "svg",
      { class: "scene", viewBox: `-2 -2 ${wide * UNIT + 4} ${high * UNIT + 4}`, role: "group", "aria-label": label },
      this.back,
      this.front,
    );
    this.node = h("div", { class: "scene-box", style: { "--columns": wide } }, this.svg);
  }

  backdrop(...nodes) {
    this.back.replaceChildren(...nodes.flat(2));
  }

  limit(box) {
    const [w, high] = [
      Math.min(this.wide, Math.max(this.smallest, box.w)),
      Math.min(this.high, Math.max(this.smallest, box.h)),
    ];
    const round = (value) => Number(value.toFixed(2));
    return {
      x: round(Math.min(this.wide - w, Math.max(0, box.x))),
      y: round(Math.min(this.high - high, Math.max(0, box.y))),
      w: round(w),
      h: round(high),
    };
  }

  // Draw or move the box `name`; `fixed` ones cannot be dragged.
  box(name, box, { kind = "", label = "", fixed = !this.change, said } = {}) {
    if (!box) {
      this.boxes[name]?.group.remove();
      delete this.boxes[name];
      return;
    }
    this.boxes[name] ??= this.make(name, fixed);
    const { group, rect, grip, text } = this.boxes[name];
    this.boxes[name].at = box;
    group.setAttribute("class", `box ${kind}`);
    for (const [key, value] of [
      ["x", box.x],
      ["y", box.y],
      ["width", box.w],
      ["height", box.h],
    ])
      rect.setAttribute(key, value * UNIT);
    grip?.setAttribute("transform", `translate(${(box.x + box.w) * UNIT} ${(box.y + box.h) * UNIT})`);
    text.setAttribute("x", box.x * UNIT + 6);
    text.setAttribute("y", box.y * UNIT + 18);
    text.textContent = label;
    if (!fixed)
      group.setAttribute(
        "aria-label",
        `${said ?? name}: left ${box.x}, top ${box.y}, width ${box.w}, height ${box.h}. Arrow keys move, with Shift they resize.`,
      );
  }

  make(name, fixed) {
    const rect = s("rect", { rx: 3 });
    const text = s("text", {});
    const grip = fixed
      ? null
      : s("g", { class: "grip" }, s("circle", { r: 20, class: "reach" }), s("circle", { r: 7 }));
    const group = s("g", fixed ? {} : { tabindex: 0, role: "application", "aria-roledescription": "box" }, rect, text);
    if (grip) group.append(grip);
    this.front.append(group);
    if (!fixed) this.listen(name, group, grip);
    return { group, rect, grip, text };
  }

  listen(name, group, grip) {
    let held;
    const point = (event) => {
      const box = this.svg.getBoundingClientRect();
      return [
        ((event.clientX - box.left) / box.width) * this.wide,
        ((event.clientY - box.top) / box.height) * this.high,
      ];
    };
    const at = () => this.boxes[name].at;
    group.addEventListener("pointerdown", (event) => {
      const [x, y] = point(event);
      held = { x, y, box: at(), size: grip.contains(event.target) };
      group.setPointerCapture(event.pointerId);
    });
    group.addEventListener("pointermove", (event) => {
      if (!held) return;
      const [x, y] = point(event);
      const [dx, dy, { box }] = [x - held.x, y - held.y, held];
      this.change(
        name,
        this.limit(
          held.size
            ? { ...box, w: Math.min(this.wide - box.x, box.w + dx), h: Math.min(this.high - box.y, box.h + dy) }
            : { ...box, x: box.x + dx, y: box.y + dy },
        ),
      );
    });
    for (const type of ["pointerup", "pointercancel"])
      group.addEventListener(type, () => {
        held = undefined;
      });
    group.addEventListener("keydown", (event) => {
      const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [
        0, 0,
      ];
      if (!dx && !dy) return;
      event.preventDefault();
      const box = at();
      const by = this.step;
      this.change(
        name,
        this.limit(
          event.shiftKey
            ? {
                ...box,
                w: Math.min(this.wide - box.x, box.w + dx * by),
                h: Math.min(this.high - box.y, box.h + dy * by),
              }
            : { ...box, x: box.x + dx * by, y: box.y + dy * by },
        ),
      );
    });
  }
}

// Lines of a grid of cells, and shaded cells: values(row, column) -> fill.
export function cells(rows, columns, fill) {
  return Array.from({ length: rows * columns }, (_, at) => {
    const [r, c] = [Math.floor(at / columns), at % columns];
    const rect = s("rect", { class: "cell", x: c * UNIT, y: r * UNIT, width: UNIT, height: UNIT });
    rect.style.fill = fill?.(r, c) ?? "";
    return rect;
  });
}

export function frames(list, kind) {
  return list.map(({ x, y, w, h: high }) =>
    s("rect", { class: `thin ${kind}`, x: x * UNIT, y: y * UNIT, width: w * UNIT, height: high * UNIT }),
  );
}

export function spots(list, kind) {
  return list.map(([x, y]) => s("circle", { class: `spot ${kind}`, cx: x * UNIT, cy: y * UNIT, r: 4 }));
}
