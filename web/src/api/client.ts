// The API for the pages: functions for requests, and the names of their types.

import { msg, t } from "../state/locale.svelte";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type About = Schemas["About"];
export type Account = Schemas["Account"];
export type AccountRequest = Schemas["AccountRequest"];
export type ActivatedPerson = Schemas["ActivatedPerson"];
export type AddedSecurityKey = Schemas["AddedSecurityKey"];
export type AnswerEvent = Schemas["AnswerEvent"];
export type Approval = Schemas["Approval"];
export type AuditOverview = Schemas["AuditOverview"];
export type DayActivity = Schemas["DayActivity"];
export type ChangedPerson = Schemas["ChangedPersonView"];
export type CollectionView = Schemas["CollectionView"];
export type ConversationsView = Schemas["ConversationsView"];
export type CreatedToken = Schemas["CreatedToken"];
export type CurrentPerson = Schemas["CurrentPerson"];
export type Enrolment = Schemas["Enrolment"];
export type EntriesView = Schemas["EntriesView"];
export type EntryView = Schemas["EntryView"];
export type Examples = Schemas["Examples"];
export type FactorProof = Schemas["FactorProofRequest"];
export type FactorRequest = Schemas["FactorRequest"];
export type FileView = Schemas["FileView"];
export type FilesView = Schemas["FilesView"];
export type GroupView = Schemas["GroupView"];
export type KeyChallenge = Schemas["KeyChallenge"];
export type KeyResponse = Schemas["KeyResponseRequest"];
export type NewLink = Schemas["NewLink"];
export type PageView = Schemas["PageView"];
export type Person = Schemas["Person"];
export type TableView = Schemas["TableView"];
export type CellView = Schemas["CellView"];
export type QuoteView = Schemas["QuoteView"];
export type ReadingView = Schemas["ReadingView"];
export type RecoveryCodeList = Schemas["RecoveryCodes"];
export type ReplayView = Schemas["ReplayView"];
export type RevisionView = Schemas["RevisionView"];
export type SearchView = Schemas["SearchView"];
export type SentenceView = Schemas["SentenceView"];
export type SpellingView = Schemas["SpellingView"];
export type Status = Schemas["Status"];
export type TurnView = Schemas["TurnView"];
export type VerificationView = Schemas["VerificationView"];

/** An error of the appliance (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly code: string,
    title: string,
    readonly detail?: string | null,
    /** What the person can prove their second factor with, if it is needed. */
    readonly secondFactor?: FactorRequest,
  ) {
    const sentences = [t(title), detail && translateDetail(detail)].filter(Boolean);
    if (forAdministrators.has(code))
      sentences.push(t("Tell an administrator the code {{code}}", { code }));
    super(sentences.map((sentence) => `${sentence}.`).join(" "));
  }
}

/** Codes of errors that only an administrator can end. */
const forAdministrators = new Set([
  "audit-stopped",
  "disk-full",
  "internal",
  "model-unavailable",
  "unknown",
]);

/** What the appliance says about an error. A time to wait has a number, all other texts are fixed. */
function translateDetail(detail: string): string {
  const [, number, unit] = detail.match(/^(?:Try|Ask) again in (\d+) (seconds|minutes)$/) ?? [];
  if (!number) return t(detail);
  const count = Number(number);
  return unit === "seconds"
    ? t("Try again in {{count}} seconds", { count })
    : t("Try again in {{count}} minutes", { count });
}

type Method = "GET" | "POST" | "PUT" | "DELETE";

/** Functions that are called for every response. */
export const listeners = {
  /** A response said that there is no session, or that it has ended. */
  signedOut: () => {},
  /** A request was answered, which prolongs the session. */
  used: () => {},
  /** A request needs the password again. Returns whether the person confirmed who they are. */
  confirm: async () => false,
};

type Options = {
  /** Whether the interface asks by itself. Such a request does not prolong the session. */
  background?: boolean;
  signal?: AbortSignal;
};

export async function request(
  method: Method,
  path: string,
  body?: unknown,
  { background, signal }: Options = {},
): Promise<Response> {
  const headers = new Headers();
  const init: RequestInit = { method, credentials: "same-origin", headers };
  if (signal) init.signal = signal;
  if (background) headers.set("x-cloister-background", "1");
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    headers.set("content-type", "application/json");
  }
  const response = await fetch(`/api/v1${path}`, init).catch((cause: unknown) => {
    if (signal?.aborted) throw cause;
    throw new Problem(
      "unreachable",
      msg("The appliance is not reachable"),
      msg("Check that it is running"),
    );
  });
  if (!response.ok) {
    const problem = await readProblem(response);
    const isConfirmed = problem.code === "reauthentication-needed" && (await listeners.confirm());
    if (isConfirmed) return request(method, path, body, { background, signal });
    throw problem;
  }
  if (!background) listeners.used();
  return response;
}

async function readProblem(response: Response): Promise<Problem> {
  const body = await response.json().catch(() => ({}));
  const error = new Problem(
    body.code ?? "unknown",
    body.title ?? msg("Something went wrong in the appliance"),
    body.detail,
    body.second_factor,
  );
  if (error.code === "signed-out") listeners.signedOut();
  return error;
}

/** A request with a JSON response. */
export async function json<T>(
  method: Method,
  path: string,
  body?: unknown,
  options?: Options,
): Promise<T> {
  return (await request(method, path, body, options)).json();
}

/** A request without a response body. */
export async function send(method: Method, path: string, body?: unknown): Promise<void> {
  await request(method, path, body);
}

/** The path with the parameters that are not empty. */
export function query(path: string, parameters: Record<string, unknown>): string {
  const present = Object.entries(parameters).filter(([, value]) => value != null && value !== "");
  const search = new URLSearchParams(
    present.map(([key, value]) => [key, String(value)]),
  ).toString();
  return search ? `${path}?${search}` : path;
}
