// Short sentences at the edge of the page, read out by screen readers.

const SHOWN_MS = 4500;
const MOST = 2;

export function notify(text, kind = "plain") {
  const box = document.getElementById("notices");
  for (const line of box.querySelectorAll(".good")) line.remove(); // only the latest thing that went well
  const line = document.createElement("p");
  line.className = `notice ${kind}`;
  line.textContent = text;
  box.append(line);
  while (box.children.length > MOST) box.firstElementChild.remove();
  setTimeout(() => line.remove(), kind === "bad" ? 2 * SHOWN_MS : SHOWN_MS);
}
