// Entries of the audit log as sentences.

import type { EntryView } from "../api/client";
import { formatTime, t } from "./locale.svelte";
import { roles } from "./roles";

type Detail = Record<string, unknown>;
type Sentence = (detail: Detail, who: string, entry: EntryView) => string;

const text = (value: unknown): string => (value == null ? "" : String(value));
const list = (value: unknown): string => (Array.isArray(value) ? value.join(", ") : text(value));
const place = (detail: Detail): string =>
  [detail["collection"], detail["path"]].filter(Boolean).join("/");
const question = (detail: Detail): string => text(detail["typed"] ?? detail["question"]);

function countQuotes(detail: Detail): string {
  const quotes = Array.isArray(detail["quoted"]) ? detail["quoted"].length : 0;
  return t("{{count}} quotes", { count: quotes });
}

/** The names of roles, or that there is none. */
function namesOf(value: unknown): string {
  const ids = Array.isArray(value) ? value : [];
  const names = roles.filter((role) => ids.includes(role.id)).map((role) => t(role.name));
  return names.join(", ") || t("without a role");
}

/** What each kind of entry says. `who` is the person. */
const sentences: Record<string, Sentence> = {
  "service.started": () => t("The appliance started."),
  "service.stopped": () => t("The appliance was shut down."),
  "service.certificate-loaded": () => t("The certificate of the server was replaced."),
  "question.answered": (d, who) =>
    t("{{who}} asked “{{question}}” and was shown {{quotes}}.", {
      who,
      question: question(d),
      quotes: countQuotes(d),
    }),
  "question.refused": (d, who) =>
    t("{{who}} asked “{{question}}”, which the documents did not answer.", {
      who,
      question: question(d),
    }),
  "answer.ended": () => t("The answer ended."),
  "answer.sentence-shown": (_, who) => t("{{who}} was shown a generated sentence.", { who }),
  "answer.rated": describeRating,
  "answer.replayed": (d, who) =>
    d["same_answer"]
      ? t("{{who}} made an answer again. It was the same.", { who })
      : t("{{who}} made an answer again. It was different.", { who }),
  "search.done": (d, who) => t("{{who}} searched for “{{text}}”.", { who, text: text(d["text"]) }),
  "page.opened": (d, who) =>
    t("{{who}} opened page {{page}} of {{file}}.", { who, page: text(d["page"]), file: place(d) }),
  "conversation.opened": (_, who) => t("{{who}} opened an earlier conversation.", { who }),
  "conversation.deleted": (_, who) => t("{{who}} deleted a conversation of their own.", { who }),
  "auth.signed-in": describeSignIn,
  "auth.attempts-refused": (d) =>
    t("{{count}} attempts were refused ({{attempted}}: {{reason}}).", {
      count: Number(d["count"]),
      attempted: text(d["attempted"]),
      reason: text(d["refused"]),
    }),
  "auth.signed-out": (_, who) => t("{{who}} signed out.", { who }),
  "auth.session-ended": (_, who) => t("{{who}} ended a session of their own.", { who }),
  "auth.setup-link-made": () => t("A link for the first administrator was made."),
  "auth.first-administrator": (_, who) => t("{{who}} became the first administrator.", { who }),
  "auth.reauthenticated": (_, who) => t("{{who}} confirmed their password.", { who }),
  "auth.reauthentication-failed": (_, who) =>
    t("{{who}} could not confirm their password.", { who }),
  "auth.second-factor-enabled": (_, who) => t("{{who}} put a second factor into use.", { who }),
  "auth.second-factor-removed": (d, who) =>
    t("{{who}} removed the second factor of {{name}}.", { who, name: text(d["name"]) }),
  "auth.security-key-added": (d, who) => describeAddedKey(d, who),
  "auth.security-key-removed": (d, who) =>
    t("{{who}} removed the security key “{{key}}”.", { who, key: text(d["key"]) }),
  "auth.directory-refused": (d, who) =>
    t("{{who}} was signed out: {{reason}}.", { who, reason: text(d["refused"]) }),
  "directory.asked": (d) =>
    d["cause"]
      ? t("The directory did not answer: {{cause}}.", { cause: text(d["cause"]) })
      : t("The directory answers again."),
  "auth.recovery-codes-made": (_, who) => t("{{who}} made new recovery codes.", { who }),
  "token.created": (d, who) =>
    t("{{who}} created the API token “{{token}}” for {{scopes}}.", {
      who,
      token: text(d["token"]),
      scopes: list(d["scopes"]),
    }),
  "token.revoked": (d, who) =>
    t("{{who}} revoked the API token “{{token}}”.", { who, token: text(d["token"]) }),
  "user.added": (d, who) =>
    t("{{who}} added {{name}}: {{roles}}.", {
      who,
      name: text(d["name"]),
      roles: namesOf(d["roles"]),
    }),
  "user.changed": describeChange,
  "user.password-changed": (d, who) =>
    t("{{who}} changed the password of {{name}}.", { who, name: text(d["name"]) }),
  "user.activation-link-made": (d, who) =>
    t("{{who}} made an activation link for {{name}}.", { who, name: text(d["name"]) }),
  "user.activation-link-revoked": (d, who) =>
    t("{{who}} revoked the activation link of {{name}}.", { who, name: text(d["name"]) }),
  "user.activated": (_, who) => t("{{who}} set their password with an activation link.", { who }),
  "user.change-requested": (d, who) =>
    t("{{who}} requested a change of {{name}}.", { who, name: text(d["name"]) }),
  "user.change-approved": (d, who) =>
    t("{{who}} approved the change of {{name}} that {{requester}} requested.", {
      who,
      name: text(d["name"]),
      requester: text(d["requested_by"]),
    }),
  "user.change-withdrawn": (d, who) =>
    t("{{who}} withdrew or rejected a change of {{name}}.", { who, name: text(d["name"]) }),
  "group.added": (d, who) =>
    t("{{who}} added the group {{group}}.", { who, group: text(d["group"]) }),
  "group.removed": (d, who) =>
    t("{{who}} removed the group {{group}}.", { who, group: text(d["group"]) }),
  "group.joined": (d, who) =>
    t("{{who}} put {{name}} into the group {{group}}.", {
      who,
      name: text(d["user"]),
      group: text(d["group"]),
    }),
  "group.left": (d, who) =>
    t("{{who}} took {{name}} out of the group {{group}}.", {
      who,
      name: text(d["user"]),
      group: text(d["group"]),
    }),
  "collection.added": (d, who) =>
    t("{{who}} added the collection {{collection}}.", { who, collection: text(d["collection"]) }),
  "collection.changed": (d, who) =>
    t("{{who}} changed the collection {{collection}}.", {
      who,
      collection: text(d["collection"]),
    }),
  "access.granted": (d, who) =>
    t("{{who}} let the group {{group}} read {{collection}}.", {
      who,
      group: text(d["group"]),
      collection: text(d["collection"]),
    }),
  "access.revoked": (d, who) =>
    t("{{who}} ended that the group {{group}} reads {{collection}}.", {
      who,
      group: text(d["group"]),
      collection: text(d["collection"]),
    }),
  "access.denied": (d, who) =>
    t("{{who}} was denied: {{asked}}.", { who, asked: text(d["asked"]) }),
  "document.uploaded": (d, who) => t("{{who}} uploaded {{file}}.", { who, file: place(d) }),
  "document.deleted": (d, who) =>
    t("{{who}} deleted {{file}}. It can be put back.", { who, file: place(d) }),
  "document.put-back": (d, who) => t("{{who}} put {{file}} back.", { who, file: place(d) }),
  "document.published": (d) => t("{{file}} became searchable.", { file: place(d) }),
  "document.quarantined": (d) =>
    t("{{file}} was quarantined: {{reason}}", { file: text(d["path"]), reason: text(d["reason"]) }),
  "document.moved": (d) => t("{{file}} was moved here.", { file: place(d) }),
  "document.restored": (d) => t("{{file}} was restored.", { file: place(d) }),
  "document.removed": (d) => t("{{file}} was removed and no longer answers.", { file: place(d) }),
  "document.retried": (d, who) =>
    t("{{who}} returned {{file}} to the queue.", { who, file: text(d["path"]) }),
  "document.cancelled": (d, who) =>
    t("{{who}} cancelled the ingestion of {{file}}.", { who, file: text(d["path"]) }),
  "ingestion.paused": (_, who) => t("{{who}} paused the ingestion.", { who }),
  "ingestion.resumed": (_, who) => t("{{who}} resumed the ingestion.", { who }),
  "backup.made": (d) => t("A backup was made: {{backup}}.", { backup: text(d["backup"]) }),
  "backup.restored": (d) =>
    t("The data was restored from the backup {{backup}}.", { backup: text(d["backup"]) }),
  "backup.accepted": (d) =>
    t("The restored backup was accepted: {{reason}}", { reason: text(d["reason"]) }),
  "service.clock-stepped": (d) =>
    t("The clock of the machine was set. It shows {{time}} now.", {
      time: formatTime(text(d["clock"])),
    }),
  "index.rebuilt": (d, who) =>
    d["rolled_back"]
      ? t("{{who}} went back to the previous index.", { who })
      : t("{{who}} rebuilt the index.", { who }),
  "audit.exported": (d, who) =>
    t("{{who}} exported entries of the log as {{format}}.", { who, format: text(d["format"]) }),
  "audit.anchored": (d) =>
    d["reason"]
      ? t("No checkpoint was stored outside the machine: {{reason}}.", {
          reason: text(d["reason"]),
        })
      : t("A checkpoint was stored outside the machine."),
  "audit.viewed": (_, who) => t("{{who}} viewed the audit log.", { who }),
  "audit.verified": (d, who) =>
    d["holds"]
      ? t("{{who}} verified the log. It was intact.", { who })
      : t("{{who}} verified the log. It was not intact.", { who }),
  "audit.checkpoint-taken": (_, who) =>
    t("{{who}} took a checkpoint, to be kept elsewhere.", { who }),
  "audit.recovered": () => t("The log was opened again after a crash or a repair."),
};

