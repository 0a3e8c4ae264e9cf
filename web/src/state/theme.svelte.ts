// The colours of the interface: those of the system, or those that the person chose in this browser.

export type Theme = "system" | "light" | "dark";

const KEY = "cloister-theme";

class ThemeChoice {
  current = $state<Theme>("system");

  constructor() {
    const stored = window.localStorage.getItem(KEY);
    if (stored === "light" || stored === "dark") this.#show(stored);
  }

  choose(theme: Theme) {
    window.localStorage.setItem(KEY, theme);
    this.#show(theme);
  }

  #show(theme: Theme) {
    this.current = theme;
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }
}

export const theme = new ThemeChoice();
