// Files from the visitor -> pixels. Nothing leaves the browser.

const MOST_SIDE = 12000;
const MOST_BYTES = 32 * 1024 * 1024;

// [width, height] that a PNG or JPEG says it has, before anything is decoded; undefined where it cannot be told.
export function declaredSize(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length > 24 && view.getUint32(0) === 0x89504e47) return [view.getUint32(16), view.getUint32(20)];
  if (bytes.length < 4 || view.getUint16(0) !== 0xffd8) return undefined;
  for (let at = 2; at + 9 < bytes.length;) {
    const marker = bytes[at + 1];
    if (bytes[at] !== 0xff) return undefined;
    const opensFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (opensFrame) return [view.getUint16(at + 7), view.getUint16(at + 5)];
    at += 2 + view.getUint16(at + 2);
  }
  return undefined;
}

function checkSides(name, [wide, high]) {
  if (Math.max(wide, high) <= MOST_SIDE) return;
  const most = MOST_SIDE.toLocaleString("en");
  throw new Error(`${name} has ${wide} × ${high} pixels but a side may have at most ${most}; make it smaller first.`);
}

// Decode an image file; throws an Error with a sentence for people.
export async function readPhoto(file) {
  const most = MOST_BYTES / 1048576;
  if (file.size > MOST_BYTES) {
    throw new Error(
      `${file.name} has ${Math.ceil(file.size / 1048576)} MiB but at most ${most} are read; make it smaller first.`,
    );
  }
  checkSides(file.name, declaredSize(new Uint8Array(await file.arrayBuffer())) ?? [0, 0]);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} cannot be read as a picture; give a JPEG or PNG.`);
  }
  try {
    checkSides(file.name, [bitmap.width, bitmap.height]);
  } catch (error) {
    bitmap.close();
    throw error;
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
