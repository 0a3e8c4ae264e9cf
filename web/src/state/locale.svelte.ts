// The language of the interface: that of the browser, or the one that the person chose. The keys of the
// catalogues are the English texts; `npm run check` compares them with the texts that are used.

import i18next from "i18next";
import en from "../catalogues/en.json";

export const languages = { en: "English", de: "Deutsch", fr: "Français" } as const;
export type LanguageCode = keyof typeof languages;

const KEY = "cloister-language";

/** Only the language in use is loaded. */
const catalogues = {
  de: () => import("../catalogues/de.json"),
  fr: () => import("../catalogues/fr.json"),
};

i18next.init({
  lng: "en",
  fallbackLng: "en",
  resources: { en: { translation: en } },
  keySeparator: false,
  nsSeparator: false,
  // Svelte escapes all text.
  interpolation: { escapeValue: false },
});

function isLanguage(code: string | null | undefined): code is LanguageCode {
  return code != null && code in languages;
}

class Locale {
  /** The language that the person chose, if they chose one. */
  chosen = $state<LanguageCode | null>(null);

  constructor() {
    const stored = window.localStorage.getItem(KEY);
    if (isLanguage(stored)) this.chosen = stored;
    this.#mark();
  }

  /** The language that the browser prefers. */
  get #preferred(): LanguageCode {
    return navigator.languages.map((tag) => tag.slice(0, 2)).find(isLanguage) ?? "en";
  }

  get language(): LanguageCode {
    return this.chosen ?? this.#preferred;
  }

  /** The tag for dates and numbers: the region of the browser, if its language is the same. */
  get tag(): string {
    const own = navigator.languages.find((tag) => tag.startsWith(`${this.language}-`));
    return own ?? (this.language === "en" ? "en-GB" : this.language);
  }

  async choose(language: LanguageCode | null) {
    await this.load(language ?? this.#preferred);
    if (language) window.localStorage.setItem(KEY, language);
    else window.localStorage.removeItem(KEY);
    this.chosen = language;
    this.#mark();
  }

  /** Loads the catalogue of a language. Until then, its texts are in English. */
  async load(language = this.language) {
    if (language === "en" || i18next.hasResourceBundle(language, "translation")) return;
    const catalogue = await catalogues[language]();
    i18next.addResourceBundle(language, "translation", catalogue.default);
  }

  /** Tells the browser and screen readers the language of the page. */
  #mark() {
    document.documentElement.lang = this.language;
  }
}

export const locale = new Locale();

/** A text of the interface in the person's language. `values` take the places of `{{name}}`, and `count`
 * selects the plural form. */
export function t(text: string, values: Record<string, string | number> = {}): string {
  const shown = Object.entries(values).map(([name, value]) => [
    name,
    typeof value === "number" ? formatNumber(value) : value,
  ]);
  const { count } = values;
  return i18next.t(text, {
    lng: locale.language,
    replace: Object.fromEntries(shown),
    ...(typeof count === "number" && { count }),
  });
}

/** Marks a text that a table names and `t` translates later. */
export const msg = (text: string): string => text;

export function formatNumber(value: number): string {
  return value.toLocaleString(locale.tag);
}

/** The day of a time in the person's time zone. A date without a time is the same day everywhere. */
export function formatDay(time: string): string {
  const isDate = /^\d{4}-\d\d-\d\d$/.test(time);
  return new Date(isDate ? `${time}T00:00` : time).toLocaleDateString(locale.tag);
}

/** A time in the person's language and time zone. */
export function formatTime(time: string | Date): string {
  return new Date(time).toLocaleString(locale.tag, { dateStyle: "medium", timeStyle: "short" });
}
