// The labeling page: one object, one key.

import { call, fetchPicture, keyFromAddress, Offline, pause, Refusal } from "./client.js";
import { Choices } from "./choices.js";
import { notify } from "./notices.js";
import { Outbox } from "./outbox.js";
import { Stage } from "./stage.js";
import { Stopwatch } from "./stopwatch.js";
import { themeButton } from "./theme.js";

const AHEAD = 3; // objects at hand, the one that is shown included
const AGAIN_MS = 1_000; // between two questions for tasks when there were none
const SOON_SECONDS = 60; // a deadline this near is shown in another colour

const by = (id) => document.getElementById(id);

class Work {
  constructor(job) {
    this.job = job;
    this.tasks = []; // at hand, in order; the first is shown unless an earlier answer is being changed
    this.shown = null; // the task on the stage
    this.earlier = []; // answered here and perhaps still changeable, latest last
    this.changing = null; // the earlier task whose answer is being changed
    this.doubted = null; // the task that somebody is saying cannot be labeled
    this.done = 0;
    this.guessOn = true;
    this.asking = false;
    this.ended = false;
    this.stage = new Stage(by("stage"));
    this.watch = new Stopwatch();
    const categories = job.shows === "frame" ? [] : job.categories;
    this.choices = new Choices(by("choices"), categories, (name) => this.choose(name));
    this.outbox = new Outbox(`autolabel:${job.name}:${job.worker}:outbox`, {
      refill: () => this.wants(),
      arrived: (reply, entry) => this.arrived(reply, entry),
      refused: (error, entry) => this.refused(error, entry),
      changed: (state) => this.showLink(state),
    });
    by("title").textContent = job.title;
    by("worker").textContent = job.worker;
    by("question").textContent = job.description;
    this.connect();
  }

  connect() {
    by("undo").addEventListener("click", () => this.undo());
    by("skip").addEventListener("click", () => this.skip());
    by("decline").addEventListener("click", () => this.askWhy());
    by("keep").addEventListener("click", () => this.keep());
    by("help-open").addEventListener("click", () => this.help());
    by("leave").addEventListener("click", () => this.leave());
    by("declining").addEventListener("close", () => this.decline(by("declining").returnValue));
    by("declining").addEventListener("keydown", (event) => {
      const place = { Digit1: 0, Digit2: 1, Digit3: 2, Digit4: 3 }[event.code];
      if (place === undefined) return;
      event.preventDefault(); // or the same key would choose a category once the dialog is closed
      by("declining").querySelectorAll(".reason")[place].click();
    });
    document.addEventListener("keydown", (event) => this.key(event));
    addEventListener("message", (event) => this.fromFrame(event));
    addEventListener("pagehide", () => this.goAway());
    setInterval(() => this.tick(), 500);
    document.body.classList.toggle("framed", this.job.shows === "frame");
    this.fillHelp();
  }

  async begin() {
    by("gate").hidden = true;
    by("work").hidden = false;
    this.outbox.tell();
    this.outbox.send();
    await this.ask();
  }

  // What to ask for: as many as are missing, beside those that are here or on their way back.
  wants() {
    const have = [...this.tasks.map((task) => task.lease), ...this.outbox.leases()];
    return { want: Math.max(0, AHEAD - this.tasks.length), have: [...new Set(have)].slice(0, 8) };
  }

  // Ask for tasks until there are some, or the job has ended.
  async ask() {
    if (this.asking) return;
    this.asking = true;
    while (!this.ended && !this.tasks.length) {
      try {
        this.take(await call("POST", "/api/tasks", this.wants()));
        this.outbox.reach(true);
      } catch (error) {
        if (error instanceof Refusal && error.status === 401) return this.signedOut();
        if (!(error instanceof Refusal || error instanceof Offline)) throw error;
        this.outbox.reach(error instanceof Refusal && error.status < 500);
        if (!this.shown) this.wait("offline");
      }
      if (!this.tasks.length) await pause(AGAIN_MS);
    }
    this.asking = false;
  }

