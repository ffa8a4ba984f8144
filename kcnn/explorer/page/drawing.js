// A pad to draw on. What goes to the model is the drawing fitted into a square, white on black, as PNG.

import { h } from "./dom.js";

const SIZE = 280;
const PEN = 0.17; // of the side, as thick as the strokes of handwritten digits are
const DIGITS = [
  [
    [
      [50, 5],
      [22, 18],
      [12, 50],
      [22, 82],
      [50, 95],
      [78, 82],
      [88, 50],
      [78, 18],
      [50, 5],
    ],
  ],
  [
    [
      [32, 22],
      [54, 5],
      [54, 95],
    ],
  ],
  [
    [
      [16, 26],
      [30, 8],
      [56, 5],
      [78, 20],
      [76, 42],
      [14, 94],
      [86, 94],
    ],
  ],
  [
    [
      [18, 12],
      [50, 5],
      [76, 18],
      [72, 40],
      [46, 48],
      [76, 58],
      [82, 80],
      [52, 95],
      [16, 86],
    ],
  ],
  [
    [
      [62, 95],
      [62, 5],
      [12, 66],
      [90, 66],
    ],
  ],
  [
    [
      [78, 5],
      [26, 5],
      [20, 44],
      [56, 40],
      [82, 60],
      [74, 88],
      [44, 95],
      [16, 84],
    ],
  ],
  [
    [
      [70, 6],
      [36, 26],
      [18, 62],
      [30, 90],
      [60, 95],
      [80, 76],
      [70, 54],
      [42, 50],
      [22, 66],
    ],
  ],
  [
    [
      [12, 6],
      [86, 6],
      [58, 46],
      [42, 95],
    ],
  ],
  [
    [
      [50, 48],
      [24, 32],
      [28, 10],
      [52, 5],
      [74, 12],
      [76, 32],
      [50, 48],
      [20, 68],
      [26, 90],
      [52, 95],
      [78, 88],
      [80, 66],
      [50, 48],
    ],
  ],
  [
    [
      [78, 34],
      [52, 48],
      [26, 38],
      [26, 14],
      [52, 5],
      [76, 14],
      [78, 34],
      [70, 68],
      [52, 95],
    ],
  ],
];

// take(blob) is called when a stroke ends.
export function drawingPad(take) {
  const canvas = h("canvas", {
    width: SIZE,
    height: SIZE,
    class: "drawing",
    role: "img",
    "aria-label": "Drawing pad. With a keyboard, choose a digit under Draw for me.",
  });
  const pen = canvas.getContext("2d");
  let strokes = [];
  const trace = (context, points) => {
    context.beginPath();
    points.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
    if (points.length === 1) context.lineTo(points[0][0] + 0.1, points[0][1]);
    context.stroke();
  };
  const ready = (context, width) =>
    Object.assign(context, { lineCap: "round", lineJoin: "round", strokeStyle: "#fff", lineWidth: width });
  const paint = () => {
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, SIZE, SIZE);
    ready(pen, SIZE * 0.1);
    strokes.forEach((points) => trace(pen, points));
  };
  const send = () => {
    if (!strokes.length) return;
    const xs = strokes.flat().map(([x]) => x);
    const ys = strokes.flat().map(([, y]) => y);
    const [left, top] = [Math.min(...xs), Math.min(...ys)];
    const extent = Math.max(Math.max(...xs) - left, Math.max(...ys) - top, 1);
    const inner = SIZE * (1 - PEN);
    const scale = inner / extent;
    const shift = (low, list) => (SIZE - (Math.max(...list) - low) * scale) / 2 - low * scale;
    const fitted = h("canvas", { width: SIZE, height: SIZE });
    const context = fitted.getContext("2d");
    context.fillRect(0, 0, SIZE, SIZE);
    ready(context, SIZE * PEN);
    strokes.forEach((points) =>
      trace(
        context,
        points.map(([x, y]) => [x * scale + shift(left, xs), y * scale + shift(top, ys)]),
      ),
    );
    fitted.toBlob((blob) => take(blob), "image/png");
  };
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIZE, ((event.clientY - box.top) / box.height) * SIZE];
  };
  let drawing = false;
  canvas.addEventListener("pointerdown", (event) => {
    drawing = true;
    canvas.setPointerCapture(event.pointerId);
    strokes.push([point(event)]);
    paint();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    strokes.at(-1).push(point(event));
    paint();
  });
  for (const type of ["pointerup", "pointercancel"])
    canvas.addEventListener(type, () => {
      if (drawing) send();
      drawing = false;
    });
  paint();
  return {
    node: canvas,
    clear() {
      strokes = [];
      paint();
    },
    write(digit) {
      strokes = DIGITS[digit].map((points) => points.map(([x, y]) => [60 + x * 1.6, 60 + y * 1.6]));
      paint();
      send();
    },
  };
}
