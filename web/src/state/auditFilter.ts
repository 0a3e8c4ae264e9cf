// The filter of the activity page, in the form, in the address, and in requests.

import { kindGroups } from "./activity";

const fields = ["what", "outcome", "actor", "text", "request", "from", "until", "before"] as const;
export type AuditFilter = Record<(typeof fields)[number], string>;

/** The filter that the parameters of an address name. */
export function filterOf(parameters: URLSearchParams): AuditFilter {
  return Object.fromEntries(
    fields.map((name) => [name, parameters.get(name) ?? ""]),
  ) as AuditFilter;
}

/** The parameters of a request. Days begin and end in the officer's time zone. */
export function requestOf({ what, from, until, ...rest }: AuditFilter) {
  return {
    ...rest,
    kinds: kindGroups.find((group) => group.name === what)?.kinds.join(",") ?? what,
    from: from && startOfDay(from, 0),
    until: until && startOfDay(until, 1),
  };
}

/** The time at which a day begins, some days later. */
function startOfDay(day: string, later: number): string {
  const time = new Date(`${day}T00:00:00`);
  time.setDate(time.getDate() + later);
  return time.toISOString();
}
