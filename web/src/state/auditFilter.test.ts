import { afterEach, expect, test, vi } from "vitest";
import { filterOf, requestOf } from "./auditFilter";

afterEach(() => {
  vi.unstubAllEnvs();
});

const filter = (address: string) => filterOf(new URLSearchParams(address));

test("a filter has what the address names, and nothing else", () => {
  const read = filter("actor=nina&what=Questions&unknown=1");
  expect(read).toMatchObject({ actor: "nina", what: "Questions", text: "" });
  expect(read).not.toHaveProperty("unknown");
});

test("a group of kinds is a list of kinds, and one kind is itself", () => {
  expect(requestOf(filter("what=Questions")).kinds).toBe("question.answered,question.refused");
  expect(requestOf(filter("what=page.opened")).kinds).toBe("page.opened");
  expect(requestOf(filter("")).kinds).toBe("");
});

test("days are those of the officer's time zone, the last one included", () => {
  vi.stubEnv("TZ", "Europe/Berlin");
  const { from, until } = requestOf(filter("from=2026-10-24&until=2026-10-25"));
  expect(from).toBe("2026-10-23T22:00:00.000Z");
  // The clocks are set back on that day, which has 25 hours.
  expect(until).toBe("2026-10-25T23:00:00.000Z");
});
