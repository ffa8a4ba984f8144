// Elements, SVG elements, numbers in words, and what is read aloud.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else if (name === "style") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

export function s(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

export function replace(parent, ...children) {
  parent.replaceChildren(
    ...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false),
  );
}

const formats = Array.from(
  { length: 5 },
  (_, digits) => new Intl.NumberFormat("en", { maximumFractionDigits: digits }),
);

// 1234567.8 -> "1,234,567.8", with a real minus sign and no "-0".
export function number(value, digits = 2) {
  if (!Number.isFinite(value)) return "not a number";
  if (Number.isInteger(value) && value >= 0 && value < 1000) return String(value);
  const rounded = Number(value.toFixed(digits));
  return formats[digits].format(rounded === 0 ? 0 : rounded).replace("-", "−");
}

export function short(value) {
  const size = Math.abs(value);
  const [scale, unit] = size >= 1e9 ? [1e9, " G"] : size >= 1e6 ? [1e6, " M"] : size >= 1e4 ? [1e3, " k"] : [1, ""];
  return number(value / scale, scale === 1 || size / scale >= 100 ? 0 : 1) + unit;
}

export function plural(count, noun) {
  return `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
}

let waiting;
export function announce(text) {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    const region = document.getElementById("spoken");
    if (region) region.textContent = text;
  }, 150);
}

// A number in the colour of what it counts: "in" (input), "ker" (kernel), "out" (output), "pad".
export function term(text, kind) {
  return h("span", { class: `term ${kind}` }, String(text));
}

export function figure(title, kind, note, ...content) {
  const caption = h(
    "figcaption",
    {},
    h("span", { class: `dot ${kind}` }),
    h("b", {}, title),
    note && h("span", { class: "soft" }, note),
  );
  return h("figure", { class: "plate" }, caption, ...content);
}

export function operator(sign) {
  return h("span", { class: "operator", "aria-hidden": "true" }, sign);
}

export function card(title, ...content) {
  return h("section", { class: "card" }, title && h("h2", {}, title), ...content);
}

// A file under drag or picked by hand, handed to `take`.
export function fileDrop(label, take) {
  const input = h("input", {
    type: "file",
    accept: "image/*",
    class: "hidden-file",
    on: { change: () => input.files[0] && take(input.files[0]) },
  });
  const zone = h("label", { class: "button drop" }, input, label);
  const over = (event) => {
    event.preventDefault();
    zone.classList.toggle("over", event.type === "dragover");
    if (event.type === "drop" && event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  };
  for (const type of ["dragover", "dragleave", "drop"]) zone.addEventListener(type, over);
  return zone;
}
