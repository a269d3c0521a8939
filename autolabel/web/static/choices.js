// The categories: one key each for the first twenty, a search for more.

export const KEYS = "1234567890";
const WITH_KEYS = 2 * KEYS.length;
const SEARCH_FROM = 11; // categories; fewer are seen at a glance
const FOCUS_FROM = WITH_KEYS + 1; // where keys do not reach every category, typing searches at once
const MOST_SHOWN = 200;

export class Choices {
  // `without` is a category that stands in its place and cannot be chosen.
  constructor(box, categories, chosen, { without = null } = {}) {
    this.box = box;
    this.categories = categories;
    this.chosen = chosen;
    this.without = without;
    this.digits = categories.length <= KEYS.length && categories.every((name) => /^\d$/.test(name));
    this.hasDigits = categories.some((name) => /\d/.test(name));
    this.shown = categories;
    this.marked = null;
    this.guess = null;
    this.build();
  }

  build() {
    this.box.replaceChildren();
    if (this.categories.length >= SEARCH_FROM) {
      this.search = document.createElement("input");
      this.search.type = "search";
      this.search.className = "search";
      this.search.placeholder = `Search ${this.categories.length.toLocaleString("en")} categories`;
      this.search.setAttribute("aria-label", "Search categories");
      this.search.setAttribute("aria-keyshortcuts", "/");
      this.search.setAttribute("aria-controls", "choice-list");
      this.search.autocomplete = "off";
      this.search.spellcheck = false;
      this.search.addEventListener("input", () => this.filter());
      this.search.addEventListener("keydown", (event) => this.searchKey(event));
      this.box.append(this.search);
    }
    this.list = document.createElement("ol");
    this.list.id = "choice-list";
    this.list.className = "list";
    this.box.append(this.list);
    this.render();
  }

  get searching() {
    return this.search !== undefined && document.activeElement === this.search;
  }

  get typesToSearch() {
    return this.categories.length >= FOCUS_FROM;
  }

  focusSearch() {
    this.search?.focus();
  }

  // A new object: nothing typed, nothing marked. `marked` is the answer that is being changed, `guess` the model's.
  reset({ marked = null, guess = null } = {}) {
    this.marked = marked;
    this.guess = guess;
    if (this.search) this.search.value = "";
    this.shown = this.categories;
    this.render();
    if (this.typesToSearch && !matchMedia("(hover: none)").matches) this.search.focus({ preventScroll: true });
  }

  filter() {
    const words = fold(this.search.value).split(/\s+/).filter(Boolean);
    const found = this.categories
      .map((name) => [rank(fold(name), words), name])
      .filter(([place]) => place !== null);
    if (words.length) found.sort((one, other) => one[0] - other[0]);
    this.shown = found.map(([, name]) => name);
    this.render();
  }

  searchKey(event) {
    if (event.key === "Enter" && this.shown.length && this.search.value.trim()) {
      event.preventDefault();
      this.chosen(this.shown[0]);
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      if (this.search.value) {
        this.search.value = "";
        this.filter();
      } else this.search.blur();
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      this.list.querySelector("button")?.focus();
    }
  }

  // The category behind a pressed digit, by the place of the key, so that Shift and keyboard layouts do not matter.
  byKey(event) {
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];
    if (digit === undefined) return undefined;
    if (this.digits) return this.enabled(this.categories.includes(digit) && !event.shiftKey ? digit : undefined);
    const place = KEYS.indexOf(digit) + (event.shiftKey ? KEYS.length : 0);
    return this.enabled(this.shown[place]);
  }

  enabled(name) {
    return name === this.without ? undefined : name;
  }

  render() {
    const buttons = this.shown.slice(0, MOST_SHOWN).map((name, place) => this.button(name, place));
    const more = this.shown.length - buttons.length;
    if (more > 0) buttons.push(note(`and ${more.toLocaleString("en")} more: type to narrow them down`));
    if (!this.shown.length) buttons.push(note("no category has these letters"));
    this.list.replaceChildren(...buttons);
    this.list.classList.toggle("many", this.shown.length > 10);
  }

  button(name, place) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "choice";
    if (place < WITH_KEYS) {
      const key = document.createElement("kbd");
      const digit = this.digits ? name : KEYS[place % KEYS.length]; // where categories are digits, each is its own key
      const shifted = place >= KEYS.length;
      key.textContent = shifted ? `⇧${digit}` : digit;
      key.setAttribute("aria-hidden", "true");
      button.append(key);
      button.setAttribute("aria-keyshortcuts", shifted ? `Shift+${digit}` : digit);
    }
    const label = document.createElement("bdi");
    label.textContent = name;
    button.append(label);
    if (name === this.marked) {
      button.classList.add("marked");
      button.setAttribute("aria-current", "true");
    }
    if (name === this.guess) {
      const badge = document.createElement("span");
      badge.className = "guess";
      badge.textContent = "the model's guess";
      button.append(badge);
    }
    button.disabled = name === this.without;
    button.addEventListener("click", () => this.chosen(name));
    const item = document.createElement("li");
    item.append(button);
    return item;
  }
}

function note(text) {
  const item = document.createElement("li");
  item.className = "quiet";
  item.textContent = text;
  return item;
}

function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLocaleLowerCase("en");
}

// 0 for a name that begins with what was typed, 1 where a word does, 2 where it is inside, null where it is not.
function rank(name, words) {
  if (!words.every((word) => name.includes(word))) return null;
  if (!words.length || name.startsWith(words[0])) return 0;
  return name.split(/[^\p{L}\p{N}]+/u).some((part) => part.startsWith(words[0])) ? 1 : 2;
}
