// The settings of one page: typed, checked, written into the address (by main.js) so that a view can be shared.

export function whole(fallback, min, max) {
  return {
    fallback,
    hint: `a whole number from ${min} to ${max}`,
    min,
    max,
    read: (text) => {
      const value = Number(text);
      return text.trim() !== "" && Number.isInteger(value) && value >= min && value <= max ? value : undefined;
    },
  };
}

export function decimal(fallback, min, max) {
  return {
    fallback,
    hint: `a number from ${min} to ${max}`,
    min,
    max,
    read: (text) => {
      const value = Number(text);
      return text.trim() !== "" && Number.isFinite(value) && value >= min && value <= max ? value : undefined;
    },
  };
}

export function choice(fallback, options) {
  return {
    fallback,
    hint: `one of ${options.join(", ")}`,
    read: (text) => (options.includes(text) ? text : undefined),
  };
}

export function flag(fallback) {
  return {
    fallback,
    hint: "0 or 1",
    read: (text) => ({ 0: false, 1: true })[text],
    write: (value) => (value ? "1" : "0"),
  };
}

export function text(fallback, pattern, hint) {
  return { fallback, hint, read: (value) => (pattern.test(value) ? value : undefined) };
}

export class Store {
  constructor(page, fields) {
    this.page = page;
    this.fields = fields;
    this.values = Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, field.fallback]));
    this.problems = [];
    this.listeners = [];
  }

  // Take settings from the part of the address behind "?"; what cannot be used is said in `problems`.
  load(query) {
    const given = new URLSearchParams(query);
    this.problems = [];
    for (const [key, field] of Object.entries(this.fields)) {
      if (!given.has(key)) {
        this.values[key] = field.fallback;
        continue;
      }
      const value = field.read(given.get(key));
      if (value === undefined)
        this.problems.push(
          `${key} is “${given.get(key).slice(0, 40)}” in the address but must be ${field.hint}; ${this.write(key, field.fallback) || "none"} is shown.`,
        );
      this.values[key] = value ?? field.fallback;
    }
    for (const key of given.keys()) {
      if (!(key in this.fields))
        this.problems.push(`the address sets “${key.slice(0, 40)}”, which this page does not have.`);
    }
    this.tell();
  }

  write(key, value) {
    return (this.fields[key].write ?? String)(value);
  }

  query() {
    const changed = Object.keys(this.fields).filter((key) => this.values[key] !== this.fields[key].fallback);
    const parts = changed.map(
      (key) => `${key}=${encodeURIComponent(this.write(key, this.values[key])).replaceAll("%2C", ",")}`,
    );
    return parts.length ? `?${parts.join("&")}` : "";
  }

  set(patch) {
    const fresh = Object.entries(patch).some(([key, value]) => this.values[key] !== value);
    if (!fresh) return;
    Object.assign(this.values, patch);
    this.problems = [];
    this.keep();
    this.tell();
  }

  // Browsers limit how often an address may change, so during a drag it is told once the hand rests.
  keep() {
    clearTimeout(this.resting);
    this.resting = setTimeout(
      () => document.dispatchEvent(new CustomEvent("kcnn:settings", { detail: this.page })),
      120,
    );
  }

  on(listener) {
    this.listeners.push(listener);
  }

  tell() {
    for (const listener of this.listeners) listener(this.values);
  }
}
