// What an administrator still has to do, from the state of the site.

import type { AccountRequest, CollectionView, FilesView, GroupView, Person } from "../api/client";
import { countFiles } from "./format";
import { t } from "./locale.svelte";

export type Task = {
  title: string;
  isDone: boolean;
  /** Whom or what it concerns, or why it matters. */
  detail?: string;
  link: string;
};

type Site = {
  people: Person[];
  requests: AccountRequest[];
  groups: GroupView[];
  collections: CollectionView[];
  files: FilesView;
};

/** The number of names that a task lists. */
const MAX_NAMES = 5;

function names(items: { name: string }[]): string {
  const listed = items.slice(0, MAX_NAMES).map((item) => item.name);
  const rest = items.length - listed.length;
  const text = listed.join(", ");
  return rest > 0 ? t("{{names}} and {{rest}} more", { names: text, rest }) : text;
}

export function listTasks({ people, requests, groups, collections, files }: Site): Task[] {
  const active = people.filter((person) => !person.disabled);
  const withRole = (role: string) => active.filter((person) => person.roles.includes(role));
  const isMember = (person: Person) => groups.some((group) => group.members.includes(person.id));
  const unread = collections.filter((collection) => collection.readers.length === 0);
  const withoutRole = active.filter((person) => person.roles.length === 0);
  const withoutGroup = withRole("staff").filter((person) => !isMember(person));
  const quarantined = countFiles(files, "quarantined");
  return [
    {
      title: t("Drop files into the inbox"),
      isDone: countFiles(files, "ready") > 0,
      detail: t("Each folder of the inbox is a collection."),
      link: "#/administration/collections",
    },
    { title: t("Make groups"), isDone: groups.length > 0, link: "#/administration/groups" },
    {
      title: t("Let a group read each collection"),
      isDone: unread.length === 0,
      detail:
        unread.length > 0 ? t("Nobody may read: {{names}}", { names: names(unread) }) : undefined,
      link: "#/administration/access",
    },
    {
      title: t("Give everybody a role"),
      isDone: withoutRole.length === 0,
      detail: names(withoutRole),
      link: "#/administration/people",
    },
    {
      title: t("Put all staff into a group"),
      isDone: withoutGroup.length === 0 && withRole("staff").length > 0,
      detail:
        withoutGroup.length > 0
          ? t("In no group: {{names}}", { names: names(withoutGroup) })
          : undefined,
      link: "#/administration/groups",
    },
    {
      title: t("Name a second administrator"),
      isDone: withRole("administrator").length > 1,
      detail: t("Dangerous changes need the approval of another administrator."),
      link: "#/administration/people",
    },
    {
      title: t("Name a compliance officer"),
      isDone: withRole("compliance-officer").length > 0,
      detail: t("Nobody else can read the audit log."),
      link: "#/administration/people",
    },
    {
      title: t("Look at the quarantined files"),
      isDone: quarantined === 0,
      detail:
        quarantined > 0 ? t("{{count}} files do not answer.", { count: quarantined }) : undefined,
      link: "#/administration/files?state=quarantined",
    },
    {
      title: t("Decide about changes that wait for approval"),
      isDone: requests.length === 0,
      detail: names(requests),
      link: "#/administration/people",
    },
  ];
}
