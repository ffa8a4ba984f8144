// Sliders with a number beside them, segments, selects, switches: each bound to one setting of a store.

import { h, replace, s } from "./dom.js";

let count = 0;
const fresh = () => `c${++count}`;

const SHAPES = {
  first: "M3 3h2v10H3zM13 3v10L6 8z",
  back: "M11 3v10L4 8z",
  play: "M5 2.500v11L13.500 8z",
  pause: "M4 3h3v10H4zM9 3h3v10H9z",
  next: "M5 3v10l7-5z",
  last: "M11 3h2v10h-2zM3 3v10l7-5z",
};
const icon = (name) =>
  s(
    "svg",
    { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true", class: "icon" },
    s("path", { d: SHAPES[name] }),
  );

function field(label, body, hint) {
  return h("div", { class: "field" }, label, body, hint && h("p", { class: "hint" }, hint));
}

export function slider(store, key, label, { kind = "", hint, step = 1 } = {}) {
  const { min, max, read, hint: wanted } = store.fields[key];
  const id = fresh();
  const problem = h("p", { class: "problem", id: `${id}p`, role: "alert" });
  const typed = h("input", {
    type: "text",
    inputmode: "decimal",
    id,
    class: "typed",
    autocomplete: "off",
    "aria-describedby": `${id}p`,
  });
  const range = h("input", { type: "range", min, max, step, "aria-label": label });
  const say = (text) => {
    problem.textContent = text;
    typed.toggleAttribute("aria-invalid", Boolean(text));
  };
  typed.addEventListener("input", () => {
    const value = read(typed.value);
    say(value === undefined ? `“${typed.value.slice(0, 20)}” must be ${wanted}.` : "");
    if (value !== undefined) store.set({ [key]: value });
  });
  typed.addEventListener("blur", () => {
    show();
  });
  typed.addEventListener("keydown", (event) => {
    const change = { ArrowUp: step, ArrowDown: -step }[event.key];
    if (!change) return;
    event.preventDefault();
    store.set({ [key]: Math.min(max, Math.max(min, Number((store.values[key] + change).toFixed(6)))) });
    typed.value = store.values[key];
  });
  range.addEventListener("input", () => store.set({ [key]: Number(range.value) }));
  const show = () => {
    range.value = store.values[key];
    range.style.setProperty("--done", `${((store.values[key] - min) / (max - min)) * 100}%`);
    if (document.activeElement === typed && read(typed.value) === store.values[key]) return;
    typed.value = store.values[key];
    say("");
  };
  store.on(show);
  show();
  return h(
    "div",
    { class: `field slider ${kind}` },
    h("label", { for: id }, label),
    typed,
    range,
    hint && h("p", { class: "hint" }, hint),
    problem,
  );
}

export function segments(store, key, label, options) {
  const name = fresh();
  const inputs = Object.entries(options).map(([value, title]) => {
    const input = h("input", { type: "radio", name, value, on: { change: () => store.set({ [key]: value }) } });
    return [input, h("label", {}, input, h("span", {}, title))];
  });
  const show = () =>
    inputs.forEach(([input]) => {
      input.checked = input.value === String(store.values[key]);
    });
  store.on(show);
  show();
  return h(
    "fieldset",
    { class: "field segments" },
    h("legend", {}, label),
    h(
      "div",
      { class: "row" },
      inputs.map(([, label]) => label),
    ),
  );
}

// The choice between the parts of a page, and all parts, of which the one that `store.values.show` names is seen.
export function parted(store, titles, parts) {
  const show = () =>
    Object.entries(parts).forEach(([name, node]) => {
      node.hidden = store.values.show !== name;
    });
  store.on(show);
  show();
  return [segments(store, "show", "Show", titles), Object.values(parts)];
}

// options: {value: title} or {group: {value: title}}; choose(value) decides what a choice sets.
export function select(store, key, label, options, { choose = (value) => ({ [key]: value }), hint } = {}) {
  const id = fresh();
  const item = ([value, title]) =>
    typeof title === "object"
      ? h("optgroup", { label: value }, Object.entries(title).map(item))
      : h("option", { value }, title);
  const box = h(
    "select",
    { id, on: { change: () => store.set(choose(box.value)) } },
    Object.entries(options).map(item),
  );
  const show = () => {
    box.value = String(store.values[key]);
  };
  store.on(show);
  show();
  return field(h("label", { for: id }, label), box, hint);
}

export function toggle(store, key, label) {
  const input = h("input", {
    type: "checkbox",
    role: "switch",
    on: { change: () => store.set({ [key]: input.checked }) },
  });
  const show = () => {
    input.checked = store.values[key];
  };
  store.on(show);
  show();
  return h("label", { class: "toggle" }, input, h("span", { class: "track" }), h("span", {}, label));
}

export function button(title, act, { label, kind = "" } = {}) {
  return h(
    "button",
    { type: "button", class: `button ${kind}`, "aria-label": label, title: label, on: { click: act } },
    title,
  );
}

// Buttons that set several settings at once; the one that is in force is marked.
export function presets(store, label, rows) {
  const all = rows.map(([title, patch]) => [button(title, () => store.set(patch), { kind: "preset" }), patch]);
  const show = () =>
    all.forEach(([node, patch]) => {
      node.setAttribute(
        "aria-pressed",
        Object.entries(patch).every(([key, value]) => store.values[key] === value),
      );
    });
  store.on(show);
  show();
  return h(
    "div",
    { class: "presets", role: "group", "aria-label": label },
    h("span", { class: "label" }, label),
    all.map(([node]) => node),
  );
}

// First / back / play / next / last over steps 0..count()-1 of `store.values[key]`.
export function transport(store, key, count, { speed = 420, said } = {}) {
  let timer;
  const at = () => Math.min(store.values[key], Math.max(0, count() - 1));
  const go = (step) => store.set({ [key]: Math.min(Math.max(0, count() - 1), Math.max(0, step)) });
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
    show();
  };
  const play = () => {
    if (timer) return stop();
    if (at() >= count() - 1) go(0);
    timer = setInterval(() => {
      if (!range.isConnected || range.closest("[hidden]") || at() >= count() - 1) return stop();
      go(at() + 1);
    }, speed);
    show();
  };
  const range = h("input", {
    type: "range",
    min: 0,
    step: 1,
    "aria-label": "Step",
    on: { input: () => go(Number(range.value)) },
  });
  const start = button(icon("play"), play, { label: "Play", kind: "round strong" });
  const bar = h(
    "div",
    { class: "transport", role: "group", "aria-label": "Steps" },
    button(
      icon("first"),
      () => {
        stop();
        go(0);
      },
      { label: "First step", kind: "round" },
    ),
    button(
      icon("back"),
      () => {
        stop();
        go(at() - 1);
      },
      { label: "Step back", kind: "round" },
    ),
    start,
    button(
      icon("next"),
      () => {
        stop();
        go(at() + 1);
      },
      { label: "Next step", kind: "round" },
    ),
    button(
      icon("last"),
      () => {
        stop();
        go(count() - 1);
      },
      { label: "Last step", kind: "round" },
    ),
    range,
  );
  const readout = h("span", { class: "readout" });
  bar.append(readout);
  const show = () => {
    range.max = Math.max(0, count() - 1);
    range.value = at();
    range.style.setProperty("--done", `${(at() / Math.max(1, count() - 1)) * 100}%`);
    replace(start, icon(timer ? "pause" : "play"));
    start.setAttribute("aria-label", timer ? "Pause" : "Play");
    start.title = timer ? "Pause" : "Play";
    replace(readout, said ? said(at()) : `step ${at() + 1} of ${count()}`);
  };
  store.on(show);
  show();
  return bar;
}
