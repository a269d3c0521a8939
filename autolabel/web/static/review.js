// Looking through machine labels: accept all but these.

import { call, fetchPicture, keyFromAddress, Offline, Refusal } from "./client.js";
import { Choices } from "./choices.js";
import { notify } from "./notices.js";
import { Stopwatch } from "./stopwatch.js";
import { themeButton } from "./theme.js";

const KEYS = [..."1234567890qwertyuiopasdfg"]; // no H, which is help, and no X, which marks where the focus is
const LEAST_MS_A_CELL = 110; // the server takes no page that comes back faster than anybody can look

const by = (id) => document.getElementById(id);
const whole = (number) => number.toLocaleString("en");

class Review {
  constructor() {
    this.cells = [];
    this.wrong = new Map(); // cell -> category, or null while nobody said which
    this.page = null;
    this.category = null;
    this.earlier = [];
    this.seenToEnd = false;
    this.watch = new Stopwatch();
    by("accept").addEventListener("click", () => this.accept());
    by("back").addEventListener("click", () => this.overview());
    by("previous").addEventListener("click", () => this.goBack());
    by("finish").addEventListener("click", () => this.finish());
    by("help-open").addEventListener("click", () => by("help").showModal());
    document.addEventListener("keydown", (event) => this.key(event));
    by("grid").addEventListener("scroll", () => this.look(), { passive: true });
    addEventListener("resize", () => this.look());
  }

  async overview() {
    const facts = await call("GET", "/api/review");
    this.facts = facts;
    this.category = null;
    by("name").textContent = facts.name;
    by("reviewer").textContent = facts.reviewer;
    this.showFound(facts.summary);
    by("classes").replaceChildren(...facts.classes.map((each) => this.classButton(each)));
    view("overview");
    by("classes").querySelector("button:not(.done)")?.focus();
  }

  showFound(summary) {
    by("found").textContent =
      `${whole(summary.reviewed)} of ${whole(summary.machine_labels)} looked at, ${whole(summary.rejected)} wrong` +
      (summary.planted ? `; ${whole(summary.planted_found)} of ${whole(summary.planted)} planted ones found` : "");
  }

