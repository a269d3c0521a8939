// The operator's page: asks every two seconds, shows, and offers the few things that can be done.

import { call, keyFromAddress, Offline, pause, Refusal } from "./client.js";
import { notify } from "./notices.js";
import { themeButton } from "./theme.js";

const EVERY_MS = 2_000;
const by = (id) => document.getElementById(id);
const whole = (number) => Math.round(number).toLocaleString("en");
const dollars = (number) => `$${number.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
const percent = (share) => `${(100 * share).toLocaleString("en", { maximumFractionDigits: 1 })} %`;

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function show(facts) {
  const counters = facts.counters;
  by("name").textContent = facts.name;
  document.title = `${percent(counters.TotalLabeled / Math.max(1, facts.objects))} · ${facts.name}`;
  by("status").textContent = facts.status.replace(/([a-z])([A-Z])/g, "$1 $2");
  by("status").dataset.status = facts.status;
  by("phase").textContent = facts.state === "learning" ? facts.phase : "";
  const ended = ["Completed", "Failed", "Stopped"].includes(facts.status);
  by("stop-open").hidden = ended;
  const sentence = facts.failure_reason || facts.certificate;
  by("sentence").hidden = !sentence;
  by("sentence").textContent = sentence || "";
  by("sentence").classList.toggle("bad", Boolean(facts.failure_reason));
  meter(facts);
  tiles(facts);
  batch(facts, ended);
  pace(facts.pace);
  guesses(facts.guesses);
  people(facts);
}

function meter(facts) {
  const { HumanLabeled, MachineLabeled, FailedNonRetryableError } = facts.counters;
  const parts = [["people", HumanLabeled], ["machine", MachineLabeled], ["failed", FailedNonRetryableError]];
  by("meter").replaceChildren(
    ...parts.filter(([, count]) => count).map(([kind, count]) => {
      const bar = element("span", undefined, kind);
      bar.style.width = `${(100 * count) / Math.max(1, facts.objects)}%`;
      return bar;
    }),
  );
  by("meter").setAttribute("aria-label", parts.map(([kind, count]) => `${kind}: ${whole(count)}`).join(", "));
}

function tiles(facts) {
  const { counters, cost, forecast } = facts;
  const rows = [
    ["labeled by people", whole(counters.HumanLabeled), `${whole(facts.human_labels.audit)} of them to audit`, "people"],
    ["by the machine", whole(counters.MachineLabeled), facts.automated ? "" : "not asked for", "machine"],
    ["not labeled yet", whole(counters.Unlabeled), `of ${whole(facts.objects)}`, ""],
    ["cannot be labeled", whole(counters.FailedNonRetryableError), "", "failed"],
    ["forecast", `${whole(forecast.human_total)}`, `labels by people, ${whole(forecast.low)} to ${whole(forecast.high)}`, ""],
    ["cost so far", dollars(cost.total), `forecast ${dollars(forecast.cost)}`, ""],
    ["promise", facts.automated ? `≤ ${percent(facts.error)}` : "–", facts.automated ? `wrong, with ${percent(facts.confidence)} confidence` : "people label everything", ""],
  ];
  fill(by("tiles"), rows);
}

function guesses(effect) {
  by("guesses").hidden = !effect;
  if (!effect) return;
  const share = (value) => (value == null ? "–" : percent(value));
  const time = (value) => (value == null ? "–" : `${value.toFixed(1)} s`);
  fill(by("guess-tiles"), [
    ["agree with a guess they see", share(effect.agreement_shown), `of ${whole(effect.shown)} answers`, ""],
    ["agree without seeing it", share(effect.agreement_blind), `of ${whole(effect.blind)} answers`, ""],
    ["median time with a guess", time(effect.seconds_shown), `without ${time(effect.seconds_blind)}`, ""],
    ["wrong guesses let pass", share(effect.over_reliance), `of ${whole(effect.planted)} planted ones`, effect.over_reliance > 0.2 ? "failed" : ""],
  ]);
}

function fill(list, rows) {
  list.replaceChildren(
    ...rows.map(([name, value, under, kind]) => {
      const tile = element("div", undefined, `tile ${kind}`);
      tile.append(element("dt", name));
      const figure = element("dd", value);
      figure.append(element("small", under));
      tile.append(figure);
      return tile;
    }),
  );
}

function batch({ batch: now, state, phase, rounds, automated }, ended) {
  const line = by("batch");
  if (ended) line.textContent = "The job has ended.";
  else if (state === "learning" || !now) line.textContent = `The machine is at work: ${phase || "one moment"}. People wait for new tasks.`;
  else {
    const purposes = { train: "to learn from", audit: "to audit", rest: "that the machine may not label" };
    const measures = { gold: "whose truth is known", repeat: "for a second panel" };
    const kind = measures[now.purpose] ?? (automated ? purposes[now.purpose] : "");
    const queued = now.queued ? `, ${whole(now.queued)} wait for room` : "";
    line.textContent =
      `Batch ${now.batch}${rounds ? `, after ${rounds} round${rounds === 1 ? "" : "s"} of learning` : ""}: ` +
      `${whole(now.objects)} objects${kind ? ` ${kind}` : ""}, ${whole(now.done)} done; ${whole(now.answers)} of ${whole(now.wanted)} answers are in, ` +
      `${whole(now.leases)} tasks are in people's hands${queued}.`;
  }
}

