import { beforeEach, expect, test, vi } from "vitest";
import { groupByDay, type ConversationEntry } from "./history.svelte";

beforeEach(() => {
  vi.useFakeTimers({ now: new Date(2026, 10, 30, 0, 30) });
});

const entry = (id: string, time: Date) =>
  ({ id, question: id, asked_at: time.toISOString(), turns: 1 }) as ConversationEntry;

test("conversations are grouped by the days of the person's time zone, in their order", () => {
  const groups = groupByDay([
    entry("just now", new Date(2026, 10, 30, 0, 20)),
    entry("late", new Date(2026, 10, 29, 23, 59)),
    entry("early", new Date(2026, 10, 29, 0, 0)),
    entry("before", new Date(2026, 10, 28, 23, 59)),
  ]);
  const names = groups.map(([day, entries]) => [day, entries.map(({ id }) => id)]);
  expect(names).toEqual([
    ["Today", ["just now"]],
    ["Yesterday", ["late", "early"]],
    ["November 28, 2026", ["before"]],
  ]);
});

test("nothing makes no groups", () => expect(groupByDay([])).toEqual([]));
