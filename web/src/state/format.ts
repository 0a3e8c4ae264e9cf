/** A time as the browser's language writes it. */
export function formatTime(time: string): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** A number of documents, as words. */
export function countDocuments(count: number): string {
  return count === 1 ? "1 document" : `${count} documents`;
}

/** Counts by kind, as words: `sheets (2), formulas without a result (1)`. */
export function listCounts(counts: { label: string; count: number }[]): string {
  return counts.map(({ label, count }) => `${label} (${count})`).join(", ");
}
