// Finding words in the pages of a document that are open.

import type { PageView } from "../api/client";
import { findInPage, type ShownMatch } from "./pageText";

export class DocumentFind {
  words = $state("");
  /** The index of the current match. -1 before the first one is shown. */
  current = $state(-1);
  #pages = $state.raw<ReadonlyMap<number, PageView>>(new Map());

  /** The matches in the order of the pages. */
  matches: ShownMatch[] = $derived.by(() => {
    const pages = [...this.#pages.values()].sort((a, b) => a.number - b.number);
    const found = pages.flatMap((page) => findInPage(page, this.words));
    const { current } = this;
    return found.map((match, index) => ({ ...match, index, isCurrent: index === current }));
  });

  get pages(): ReadonlyMap<number, PageView> {
    return this.#pages;
  }

  /** Adds a page that was opened. */
  add(page: PageView) {
    this.#pages = new Map(this.#pages).set(page.number, page);
  }

  matchesOf(page: number) {
    return this.matches.filter((match) => match.page === page);
  }

  /** Makes another match the current one. After the last one comes the first. */
  step(by: number) {
    const count = this.matches.length;
    if (count === 0) return;
    const from = by < 0 ? Math.max(this.current, 0) : this.current;
    this.current = (from + by + count) % count;
  }
}