  take(reply) {
    const known = new Set([...this.tasks.map((task) => task.lease), ...this.outbox.leases()]);
    for (const task of reply.tasks || []) {
      if (known.has(task.lease)) continue;
      task.until = performance.now() + 1000 * task.seconds_left;
      this.load(task);
      this.tasks.push(task);
    }
    this.ended = reply.state === "finished";
    if (!this.shown && this.tasks.length) this.show(this.tasks[0]);
    else if (!this.shown && !this.changing) this.wait(reply.state);
  }

  // Begin to fetch a picture now, so that it is there when its turn comes.
  load(task) {
    if (!task.picture) return;
    task.address = fetchPicture(task.picture);
    task.address.catch(() => {}); // told when it is shown
  }

  async show(task, { marked = null } = {}) {
    this.shown = task;
    by("keep").hidden = !this.changing;
    by("skip").hidden = by("decline").hidden = Boolean(this.changing);
    this.choices.reset({ marked, guess: this.guessOn ? (task.guess ?? null) : null });
    document.body.classList.remove("waiting");
    if (task.text !== undefined) {
      this.stage.showText(task.text);
    } else if (task.frame !== undefined) {
      this.stage.showFrame(task.frame);
    } else {
      try {
        const address = await task.address;
        if (this.shown === task) await this.stage.showPicture(address);
      } catch (error) {
        if (this.shown === task) this.cannotShow(task, error);
      }
    }
    if (this.shown !== task) return;
    this.watch.start();
    this.tick();
    if (!this.choices.typesToSearch && task.frame === undefined) by("stage").focus({ preventScroll: true });
  }

  // What a template's page says. It is believed only about its own task, and it can send any answer or none.
  fromFrame(event) {
    if (!this.stage.isFrame(event.source) || typeof event.data !== "object" || event.data === null) return;
    const { autolabel: kind, content, key } = event.data;
    if (kind === "answer" && typeof content === "object" && content !== null) this.hand(content, "Answer");
    else if (kind === "key" && typeof key === "string") this.command({ key });
  }

  cannotShow(task, error) {
    if (error instanceof Offline) {
      this.stage.showProblem("The picture has not arrived yet. It is fetched again as soon as there is a connection.");
      setTimeout(() => {
        this.load(task);
        if (this.shown === task) this.show(task);
      }, 3_000);
    } else if (error instanceof Refusal) {
      this.stage.showProblem(`${capital(error.message)}. Press D to say that it cannot be labeled.`);
    } else {
      this.stage.showProblem("Your browser cannot show this picture. Press D to say that it cannot be labeled.");
    }
  }

  wait(state) {
    this.shown = null;
    document.body.classList.add("waiting");
    const [title, more] = {
      finished: ["All done. Thank you!", `You gave ${counted(this.done, "answer")} here. You can close this page.`],
      learning: ["The machine is learning from the answers", "New tasks come by themselves; leave the page open."],
      offline: ["No connection", "What you answered is kept in this browser and sent as soon as there is one."],
      working: ["Nothing to do for the moment", "Others are at the last tasks. New ones come by themselves."],
    }[state] || ["One moment…", ""];
    this.stage.clear();
    const box = document.createElement("div");
    box.className = "pause";
    const heading = document.createElement("h2");
    heading.textContent = title;
    const line = document.createElement("p");
    line.textContent = more;
    box.append(heading, line);
    by("stage").append(box);
    this.tick();
  }

  answer(name) {
    return { [this.job.element]: { label: name } };
  }

  choose(name) {
    if (this.changing && name === this.shown?.answered) return this.keep();
    this.hand(this.answer(name), name);
  }

  hand(content, name) {
    const task = this.shown;
    if (!task) return;
    const again = this.changing !== null;
    const shownGuess = !again && this.guessOn && task.guess != null;
    task.answered = name;
    this.outbox.put({
      path: "/api/answers",
      lease: task.lease,
      content,
      seconds: Math.round(1000 * this.watch.seconds()) / 1000,
      ...(shownGuess ? { guess_seen: true } : {}),
    });
    this.remember(task);
    if (again) this.changing = null;
    else {
      this.done += 1;
      this.drop(task);
    }
    notify(`${name} ✓`, "good");
    this.next();
  }

  remember(task) {
    this.earlier = [...this.earlier.filter((other) => other !== task), task];
    for (const old of this.earlier.splice(0, Math.max(0, this.earlier.length - this.job.revisable)))
      old.address?.then((address) => URL.revokeObjectURL(address)).catch(() => {});
  }

