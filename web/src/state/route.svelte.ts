// The current route: the part of the address after `#`.

export class Route {
  parts = $state<string[]>([]);
  parameters = $state(new URLSearchParams());
  #hash: string | null = null;

  constructor() {
    this.read();
    window.addEventListener("hashchange", () => this.read());
  }

  /** Reads the address if it has changed. */
  read() {
    if (this.#hash === window.location.hash) return;
    this.#hash = window.location.hash;
    const [path = "", search = ""] = window.location.hash.replace(/^#\/?/, "").split("?");
    this.parts = path.split("/").filter(Boolean).map(decode);
    this.parameters = new URLSearchParams(search);
  }

  get first(): string {
    return this.parts[0] ?? "";
  }
}

/** The decoded part of an address, or the part itself if it is damaged. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const route = new Route();

export function navigate(path: string) {
  window.location.hash = path;
  // The event for the change comes later, after effects have run.
  route.read();
}

/** Changes the address without a new entry in the history of the browser. */
export function replaceRoute(path: string) {
  window.history.replaceState(null, "", `#${path}`);
  route.read();
}
