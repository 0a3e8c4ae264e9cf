// Entries of the audit log for compliance officers: their groups, outcomes and export.

import type { EntryView } from "../api/client";
import { msg, t } from "./locale.svelte";
import { describe } from "./sentences";

/** Groups of kinds that an officer picks from. */
export const kindGroups: { name: string; kinds: string[] }[] = [
  { name: msg("Questions"), kinds: ["question.answered", "question.refused"] },
  { name: msg("Pages opened"), kinds: ["page.opened"] },
  { name: msg("Searches"), kinds: ["search.done"] },
  { name: msg("Feedback"), kinds: ["answer.rated"] },
  {
    name: msg("Sign-ins"),
    kinds: ["auth.signed-in", "auth.signed-out", "auth.attempts-refused", "auth.session-ended"],
  },
  {
    name: msg("Rights"),
    kinds: [
      "access.granted",
      "access.revoked",
      "access.denied",
      "group.added",
      "group.removed",
      "group.joined",
      "group.left",
      "collection.added",
      "collection.changed",
    ],
  },
  {
    name: msg("Accounts"),
    kinds: [
      "user.added",
      "user.changed",
      "user.password-changed",
      "user.activation-link-made",
      "user.activation-link-revoked",
      "user.activated",
      "user.change-requested",
      "user.change-approved",
      "user.change-withdrawn",
      "auth.second-factor-enabled",
      "auth.second-factor-removed",
      "auth.security-key-added",
      "auth.security-key-removed",
      "auth.directory-refused",
      "directory.asked",
      "token.created",
      "token.revoked",
    ],
  },
  {
    name: msg("Documents"),
    kinds: [
      "document.uploaded",
      "document.deleted",
      "document.put-back",
      "document.published",
      "document.quarantined",
      "document.moved",
      "document.restored",
      "document.removed",
      "document.retried",
      "document.cancelled",
    ],
  },
  {
    name: msg("The log itself"),
    kinds: [
      "audit.viewed",
      "audit.verified",
      "audit.exported",
      "audit.checkpoint-taken",
      "audit.anchored",
      "audit.recovered",
      "answer.replayed",
      "backup.made",
      "backup.restored",
      "backup.accepted",
    ],
  },
];

const outcomes: Record<string, string> = {
  started: msg("started"),
  success: msg("success"),
  failure: msg("failure"),
  denied: msg("denied"),
};

/** The outcome of an entry in the person's language. */
export function outcomeName(outcome: string): string {
  return t(outcomes[outcome] ?? outcome);
}

/** The path of the document that an entry is about, if it is about one. */
export function documentOf(entry: EntryView): string | null {
  const path = (entry.detail as Record<string, unknown>)["path"];
  return typeof path === "string" ? path : null;
}

/** Entries as CSV, with the time in UTC. A cell that a spreadsheet would compute gets an apostrophe. */
export function toCsv(entries: EntryView[]): string {
  const cell = (value: string) => {
    const harmless = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return `"${harmless.replaceAll('"', '""')}"`;
  };
  const header = [
    "number",
    "time",
    "kind",
    "outcome",
    "person",
    "origin",
    "request",
    "what",
    "details",
  ];
  const rows = entries.map((entry) => [
    String(entry.seq),
    entry.at,
    entry.kind,
    entry.outcome,
    entry.actor,
    entry.origin,
    entry.request ?? "",
    describe(entry),
    JSON.stringify(entry.detail),
  ]);
  return [header, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Saves a text as a file of the browser. */
export function download(name: string, type: string, content: string) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