  classButton({ category, objects, seen }) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "class";
    const name = document.createElement("bdi");
    name.textContent = category;
    const count = document.createElement("span");
    count.className = "quiet";
    count.textContent = seen >= objects ? `all ${whole(objects)} looked at ✓` : `${whole(seen)} of ${whole(objects)}`;
    button.classList.toggle("done", seen >= objects);
    button.append(name, count);
    button.addEventListener("click", () => this.open(category));
    const item = document.createElement("li");
    item.append(button);
    return item;
  }

  async open(category) {
    const page = await call("POST", "/api/review/pages", { category });
    if (!page.page) {
      if (page.page === null) notify(`All of “${category}” is looked at`, "good");
      return this.overview();
    }
    this.category = category;
    this.show(page);
  }

  show(page, wrong = new Map()) {
    this.page = page;
    this.wrong = wrong;
    this.seenToEnd = false;
    by("category").textContent = page.category;
    by("previous").disabled = !this.earlier.length;
    by("grid").classList.toggle("texts", this.facts.shows === "text");
    this.cells = page.cells.map((cell, place) => this.cell(cell, place));
    by("grid").replaceChildren(...this.cells);
    by("grid").scrollTop = 0;
    view("page");
    this.watch.start();
    this.shownAt = performance.now();
    this.cells.forEach((_, place) => this.paint(place));
    setTimeout(() => this.look(), LEAST_MS_A_CELL * this.cells.length + 20);
    this.cells[0].focus({ preventScroll: true });
    this.look();
  }

  cell(cell, place) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "cell";
    const key = document.createElement("kbd");
    key.textContent = (KEYS[place] || "").toUpperCase();
    key.setAttribute("aria-hidden", "true");
    button.append(key);
    if (cell.text !== undefined) {
      const text = document.createElement("span");
      text.className = "celltext";
      text.dir = "auto";
      text.textContent = cell.text;
      button.append(text);
    } else {
      const image = new Image();
      image.alt = `picture ${place + 1}`;
      image.draggable = false;
      cell.address ??= fetchPicture(cell.picture);
      cell.address.then((address) => (image.src = address)).catch(() => (image.alt = "cannot be shown"));
      button.append(image);
    }
    const mark = document.createElement("span");
    mark.className = "cross";
    button.append(mark);
    button.addEventListener("click", () => this.toggle(place));
    return button;
  }

  toggle(place) {
    if (this.wrong.has(place)) this.wrong.delete(place);
    else this.wrong.set(place, null);
    this.paint(place);
  }

  paint(place) {
    const marked = this.wrong.has(place);
    const cell = this.cells[place];
    cell.setAttribute("aria-pressed", String(marked));
    cell.querySelector(".cross").textContent = marked ? (this.wrong.get(place) ?? "wrong") : "";
    const count = this.wrong.size;
    by("wrong").textContent = count ? `${count} marked as wrong` : "None is marked as wrong.";
    by("accept-words").textContent = count ? `Accept the other ${this.cells.length - count}` : `Accept all ${this.cells.length}`;
  }

  // A page can be accepted once its end was seen and there was time to look.
  look() {
    const grid = by("grid");
    if (grid.scrollTop + grid.clientHeight >= grid.scrollHeight - 4) this.seenToEnd = true;
    const early = performance.now() - this.shownAt < LEAST_MS_A_CELL * this.cells.length;
    by("accept").disabled = !this.seenToEnd || early;
    by("remaining").textContent = this.seenToEnd ? "" : "scroll to the end to accept";
  }

  async accept() {
    if (by("accept").disabled) return;
    for (const place of [...this.wrong.keys()].sort((one, other) => one - other)) {
      if (this.wrong.get(place) === null) this.wrong.set(place, await this.correct(place));
      this.paint(place);
    }
    const { page } = this;
    const rejected = Object.fromEntries(this.wrong);
    await attempt(async () => {
      await call("POST", "/api/review/verdicts", { page: page.page, rejected, seconds: this.watch.seconds() });
      this.earlier = [...this.earlier.filter(([before]) => before.page !== page.page), [page, this.wrong]].slice(-5);
      notify(`${this.cells.length - this.wrong.size} accepted, ${this.wrong.size} wrong`, "good");
      call("GET", "/api/review").then(({ summary }) => this.showFound(summary), () => {});
      await this.open(page.category);
    });
  }

  goBack() {
    const before = this.earlier.pop();
    if (before) this.show(...before);
  }

  // Ask what a cell is instead; resolves with a category, or null when that is left open.
  correct(place) {
    return new Promise((resolve) => {
      const dialog = by("correcting");
      const close = (name) => {
        dialog.close();
        dialog.removeEventListener("keydown", keys);
        dialog.removeEventListener("cancel", cancelled);
        by("unknown").onclick = null;
        resolve(name);
      };
      const choices = new Choices(by("choices"), this.facts.categories, close, { without: this.page.category });
      const keys = (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const typed = choices.searching && choices.search.value;
        const name = typed ? undefined : choices.byKey(event);
        if (name !== undefined) {
          event.preventDefault();
          close(name);
        }
        event.stopPropagation();
      };
      const cancelled = (event) => {
        event.preventDefault();
        close(null);
      };
      dialog.addEventListener("keydown", keys);
      dialog.addEventListener("cancel", cancelled);
      by("unknown").onclick = () => close(null);
      const copy = this.cells[place].querySelector("img, .celltext").cloneNode(true);
      by("correct-stage").replaceChildren(copy);
      dialog.showModal();
      choices.reset();
      if (!choices.typesToSearch) by("choices").querySelector("button:enabled").focus();
    });
  }

  async finish() {
    await attempt(async () => {
      const facts = await call("POST", "/api/review/finish", {});
      this.showFound(facts);
      notify(`Written: ${facts.manifest}`, "good");
    });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "h" || event.key === "?") return by("help").showModal();
    if (by("page").hidden) return;
    const place = KEYS.indexOf(event.key.toLowerCase());
    const at = this.cells.indexOf(document.activeElement);
    const across = Math.max(1, getComputedStyle(by("grid")).gridTemplateColumns.split(" ").length);
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
    if (step !== undefined) this.cells[Math.min(Math.max(at + step, 0), this.cells.length - 1)].focus();
    else if (event.key === "Enter") this.accept();
    else if (event.key === "x" && at >= 0) this.toggle(at);
    else if (place >= 0 && place < this.cells.length && !event.repeat) this.toggle(place);
    else if (event.key === "Backspace") this.goBack();
    else if (event.key === "Escape") this.overview();
    else return;
    event.preventDefault();
  }
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Refusal || error instanceof Offline)) throw error;
    notify(error.message, "bad");
  }
}

function view(name) {
  for (const each of ["overview", "page", "gate"]) by(each).hidden = each !== name;
}

async function start() {
  themeButton(by("theme"));
  const key = keyFromAddress();
  try {
    if (key) await call("POST", "/api/operator", { key });
    await new Review().overview();
  } catch (error) {
    if (!(error instanceof Refusal || error instanceof Offline)) throw error;
    const title = document.createElement("h2");
    title.textContent = error.status === 401 ? "This page is for the operator" : "No connection";
    const line = document.createElement("p");
    line.textContent = error.status === 401 ? "Open the link that the command printed when it started." : "Load the page again.";
    by("gate").replaceChildren(title, line);
    view("gate");
  }
}

start();
