// Entries of the audit log as sentences, for compliance officers.

import type { EntryView } from "../api/client";

type Detail = Record<string, unknown>;
type Sentence = (detail: Detail, entry: EntryView) => string;

/** Groups of kinds that an officer picks from. */
export const kindGroups: { name: string; kinds: string[] }[] = [
  { name: "Questions", kinds: ["question.answered", "question.refused"] },
  { name: "Pages opened", kinds: ["page.opened"] },
  { name: "Searches", kinds: ["search.done"] },
  { name: "Feedback", kinds: ["answer.rated"] },
  {
    name: "Sign-ins",
    kinds: ["auth.signed-in", "auth.signed-out", "auth.attempts-refused", "auth.session-ended"],
  },
  {
    name: "Rights",
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
    name: "Accounts",
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
      "token.created",
      "token.revoked",
    ],
  },
  {
    name: "Documents",
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
    name: "The log itself",
    kinds: [
      "audit.viewed",
      "audit.verified",
      "audit.checkpoint-taken",
      "audit.recovered",
      "answer.replayed",
      "backup.made",
      "backup.restored",
      "backup.accepted",
    ],
  },
];

const text = (value: unknown): string => (value == null ? "" : String(value));
const quoted = (value: unknown): string => `“${text(value)}”`;
const list = (value: unknown): string => (Array.isArray(value) ? value.join(", ") : text(value));
const place = (detail: Detail): string =>
  [detail["collection"], detail["path"]].filter(Boolean).join("/");

function countQuotes(detail: Detail): string {
  const quotes = Array.isArray(detail["quoted"]) ? detail["quoted"].length : 0;
  return quotes === 1 ? "1 quote" : `${quotes} quotes`;
}

