// The text of a page as it is shown: paragraphs and tables, and the places that match a search.

import type { PageView } from "../api/client";

type Block = PageView["blocks"][number];
type Part = Block["parts"][number];

/** A run of text in which matches are found: a paragraph, a heading, or a cell of a table. */
export type TextUnit = { id: number; parts: Part[] };
export type TextRow = { isCited: boolean; cells: TextUnit[] };
export type ShownBlock =
  | { kind: "table"; rows: TextRow[] }
  | { kind: Exclude<string, "table">; level: number; unit: TextUnit };

/** A match in a page. `unit` is the id of a text unit, or -1 if the range counts the words of the page. */
export type Match = { page: number; unit: number; start: number; end: number };

/** A match with its index among those of the document. */
export type ShownMatch = Match & { index: number; isCurrent: boolean };

/** A part of a text unit, with the match that it belongs to. */
export type ShownPart = { text: string; cited: boolean; match: ShownMatch | null };

const CELL_SEPARATOR = " | ";

/** The blocks of a page, with the rows of each table together. */
export function layOut(blocks: Block[]): ShownBlock[] {
  const shown: ShownBlock[] = [];
  let id = 0;
  for (const { kind, level, parts } of blocks) {
    if (kind !== "table-row") {
      shown.push({ kind, level, unit: { id: id++, parts } });
      continue;
    }
    const isCited = parts.some((part) => part.cited);
    const cells = parts
      .map((part) => part.text)
      .join("")
      .split(CELL_SEPARATOR);
    const row = {
      isCited,
      cells: cells.map((text) => ({ id: id++, parts: [{ text, cited: false }] })),
    };
    const last = shown.at(-1);
    if (last && "rows" in last) last.rows.push(row);
    else shown.push({ kind: "table", rows: [row] });
  }
  return shown;
}

/** The places of a text that have these words, whatever their case. */
export function findInText(text: string, words: string): [start: number, end: number][] {
  const wanted = words.trim().replace(/\s+/g, " ");
  if (!wanted) return [];
  const pattern = wanted
    .split(" ")
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("\\s+");
  return [...text.matchAll(new RegExp(pattern, "giu"))].map((match) => [
    match.index,
    match.index + match[0].length,
  ]);
}

/** The matches in a page: in its words if it is drawn, in its text otherwise. */
export function findInPage(page: PageView, words: string): Match[] {
  return page.image ? findInWords(page, words) : findInUnits(page, words);
}

function findInUnits(page: PageView, words: string): Match[] {
  const units = layOut(page.blocks).flatMap((block) =>
    "rows" in block ? block.rows.flatMap((row) => row.cells) : [block.unit],
  );
  return units.flatMap((unit) => {
    const text = unit.parts.map((part) => part.text).join("");
    const ranges = findInText(text, words);
    return ranges.map(([start, end]) => ({ page: page.number, unit: unit.id, start, end }));
  });
}

function findInWords(page: PageView, words: string): Match[] {
  const starts: number[] = [];
  let text = "";
  for (const word of page.words) {
    starts.push(text.length);
    text += `${word.text} `;
  }
  return findInText(text, words).map(([start, end]) => ({
    page: page.number,
    unit: -1,
    start: starts.findLastIndex((begin) => begin <= start),
    end: starts.findLastIndex((begin) => begin < end) + 1,
  }));
}

/** The parts of a unit, split where matches begin and end. */
export function splitParts(unit: TextUnit, matches: ShownMatch[]): ShownPart[] {
  const own = matches.filter((match) => match.unit === unit.id);
  const shown: ShownPart[] = [];
  let offset = 0;
  for (const { text, cited } of unit.parts) {
    const end = offset + text.length;
    const cuts = own.flatMap((match) => [match.start, match.end]);
    const inside = cuts.filter((cut) => cut > offset && cut < end);
    const edges = [...new Set([offset, ...inside, end])].sort((a, b) => a - b);
    for (const [n, from] of edges.slice(0, -1).entries()) {
      const until = edges[n + 1] ?? end;
      const match = own.find((candidate) => candidate.start <= from && candidate.end >= until);
      const piece = text.slice(from - offset, until - offset);
      shown.push({ text: piece, cited, match: match ?? null });
    }
    offset = end;
  }
  return shown;
}
