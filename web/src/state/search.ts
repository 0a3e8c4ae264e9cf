// What a person searches for, in the form and in the address.

import type { SearchView } from "../api/client";
import { msg } from "./locale.svelte";

export type Facet = "collections" | "formats" | "languages" | "tags";
export type Filters = Record<Facet, string[]>;

export const facets: { facet: Facet; name: string }[] = [
  { facet: "collections", name: msg("Collection") },
  { facet: "formats", name: msg("Format") },
  { facet: "languages", name: msg("Language") },
  { facet: "tags", name: msg("Tag") },
];

/** The days are dates as `2026-03-01`, or empty. */
export type SearchTerms = {
  text: string;
  asOf: string;
  from: string;
  until: string;
  filters: Filters;
};

export const noFilters = (): Filters => ({ collections: [], formats: [], languages: [], tags: [] });

/** The terms that the parameters of an address name. */
export function termsOf(parameters: URLSearchParams): SearchTerms {
  const value = (name: string) => parameters.get(name) ?? "";
  const filters = noFilters();
  for (const { facet } of facets) filters[facet] = parameters.getAll(facet);
  return {
    text: value("text"),
    asOf: value("as_of"),
    from: value("from"),
    until: value("until"),
    filters,
  };
}

/** The parameters of an address for the terms. */
export function parametersOf({ text, asOf, from, until, filters }: SearchTerms): URLSearchParams {
  const parameters = new URLSearchParams({ text });
  for (const { facet } of facets) {
    for (const value of filters[facet]) parameters.append(facet, value);
  }
  for (const [name, day] of Object.entries({ as_of: asOf, from, until })) {
    if (day) parameters.set(name, day);
  }
  return parameters;
}

/** The body of a request for the terms. */
export function requestOf({ text, asOf, from, until, filters }: SearchTerms) {
  const filter = { ...filters, as_of: asOf || null, from: from || null, until: until || null };
  return { text, limit: 20, filter };
}

export function isFiltered({ asOf, from, until, filters }: SearchTerms): boolean {
  return Boolean(asOf || from || until) || Object.values(filters).some(({ length }) => length > 0);
}

/** The terms with a value of a facet selected, or no longer selected. */
export function toggleValue(terms: SearchTerms, facet: Facet, value: string): SearchTerms {
  const values = terms.filters[facet];
  const changed = values.includes(value) ? values.filter((v) => v !== value) : [...values, value];
  return { ...terms, filters: { ...terms.filters, [facet]: changed } };
}

/** The values of a facet with their counts, the most frequent first. Selected values stay, even if
 * nothing was found for them. */
export function facetValues(
  result: SearchView,
  selected: Filters,
  facet: Facet,
): [string, number][] {
  const counts: Record<string, number> = { ...result.facets[facet] };
  for (const value of selected[facet]) counts[value] ??= 0;
  return Object.entries(counts).sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
}