/** What each kind of entry says after the name of the person. */
const sentences: Record<string, Sentence> = {
  "service.started": () => "The appliance started.",
  "service.stopped": () => "The appliance was shut down.",
  "service.certificate-loaded": () => "The certificate of the server was replaced.",
  "question.answered": (d) =>
    `asked ${quoted(d["typed"] ?? d["question"])} and was shown ${countQuotes(d)}.`,
  "question.refused": (d) =>
    `asked ${quoted(d["typed"] ?? d["question"])}, which the documents did not answer.`,
  "answer.ended": () => "The answer ended.",
  "answer.sentence-shown": () => "was shown a generated sentence.",
  "answer.rated": (d) =>
    `rated an answer as ${d["helpful"] ? "helpful" : "not helpful"}${d["reason"] ? `: ${quoted(d["reason"])}` : "."}`,
  "answer.replayed": (d) =>
    `made an answer again. It was ${d["same_answer"] ? "the same" : "different"}.`,
  "search.done": (d) => `searched for ${quoted(d["text"])}.`,
  "page.opened": (d) => `opened page ${text(d["page"])} of ${place(d)}.`,
  "conversation.opened": () => "opened an earlier conversation.",
  "conversation.deleted": () => "deleted a conversation of theirs.",
  "auth.signed-in": (d, entry) =>
    entry.outcome === "success"
      ? "signed in."
      : `could not sign in${d["refused"] ? `: ${text(d["refused"])}` : ""}.`,
  "auth.attempts-refused": (d) =>
    `${text(d["count"])} attempts were refused (${text(d["attempted"])}: ${text(d["refused"])}).`,
  "auth.signed-out": () => "signed out.",
  "auth.session-ended": () => "ended a session of theirs.",
  "auth.setup-link-made": () => "A link for the first administrator was made.",
  "auth.first-administrator": () => "became the first administrator.",
  "auth.reauthenticated": () => "confirmed their password.",
  "auth.reauthentication-failed": () => "could not confirm their password.",
  "auth.second-factor-enabled": () => "put a second factor into use.",
  "auth.second-factor-removed": (d) => `removed the second factor of ${text(d["name"])}.`,
  "auth.recovery-codes-made": () => "made new recovery codes.",
  "token.created": (d) => `created the API token ${quoted(d["token"])} for ${list(d["scopes"])}.`,
  "token.revoked": (d) => `revoked the API token ${quoted(d["token"])}.`,
  "user.added": (d) =>
    `added ${text(d["name"])} as ${list(d["roles"]) || "a person without a role"}.`,
  "user.changed": (d) =>
    `changed ${text(d["name"])}: ${list(d["roles"]) || "no role"}${d["disabled"] ? ", may not sign in" : ""}.`,
  "user.password-changed": (d) => `changed the password of ${text(d["name"])}.`,
  "user.activation-link-made": (d) => `made an activation link for ${text(d["name"])}.`,
  "user.activation-link-revoked": (d) => `revoked the activation link of ${text(d["name"])}.`,
  "user.activated": () => "set their password with an activation link.",
  "user.change-requested": (d) => `requested a change of ${text(d["name"])}.`,
  "user.change-approved": (d) =>
    `approved the change of ${text(d["name"])} that ${text(d["requested_by"])} requested.`,
  "user.change-withdrawn": (d) => `withdrew or rejected a change of ${text(d["name"])}.`,
  "group.added": (d) => `added the group ${text(d["group"])}.`,
  "group.removed": (d) => `removed the group ${text(d["group"])}.`,
  "group.joined": (d) => `put ${text(d["user"])} into the group ${text(d["group"])}.`,
  "group.left": (d) => `took ${text(d["user"])} out of the group ${text(d["group"])}.`,
  "collection.added": (d) => `added the collection ${text(d["collection"])}.`,
  "collection.changed": (d) => `changed the collection ${text(d["collection"])}.`,
  "access.granted": (d) => `let the group ${text(d["group"])} read ${text(d["collection"])}.`,
  "access.revoked": (d) =>
    `ended that the group ${text(d["group"])} reads ${text(d["collection"])}.`,
  "access.denied": (d) => `was denied: ${text(d["asked"])}.`,
  "document.uploaded": (d) => `uploaded ${place(d)}.`,
  "document.deleted": (d) => `deleted ${place(d)}. It can be put back.`,
  "document.put-back": (d) => `put ${place(d)} back.`,
  "document.published": (d) => `${place(d)} became searchable.`,
  "document.quarantined": (d) => `${text(d["path"])} was quarantined: ${text(d["reason"])}`,
  "document.moved": (d) => `${place(d)} was moved here.`,
  "document.restored": (d) => `${place(d)} was restored.`,
  "document.removed": (d) => `${place(d)} was removed and no longer answers.`,
  "document.retried": (d) => `returned ${text(d["path"])} to the queue.`,
  "document.cancelled": (d) => `cancelled the ingestion of ${text(d["path"])}.`,
  "ingestion.paused": () => "paused the ingestion.",
  "ingestion.resumed": () => "resumed the ingestion.",
  "backup.made": (d) => `A backup was made: ${text(d["backup"])}.`,
  "backup.restored": (d) => `The data was restored from the backup ${text(d["backup"])}.`,
  "backup.accepted": (d) => `The restored backup was accepted: ${text(d["reason"])}`,
  "audit.viewed": () => "viewed the audit log.",
  "audit.verified": (d) => `verified the log. It was ${d["holds"] ? "intact" : "not intact"}.`,
  "audit.checkpoint-taken": () => "took a checkpoint, to be kept elsewhere.",
  "audit.recovered": () => "The log was opened again after a crash or a repair.",
};

/** Whether the sentence of an entry begins without the name of a person. */
function hasOwnSubject(sentence: string): boolean {
  return !/^[a-z]/.test(sentence);
}

/** Whether the sentence begins with the path of a file. */
function isAboutFile({ kind }: EntryView): boolean {
  return /^document\.(published|quarantined|moved|restored|removed)$/.test(kind);
}

/** An entry as a sentence: `nina asked “…” and was shown 2 quotes.` */
export function describe(entry: EntryView): string {
  const detail = entry.detail as Detail;
  const sentence = sentences[entry.kind]?.(detail, entry) ?? `${entry.kind}.`;
  if (isAboutFile(entry) || hasOwnSubject(sentence)) return sentence;
  const begun = entry.outcome === "started" ? " (begun, the next entry says how it ended)" : "";
  return `${entry.actor} ${sentence}${begun}`;
}

/** The path of the document that an entry is about, if it is about one. */
export function documentOf(entry: EntryView): string | null {
  const path = (entry.detail as Detail)["path"];
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
