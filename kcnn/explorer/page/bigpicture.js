// The kernel of page 1 on a whole picture: a drawn scene, or the visitor's photo.

import { card, h, operator } from "./dom.js";
import { correlate } from "./filters.js";
import { grays, lastPhoto } from "./photo.js";

const SIZE = 200;

// A house under the moon, drawn with the canvas so that no file is needed.
function scene() {
  const canvas = Object.assign(document.createElement("canvas"), { width: SIZE, height: SIZE });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const sky = pen.createLinearGradient(0, 0, 0, SIZE);
  sky.addColorStop(0, "#26303f");
  sky.addColorStop(1, "#9fb0c6");
  const shape = (colour, ...points) => {
    pen.fillStyle = colour;
    pen.beginPath();
    points.forEach(([x, y]) => pen.lineTo(x, y));
    pen.fill();
  };
  const disc = (colour, x, y, r) => {
    pen.fillStyle = colour;
    pen.beginPath();
    pen.arc(x, y, r, 0, 7);
    pen.fill();
  };
  pen.fillStyle = sky;
  pen.fillRect(0, 0, SIZE, SIZE);
  disc("#f4f1e6", 154, 42, 21);
  disc("#c9cbc9", 148, 38, 4);
  disc("#c9cbc9", 160, 48, 3);
  shape("#5b6b62", [0, 150], [60, 96], [104, 138], [140, 110], [200, 150], [200, 200], [0, 200]);
  shape("#3c4a43", [0, 158], [200, 148], [200, 200], [0, 200]);
  shape("#d8cdbb", [38, 104], [106, 104], [106, 168], [38, 168]);
  shape("#7a3b34", [28, 106], [72, 66], [116, 106]);
  shape("#f2d58a", [50, 116], [66, 116], [66, 132], [50, 132]);
  shape("#4b3a30", [78, 130], [94, 130], [94, 168], [78, 168]);
  pen.strokeStyle = "#4b3a30";
  pen.lineWidth = 2;
  pen.strokeRect(50, 116, 16, 16);
  for (let x = 122; x < 196; x += 11) shape("#e9e6dc", [x, 150], [x + 5, 150], [x + 5, 176], [x, 176]);
  shape("#e9e6dc", [118, 157], [198, 157], [198, 161], [118, 161]);
  return grays(canvas);
}

// Paint rows of numbers as gray; `gray` turns a number into 0..255.
function draw(canvas, rows, gray) {
  const [high, wide] = [rows.length, rows[0].length];
  Object.assign(canvas, { width: wide, height: high });
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(wide, high);
  for (let r = 0, at = 0; r < high; r++) {
    for (let c = 0; c < wide; c++, at += 4) {
      const level = gray(rows[r][c]);
      image.data[at] = level;
      image.data[at + 1] = level;
      image.data[at + 2] = level;
      image.data[at + 3] = 255;
    }
  }
  pen.putImageData(image, 0, 0);
}

export function bigPicture(store, state) {
  const [before, after] = [0, 1].map(() => h("canvas", { class: "photo", role: "img" }));
  before.setAttribute("aria-label", "A picture: a house, a fence and the moon, or your photo");
  after.setAttribute("aria-label", "The same picture after the kernel");
  const note = h("p", { class: "hint" });
  let drawn = {};
  let still;
  let waiting;
  const paint = () => {
    waiting = undefined;
    const { used, divisor } = state();
    const picture = lastPhoto() ?? (still ??= scene());
    const key = JSON.stringify([used, divisor, store.values.bias]);
    if (key === drawn.key && picture === drawn.picture) return;
    if (picture !== drawn.picture) draw(before, picture, (value) => value);
    drawn = { key, picture };
    const map = correlate(picture, used, divisor, store.values.bias);
    let [least, most] = [Infinity, -Infinity];
    for (const row of map) {
      for (const value of row) {
        least = Math.min(least, value);
        most = Math.max(most, value);
      }
    }
    const reach = Math.max(-least, most, 1) * 0.6;
    draw(after, map, least < -1 ? (value) => 127.5 + (127.5 * value) / reach : (value) => value);
    note.textContent =
      least < -1 ? "Gray is 0, brighter is positive, darker is negative." : "Shown as it is, 0 black to 255 white.";
  };
  const show = () => {
    waiting ??= requestAnimationFrame(paint);
  };
  const node = card(
    "The same kernel on a whole picture",
    h("div", { class: "row pictures" }, before, operator("→"), after),
    note,
  );
  return { node, show };
}
