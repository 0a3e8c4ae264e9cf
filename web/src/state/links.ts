// Links to pages of documents.

import { query, type QuoteView } from "../api/client";

/** A part of a passage. Without a range, the whole passage. */
type CitedPlace = { passage?: number; start?: number; end?: number };

export function pageLink(revision: number, page: number, cited: CitedPlace = {}): string {
  return query(`#/page/${revision}/${page}`, cited);
}

export function quoteLink(quote: QuoteView): string {
  const { passage, start, end } = quote;
  return pageLink(quote.revision, quote.page, { passage, start, end });
}