  drop(task) {
    this.tasks = this.tasks.filter((other) => other !== task);
  }

  next() {
    this.shown = null;
    by("undo").disabled = !this.earlier.length;
    by("count").textContent = counted(this.done, "answer");
    if (this.tasks.length) this.show(this.tasks[0]);
    else {
      this.wait(this.outbox.online ? "moment" : "offline");
      this.ask();
    }
  }

  undo() {
    const latest = this.changing ? this.earlier[this.earlier.indexOf(this.changing) - 1] : this.earlier.at(-1);
    if (!latest) return;
    this.changing = latest;
    notify(`${latest.answered}: choose again, or press Esc to keep it`);
    this.show(latest, { marked: latest.answered });
  }

  keep() {
    if (!this.changing) return;
    this.changing = null;
    this.next();
  }

  skip() {
    const task = this.shown;
    if (!task || this.changing) return;
    this.drop(task);
    this.outbox.put({ path: "/api/returns", leases: [task.lease] });
    notify("Skipped: somebody else may take it");
    this.next();
  }

  askWhy() {
    if (!this.shown || this.changing) return;
    this.doubted = this.shown; // another task may be shown by the time there is a reason
    by("declining").returnValue = "";
    by("declining").showModal();
  }

  decline(reason) {
    const task = this.doubted;
    if (!reason || !this.tasks.includes(task)) return; // its time is over
    this.drop(task);
    this.outbox.put({ path: "/api/declines", lease: task.lease, reason });
    notify("Noted: it cannot be labeled");
    if (this.shown === task) this.next();
  }

  arrived(reply, entry) {
    if (reply.verdict === "repeated" || reply.verdict === "revised" || reply.verdict === "accepted" || entry.leases)
      this.take(reply);
  }

  refused(error, entry) {
    if (error.status === 401) return this.signedOut();
    this.earlier = this.earlier.filter((task) => task.lease !== entry.lease);
    by("undo").disabled = !this.earlier.length;
    if (error.document.verdict === "late" || entry.path === "/api/answers") notify(capital(error.message), "bad");
    this.take(error.document.tasks ? error.document : { tasks: [], state: "moment" });
  }

  signedOut() {
    this.ended = true;
    this.outbox.stop();
    gate("You are signed out", "Open the link of your invitation again. Answers that were not sent yet are kept here.");
  }

  async leave() {
    if (this.outbox.entries.length && !confirm("Some answers are not sent yet. Sign out anyway?")) return;
    const leases = this.tasks.map((task) => task.lease);
    this.tasks = [];
    this.ended = true;
    try {
      if (leases.length) await call("POST", "/api/returns", { leases });
      await call("DELETE", "/api/session");
    } catch (error) {
      if (error instanceof Offline) return notify("There is no connection; try again", "bad");
    }
    gate("You are signed out", "To go on, open the link of your invitation again.");
  }

  // A closed page gives back what it does not need, so that nobody waits for it.
  goAway() {
    const leases = this.tasks.map((task) => task.lease);
    if (leases.length)
      navigator.sendBeacon("/api/returns", new Blob([JSON.stringify({ leases })], { type: "application/json" }));
    this.tasks = [];
    this.shown = null;
  }

  tick() {
    const line = by("deadline");
    const task = this.shown;
    if (!task || this.changing) {
      line.textContent = "";
      return;
    }
    const left = (task.until - performance.now()) / 1000;
    if (left <= 0) {
      notify("The time for this task was over; somebody else gets it", "bad");
      const now = performance.now();
      this.tasks = this.tasks.filter((other) => other.until > now);
      this.next();
      return;
    }
    line.textContent = `${clock(left)} left`;
    line.classList.toggle("soon", left < SOON_SECONDS);
  }

  showLink({ waiting, online }) {
    const line = by("link");
    line.hidden = online && waiting < 2;
    const kept = waiting ? ` · ${counted(waiting, "answer")} kept here` : "";
    line.textContent = online ? `sending ${counted(waiting, "answer")}` : `offline${kept}`;
    line.classList.toggle("off", !online);
  }

  help() {
    by("help").showModal();
  }

