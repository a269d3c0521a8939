// What is to be labeled: a text as text, or a picture that can be looked at closely.

const CLOSEST = 16;
const STEP = 1.25;

export class Stage {
  constructor(box) {
    this.box = box;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.image = null;
    this.pointers = new Map();
    box.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    box.addEventListener("pointerdown", (event) => this.down(event));
    box.addEventListener("pointermove", (event) => this.move(event));
    for (const kind of ["pointerup", "pointercancel"]) box.addEventListener(kind, (event) => this.up(event));
    box.addEventListener("dblclick", () => this.toggleZoom());
    new ResizeObserver(() => this.place()).observe(box);
  }

  clear() {
    this.image = this.frame = null;
    this.box.classList.remove("picture");
    this.box.replaceChildren();
  }

  showText(text) {
    this.clear();
    const block = document.createElement("div");
    block.className = "text";
    block.dir = "auto";
    block.textContent = text;
    this.box.append(block);
    this.box.scrollTop = 0;
  }

  // A page of the job's own, which can reach nothing but this page's message handler.
  showFrame(address) {
    this.clear();
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts allow-forms";
    frame.src = address;
    frame.title = "the task";
    frame.addEventListener("load", () => frame.focus());
    this.frame = frame;
    this.box.append(frame);
  }

  isFrame(source) {
    return Boolean(this.frame?.isConnected) && source === this.frame.contentWindow;
  }

  // Resolves when the picture can be seen; rejects when the browser cannot show it.
  async showPicture(address) {
    this.clear();
    this.box.classList.add("picture");
    const image = new Image();
    image.alt = "the picture to label";
    image.draggable = false;
    image.src = address;
    await image.decode();
    this.image = image;
    this.fit();
    this.box.replaceChildren(image);
  }

  showProblem(text) {
    this.clear();
    const line = document.createElement("p");
    line.className = "problem";
    line.textContent = text;
    this.box.append(line);
  }

  get fitScale() {
    const { clientWidth: width, clientHeight: height } = this.box;
    const { naturalWidth, naturalHeight } = this.image;
    const scale = Math.min(width / naturalWidth, height / naturalHeight);
    return Math.min(scale, Math.max(1, Math.min(8, 320 / Math.max(naturalWidth, naturalHeight))));
  }

  fit() {
    this.scale = this.fitScale;
    this.x = this.y = 0;
    this.place();
  }

  toggleZoom() {
    if (!this.image) return;
    if (this.scale > 1.01 * this.fitScale) this.fit();
    else this.zoomTo(Math.max(1, 2.5 * this.fitScale));
  }

  zoomBy(factor) {
    if (this.image) this.zoomTo(this.scale * factor);
  }

  closer() {
    this.zoomBy(STEP);
  }

  farther() {
    this.zoomBy(1 / STEP);
  }

  // Zoom so that the point at (x, y), measured from the middle of the stage, stays where it is.
  zoomTo(scale, x = 0, y = 0) {
    const least = this.fitScale;
    const next = Math.min(Math.max(scale, least), Math.max(CLOSEST, CLOSEST * least));
    const ratio = next / this.scale;
    this.x = x - ratio * (x - this.x);
    this.y = y - ratio * (y - this.y);
    this.scale = next;
    this.place();
  }

  place() {
    if (!this.image) return;
    this.scale = Math.max(this.scale, this.fitScale);
    const width = this.image.naturalWidth * this.scale;
    const height = this.image.naturalHeight * this.scale;
    const roomX = Math.max(0, (width - this.box.clientWidth) / 2);
    const roomY = Math.max(0, (height - this.box.clientHeight) / 2);
    this.x = Math.min(Math.max(this.x, -roomX), roomX);
    this.y = Math.min(Math.max(this.y, -roomY), roomY);
    const { style } = this.image;
    style.width = `${width}px`;
    style.height = `${height}px`;
    style.transform = `translate(calc(-50% + ${this.x}px), calc(-50% + ${this.y}px))`;
    style.imageRendering = this.scale >= 3 ? "pixelated" : "auto";
    this.box.classList.toggle("closer", this.scale > 1.01 * this.fitScale);
  }

  fromMiddle(event) {
    const frame = this.box.getBoundingClientRect();
    return [event.clientX - frame.left - frame.width / 2, event.clientY - frame.top - frame.height / 2];
  }

  wheel(event) {
    if (!this.image) return;
    event.preventDefault();
    this.zoomTo(this.scale * Math.exp(-event.deltaY / 400), ...this.fromMiddle(event));
  }

  down(event) {
    if (!this.image || event.button !== 0) return;
    this.box.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.fromMiddle(event));
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before || !this.image) return;
    const after = this.fromMiddle(event);
    if (this.pointers.size === 1) {
      this.x += after[0] - before[0];
      this.y += after[1] - before[1];
      this.place();
    } else if (this.pointers.size === 2) {
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
      const ratio = distance(after, other) / Math.max(1, distance(before, other));
      this.zoomTo(this.scale * ratio, (after[0] + other[0]) / 2, (after[1] + other[1]) / 2);
    }
    this.pointers.set(event.pointerId, after);
  }

  up(event) {
    this.pointers.delete(event.pointerId);
  }
}

function distance([x1, y1], [x2, y2]) {
  return Math.hypot(x1 - x2, y1 - y2);
}
