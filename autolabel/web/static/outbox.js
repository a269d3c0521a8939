// Answers on their way. Each is kept in the browser before it is sent and until the server has answered: a lost
// connection, a reload or a crash of the browser lose none. Sending one twice is harmless, the server knows them by
// their lease.

import { call, Offline, pause, Refusal } from "./client.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

export class Outbox {
  // `refill` returns what to ask for beside ({want, have}); `arrived(reply, entry)` and `refused(error, entry)` are told
  // what came of an entry; `changed(state)` is told how many wait and whether the server can be reached.
  constructor(name, { refill, arrived, refused, changed }) {
    this.name = name;
    this.refill = refill;
    this.arrived = arrived;
    this.refused = refused;
    this.changed = changed;
    this.online = true;
    this.sending = false;
    this.stopped = false;
    this.wake = null;
    addEventListener("online", () => this.hurry());
  }

  get entries() {
    try {
      return JSON.parse(localStorage.getItem(this.name)) || [];
    } catch {
      return [];
    }
  }

  save(entries) {
    if (entries.length) localStorage.setItem(this.name, JSON.stringify(entries));
    else localStorage.removeItem(this.name);
    this.tell();
  }

  leases() {
    return this.entries.flatMap((entry) => entry.leases ?? [entry.lease]);
  }

  put(entry) {
    this.save([...this.entries, { id: crypto.randomUUID?.() ?? String(Math.random()), ...entry }]);
    this.send();
  }

  hurry() {
    if (this.wake) this.wake();
  }

  tell() {
    this.changed({ waiting: this.entries.length, online: this.online });
  }

  stop() {
    this.stopped = true;
  }

  async send() {
    if (this.sending) return;
    this.sending = true;
    let wait = FIRST_PAUSE_MS;
    while (!this.stopped && this.entries.length) {
      const [entry] = this.entries;
      const { id, path, ...body } = entry;
      try {
        const reply = await call("POST", path, { ...body, ...this.refill() });
        this.done(id);
        this.reach(true);
        this.arrived(reply, entry);
        wait = FIRST_PAUSE_MS;
      } catch (error) {
        const later = error instanceof Offline || (error instanceof Refusal && error.status >= 500);
        if (later) {
          this.reach(false);
          await Promise.race([pause(wait), new Promise((resolve) => (this.wake = resolve))]);
          wait = Math.min(2 * wait, LONGEST_PAUSE_MS);
          continue;
        }
        if (!(error instanceof Refusal)) throw error;
        this.reach(true);
        if (error.status === 401) {
          this.stopped = true; // kept: whoever signs in again finds them here
          this.refused(error, entry);
          break;
        }
        this.done(id);
        this.refused(error, entry);
      }
    }
    this.sending = false;
  }

  done(id) {
    this.save(this.entries.filter((entry) => entry.id !== id));
  }

  reach(online) {
    this.online = online;
    this.tell();
  }
}
