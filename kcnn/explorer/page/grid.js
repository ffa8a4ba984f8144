// A crisp grid of cells in SVG, with frames that move over it, pointed at by mouse, finger or arrow keys.

import { h, number, s } from "./dom.js";

const CELL = 40;

// Gray 0..255 with a text colour that keeps 4.5:1.
export function gray(value) {
  const v = Math.round(Math.min(255, Math.max(0, value)));
  return { fill: `rgb(${v} ${v} ${v})`, ink: v > 118 ? "#000" : "#fff" };
}

// Signed values: the colour `kind` grows with size, negative ones in another hue; text stays legible on either.
export function tint(value, most, kind = "out") {
  const share = most > 0 ? Math.min(1, Math.abs(value) / most) * 46 : 0;
  return {
    fill: `color-mix(in srgb, var(--${value < 0 ? "neg" : kind}) ${share.toFixed(0)}%, var(--card))`,
    ink: "var(--ink)",
  };
}

export class Grid {
  // move(row, column, event): pointer or arrow keys; press(row, column): Enter or Space.
  constructor(label, { move, press, at, kind = "" } = {}) {
    this.layer = s("g", { class: "cells" });
    this.frames = s("g", { class: "frames" });
    this.boxes = {};
    this.svg = s(
      "svg",
      {
        class: `grid ${kind}`,
        role: move ? "application" : "img",
        "aria-label": label,
        tabindex: move && 0,
        "aria-roledescription": move && "grid",
      },
      this.layer,
      this.frames,
    );
    this.node = h("div", { class: "grid-box" }, this.svg);
    this.shape = [0, 0];
    if (move) this.listen(move, press, at);
  }

  listen(move, press, at) {
    let held = false;
    const point = (event) => {
      const box = this.svg.getBoundingClientRect();
      const [rows, columns] = this.shape;
      const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
      const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
      if (row >= 0 && column >= 0 && row < rows && column < columns) move(row, column, event);
    };
    this.svg.addEventListener("pointerdown", (event) => {
      held = true;
      this.svg.setPointerCapture(event.pointerId);
      point(event);
    });
    this.svg.addEventListener("pointermove", (event) => held && point(event));
    for (const type of ["pointerup", "pointercancel"])
      this.svg.addEventListener(type, () => {
        held = false;
      });
    this.svg.addEventListener("keydown", (event) => {
      const [row, column] = at();
      const [rows, columns] = this.shape;
      const [dr, dc] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [
        0, 0,
      ];
      if (dr || dc) {
        event.preventDefault();
        move(Math.min(rows - 1, Math.max(0, row + dr)), Math.min(columns - 1, Math.max(0, column + dc)), event);
      } else if (press && (event.key === "Enter" || event.key === " ")) {
        event.preventDefault();
        press(row, column);
      }
    });
  }

  label(text) {
    this.svg.setAttribute("aria-label", text);
  }

  // cell(row, column) -> {fill, ink, text, kind}; text is left out where cells are too small to read.
  show(rows, columns, cell, { words = columns <= 12 } = {}) {
    if (this.shape[0] !== rows || this.shape[1] !== columns) this.build(rows, columns);
    this.svg.classList.toggle("words", words);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) {
        const { fill = "", ink = "", text = "", kind = "" } = cell(r, c);
        const place = this.cells[r * columns + c];
        const shown = words ? (typeof text === "number" ? number(text, Math.abs(text) < 100 ? 1 : 0) : text) : "";
        const key = `${fill}|${ink}|${shown}|${kind}`;
        if (place.last === key) continue;
        place.last = key;
        place.rect.setAttribute("class", `cell ${kind}`);
        place.rect.style.fill = fill;
        if (shown || place.label) this.write(place, shown, ink);
      }
    }
  }

  write(place, shown, ink) {
    place.label ??= this.texts.appendChild(
      s("text", { x: (place.c + 0.5) * CELL, y: (place.r + 0.5) * CELL, dy: "0.35em", "text-anchor": "middle" }),
    );
    place.label.textContent = shown;
    place.label.style.fill = ink;
    place.label.dataset.cell = `${place.r},${place.c}`;
    place.label.setAttribute(
      "font-size",
      shown.length > 5 ? 9.5 : shown.length > 4 ? 11 : shown.length > 3 ? 12.5 : 14,
    );
  }

  build(rows, columns) {
    this.shape = [rows, columns];
    this.svg.setAttribute("viewBox", `-1.5 -1.5 ${columns * CELL + 3} ${rows * CELL + 3}`);
    this.node.style.setProperty("--columns", columns);
    this.node.style.setProperty("--rows", rows);
    this.cells = Array.from({ length: rows * columns }, (_, at) => {
      const [r, c] = [Math.floor(at / columns), at % columns];
      return { r, c, rect: s("rect", { x: c * CELL, y: r * CELL, width: CELL, height: CELL }) };
    });
    this.texts = s("g");
    this.layer.replaceChildren(...this.cells.map(({ rect }) => rect), this.texts);
  }

  // Put the frame `name` over a box of cells (fractions allowed), or take it away with null.
  frame(name, box, kind = "") {
    if (!box) {
      this.boxes[name]?.remove();
      delete this.boxes[name];
      return;
    }
    const [row, column, high, wide] = box;
    if (!this.boxes[name]) this.frames.append((this.boxes[name] = s("rect", { rx: 3 })));
    const rect = this.boxes[name];
    rect.setAttribute("class", `frame ${kind}`);
    rect.setAttribute("width", wide * CELL);
    rect.setAttribute("height", high * CELL);
    rect.style.transform = `translate(${column * CELL}px, ${row * CELL}px)`;
  }

  // Frames that belong together: exactly `boxes` remain.
  many(name, boxes, kind) {
    const old = Object.keys(this.boxes).filter((key) => key.startsWith(`${name}:`));
    boxes.forEach((box, index) => this.frame(`${name}:${index}`, box, kind));
    for (const key of old) if (Number(key.split(":")[1]) >= boxes.length) this.frame(key, null);
  }
}
