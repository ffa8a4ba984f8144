// What a convolution does to sizes, and what it costs: exact integers, no pictures.
// Functions throw a RangeError with a sentence for people where nothing comes out.

function check(name, value, min) {
  if (!Number.isInteger(value) || value < min) {
    throw new RangeError(`${name} is ${value} but must be a whole number of at least ${min}.`);
  }
}

// A kernel of k taps, d apart, spans d(k-1)+1 cells.
export function effective(k, d = 1) {
  check("kernel", k, 1);
  check("dilation", d, 1);
  return d * (k - 1) + 1;
}

// Cells added before and after, along one axis. `mode`: "valid", "same" (Keras: output ceil(n/s), the odd cell goes
// after), "even" ((span-1)/2 rounded down on both sides), "full" (span-1 on both sides), or a number.
export function padding(mode, n, k, s = 1, d = 1) {
  const span = effective(k, d);
  if (mode === "valid") return [0, 0];
  if (mode === "full") return [span - 1, span - 1];
  if (mode === "even") return [Math.floor((span - 1) / 2), Math.floor((span - 1) / 2)];
  if (mode === "same") {
    const total = Math.max(0, (Math.ceil(n / s) - 1) * s + span - n);
    return [Math.floor(total / 2), total - Math.floor(total / 2)];
  }
  check("padding", mode, 0);
  return [mode, mode];
}

export function outputSize(n, k, s = 1, mode = 0, d = 1) {
  check("input", n, 1);
  check("stride", s, 1);
  const [before, after] = padding(mode, n, k, s, d);
  const span = effective(k, d);
  const room = n + before + after;
  if (span > room) {
    throw new RangeError(
      `The kernel spans ${span} cells, but input and padding have ${room}: it fits nowhere. ` +
        "Make the input or the padding larger, or kernel or dilation smaller.",
    );
  }
  return Math.floor((room - span) / s) + 1;
}

// Cells at the end that no window reads, because the stride does not come out even.
export function leftover(n, k, s = 1, mode = 0, d = 1) {
  const [before, after] = padding(mode, n, k, s, d);
  return n + before + after - ((outputSize(n, k, s, mode, d) - 1) * s + effective(k, d));
}

// What is cropped before and after the painted cells, and what is added behind them. "same" is Keras': n*s cells
// remain, the odd cell is cropped from the end; the other modes crop what a convolution would have padded.
export function crop(mode, n, k, s = 1, d = 1, extra = 0) {
  const span = effective(k, d);
  if (mode !== "same") return [...padding(mode, n, k, s, d), extra];
  const total = Math.max(0, span - s);
  return [Math.floor(total / 2), total - Math.floor(total / 2), Math.max(0, s - span)];
}

// Every input paints a kernel-sized patch, s apart; `mode` says what is cropped, `extra` cells are added at the end.
export function transposedSize(n, k, s = 1, mode = 0, d = 1, extra = 0) {
  check("input", n, 1);
  check("stride", s, 1);
  check("output padding", extra, 0);
  if (extra > 0 && extra >= s) {
    throw new RangeError(`The output padding is ${extra} but must be smaller than the stride, which is ${s}.`);
  }
  const [before, after, behind] = crop(mode, n, k, s, d, extra);
  const painted = (n - 1) * s + effective(k, d);
  const size = painted + behind - before - after;
  if (size < 1) {
    throw new RangeError(
      `Painted are ${painted} cells, and ${before} and ${after} are cropped from the ends: nothing is left. ` +
        "Make the padding smaller, or input, kernel or stride larger.",
    );
  }
  return size;
}

export function denseCost(inputs, units) {
  return { params: inputs * units + units, weights: inputs * units, macs: inputs * units };
}

// Square kernel k over `cells` output positions.
export function convCost(cells, k, cin, cout, groups = 1) {
  if (cin % groups || cout % groups) {
    throw new RangeError(`${groups} groups must divide both ${cin} input and ${cout} output channels.`);
  }
  const weights = k * k * (cin / groups) * cout;
  return { params: weights + cout, weights, macs: weights * cells };
}

export function depthwiseCost(cells, k, cin) {
  return { params: k * k * cin + cin, weights: k * k * cin, macs: k * k * cin * cells };
}

// Depthwise k x k, then 1x1 across channels; one bias at the end, as in Keras' SeparableConv2D.
export function separableCost(cells, k, cin, cout) {
  const weights = k * k * cin + cin * cout;
  return { params: weights + cout, weights, macs: weights * cells };
}

// Receptive field, jump and start after each layer {k, s, d, p} (start: centre of the first unit; that of the first cell is 0.5).
export function receptive(layers) {
  let [size, jump, start] = [1, 1, 0.5];
  return layers.map(({ k, s = 1, d = 1, p = 0 }) => {
    start += ((effective(k, d) - 1) / 2 - p) * jump;
    size += (effective(k, d) - 1) * jump;
    jump *= s;
    return { size, jump, start };
  });
}

// Rows = outputs, columns = inputs; the tap that connects them (0..k-1), or -1.
export function connectivity(n, k, s = 1, mode = 0, d = 1) {
  const [before] = padding(mode, n, k, s, d);
  return Array.from({ length: outputSize(n, k, s, mode, d) }, (_, row) =>
    Array.from({ length: n }, (_, column) => {
      const away = column - (row * s - before);
      return away >= 0 && away % d === 0 && away / d < k ? away / d : -1;
    }),
  );
}
