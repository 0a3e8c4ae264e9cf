// Times, numbers and names as text.

import type { FilesView } from "../api/client";
import { formatNumber, msg, t } from "./locale.svelte";

/** A number of documents, as words. */
export function countDocuments(count: number): string {
  return t("{{count}} documents", { count });
}

/** The number of files in a state, over all collections. */
export function countFiles(view: FilesView, state: string): number {
  const tallies = view.tally.filter((tally) => tally.state === state);
  return tallies.reduce((sum, tally) => sum + tally.files, 0);
}

/** The states of files. */
export const fileStates: Record<string, string> = {
  waiting: msg("waiting"),
  reading: msg("reading"),
  embedding: msg("embedding"),
  ready: msg("ready"),
  quarantined: msg("quarantined"),
  removed: msg("removed"),
};

/** The size of a file: `0 kB`, `12 kB`, `1.5 MB`. */
export function formatSize(bytes: number): string {
  const kilobytes = bytes / 1024;
  return kilobytes < 1024
    ? `${formatNumber(Math.ceil(kilobytes))} kB`
    : `${formatNumber(Math.round(kilobytes / 102.4) / 10)} MB`;
}

/** Minutes and seconds: `2:05`. */
export function formatDuration(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** Counts by kind, as words: `sheets (2), formulas without a result (1)`. */
export function listCounts(counts: { label: string; count: number }[]): string {
  return counts.map(({ label, count }) => `${label} (${count})`).join(", ");
}

/** What the pages of each kind of file are called. Other kinds have no pages that a person knows. */
const pageNames: Record<string, string> = {
  pdf: msg("page"),
  tif: msg("page"),
  tiff: msg("page"),
  ppt: msg("slide"),
  pptx: msg("slide"),
  odp: msg("slide"),
  xls: msg("sheet"),
  xlsx: msg("sheet"),
  xlsb: msg("sheet"),
  ods: msg("sheet"),
};

/** What a page of a file is called: `page`, `slide`, `sheet`, or `part` if the format has no pages. */
export function pageName(path: string): string {
  return t(pageNames[path.split(".").at(-1)?.toLowerCase() ?? ""] ?? msg("part"));
}

/** The title of a document with the page, if it has more than one: `Formulary, page 2 of 5`. */
export function titleWithPage(title: string, path: string, page: number, pages?: number): string {
  if (pages === 1) return title;
  const name = pageName(path);
  return pages === undefined
    ? t("{{title}}, {{name}} {{number}}", { title, name, number: page })
    : t("{{title}}, {{name}} {{number}} of {{total}}", { title, name, number: page, total: pages });
}
