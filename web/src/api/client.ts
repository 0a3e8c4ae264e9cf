// The API as the pages use it: one function for a request, and the names of what it answers.

import type { components } from "./schema";

type Schemas = components["schemas"];
export type About = Schemas["About"];
export type ChoiceView = Schemas["ChoiceView"];
export type SpellingView = Schemas["SpellingView"];
export type CollectionView = Schemas["CollectionView"];
export type ConversationsView = Schemas["ConversationsView"];
export type EntriesView = Schemas["EntriesView"];
export type EntryView = Schemas["EntryView"];
export type FileView = Schemas["FileView"];
export type FilesView = Schemas["FilesView"];
export type GroupView = Schemas["GroupView"];
export type Me = Schemas["Me"];
export type PageView = Schemas["PageView"];
export type PassageView = Schemas["PassageView"];
export type Person = Schemas["Person"];
export type QuoteView = Schemas["QuoteView"];
export type ReplayView = Schemas["ReplayView"];
export type SearchView = Schemas["SearchView"];
export type RevisionView = Schemas["RevisionView"];
export type Status = Schemas["Status"];
export type Step = Schemas["Step"];
export type TurnView = Schemas["TurnView"];
export type VerificationView = Schemas["VerificationView"];

/** What the appliance says when it cannot do what was asked (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly code: string,
    title: string,
    readonly detail?: string | null,
  ) {
    super(detail ? `${title}. ${detail}.` : `${title}.`);
  }
}

type Method = "GET" | "POST" | "PUT" | "DELETE";

/** Called when a request finds that the session has ended. */
export const signedOut: { listener: () => void } = { listener: () => {} };

export async function request(
  method: Method,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Response> {
  const init: RequestInit = { method, credentials: "same-origin" };
  if (signal) init.signal = signal;
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "content-type": "application/json" };
  }
  const response = await fetch(`/api/v1${path}`, init).catch((cause: unknown) => {
    if (signal?.aborted) throw cause;
    throw new Problem("unreachable", "The appliance cannot be reached", "Check that it runs");
  });
  if (!response.ok) throw await problem(response);
  return response;
}

async function problem(response: Response): Promise<Problem> {
  const told = await response.json().catch(() => ({}));
  const found = new Problem(told.code ?? "unknown", told.title ?? response.statusText, told.detail);
  if (found.code === "signed-out") signedOut.listener();
  return found;
}

/** A request whose answer is JSON of a known shape. */
export async function json<T>(method: Method, path: string, body?: unknown): Promise<T> {
  return (await request(method, path, body)).json();
}

/** A request whose answer has no body. */
export async function done(method: Method, path: string, body?: unknown): Promise<void> {
  await request(method, path, body);
}

/** The path with those parameters that have a value. */
export function query(path: string, parameters: Record<string, unknown>): string {
  const set = Object.entries(parameters).filter(([, value]) => value != null && value !== "");
  const text = new URLSearchParams(set.map(([key, value]) => [key, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}
