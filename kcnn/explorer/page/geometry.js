// Boxes as detectors use them: overlap, suppression, pooling of a region, decoding of a grid. Boxes are {x, y, w, h}.

export function iou(a, b) {
  const wide = Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x);
  const high = Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y);
  const both = Math.max(0, wide) * Math.max(0, high);
  const union = a.w * a.h + b.w * b.h - both;
  return { both, union, iou: union > 0 ? both / union : 0 };
}

// One entry for each box that is kept, best first: {best, dropped: [{index, iou}]}.
export function suppress(boxes, threshold) {
  const left = boxes.map((_, index) => index).sort((a, b) => boxes[b].score - boxes[a].score || a - b);
  const steps = [];
  while (left.length) {
    const best = left.shift();
    const compared = left.map((index) => ({ index, iou: iou(boxes[best], boxes[index]).iou }));
    const dropped = compared.filter((item) => item.iou > threshold);
    for (const { index } of dropped) left.splice(left.indexOf(index), 1);
    steps.push({ best, dropped, compared });
  }
  return steps;
}

// RoI Pool: the box is rounded to whole cells, the bins too; the maximum of each bin.
export function roiPool(map, box, bins) {
  const limit = (value, most) => Math.min(most, Math.max(0, value));
  const left = limit(Math.round(box.x), map[0].length - 1);
  const top = limit(Math.round(box.y), map.length - 1);
  const wide = Math.max(1, limit(Math.round(box.x + box.w), map[0].length) - left);
  const high = Math.max(1, limit(Math.round(box.y + box.h), map.length) - top);
  const cells = Array.from({ length: bins * bins }, (_, at) => {
    const [i, j] = [Math.floor(at / bins), at % bins];
    const [y0, y1] = [top + Math.floor((i * high) / bins), top + Math.ceil(((i + 1) * high) / bins)];
    const [x0, x1] = [left + Math.floor((j * wide) / bins), left + Math.ceil(((j + 1) * wide) / bins)];
    return {
      x: x0,
      y: y0,
      w: x1 - x0,
      h: y1 - y0,
      value: Math.max(...map.slice(y0, y1).flatMap((row) => row.slice(x0, x1))),
    };
  });
  return { box: { x: left, y: top, w: wide, h: high }, cells };
}

// The value between the cells: cell (r, c) has its centre at (c + 0.5, r + 0.5).
export function bilinear(map, x, y) {
  const [px, py] = [Math.min(map[0].length - 1, Math.max(0, x - 0.5)), Math.min(map.length - 1, Math.max(0, y - 0.5))];
  const [c, r] = [Math.min(map[0].length - 2, Math.floor(px)), Math.min(map.length - 2, Math.floor(py))];
  const [u, v] = [px - c, py - r];
  return (
    map[r][c] * (1 - u) * (1 - v) +
    map[r][c + 1] * u * (1 - v) +
    map[r + 1][c] * (1 - u) * v +
    map[r + 1][c + 1] * u * v
  );
}

// RoI Align: nothing is rounded; each bin is the average of 2x2 samples between the cells.
export function roiAlign(map, box, bins) {
  return Array.from({ length: bins * bins }, (_, at) => {
    const [i, j] = [Math.floor(at / bins), at % bins];
    const points = [0.25, 0.75].flatMap((v) =>
      [0.25, 0.75].map((u) => [box.x + ((j + u) * box.w) / bins, box.y + ((i + v) * box.h) / bins]),
    );
    return { points, value: points.reduce((sum, [x, y]) => sum + bilinear(map, x, y), 0) / 4 };
  });
}

// A YOLO cell's answer -> box in shares of the image: the centre counts from the cell's corner, in cells.
export function decodeCell(cells, row, column, { x, y, w, h }) {
  return { x: (column + x) / cells - w / 2, y: (row + y) / cells - h / 2, w, h };
}
