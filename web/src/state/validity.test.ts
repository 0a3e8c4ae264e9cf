import { beforeEach, expect, test, vi } from "vitest";
import { formatValidity } from "./validity";

beforeEach(() => {
  vi.useFakeTimers({ now: new Date("2026-11-30T12:00:00Z") });
  vi.spyOn(navigator, "languages", "get").mockReturnValue(["en-GB"]);
});

test.each([
  [{ effective_from: "2026-11-02T10:00:00Z" }, "added on 02/11/2026"],
  [
    { effective_from: "2026-11-02T10:00:00Z", effective_date: "2026-03-01" },
    "in force since 01/03/2026",
  ],
  [
    { effective_from: "2026-11-02T10:00:00Z", effective_date: "2027-01-01" },
    "in force from 01/01/2027",
  ],
  [
    { effective_from: "2025-01-02T10:00:00Z", superseded_at: "2026-02-03T10:00:00Z" },
    "added on 02/01/2025, superseded on 03/02/2026",
  ],
])("the validity of %j", (document, text) => expect(formatValidity(document)).toBe(text));
