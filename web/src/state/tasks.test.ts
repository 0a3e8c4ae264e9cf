import { expect, test } from "vitest";
import type { CollectionView, FilesView, GroupView, Person } from "../api/client";
import { listTasks } from "./tasks";

const person = (id: number, ...roles: string[]) =>
  ({ id, name: `p${id}`, roles, disabled: false }) as Person;
const files = (ready: number, quarantined = 0) =>
  ({
    tally: [
      { collection: 1, state: "ready", files: ready },
      { collection: 1, state: "quarantined", files: quarantined },
    ],
  }) as unknown as FilesView;
const empty = { people: [], requests: [], groups: [], collections: [], files: files(0) };
const open = (site: Parameters<typeof listTasks>[0]) =>
  listTasks(site).filter((task) => !task.isDone);

test("a new site has all of the setup to do", () => {
  const titles = open({ ...empty, people: [person(1, "administrator")] }).map(({ title }) => title);
  expect(titles).toEqual([
    "Drop files into the inbox",
    "Make groups",
    "Put all staff into a group",
    "Name a second administrator",
    "Name a compliance officer",
  ]);
});

test("a site that is set up has nothing to do", () => {
  const site = {
    people: [
      person(1, "administrator"),
      person(2, "administrator"),
      person(3, "compliance-officer"),
      person(4, "staff"),
    ],
    requests: [],
    groups: [{ id: 1, name: "nurses", members: [4] }] as GroupView[],
    collections: [{ id: 1, name: "ward", readers: [1] }] as CollectionView[],
    files: files(3),
  };
  expect(open(site)).toEqual([]);
});

test("a task names whom it concerns, up to five", () => {
  const people = Array.from({ length: 7 }, (_, n) => person(n));
  const task = listTasks({ ...empty, people }).find(
    ({ title }) => title === "Give everybody a role",
  );
  expect(task?.detail).toBe("p0, p1, p2, p3, p4 and 2 more");
});

test("people who may not sign in are not asked about", () => {
  const people = [{ ...person(1), disabled: true }];
  const task = listTasks({ ...empty, people }).find(
    ({ title }) => title === "Give everybody a role",
  );
  expect(task?.isDone).toBe(true);
});
