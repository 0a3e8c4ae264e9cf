import { expect, test } from "vitest";
import type { EntryView } from "../api/client";
import { documentOf, kindGroups, toCsv } from "./activity";
import { locale } from "./locale.svelte";
import { describe } from "./sentences";

const entry = (kind: string, detail: object, more: Partial<EntryView> = {}) =>
  ({
    seq: 1,
    at: "2026-11-30T08:00:00Z",
    kind,
    outcome: "success",
    actor: "nina",
    origin: "127.0.0.1",
    request: null,
    detail,
    ...more,
  }) as EntryView;

test.each([
  [
    entry("question.answered", { question: "Who?", quoted: [{}, {}] }),
    "nina asked “Who?” and was shown 2 quotes.",
  ],
  [
    entry("question.answered", { question: "rewritten", typed: "And him?", quoted: [{}] }),
    "nina asked “And him?” and was shown 1 quote.",
  ],
  [entry("auth.signed-in", {}, { outcome: "failure" }), "nina could not sign in."],
  [
    entry("page.opened", { page: 3, collection: "ward", path: "a.pdf" }),
    "nina opened page 3 of ward/a.pdf.",
  ],
  [entry("user.added", { name: "tom", roles: [] }), "nina added tom: without a role."],
  [entry("service.started", {}), "The appliance started."],
  [
    entry("document.published", { collection: "ward", path: "a.pdf" }),
    "ward/a.pdf became searchable.",
  ],
  [entry("of.tomorrow", {}), "nina: of.tomorrow."],
])("an entry is a sentence (%#)", (shown, sentence) => expect(describe(shown)).toBe(sentence));

test("an entry is a sentence in the language of the officer", async () => {
  const asked = entry("question.answered", { question: "Wer?", quoted: [{}] });
  await locale.choose("de");
  expect(describe(asked)).toBe("nina fragte „Wer?“ und sah 1 Zitat.");
  await locale.choose("fr");
  expect(describe(asked)).toBe("nina a demandé « Wer? » et a vu 1 citation.");
  await locale.choose(null);
});

test("what has only begun says so", () => {
  const begun = entry("document.deleted", { path: "a.pdf" }, { outcome: "started" });
  expect(describe(begun)).toMatch(/begun, the next entry says how it ended/);
});

test("an entry names its document", () => {
  expect(documentOf(entry("page.opened", { path: "a.pdf" }))).toBe("a.pdf");
  expect(documentOf(entry("search.done", { text: "x" }))).toBeNull();
});

test("a kind is in one group only", () => {
  const kinds = kindGroups.flatMap((group) => group.kinds);
  expect(new Set(kinds).size).toBe(kinds.length);
});

test("CSV quotes what a spreadsheet would compute", () => {
  const csv = toCsv([entry("search.done", { text: 'a "b"' }, { actor: "=HYPERLINK()" })]);
  const [header, row] = csv.split("\r\n");
  expect(header).toMatch(/^"number","time"/);
  expect(row).toContain(`"'=HYPERLINK()"`);
  expect(row).toContain(`""b""`);
});
