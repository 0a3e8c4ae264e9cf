import { afterEach, expect, test, vi } from "vitest";
import { formatDay, formatTime, locale, t } from "./locale.svelte";

afterEach(() => locale.choose(null));

const browserLanguages = (...tags: string[]) =>
  vi.spyOn(navigator, "languages", "get").mockReturnValue(tags);

test("the first language of the browser that has a catalogue is used", () => {
  browserLanguages("nl-NL", "fr-CH", "de");
  expect(locale.language).toBe("fr");
  expect(locale.tag).toBe("fr-CH");
  browserLanguages("nl-NL");
  expect(locale.language).toBe("en");
});

test("the choice of the person precedes the browser, and is kept", async () => {
  browserLanguages("fr-FR");
  await locale.choose("de");
  expect(t("Sign in")).toBe("Anmelden");
  expect(document.documentElement.lang).toBe("de");
  expect(window.localStorage.getItem("cloister-language")).toBe("de");
  await locale.choose(null);
  expect(window.localStorage.getItem("cloister-language")).toBeNull();
  expect(t("Sign in")).toBe("Se connecter");
});

test("dates follow the region of the browser, and British order without one", () => {
  browserLanguages("en");
  expect(formatDay("2026-03-01T12:00:00Z")).toBe("01/03/2026");
  browserLanguages("en-US");
  expect(formatDay("2026-03-01T12:00:00Z")).toBe("3/1/2026");
  browserLanguages("de-CH");
  expect(formatDay("2026-03-01T12:00:00Z")).toBe("1.3.2026");
  expect(formatTime(new Date(2026, 2, 1, 9, 5))).toContain("09:05");
});

test("a date is the same day everywhere, and a time is not", () => {
  browserLanguages("en-GB");
  vi.stubEnv("TZ", "America/New_York");
  expect(formatDay("2026-03-01")).toBe("01/03/2026");
  expect(formatDay("2026-03-01T02:00:00Z")).toBe("28/02/2026");
  vi.unstubAllEnvs();
});

test("values are not escaped, because Svelte escapes them", () => {
  expect(t("“{{word}}” was not found.", { word: "<b>" })).toBe("“<b>” was not found.");
});
