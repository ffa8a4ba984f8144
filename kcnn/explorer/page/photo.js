// Files from the visitor -> pixels. Nothing leaves the browser.

const MOST_SIDE = 12000;
const MOST_BYTES = 32 * 1024 * 1024;

// Decode an image file; throws an Error with a sentence for people.
export async function readPhoto(file) {
  if (file.size > MOST_BYTES)
    throw new Error(
      `${file.name} has ${(file.size / 1048576).toFixed(0)} MiB but at most ${MOST_BYTES / 1048576} are read; make it smaller first.`,
    );
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} cannot be read as a picture (or is too large for this browser); give a JPEG or PNG.`);
  }
  if (Math.max(bitmap.width, bitmap.height) > MOST_SIDE) {
    const found = `${bitmap.width} × ${bitmap.height}`;
    bitmap.close();
    throw new Error(
      `${file.name} has ${found} pixels but a side may have at most ${MOST_SIDE.toLocaleString("en")}; make it smaller first.`,
    );
  }
  return bitmap;
}

// The middle square of a picture, drawn `size` pixels wide.
export function square(bitmap, size) {
  const side = Math.min(bitmap.width, bitmap.height);
  const canvas = Object.assign(document.createElement("canvas"), { width: size, height: size });
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  brush.imageSmoothingQuality = "high";
  brush.drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, size, size);
  return canvas;
}

// Gray levels 0..255 of a canvas, row by row (ITU-R 601 luma).
export function grays(canvas) {
  const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: height }, (_, r) =>
    Array.from({ length: width }, (_, c) => {
      const at = 4 * (r * width + c);
      return Math.round(0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2]);
    }),
  );
}

let last;
export const lastPhoto = () => last;

// Gray pixels of the middle square, `n` a side; the picture is kept for `lastPhoto`.
export async function readGray(file, n) {
  const bitmap = await readPhoto(file);
  last = grays(square(bitmap, 200));
  const pixels = grays(square(bitmap, n));
  bitmap.close();
  return pixels;
}
