import { afterEach, expect, test } from "vitest";
import type { FilesView } from "../api/client";
import {
  countDocuments,
  countFiles,
  formatSize,
  listCounts,
  pageName,
  titleWithPage,
} from "./format";
import { locale } from "./locale.svelte";

afterEach(() => locale.choose(null));

test("documents are counted in the language of the person", async () => {
  expect(countDocuments(1)).toBe("1 document");
  expect(countDocuments(0)).toBe("0 documents");
  await locale.choose("de");
  expect(countDocuments(2)).toBe("2 Dokumente");
  expect(countDocuments(12345)).toBe("12.345 Dokumente");
});

test("files are counted over all collections", () => {
  const tally = [
    { collection: 1, state: "ready", files: 3 },
    { collection: 2, state: "ready", files: 4 },
    { collection: 2, state: "waiting", files: 5 },
  ];
  expect(countFiles({ tally } as unknown as FilesView, "ready")).toBe(7);
  expect(countFiles({ tally } as unknown as FilesView, "removed")).toBe(0);
});

test("counts by kind are words", () => {
  expect(
    listCounts([
      { label: "sheets", count: 2 },
      { label: "notes", count: 1 },
    ]),
  ).toBe("sheets (2), notes (1)");
});

test.each([
  [0, "0 kB"],
  [1, "1 kB"],
  [1024 * 1024, "1 MB"],
  [1.55 * 1024 * 1024, "1.6 MB"],
])("%d bytes are %s", (bytes, text) => expect(formatSize(bytes)).toBe(text));

test.each([
  ["a/fees.pdf", "page"],
  ["A.PPTX", "slide"],
  ["rates.ods", "sheet"],
  ["policy.docx", "part"],
  ["no-extension", "part"],
])("a page of %s is a %s", (path, name) => expect(pageName(path)).toBe(name));

test("the title names the page unless it is the only one", async () => {
  expect(titleWithPage("Fees", "fees.pdf", 1, 1)).toBe("Fees");
  expect(titleWithPage("Fees", "fees.pdf", 2, 5)).toBe("Fees, page 2 of 5");
  expect(titleWithPage("Fees", "fees.pdf", 2)).toBe("Fees, page 2");
  await locale.choose("fr");
  expect(titleWithPage("Tarifs", "t.pptx", 2, 5)).toBe("Tarifs, diapositive 2 sur 5");
});
