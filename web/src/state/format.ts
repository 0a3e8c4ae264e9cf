// Times, numbers and names as text.

import type { FilesView } from "../api/client";
import { t } from "./locale.svelte";

/** A number of documents, as words. */
export function countDocuments(count: number): string {
  return t("{{count}} documents", { count });
}

/** The number of files in a state, over all collections. */
export function countFiles(view: FilesView, state: string): number {
  const tallies = view.tally.filter((tally) => tally.state === state);
  return tallies.reduce((sum, tally) => sum + tally.files, 0);
}

/** Counts by kind, as words: `sheets (2), formulas without a result (1)`. */
export function listCounts(counts: { label: string; count: number }[]): string {
  return counts.map(({ label, count }) => `${label} (${count})`).join(", ");
}

/** What the pages of each kind of file are called. Other kinds have no pages that a person knows. */
const pageNames: Record<string, string> = {
  pdf: "page",
  tif: "page",
  tiff: "page",
  ppt: "slide",
  pptx: "slide",
  odp: "slide",
  xls: "sheet",
  xlsx: "sheet",
  xlsb: "sheet",
  ods: "sheet",
};

/** What a page of a file is called: `page`, `slide`, `sheet`, or `part` if the format has no pages. */
export function pageName(path: string): string {
  return t(pageNames[path.split(".").at(-1)?.toLowerCase() ?? ""] ?? "part");
}

/** The title of a document with the page, if it has more than one: `Formulary, page 2 of 5`. */
export function titleWithPage(title: string, path: string, page: number, pages?: number): string {
  if (pages === 1) return title;
  const name = pageName(path);
  return pages === undefined
    ? t("{{title}}, {{name}} {{number}}", { title, name, number: page })
    : t("{{title}}, {{name}} {{number}} of {{total}}", { title, name, number: page, total: pages });
}
