import { beforeEach, expect, test, vi } from "vitest";
import type { FileView, FilesView } from "../api/client";
import { FileList, countMatches, mergePage } from "./files.svelte";

const PAGE = 200;
/** The files of the appliance, by id. */
let all: FileView[] = [];
const file = (id: number, state = "ready") => ({ id, state, collection: 1 }) as FileView;
const files = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, n) => file(first + n));
const view = (shown: FileView[], next: number | null) =>
  ({
    files: shown,
    next,
    tally: [{ collection: 1, state: "ready", files: all.length }],
  }) as unknown as FilesView;
const ids = (shown: FileView[]) => shown.map(({ id }) => id);

beforeEach(() => {
  all = files(1, 450);
  vi.stubGlobal("fetch", async (path: string) => {
    const after = Number(new URLSearchParams(path.split("?")[1]).get("after") ?? 0);
    const page = all.filter(({ id }) => id > after).slice(0, PAGE);
    const last = page.at(-1)?.id ?? 0;
    const hasNext = all.some(({ id }) => id > last);
    return new Response(JSON.stringify(view(page, hasNext ? last : null)));
  });
});

test("a page takes the place of the files between its ends", () => {
  const known = files(1, 6);
  expect(ids(mergePage(known, 2, view([file(3), file(5)], 5)))).toEqual([1, 2, 3, 5, 6]);
  expect(ids(mergePage(known, 2, view([file(3)], null)))).toEqual([1, 2, 3]);
  expect(ids(mergePage(known, 6, view(files(7, 8), null)))).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

test("pages are loaded when the end comes into view", async () => {
  const list = new FileList();
  await list.show({ collection: "", state: "" });
  expect(list.files.length).toBe(200);
  expect(list.total).toBe(450);
  await list.setVisible(0, 20);
  expect(list.files.length).toBe(200);
  await list.setVisible(190, 199);
  await list.setVisible(390, 399);
  expect(ids(list.files)).toEqual(ids(all));
  await list.setVisible(440, 449);
  expect(list.files.length).toBe(450);
});

test("the page in view is kept fresh, and the others are not loaded again", async () => {
  const list = new FileList();
  await list.show({ collection: "", state: "" });
  await list.setVisible(190, 199);
  all = all.map((known) => ({ ...known, state: "quarantined" })).filter(({ id }) => id !== 310);
  await list.setVisible(300, 310);
  await list.refresh();
  expect(list.files[299]?.state).toBe("ready");
  expect(list.files[300]?.state).toBe("quarantined");
  expect(ids(list.files)).not.toContain(310);
});

test("new files at the end appear while the end is in view", async () => {
  all = files(1, 3);
  const list = new FileList();
  await list.show({ collection: "", state: "" });
  await list.setVisible(0, 2);
  all = files(1, 205);
  await list.refresh();
  await list.setVisible(195, 199);
  expect(list.files.length).toBe(205);
});

test("files are counted for a filter", () => {
  const tally = [
    { collection: 1, state: "ready", files: 3 },
    { collection: 2, state: "ready", files: 4 },
    { collection: 2, state: "waiting", files: 5 },
  ];
  const tallied = { tally } as unknown as FilesView;
  expect(countMatches(tallied, { collection: "", state: "" })).toBe(12);
  expect(countMatches(tallied, { collection: "2", state: "ready" })).toBe(4);
});