function describeAddedKey(detail: Detail, who: string): string {
  const key = text(detail["key"]);
  return detail["refused"]
    ? t("{{who}} could not register the security key “{{key}}”: {{reason}}.", {
        who,
        key,
        reason: text(detail["refused"]),
      })
    : t("{{who}} registered the security key “{{key}}”.", { who, key });
}

function describeRating(detail: Detail, who: string): string {
  const sentence = detail["helpful"]
    ? t("{{who}} rated an answer as helpful", { who })
    : t("{{who}} rated an answer as not helpful", { who });
  const reason = text(detail["reason"]);
  return reason ? t("{{sentence}}: “{{reason}}”", { sentence, reason }) : `${sentence}.`;
}

function describeSignIn(detail: Detail, who: string, { outcome }: EntryView): string {
  if (outcome === "success") return t("{{who}} signed in.", { who });
  const reason = text(detail["refused"]);
  return reason
    ? t("{{who}} could not sign in: {{reason}}.", { who, reason })
    : t("{{who}} could not sign in.", { who });
}

function describeChange(detail: Detail, who: string): string {
  const values = { who, name: text(detail["name"]), roles: namesOf(detail["roles"]) };
  return detail["disabled"]
    ? t("{{who}} changed {{name}}: {{roles}}, may not sign in.", values)
    : t("{{who}} changed {{name}}: {{roles}}.", values);
}

/** An entry as a sentence: `nina asked “…” and was shown 2 quotes.` */
export function describe(entry: EntryView): string {
  const detail = entry.detail as Detail;
  const sentence =
    sentences[entry.kind]?.(detail, entry.actor, entry) ?? `${entry.actor}: ${entry.kind}.`;
  return entry.outcome === "started"
    ? t("{{sentence}} (begun, the next entry says how it ended)", { sentence })
    : sentence;
}
