// Our own crowd elements, for worker templates written for Ground Truth. Attributes, regions and answers are those that
// the developer guide documents (Crowd HTML Elements Reference). They run in a frame that can reach nothing but its parent
// by messages: {autolabel: "answer", content}, {autolabel: "key", key} and {autolabel: "ready"}.
"use strict";

(() => {
  const KEYS = "1234567890";
  const SHEET = `
    :host { display: block; font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; line-height: 1.5; color: #1b2027; }
    :host([hidden]) { display: none; }
    * { box-sizing: border-box; }
    button { font: inherit; color: inherit; cursor: pointer; }
    :focus-visible { outline: 3px solid #0b5cad; outline-offset: 2px; }
    .frame { display: grid; grid-template-columns: minmax(0, 220px) minmax(0, 1fr) minmax(200px, 260px); gap: 20px; align-items: start; padding: 8px 0 12px; }
    .frame.bare { grid-template-columns: minmax(0, 1fr) minmax(200px, 260px); }
    @media (max-width: 760px) { .frame, .frame.bare { grid-template-columns: minmax(0, 1fr); } }
    h2 { margin: 0 0 10px; font-size: 18px; line-height: 1.35; }
    .side { padding: 12px; border-radius: 8px; background: #eef2f6; font-size: 14px; }
    .target { padding: 16px; border: 1px solid #cfd6dd; border-radius: 8px; background: #fff; overflow-wrap: anywhere; }
    .target img { display: block; max-width: 100%; max-height: 68vh; margin: 0 auto; cursor: zoom-in; }
    .target img.closer { max-width: none; max-height: none; cursor: zoom-out; }
    .target.closer { overflow: auto; max-height: 72vh; }
    ol { display: grid; gap: 6px; margin: 0; padding: 0; list-style: none; }
    .choice { display: flex; gap: 10px; align-items: center; width: 100%; min-height: 40px; padding: 6px 12px; border: 1px solid #cfd6dd; border-radius: 8px; background: #fff; text-align: start; }
    .choice:hover { border-color: #0b5cad; }
    .choice[aria-checked="true"] { border-color: #0b5cad; background: #e3eefa; font-weight: 600; }
    kbd { min-width: 1.7em; padding: 0 .3em; border: 1px solid #cfd6dd; border-radius: 5px; background: #f4f6f8; color: #55606c; text-align: center; font: 600 12px/1.7 ui-monospace, Menlo, Consolas, monospace; }
    .link { padding: 0; border: 0; background: none; color: #0b5cad; text-decoration: underline; font-size: 14px; }
    dialog { width: min(640px, 92vw); max-height: 84vh; padding: 20px; border: 1px solid #cfd6dd; border-radius: 12px; color: inherit; }
    dialog::backdrop { background: rgb(0 0 0 / 45%); }
    .primary { min-height: 40px; padding: 6px 22px; border: 1px solid #0b5cad; border-radius: 8px; background: #0b5cad; color: #fff; font-weight: 600; }
    .normal { min-height: 40px; padding: 6px 16px; border: 1px solid #cfd6dd; border-radius: 8px; background: #fff; }
    :disabled { opacity: .5; cursor: default; }
    .problem { margin: 6px 0; color: #b42318; font-weight: 600; }
    input, textarea { width: 100%; padding: 8px 12px; border: 1px solid #8a949e; border-radius: 8px; background: #fff; color: inherit; font: inherit; }
    label { display: block; margin: 6px 0; font-size: 14px; }
    .inline { display: inline-flex; gap: 8px; align-items: center; font-size: 16px; }
    .inline input { width: auto; }
    .quiet { color: #55606c; font-size: 13px; }
  `;

  const parent_ = window.parent;
  const tell = (message) => parent_.postMessage({ autolabel: message.kind, ...message.body }, "*");

  // JSON as the guide writes it: single quotes and bare keys are taken too.
  function loose(text) {
    try {
      return JSON.parse(text);
    } catch {
      // read it below
    }
    let at = 0;
    const fail = () => {
      throw new SyntaxError(`cannot read ${text}`);
    };
    const space = () => {
      while (/\s/.test(text[at] ?? "")) at += 1;
    };
    const take = (sign) => {
      space();
      if (text[at] !== sign) fail();
      at += 1;
    };
    const string = () => {
      const quote = text[at++];
      let found = "";
      while (at < text.length && text[at] !== quote) {
        if (text[at] === "\\") at += 1;
        found += text[at++];
      }
      at += 1;
      return found;
    };
    const list = (close, item) => {
      const found = [];
      for (space(); text[at] !== close; space()) {
        if (at >= text.length) fail();
        found.push(item());
        space();
        if (text[at] === ",") at += 1;
        else if (text[at] !== close) fail();
      }
      at += 1;
      return found;
    };
    const value = () => {
      space();
      const sign = text[at];
      if (sign === "'" || sign === '"') return string();
      if (sign === "[") {
        at += 1;
        return list("]", value);
      }
      if (sign === "{") {
        at += 1;
        return Object.fromEntries(
          list("}", () => {
            space();
            const key = text[at] === "'" || text[at] === '"' ? string() : /^[\w$-]+/.exec(text.slice(at))?.[0];
            if (key === undefined) fail();
            if (text[at - 1] !== "'" && text[at - 1] !== '"') at += key.length;
            take(":");
            return [key, value()];
          }),
        );
      }
      const word = /^[^\s,\]}]+/.exec(text.slice(at))?.[0];
      if (word === undefined) fail();
      at += word.length;
      return JSON.parse(word);
    };
    return value();
  }

  function make(name, props = {}, ...children) {
    const made = Object.assign(document.createElement(name), props);
    made.append(...children.filter((child) => child != null));
    return made;
  }

  class Crowd extends HTMLElement {
    connectedCallback() {
      if (this.shadowRoot) return;
      this.attachShadow({ mode: "open", delegatesFocus: this instanceof Field });
      const style = document.createElement("style");
      style.textContent = SHEET;
      // Children are read by the parser after this moment when the script stands before them.
      if (document.readyState === "loading")
        document.addEventListener("DOMContentLoaded", () => this.shadowRoot.append(style, ...this.build()), { once: true });
      else this.shadowRoot.append(style, ...this.build());
    }

    build() {
      return [make("slot")];
    }

    text(name, otherwise = "") {
      return this.getAttribute(name) ?? otherwise;
    }

    // What stands in a region of this element, taken out of its own place.
    region(name) {
      const found = this.querySelector(`:scope > ${name}`);
      if (found) found.slot = name;
      return found;
    }

    // Why the element cannot be handed in yet; empty when it can.
    problem() {
      return "";
    }

    // What the element adds to the answer.
    answer() {
      return {};
    }
  }

  class Classifier extends Crowd {
    get many() {
      return false;
    }

    get isPicture() {
      return false;
    }

    build() {
      this.chosen = new Set();
      this.categories = loose(this.text("categories", "[]"));
      const exclusion = this.text("exclusion-category");
      this.exclusion = this.many && exclusion ? loose(exclusion).text : null;
      this.list = make("ol", { role: this.many ? "group" : "radiogroup", ariaLabel: this.text("header", "Categories") });
      this.list.append(...[...this.categories, ...(this.exclusion ? [this.exclusion] : [])].map((name, place) => this.choice(name, place)));
      const short = this.region("short-instructions");
      const full = this.region("full-instructions");
      const side = short || full ? make("aside", { className: "side" }, short && make("slot", { name: "short-instructions" }), ...this.more(full)) : null;
      const right = make("div", {}, this.list, ...this.comment());
      const frame = make("div", { className: side ? "frame" : "frame bare" }, side, make("div", {}, make("h2", { textContent: this.text("header") }), this.target()), right);
      return [frame];
    }

    target() {
      const box = make("div", { className: "target" });
      if (this.isPicture) {
        const image = make("img", { src: this.text("src"), alt: "the picture to label" });
        image.addEventListener("click", () => {
          image.classList.toggle("closer");
          box.classList.toggle("closer");
        });
        box.append(image);
      } else {
        this.region("classification-target");
        box.append(make("slot", { name: "classification-target" }));
      }
      return box;
    }

    more(full) {
      if (!full) return [];
      const dialog = make("dialog", {}, make("h2", { textContent: full.getAttribute("header") || "Instructions" }), make("slot", { name: "full-instructions" }));
      const close = make("button", { type: "button", className: "primary", textContent: "Back" });
      close.addEventListener("click", () => dialog.close());
      dialog.append(close);
      const open = make("button", { type: "button", className: "link", textContent: "View full instructions" });
      open.addEventListener("click", () => dialog.showModal());
      return [open, dialog];
    }

    comment() {
      const asked = this.region("worker-comment");
      if (!asked || !this.isPicture) return [];
      const box = make("textarea", { rows: 3, placeholder: asked.getAttribute("placeholder") || "" });
      const dialog = make("dialog", {}, make("h2", { textContent: asked.getAttribute("header") || "Add a comment" }), make("slot", { name: "worker-comment" }), box);
      box.ariaLabel = asked.getAttribute("header") || "Add a comment";
      const close = make("button", { type: "button", className: "primary", textContent: "Keep it" });
      close.addEventListener("click", () => dialog.close());
      dialog.append(close);
      const open = make("button", { type: "button", className: "link", textContent: asked.getAttribute("link-text") || "Add a comment" });
      open.addEventListener("click", () => dialog.showModal());
      this.commentBox = box;
      return [open, dialog];
    }

    choice(name, place) {
      const button = make("button", { type: "button", className: "choice" });
      button.setAttribute("role", this.many ? "checkbox" : "radio");
      button.setAttribute("aria-checked", "false");
      if (place < KEYS.length) button.append(make("kbd", { textContent: KEYS[place], ariaHidden: "true" }));
      button.append(make("bdi", { textContent: name }));
      button.addEventListener("click", () => this.toggle(name));
      return make("li", {}, button);
    }

    toggle(name) {
      if (!this.many) this.chosen = new Set([name]);
      else if (this.chosen.has(name)) this.chosen.delete(name);
      else if (name === this.exclusion) this.chosen = new Set([name]);
      else {
        this.chosen.delete(this.exclusion);
        this.chosen.add(name);
      }
      for (const button of this.list.querySelectorAll("button"))
        button.setAttribute("aria-checked", String(this.chosen.has(button.querySelector("bdi").textContent)));
      this.dispatchEvent(new Event("change", { bubbles: true }));
    }

    byKey(place) {
      this.list.querySelectorAll("button")[place]?.click();
    }

    problem() {
      return this.chosen.size ? "" : this.many ? "Choose at least one category." : "Choose a category.";
    }

    answer() {
      const chosen = [...this.categories, this.exclusion].filter((name) => this.chosen.has(name));
      const value = this.many ? { labels: chosen } : { label: chosen[0] };
      const comment = this.commentBox?.value.trim();
      if (comment) value.workerComment = comment;
      return { [this.text("name")]: value };
    }

    reset() {
      this.chosen = new Set();
      for (const button of this.list.querySelectorAll("button")) button.setAttribute("aria-checked", "false");
      if (this.commentBox) this.commentBox.value = "";
    }
  }

  const kind = (many, isPicture) =>
    class extends Classifier {
      get many() {
        return many;
      }

      get isPicture() {
        return isPicture;
      }
    };

  class Field extends Crowd {
    build() {
      this.control = this.make();
      this.control.value = this.text("value");
      this.control.disabled = this.hasAttribute("disabled");
      this.control.placeholder = this.text("placeholder");
      if (this.hasAttribute("max-length")) this.control.maxLength = Number(this.text("max-length"));
      this.line = make("p", { className: "problem", role: "status" });
      this.counter = this.hasAttribute("char-counter") ? make("span", { className: "quiet" }) : null;
      this.control.addEventListener("input", () => this.typed());
      if (this.text("auto-focus", "false") !== "false") setTimeout(() => this.control.focus());
      const label = make("label", {}, this.text("label"), this.control);
      if (!this.text("label")) this.control.setAttribute("aria-label", this.text("placeholder") || this.text("name"));
      this.typed();
      return [label, this.counter, this.line].filter(Boolean);
    }

    make() {
      const made = make("input");
      made.type = this.text("type", "text");
      return made;
    }

    typed() {
      if (this.hasAttribute("auto-validate") && this.hasAttribute("allowed-pattern")) {
        const allowed = new RegExp(this.text("allowed-pattern"), "u");
        const kept = [...this.control.value].filter((sign) => allowed.test(sign)).join("");
        if (kept !== this.control.value) this.control.value = kept;
      }
      if (this.counter) this.counter.textContent = `${this.control.value.length}`;
      if (this.line) this.line.textContent = "";
    }

    get value() {
      return this.control ? this.control.value : this.text("value");
    }

    set value(text) {
      if (this.control) this.control.value = text;
      else this.setAttribute("value", text);
    }

    problem() {
      const { value } = this.control;
      const least = Number(this.text("min-length", "0"));
      const missing = this.hasAttribute("required") && !value.trim();
      const found = missing ? "This is needed." : value && value.length < least ? `At least ${least} characters.` : "";
      this.line.textContent = found && (this.text("error-message") || found);
      return found && `${this.text("label") || this.text("name")}: ${this.line.textContent}`;
    }

    answer() {
      return this.control.value ? { [this.text("name")]: this.control.value } : {};
    }

    reset() {
      this.control.value = this.text("value");
      this.typed();
    }
  }

  class TextArea extends Field {
    make() {
      return make("textarea", { rows: Number(this.text("rows", "3")) || 3 });
    }
  }

  class Slider extends Field {
    make() {
      const made = make("input", { type: "range" });
      made.min = this.text("min", "0");
      made.max = this.text("max", "100");
      made.step = this.text("step", "1");
      this.shown = make("output", { className: "quiet" });
      return made;
    }

    build() {
      const built = super.build();
      if (!this.hasAttribute("value")) this.control.value = this.control.min;
      built.push(this.shown);
      this.typed();
      return built;
    }

    typed() {
      if (this.shown) this.shown.textContent = this.control.value;
    }

    problem() {
      return "";
    }

    answer() {
      return { [this.text("name")]: Number(this.control.value) };
    }
  }

  class Tick extends Crowd {
    build() {
      this.control = make("input", { type: this.kind, checked: this.hasAttribute("checked"), disabled: this.hasAttribute("disabled") });
      this.control.addEventListener("change", () => this.changed());
      return [make("label", { className: "inline" }, this.control, make("span", {}, make("slot")))];
    }

    get kind() {
      return "checkbox";
    }

    get checked() {
      return this.control?.checked ?? this.hasAttribute("checked");
    }

    set checked(on) {
      this.control.checked = on;
    }

    changed() {
      this.dispatchEvent(new Event("change", { bubbles: true }));
    }

    problem() {
      return this.hasAttribute("required") && !this.checked ? `${this.textContent.trim() || this.text("name")}: this is needed.` : "";
    }

    answer() {
      return { [this.text("name")]: { [this.text("value", "on")]: this.checked } };
    }

    reset() {
      this.control.checked = this.hasAttribute("checked");
    }
  }

  class Radio extends Tick {
    get kind() {
      return "radio";
    }

    changed() {
      const group = this.closest("crowd-radio-group");
      if (group) for (const other of group.querySelectorAll("crowd-radio-button")) if (other !== this) other.checked = false;
      super.changed();
    }
  }

  class RadioGroup extends Crowd {
    build() {
      this.setAttribute("role", "radiogroup");
      return super.build();
    }
  }

  class Button extends Crowd {
    build() {
      const variant = this.text("variant", this.text("form-action") === "submit" ? "primary" : "normal");
      const names = { primary: "primary", link: "link" };
      const button = make("button", { type: "button", className: names[variant] || "normal", disabled: this.hasAttribute("disabled") }, make("slot"));
      button.addEventListener("click", () => {
        const form = this.closest("crowd-form");
        if (this.text("form-action") === "submit") form?.submit();
        else if (this.text("form-action") === "reset") form?.reset();
      });
      return [button];
    }
  }

  class Card extends Crowd {
    build() {
      const parts = [make("slot")];
      if (this.hasAttribute("image")) parts.unshift(make("img", { src: this.text("image"), alt: "" }));
      if (this.hasAttribute("heading")) parts.unshift(make("h2", { textContent: this.text("heading") }));
      return [make("div", { className: "target" }, ...parts)];
    }
  }

  class Alert extends Crowd {
    build() {
      const parts = [make("slot")];
      if (this.hasAttribute("dismissible")) {
        const close = make("button", { type: "button", className: "link", textContent: "Close" });
        close.addEventListener("click", () => (this.hidden = true));
        parts.push(" ", close);
      }
      return [make("div", { className: "side", role: "status" }, ...parts)];
    }
  }

  class Instructions extends Crowd {
    build() {
      for (const name of ["short-summary", "detailed-instructions", "positive-example", "negative-example"])
        for (const found of this.querySelectorAll(`:scope > ${name}`)) found.slot = name;
      const dialog = make(
        "dialog",
        {},
        make("h2", { textContent: "Instructions" }),
        make("slot", { name: "short-summary" }),
        make("slot", { name: "detailed-instructions" }),
        make("slot", { name: "positive-example" }),
        make("slot", { name: "negative-example" }),
      );
      const close = make("button", { type: "button", className: "primary", textContent: "Back" });
      close.addEventListener("click", () => dialog.close());
      dialog.append(close);
      const open = make("button", { type: "button", className: this.text("link-type") === "button" ? "normal" : "link", textContent: this.text("link-text", "Click for instructions") });
      open.addEventListener("click", () => dialog.showModal());
      return [open, dialog];
    }
  }

  class Form extends Crowd {
    build() {
      this.line = make("p", { className: "problem", role: "alert" });
      const parts = [make("slot"), this.line];
      if (!this.querySelector('crowd-button[form-action="submit"], button[type="submit"], input[type="submit"]')) {
        const button = make("button", { type: "button", className: "primary", textContent: "Submit" });
        button.addEventListener("click", () => this.submit());
        parts.push(make("p", {}, button));
      }
      this.addEventListener("click", (event) => {
        if (event.target.closest?.('button[type="submit"], input[type="submit"]')) {
          event.preventDefault();
          this.submit();
        }
      });
      document.addEventListener("keydown", (event) => this.key(event));
      tell({ kind: "ready" });
      return parts;
    }

    get parts() {
      return [...this.querySelectorAll("*")].filter((part) => part instanceof Crowd && part.hasAttribute("name"));
    }

    submit() {
      const problems = this.parts.map((part) => part.problem()).filter(Boolean);
      const native = [...this.querySelectorAll("input, textarea, select")].find((field) => !field.checkValidity());
      this.line.textContent = problems[0] || (native ? `${native.name}: ${native.validationMessage}` : "");
      if (this.line.textContent) return;
      if (!this.dispatchEvent(new SubmitEvent("submit", { bubbles: true, cancelable: true }))) return;
      tell({ kind: "answer", body: { content: this.content() } });
    }

    // What every named element has to say. Ticks and radio buttons of one name are one object.
    content() {
      const content = {};
      const add = (name, value) => {
        const both = (one) => one !== null && typeof one === "object" && !Array.isArray(one);
        content[name] = both(content[name]) && both(value) ? { ...content[name], ...value } : value;
      };
      for (const part of this.parts) for (const [name, value] of Object.entries(part.answer())) add(name, value);
      for (const field of this.querySelectorAll("input[name], textarea[name], select[name]")) {
        if (field.type === "checkbox" || field.type === "radio") add(field.name, { [field.value]: field.checked });
        else if (field.value !== "") add(field.name, field.value);
      }
      return content;
    }

    reset() {
      for (const part of this.parts) part.reset?.();
    }

    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      const path = event.composedPath();
      if (path.some((node) => node instanceof HTMLInputElement || node instanceof HTMLTextAreaElement || node instanceof HTMLSelectElement)) return;
      if (path.some((node) => node instanceof HTMLDialogElement && node.open)) return;
      const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];
      const classifier = this.parts.find((part) => part instanceof Classifier);
      if (digit !== undefined && classifier && !event.repeat) {
        classifier.byKey(KEYS.indexOf(digit));
        event.preventDefault();
      } else if (event.key === "Enter" && !path.some((node) => node instanceof HTMLButtonElement && !node.classList.contains("choice"))) {
        event.preventDefault();
        this.submit();
      } else if (["u", "s", "d", "h", "?", "Backspace", "Escape"].includes(event.key)) {
        event.preventDefault();
        tell({ kind: "key", body: { key: event.key } });
      }
    }
  }

  for (const [name, element] of Object.entries({
    "crowd-form": Form,
    "crowd-classifier": kind(false, false),
    "crowd-image-classifier": kind(false, true),
    "crowd-classifier-multi-select": kind(true, false),
    "crowd-image-classifier-multi-select": kind(true, true),
    "crowd-input": Field,
    "crowd-text-area": TextArea,
    "crowd-slider": Slider,
    "crowd-checkbox": Tick,
    "crowd-toggle-button": class extends Tick {},
    "crowd-radio-button": Radio,
    "crowd-radio-group": RadioGroup,
    "crowd-button": Button,
    "crowd-card": Card,
    "crowd-alert": Alert,
    "crowd-instructions": Instructions,
  }))
    customElements.define(name, element);
})();
