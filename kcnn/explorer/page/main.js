// The frame around the pages: navigation, address, theme.

import { h, replace } from "./dom.js";
import { Store } from "./store.js";
import * as arithmetic from "./arithmetic.js";
import * as filters from "./filters.js";
import * as geometry from "./geometry.js";
import * as unpooling from "./unpooling.js";
import { page as kernel } from "./kernel.js";
import { page as sizes } from "./sizes.js";
import { page as counting } from "./counting.js";
import { page as receptive } from "./receptive.js";
import { page as pooling } from "./pooling.js";
import { page as boxes } from "./boxes.js";
import { page as model } from "./model.js";

const PAGES = [kernel, sizes, counting, receptive, pooling, boxes, model];
const stage = document.getElementById("stage");
const nav = document.getElementById("pages");
const open = new Map();
let now = PAGES[0];

function opened(page) {
  if (!open.has(page.id)) open.set(page.id, { store: new Store(page.id, page.fields) });
  return open.get(page.id);
}

function build(page, entry) {
  const notice = h("div", { class: "notice", role: "alert", hidden: true });
  entry.store.on(() => {
    notice.hidden = entry.store.problems.length === 0;
    replace(
      notice,
      entry.store.problems.map((problem) => h("p", {}, problem)),
    );
  });
  const head = h("header", { class: "intro" }, h("h1", {}, page.title), h("p", { class: "lead" }, page.lead));
  entry.node = h("article", { id: `page-${page.id}`, hidden: true }, head, notice, page.build(entry.store));
  stage.append(entry.node);
}

const anchors = PAGES.map((page, index) => h("a", {}, h("span", { class: "count" }, index + 1), page.nav));
nav.append(...anchors);

function links() {
  PAGES.forEach((page, index) => {
    anchors[index].href = `#${page.id}${opened(page).store.query()}`;
    if (page === now) anchors[index].setAttribute("aria-current", "page");
    else anchors[index].removeAttribute("aria-current");
  });
}

function split(hash) {
  const [id, query = ""] = hash.split(/\?(.*)/s);
  return { page: PAGES.find((page) => page.id === id) ?? PAGES[0], query };
}

function show(hash) {
  const { page, query } = split(hash);
  const entry = opened(page);
  if (!entry.node) build(page, entry);
  now = page;
  entry.store.load(query);
  for (const other of open.values()) if (other.node) other.node.hidden = other !== entry;
  document.title = `${page.nav} · kcnn explore`;
  links();
  anchors[PAGES.indexOf(page)].scrollIntoView({ block: "nearest", inline: "nearest" });
}

function theme() {
  const root = document.documentElement;
  const order = ["auto", "light", "dark"];
  const box = document.getElementById("theme");
  const put = (name) => {
    root.dataset.theme = name;
    box.textContent = { auto: "◐", light: "☀", dark: "☾" }[name];
    box.title = `Colours: ${name}`;
    box.setAttribute("aria-label", `Colours: ${name}. Change`);
  };
  let kept = "auto";
  try {
    kept = localStorage.getItem("kcnn-theme") ?? "auto";
  } catch {
    /* storage may be refused; the choice then lasts as long as the page */
  }
  put(order.includes(kept) ? kept : "auto");
  box.addEventListener("click", () => {
    put(order[(order.indexOf(root.dataset.theme) + 1) % 3]);
    try {
      localStorage.setItem("kcnn-theme", root.dataset.theme);
    } catch {
      /* as above */
    }
  });
}

document.addEventListener("kcnn:settings", (event) => {
  if (event.detail === now.id) history.replaceState(null, "", `#${now.id}${opened(now).store.query()}`);
  links();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address holds the settings, so it cannot hold this place too
  stage.focus();
});
addEventListener("hashchange", () => show(location.hash.slice(1)));
theme();
show(location.hash.slice(1));
globalThis.kcnn = {
  arithmetic,
  filters,
  geometry,
  unpooling,
  go(hash) {
    show(hash);
    opened(now).store.keep();
  },
};
document.documentElement.dataset.ready = "1";
