// The current route: the part of the address after `#`.

export class Route {
  parts = $state<string[]>([]);
  parameters = $state(new URLSearchParams());

  constructor() {
    this.#read();
    window.addEventListener("hashchange", () => this.#read());
  }

  #read() {
    const [path = "", search = ""] = window.location.hash.replace(/^#\/?/, "").split("?");
    this.parts = path.split("/").filter(Boolean).map(decodeURIComponent);
    this.parameters = new URLSearchParams(search);
  }

  get first(): string {
    return this.parts[0] ?? "";
  }
}

export const route = new Route();

export function navigate(path: string) {
  window.location.hash = path;
}
