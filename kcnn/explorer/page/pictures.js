// Arrays from the server -> small canvases.

import { h } from "./dom.js";

const STOPS = {
  map: [
    [13, 17, 38],
    [22, 92, 120],
    [74, 190, 150],
    [252, 240, 160],
  ],
  kernel: [
    [29, 99, 189],
    [150, 178, 214],
    [246, 246, 244],
    [235, 178, 110],
    [190, 92, 10],
  ],
};

// {count, height, width, data: base64} -> one array of bytes for each picture.
export function unpack(found) {
  if (found.values) return found.values;
  const bytes = Uint8Array.from(atob(found.data), (c) => c.charCodeAt(0));
  const size = found.height * found.width;
  return Array.from({ length: found.count }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
}

function colour(value, scale) {
  const stops = STOPS[scale];
  const at = (value / 255) * (stops.length - 1);
  const low = Math.min(stops.length - 2, Math.floor(at));
  return stops[low].map((part, i) => part + (stops[low + 1][i] - part) * (at - low));
}

function canvas(height, width, pixel, shown, label) {
  const node = h("canvas", { width, height, class: "map", role: "img", "aria-label": label });
  const pen = node.getContext("2d");
  const data = pen.createImageData(width, height);
  for (let at = 0; at < width * height; at++) data.data.set([...pixel(at), 255], 4 * at);
  pen.putImageData(data, 0, 0);
  const wide = shown || Math.min(720, Math.max(120, width * 6));
  node.style.width = `${wide}px`;
  node.style.height = shown ? `${(shown * height) / width}px` : "22px";
  return node;
}

// The first picture, in "gray", "map" or "kernel" colours, or three as "rgb"; `shown` pixels wide, 0 for a flat strip.
export function picture(found, scale, shown, label = "picture") {
  const parts = unpack(found);
  const pixel =
    {
      rgb: (at) => [parts[0][at], parts[1][at], parts[2][at]],
      gray: (at) => [parts[0][at], parts[0][at], parts[0][at]],
    }[scale] ?? ((at) => colour(parts[0][at], scale));
  return canvas(found.height, found.width, pixel, shown, label);
}

export function pictures(found, scale, shown, most = 999) {
  return unpack(found)
    .slice(0, most)
    .map((values, index) =>
      canvas(found.height, found.width, (at) => colour(values[at], scale), shown, `map ${index + 1}`),
    );
}

// The drop map over the picture, dimmed: orange where covering hurts, blue where it helps.
export function evidence(seen, drops, shown) {
  const parts = unpack(seen);
  const heat = unpack(drops)[0];
  const gray = (at) =>
    parts.length === 3 ? 0.299 * parts[0][at] + 0.587 * parts[1][at] + 0.114 * parts[2][at] : parts[0][at];
  const pixel = (at) => {
    const [r, c] = [Math.floor(at / seen.width), at % seen.width];
    const place =
      Math.floor((r * drops.height) / seen.height) * drops.width + Math.floor((c * drops.width) / seen.width);
    const value = (heat[place] - 127.5) / 127.5;
    const share = Math.min(0.85, Math.abs(value) ** 0.8);
    const paint = value > 0 ? [255, 150, 40] : [60, 130, 240];
    return paint.map((part) => (20 + gray(at) * 0.62) * (1 - share) + part * share * (0.55 + (0.45 * gray(at)) / 255));
  };
  return canvas(
    seen.height,
    seen.width,
    pixel,
    shown,
    "Evidence: the picture, coloured where covering it changes the answer",
  );
}
