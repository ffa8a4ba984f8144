// Kernels, small pictures, and the sliding window itself.

const rows = (...lines) => lines;

export const KERNELS = {
  sobel_x: { title: "Sobel, vertical edges", weights: rows([-1, 0, 1], [-2, 0, 2], [-1, 0, 1]) },
  sobel_y: { title: "Sobel, horizontal edges", weights: rows([-1, -2, -1], [0, 0, 0], [1, 2, 1]) },
  edge: { title: "Plain vertical edge", weights: rows([1, 0, -1], [1, 0, -1], [1, 0, -1]) },
  prewitt_y: { title: "Prewitt, horizontal edges", weights: rows([-1, -1, -1], [0, 0, 0], [1, 1, 1]) },
  laplacian: { title: "Laplacian, all edges", weights: rows([-1, -1, -1], [-1, 8, -1], [-1, -1, -1]) },
  box: { title: "Box blur", weights: rows([1, 1, 1], [1, 1, 1], [1, 1, 1]), divisor: 9 },
  gauss: { title: "Gaussian blur", weights: rows([1, 2, 1], [2, 4, 2], [1, 2, 1]), divisor: 16 },
  gauss5: {
    title: "Gaussian blur 5×5",
    weights: [1, 4, 6, 4, 1].map((a) => [1, 4, 6, 4, 1].map((b) => a * b)),
    divisor: 256,
  },
  sharpen: { title: "Sharpen", weights: rows([-1, -1, -1], [-1, 17, -1], [-1, -1, -1]), divisor: 9 },
  emboss: { title: "Emboss", weights: rows([-2, -1, 0], [-1, 1, 1], [0, 1, 2]) },
  cross: { title: "Diagonal cross", weights: rows([1, 0, 1], [0, 1, 0], [1, 0, 1]) },
  identity: { title: "Identity", weights: rows([0, 0, 0], [0, 1, 0], [0, 0, 0]) },
};

const drawing = (text) =>
  text
    .trim()
    .split(/\s+/)
    .map((line) => [...line].map((c) => (c === "#" ? 255 : c === "+" ? 128 : 0)));
const make = (n, f) => Array.from({ length: n }, (_, r) => Array.from({ length: n }, (_, c) => f(r, c)));

export const INPUTS = {
  seven: {
    title: "Digit 7",
    pixels: drawing("........ .######. .######. ....##.. ...##... ..##.... ..##.... ........"),
  },
  square: {
    title: "Square",
    pixels: drawing("........ ........ ..####.. ..####.. ..####.. ..####.. ........ ........"),
  },
  circle: {
    title: "Circle",
    pixels: drawing("..####.. .+....+. #......# #......# #......# #......# .+....+. ..####.."),
  },
  diagonal: { title: "Diagonal", pixels: make(8, (r, c) => (c > r ? 255 : c === r ? 128 : 0)) },
  checker: { title: "Checkerboard", pixels: make(8, (r, c) => (((r >> 1) + (c >> 1)) % 2) * 255) },
  ramp: { title: "Ramp", pixels: make(8, (r, c) => c * 36) },
  spot: { title: "Single spot", pixels: make(8, (r, c) => (r === 3 && c === 4 ? 255 : 0)) },
  step: { title: "Step, 6×6", pixels: make(6, (r, c) => (c < 3 ? 255 : 0)) },
  binary: {
    title: "Zeros and ones, 5×5",
    pixels: rows([1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]),
  },
  nine: { title: "1 to 9, 3×3", pixels: rows([1, 2, 3], [4, 5, 6], [7, 8, 9]) },
};

export const flipped = (kernel) => kernel.map((row) => [...row].reverse()).reverse();
export const isSymmetric = (kernel) => JSON.stringify(kernel) === JSON.stringify(flipped(kernel));

export function padded(image, by) {
  const wide = image[0].length + 2 * by;
  const blank = Array.from({ length: by }, () => Array(wide).fill(0));
  return [
    ...blank,
    ...image.map((row) => [...Array(by).fill(0), ...row, ...Array(by).fill(0)]),
    ...blank.map((row) => [...row]),
  ];
}

// The products at one position of the window, and what becomes of them.
export function windowAt(image, kernel, row, column, divisor = 1, bias = 0) {
  const products = kernel.map((line, r) =>
    line.map((w, c) => ({ x: image[row + r][column + c], w, product: image[row + r][column + c] * w })),
  );
  const sum = products.flat().reduce((total, cell) => total + cell.product, 0);
  return { products, sum, value: sum / divisor + bias };
}

// Slide `kernel` over `image` as it is (turn it first for a true convolution); valid positions only.
export function correlate(image, kernel, divisor = 1, bias = 0) {
  const high = image.length - kernel.length + 1;
  const wide = image[0].length - kernel[0].length + 1;
  if (high < 1 || wide < 1) {
    throw new RangeError(
      `The kernel is ${kernel.length}×${kernel[0].length}, larger than the ${image.length}×${image[0].length} input: it fits nowhere. Add zeros around the input, or choose a smaller kernel.`,
    );
  }
  const taps = kernel.flatMap((line, r) => line.map((w, c) => [r, c, w])).filter(([, , w]) => w !== 0);
  return Array.from({ length: high }, (_, row) => {
    const line = new Array(wide);
    for (let column = 0; column < wide; column++) {
      let sum = 0;
      for (const [r, c, w] of taps) sum += w * image[row + r][column + c];
      line[column] = sum / divisor + bias;
    }
    return line;
  });
}

export const relu = (map) => map.map((row) => row.map((value) => Math.max(0, value)));

// Pixels as text for the address: two hexadecimal digits each, row by row.
export const toHex = (pixels) =>
  pixels
    .flat()
    .map((v) => v.toString(16).padStart(2, "0"))
    .join("");
export function fromHex(text) {
  const n = Math.sqrt(text.length / 2);
  if (!Number.isInteger(n) || n < 3 || n > 32 || !/^[0-9a-f]+$/.test(text)) return undefined;
  return make(n, (r, c) => parseInt(text.substr(2 * (r * n + c), 2), 16));
}

export function toWeights(text) {
  const values = text.split(",").map((part) => (/^-?\d{1,4}(\.\d{1,4})?$/.test(part) ? Number(part) : NaN));
  const k = Math.sqrt(values.length);
  return [1, 3, 5, 7].includes(k) && values.every(Number.isFinite)
    ? Array.from({ length: k }, (_, r) => values.slice(r * k, r * k + k))
    : undefined;
}
