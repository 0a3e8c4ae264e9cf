import { expect, test } from "vitest";
import type { PageView } from "../api/client";
import { findInPage, findInText, layOut, splitParts } from "./pageText";

const block = (kind: string, text: string, cited = false) => ({
  kind,
  level: kind === "heading" ? 1 : 0,
  parts: [{ text, cited }],
});
const blocks = [
  block("heading", "Fees"),
  block("table-row", "Service | Basic | Standard"),
  block("table-row", "Card | 6.00 | 0.00", true),
  block("paragraph", "A card costs 6.00 a year."),
];
const textPage = { number: 3, image: null, blocks, words: [] } as unknown as PageView;
const drawnPage = {
  number: 1,
  image: "/image",
  blocks,
  words: ["A", "card", "costs", "6.00", "a", "year."].map((text) => ({ text })),
} as unknown as PageView;

test("the rows of a table are together, and a cited row is marked", () => {
  const [heading, table, paragraph] = layOut(blocks);
  expect(heading).toMatchObject({ kind: "heading", level: 1 });
  expect(paragraph).toMatchObject({ kind: "paragraph" });
  if (!table || !("rows" in table)) throw new Error("no table");
  expect(table.rows.map((row) => row.cells.map((cell) => cell.parts[0]?.text))).toEqual([
    ["Service", "Basic", "Standard"],
    ["Card", "6.00", "0.00"],
  ]);
  expect(table.rows.map((row) => row.isCited)).toEqual([false, true]);
});

test("words are found in any case, over line ends, and as they are typed", () => {
  expect(findInText("A Card\ncosts. a card costs", "card  costs")).toEqual([
    [2, 12],
    [16, 26],
  ]);
  expect(findInText("6.00 and 6100", "6.00")).toEqual([[0, 4]]);
  expect(findInText("Gebühr", "GEBÜHR")).toEqual([[0, 6]]);
  expect(findInText("anything", "  ")).toEqual([]);
});

test("a page of text is searched by cell and paragraph", () => {
  expect(findInPage(textPage, "card")).toEqual([
    { page: 3, unit: 4, start: 0, end: 4 },
    { page: 3, unit: 7, start: 2, end: 6 },
  ]);
});

test("a drawn page is searched by its words", () => {
  expect(findInPage(drawnPage, "costs 6.00")).toEqual([{ page: 1, unit: -1, start: 2, end: 4 }]);
  expect(findInPage(drawnPage, "year")).toEqual([{ page: 1, unit: -1, start: 5, end: 6 }]);
});

test("parts are split where matches begin and end", () => {
  const unit = {
    id: 0,
    parts: [
      { text: "Keys are ", cited: false },
      { text: "never left", cited: true },
    ],
  };
  const match = { page: 1, unit: 0, start: 5, end: 14, index: 7, isCurrent: false };
  expect(splitParts(unit, [match])).toEqual([
    { text: "Keys ", cited: false, match: null },
    { text: "are ", cited: false, match },
    { text: "never", cited: true, match },
    { text: " left", cited: true, match: null },
  ]);
});
