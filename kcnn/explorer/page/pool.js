// Pooling itself, and the small numbers that page 5 pools.

import { outputSize } from "./arithmetic.js";

// Small numbers that look random and are the same for everybody who opens the same address.
export function numbers(seed, count) {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * 10);
  });
}

export const square = (list, n) => Array.from({ length: n }, (_, r) => list.slice(r * n, r * n + n));
const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;

// Windows of a pooling with the value of each: {row, column, cells, value}, row by row.
export function pool(image, size, s, kind) {
  const whole = kind.startsWith("global");
  const [k, stride] = whole ? [image.length, 1] : [size, s];
  const out = outputSize(image.length, k, stride);
  const take = kind.endsWith("max") ? (cells) => Math.max(...cells) : mean;
  return {
    out,
    k,
    stride,
    windows: Array.from({ length: out * out }, (_, at) => {
      const [row, column] = [Math.floor(at / out) * stride, (at % out) * stride];
      const cells = image.slice(row, row + k).flatMap((line) => line.slice(column, column + k));
      return { row, column, cells, value: take(cells) };
    }),
  };
}
