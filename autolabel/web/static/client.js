// Talking to the server: one function, and what its answers mean.

export class Refusal extends Error {
  constructor(status, document) {
    super(document.message || document.error || `the server answered ${status}`);
    this.status = status;
    this.document = document;
  }
}

export class Offline extends Error {}

// Send a request and return its JSON. Throws Refusal for an answer that says no, Offline when none comes.
export async function call(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(30_000),
    });
  } catch {
    throw new Offline("no connection");
  }
  let document = {};
  try {
    document = await response.json();
  } catch {
    // an answer without JSON is told by its status
  }
  if (!response.ok) throw new Refusal(response.status, document);
  return document;
}

// A picture as a local address: it stays when the connection goes, and leaves nothing in a cache.
export async function fetchPicture(path) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(60_000) });
  } catch {
    throw new Offline("no connection");
  }
  if (!response.ok) throw new Refusal(response.status, await response.json().catch(() => ({})));
  return URL.createObjectURL(await response.blob());
}

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// A link that brings a key has it behind the '#', which no server sees; it does not stay in the address.
export function keyFromAddress() {
  const key = decodeURIComponent(location.hash.slice(1));
  if (key) history.replaceState(null, "", location.pathname);
  return key;
}
