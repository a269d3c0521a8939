// Time spent on an object: only while the page is seen and somebody is there.

const IDLE_MS = 60_000;

export class Stopwatch {
  constructor() {
    this.spent = 0;
    this.since = null;
    this.touched = performance.now();
    document.addEventListener("visibilitychange", () => (document.hidden ? this.pause() : this.go()));
    for (const kind of ["keydown", "pointermove", "pointerdown", "wheel", "scroll"])
      addEventListener(kind, () => this.touch(), { passive: true, capture: true });
  }

  start() {
    this.spent = 0;
    this.touched = performance.now();
    this.since = document.hidden ? null : this.touched;
  }

  go() {
    this.touched = performance.now();
    this.since ??= this.touched;
  }

  pause() {
    this.spent = 1000 * this.seconds();
    this.since = null;
  }

  touch() {
    const now = performance.now();
    if (this.since !== null && now - this.touched > IDLE_MS) {
      this.spent += Math.max(0, this.touched + IDLE_MS - this.since);
      this.since = now;
    }
    this.touched = now;
  }

  seconds() {
    if (this.since === null) return this.spent / 1000;
    const until = Math.min(performance.now(), this.touched + IDLE_MS);
    return (this.spent + Math.max(0, until - this.since)) / 1000;
  }
}