  fillHelp() {
    by("help-question").textContent = this.job.description;
    const picture = this.job.shows === "picture";
    const rows = [
      this.job.shows === "frame"
        ? ["1 … 9, 0", "choose a category; Enter sends it"]
        : ["1 … 9, 0", "choose a category; it is sent at once"],
      this.choices.categories.length > 10 ? ["⇧1 … ⇧0", "categories 11 to 20"] : null,
      this.choices.categories.length > 10 ? ["/", "search; Enter takes the first, Esc leaves the search"] : null,
      ["U or ⌫", "go back and change an answer"],
      ["S", "skip: somebody else may take it"],
      ["D", "it cannot be labeled"],
      picture ? ["Z, +, −", "look closely; or the wheel, two fingers, a double click"] : null,
      this.job.guesses ? ["G", "show or hide the model's guess"] : null,
      this.job.guesses ? ["Enter", "agree with the model's guess"] : null,
      ["H or ?", "this page"],
    ];
    by("help-keys").replaceChildren(
      ...rows.filter(Boolean).map(([key, text]) => {
        const row = document.createElement("tr");
        const cells = [document.createElement("td"), document.createElement("td")];
        const mark = document.createElement("kbd");
        mark.textContent = key;
        cells[0].append(mark);
        cells[1].textContent = text;
        row.append(...cells);
        return row;
      }),
    );
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]") || by("work").hidden) return;
    if (this.choices.searching) return this.keyInSearch(event);
    const name = this.choices.byKey(event);
    if (name !== undefined && !event.repeat) this.choose(name);
    else if (!this.command(event)) return;
    event.preventDefault();
  }

  // While somebody searches, letters belong to the search; digits choose as long as nothing is typed, unless categories
  // have digits in their names.
  keyInSearch(event) {
    const typed = by("choices").querySelector("input").value;
    const name = typed || this.choices.hasDigits ? undefined : this.choices.byKey(event);
    if (name !== undefined && !event.repeat) this.choose(name);
    else if (!typed && event.key === "Backspace") this.undo();
    else if (event.key === "Escape" && this.changing) this.keep();
    else return;
    event.preventDefault();
  }

  command(event) {
    if (event.repeat && !["+", "=", "-"].includes(event.key)) return false;
    const onButton = document.activeElement?.tagName === "BUTTON";
    const commands = {
      u: () => this.undo(),
      backspace: () => this.undo(),
      s: () => this.skip(),
      d: () => this.askWhy(),
      h: () => this.help(),
      "?": () => this.help(),
      g: () => this.toggleGuess(),
      z: () => this.stage.toggleZoom(),
      "+": () => this.stage.closer(),
      "=": () => this.stage.closer(),
      "-": () => this.stage.farther(),
      "/": () => this.choices.focusSearch(),
      escape: () => this.keep(),
      enter: onButton ? undefined : () => this.agree(),
    };
    const action = commands[event.key.toLowerCase()];
    action?.();
    return action !== undefined;
  }

  toggleGuess() {
    this.guessOn = !this.guessOn;
    const guess = this.guessOn ? (this.shown?.guess ?? null) : null;
    this.choices.reset({ marked: this.changing ? this.changing.answered : null, guess });
  }

  agree() {
    if (this.guessOn && !this.changing && this.shown?.guess != null) this.choose(this.shown.guess);
  }
}

function clock(seconds) {
  const whole = Math.ceil(seconds);
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function gate(title, text) {
  by("work").hidden = true;
  by("gate").hidden = false;
  const heading = document.createElement("h2");
  heading.textContent = title;
  const line = document.createElement("p");
  line.textContent = text;
  by("gate").replaceChildren(heading, line);
}

async function start() {
  themeButton(by("theme"));
  const invitation = keyFromAddress();
  try {
    if (invitation) await call("POST", "/api/session", { invitation });
    if (location.pathname !== "/") history.replaceState(null, "", "/");
    await new Work(await call("GET", "/api/job")).begin();
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) {
      gate(invitation ? "This invitation does not open" : "You need an invitation", capital(error.message) + ".");
    } else if (error instanceof Offline) {
      gate("No connection", "The page is loaded again in a moment.");
      await pause(2_000);
      location.reload();
    } else throw error;
  }
}

start();
