// What tests ask of every view; put into the page by conftest.py.

globalThis.checks = {
  // Text whose colour stands out from what is behind it by less than WCAG AA asks for (4.5, or 3 when large).
  faint() {
    const pen = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", {
      willReadFrequently: true,
    });
    const rgba = (text) => {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = text;
      pen.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
      return [r, g, b, a / 255];
    };
    const over = (top, below) => top.slice(0, 3).map((part, i) => part * top[3] + below[i] * (1 - top[3]));
    const behind = (element) => {
      const layers = [];
      for (let e = element; e; e = e.parentElement) layers.push(rgba(getComputedStyle(e).backgroundColor));
      return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
    };
    const light = (colour) => {
      const [r, g, b] = colour.map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (a, b) => {
      const [x, y] = [light(a), light(b)];
      return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
    };
    const found = [];
    const seen = (e) =>
      e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && e.getClientRects().length;
    const judge = (element, ink, paper, text) => {
      const style = getComputedStyle(element);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 600);
      const ratio = contrast(over(rgba(ink), paper), paper);
      if (ratio < (large ? 3 : 4.5))
        found.push(
          `${ratio.toFixed(2)} ${element.className?.baseVal ?? element.className} "${text.trim().slice(0, 30)}"`,
        );
    };
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; (node = walk.nextNode());) {
      const element = node.parentElement;
      if (!node.data.trim() || !seen(element) || element.closest("noscript, .unseen, .skip, option, script, style"))
        continue;
      if (!element.closest("svg")) judge(element, getComputedStyle(element).color, behind(element), node.data);
      else if (!element.closest(".cells, .pick"))
        judge(element, getComputedStyle(element).fill, behind(element.closest("svg")), node.data);
    }
    for (const field of document.querySelectorAll("input[type=text], input[type=number], select")) {
      if (seen(field)) judge(field, getComputedStyle(field).color, behind(field), field.value);
    }
    for (const cells of document.querySelectorAll(".grid.words .cells")) {
      if (!seen(cells)) continue;
      const rects = cells.querySelectorAll("rect");
      const columns = Math.round(cells.closest("svg").viewBox.baseVal.width / 40);
      cells.querySelectorAll("text").forEach((text) => {
        const [r, c] = text.dataset.cell.split(",").map(Number);
        const i = r * columns + c;
        if (text.textContent)
          judge(
            text,
            getComputedStyle(text).fill,
            over(rgba(getComputedStyle(rects[i]).fill), behind(cells.closest("svg"))),
            text.textContent,
          );
      });
    }
    return [...new Set(found)];
  },
  // What sticks out of the page to the right, unless something around it scrolls.
  wide() {
    const scrolls = (e) =>
      e && (["auto", "scroll", "hidden"].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
    const out = [...document.body.querySelectorAll("*")].filter(
      (e) =>
        e.checkVisibility() &&
        !e.closest(".unseen, .hidden-file") &&
        e.getBoundingClientRect().right > innerWidth + 1 &&
        !scrolls(e.parentElement),
    );
    if (document.documentElement.scrollWidth > innerWidth) out.push(document.documentElement);
    return out.map(
      (e) => `${e.tagName} ${e.className?.baseVal ?? e.className} ${Math.round(e.getBoundingClientRect().right)}`,
    );
  },
  // Things to operate that have no name for those who cannot see them, or cannot be reached with Tab.
  unnamed() {
    const named = (e) =>
      e.getAttribute("aria-label") ||
      e.innerText?.trim() ||
      [...(e.labels ?? [])].some((l) => l.innerText.trim()) ||
      e.title;
    const all = [...document.querySelectorAll("button, input, select, a[href], [tabindex='0']")].filter((e) =>
      e.checkVisibility(),
    );
    return all.filter((e) => !named(e) || e.tabIndex < 0).map((e) => e.outerHTML.slice(0, 120));
  },
  // Use every control of the view that is shown, each several times; returns how many there are.
  async operate() {
    const here = () => document.querySelector("main article:not([hidden])");
    const shown = () =>
      [...here().querySelectorAll("button, input, select, svg[tabindex], g[tabindex]")].filter(
        (e) => e.checkVisibility() && e.type !== "file",
      );
    const tell = (e, type) => e.dispatchEvent(new Event(type, { bubbles: true }));
    const rest = () => new Promise((done) => setTimeout(done));
    const count = shown().length;
    for (let i = 0; i < count; i++) {
      const e = shown()[i];
      if (!e) break;
      if (e.type === "range")
        for (const v of [e.min, e.max, (Number(e.min) + Number(e.max)) / 2]) {
          e.value = v;
          tell(e, "input");
        }
      else if (e.type === "text" || e.type === "number") {
        const before = e.value;
        for (const v of ["", "-3", "1.5", "abc", "1e9", "2", before]) {
          e.focus();
          e.value = v;
          tell(e, "input");
        }
        e.blur();
      } else if (e.tagName === "SELECT")
        for (const option of [...e.options]) {
          e.value = option.value;
          tell(e, "change");
        }
      else if (e.type === "radio" || e.type === "checkbox" || e.tagName === "BUTTON") {
        e.click();
        if (e.getAttribute("aria-label") === "Pause") e.click();
      } else
        for (const key of ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "Enter"])
          e.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
      await rest();
    }
    return count;
  },
  // The texts in a grid, row by row.
  numbers(grid) {
    const at = (text) => text.dataset.cell.split(",").map(Number);
    const sorted = [...grid.querySelectorAll("text")].sort((a, b) => at(a)[0] - at(b)[0] || at(a)[1] - at(b)[1]);
    return sorted.map((text) => text.textContent);
  },
  // Show each address in turn and read the output size off the figure of page 2, as a visitor would; null for none.
  sizes(addresses) {
    return addresses.map((address) => {
      kcnn.go(address);
      const size = document.querySelector("#page-sizes [data-result=size]");
      return size.closest("[hidden]") ? null : Number(size.textContent);
    });
  },
  // The rows of page 3's table.
  costs() {
    return [...document.querySelectorAll("#page-counting tbody tr")].map((row) => ({
      name: row.querySelector("th").innerText.split("\n")[0].trim(),
      weights: Number(row.querySelector("[data-weights]").dataset.weights),
      params: Number(row.querySelector("[data-params]").dataset.params),
      macs: Number(row.querySelector("[data-macs]").dataset.macs),
    }));
  },
  press(label) {
    const buttons = [...document.querySelectorAll("article:not([hidden]) button")];
    buttons.find((button) => button.innerText === label).click();
  },
};
