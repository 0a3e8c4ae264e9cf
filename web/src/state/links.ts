// Links to conversations and to pages of documents.

import { query, type QuoteView } from "../api/client";

/** A part of a passage. Without a range, the whole passage. */
export type CitedPlace = { passage?: number; start?: number; end?: number };

/** A page of a document, with the place that is marked on it. */
export type PagePlace = CitedPlace & { revision: number; page: number };

export function pageLink(revision: number, page: number, cited: CitedPlace = {}): string {
  return query(`#/page/${revision}/${page}`, cited);
}

/** The place of a quote. */
export function quotePlace({ revision, page, passage, start, end }: QuoteView): PagePlace {
  return { revision, page, passage, start, end };
}

export function quoteLink(quote: QuoteView): string {
  const { passage, start, end } = quote;
  return pageLink(quote.revision, quote.page, { passage, start, end });
}

/** The route of a conversation, or of a new one, with a page beside the answer. */
export function askRoute(conversation: string | null, place?: PagePlace): string {
  return query(conversation ? `/ask/${conversation}` : "/ask", { ...place });
}

/** The place that the parameters of a route name, if they name one. */
export function placeOf(parameters: URLSearchParams): PagePlace | null {
  const number = (name: string) =>
    parameters.has(name) ? Number(parameters.get(name)) : undefined;
  const [revision, page] = [number("revision"), number("page")];
  if (!revision || !page) return null;
  return { revision, page, passage: number("passage"), start: number("start"), end: number("end") };
}

/** Opens a quote beside the answer, in place of its link. With a key for a new tab or window, the
 * browser follows the link. */
export function openBeside(
  event: MouseEvent,
  quote: QuoteView,
  open: ((quote: QuoteView) => void) | undefined,
) {
  if (!open || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  open(quote);
}