// Bars, a minute each, the hour up to now.
function pace(minutes) {
  const svg = by("pace");
  const counts = new Map(minutes);
  const now = Date.now();
  const bars = Array.from({ length: 60 }, (_, back) => {
    const minute = new Date(now - 60_000 * (59 - back)).toISOString().slice(0, 16);
    return counts.get(minute) || 0;
  });
  const most = Math.max(1, ...bars);
  svg.replaceChildren(
    ...bars.map((count, place) => {
      const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      bar.setAttribute("x", 10 * place + 1);
      bar.setAttribute("width", 8);
      bar.setAttribute("height", (78 * count) / most);
      bar.setAttribute("y", 80 - (78 * count) / most);
      return bar;
    }),
  );
  const hour = bars.reduce((sum, count) => sum + count, 0);
  by("pace-words").textContent = `${whole(hour)} answers in the last hour, at most ${whole(Math.max(...bars))} a minute`;
}

function people({ workers, needed }) {
  const invited = workers.filter((worker) => worker.invited).length;
  by("needed").hidden = invited >= needed;
  by("needed").textContent = `An object may want answers of ${needed} different people, and ${invited} ${invited === 1 ? "is" : "are"} invited: the job does not end before more are.`;
  by("workers").replaceChildren(...workers.map(row));
}

function row(worker) {
  const line = document.createElement("tr");
  const name = element("th");
  name.scope = "row";
  name.append(element("bdi", worker.name));
  if (!worker.invited) name.append(element("span", "not in the team", "flag"));
  line.append(name);
  const cells = [
    whole(worker.answers),
    worker.median_seconds == null ? "–" : `${worker.median_seconds.toFixed(1)} s`,
    worker.agreement == null ? "–" : percent(worker.agreement),
    whole(worker.holding || 0),
    dollars(worker.dollars || 0),
  ];
  line.append(...cells.map((text) => element("td", text, "n")));
  line.append(element("td", worker.latest ? new Date(worker.latest).toLocaleString() : worker.sessions ? "signed in" : worker.invited ? "invited" : ""));
  const remarks = [
    ["changed", worker.revised],
    ["declined", worker.declines],
    ["returned", worker.returned],
    ["ran out", worker.expired],
    ["late", worker.late],
    ["in under 0.3 s", worker.hasty],
  ];
  const words = remarks.filter(([, count]) => count).map(([what, count]) => `${whole(count)} ${what}`);
  if (worker.gold) words.unshift(`${whole(worker.gold_right)} of ${whole(worker.gold)} gold right`);
  line.append(element("td", words.join(", "), "remarks"));
  const actions = element("td", undefined, "actions");
  if (worker.invited) {
    actions.append(action("New link", `New link for ${worker.name}`, () => invite(worker.name)));
    actions.append(action("Remove", `Remove ${worker.name}`, () => remove(worker.name)));
  }
  line.append(actions);
  return line;
}

function action(text, label, work) {
  const button = element("button", text, "exit");
  button.type = "button";
  button.setAttribute("aria-label", label);
  button.addEventListener("click", work);
  return button;
}

async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refusal || error instanceof Offline)) throw error;
    notify(error.message, "bad");
    return null;
  }
}

async function invite(name) {
  const made = await attempt(() => call("POST", "/api/invitations", { name }));
  if (!made) return;
  by("invitation").hidden = false;
  by("invitation-words").textContent = `For ${made.name} alone, shown once:`;
  by("invitation-link").value = made.link;
  by("invitation-link").select();
  await refresh();
}

async function remove(name) {
  if (!confirm(`Remove ${name}? Answers so far stay; what is at hand goes to others.`)) return;
  if (await attempt(() => call("POST", "/api/removals", { name }))) await refresh();
}

async function refresh() {
  show(await call("GET", "/api/progress"));
  by("gate").hidden = true;
  by("board").hidden = false;
  by("link").hidden = true;
}

function connect() {
  themeButton(by("theme"));
  by("invite").addEventListener("submit", (event) => {
    event.preventDefault();
    invite(by("invitee").value.trim());
    by("invite").reset();
  });
  by("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(by("invitation-link").value);
      notify("Copied", "good");
    } catch {
      by("invitation-link").select();
      notify("Press Ctrl+C to copy");
    }
  });
  by("stop-open").addEventListener("click", () => {
    by("stop").returnValue = "";
    by("stop").showModal();
  });
  by("stop").addEventListener("close", async () => {
    if (by("stop").returnValue === "stop" && (await attempt(() => call("POST", "/api/stop", {}))))
      notify("The job stops before its next step");
  });
}

async function start() {
  connect();
  const key = keyFromAddress();
  try {
    if (key) await call("POST", "/api/operator", { key });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
  for (;;) {
    try {
      await refresh();
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) {
        by("board").hidden = true;
        by("gate").hidden = false;
        by("gate").replaceChildren(element("h2", "This page is for the operator"), element("p", "Open the link that the command printed when it started."));
        return;
      }
      if (!(error instanceof Refusal || error instanceof Offline)) throw error;
      by("link").hidden = false;
    }
    await pause(EVERY_MS);
  }
}

start();
