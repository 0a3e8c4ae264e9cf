// The files of the inbox: the pages that were loaded, kept fresh while they are shown.

import { json, query, type FileView, type FilesView } from "../api/client";

export type FileFilter = { collection: string; state: string };

/** The loaded files with a page in place of those that it has. The files are in the order of their
 * ids, and `after` is the id before the page. */
export function mergePage(files: FileView[], after: number, page: FilesView): FileView[] {
  const last = page.next == null ? Infinity : (page.files.at(-1)?.id ?? after);
  return [
    ...files.filter(({ id }) => id <= after),
    ...page.files,
    ...files.filter(({ id }) => id > last),
  ];
}

/** The number of files that the filter lets through. */
export function countMatches(view: FilesView, filter: FileFilter): number {
  return view.tally
    .filter(({ state }) => !filter.state || state === filter.state)
    .filter(({ collection }) => !filter.collection || collection === Number(filter.collection))
    .reduce((sum, { files }) => sum + files, 0);
}

export class FileList {
  files = $state.raw<FileView[]>([]);
  /** The response that came last, for what it says about all files. */
  view = $state.raw<FilesView | null>(null);
  #filter: FileFilter = { collection: "", state: "" };
  /** The rows in view. */
  #first = 0;
  #last = 0;
  /** Whether the last page that was loaded has a next one. */
  #hasNext = false;
  #isLoadingMore = false;

  get total(): number {
    return this.view ? Math.max(this.files.length, countMatches(this.view, this.#filter)) : 0;
  }

  /** Loads the first page for a filter. */
  async show(filter: FileFilter) {
    this.#filter = filter;
    this.#first = this.#last = 0;
    const page = await this.#fetch(0, false);
    if (filter !== this.#filter) return;
    this.files = [];
    this.#put(0, page);
  }

  /** Loads the page in view again. */
  async refresh(background = true) {
    const filter = this.#filter;
    const after = this.#first > 0 ? (this.files[this.#first - 1]?.id ?? 0) : 0;
    const page = await this.#fetch(after, background);
    if (filter !== this.#filter) return;
    this.#put(after, page);
    await this.setVisible(this.#first, this.#last);
  }

  /** Notes which rows are in view, and loads the next page when they come to an end. */
  async setVisible(first: number, last: number) {
    this.#first = first;
    this.#last = last;
    const isAtEnd = this.#last >= this.files.length - 1;
    if (!isAtEnd || this.#isLoadingMore || !(this.#hasNext || this.files.length < this.total))
      return;
    this.#isLoadingMore = true;
    try {
      await this.#loadMore();
    } finally {
      this.#isLoadingMore = false;
    }
  }

  async #loadMore() {
    const filter = this.#filter;
    const after = this.files.at(-1)?.id ?? 0;
    const page = await this.#fetch(after, false);
    if (filter === this.#filter) this.#put(after, page);
  }

  #put(after: number, page: FilesView) {
    const known = this.files.at(-1)?.id ?? 0;
    if (page.next == null || page.next >= known) this.#hasNext = page.next != null;
    this.view = page;
    this.files = mergePage(this.files, after, page);
  }

  #fetch(after: number, background: boolean): Promise<FilesView> {
    const path = query("/files", { ...this.#filter, after: after || "" });
    return json<FilesView>("GET", path, undefined, { background });
  }
}
