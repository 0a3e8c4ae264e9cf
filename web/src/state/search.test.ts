import { expect, test } from "vitest";
import type { SearchView } from "../api/client";
import {
  facetValues,
  isFiltered,
  noFilters,
  parametersOf,
  requestOf,
  termsOf,
  toggleValue,
} from "./search";

const terms = {
  text: "insulin & glucose",
  asOf: "",
  from: "2026-03-01",
  until: "",
  filters: { ...noFilters(), formats: ["pdf", "docx"] },
};

test("the terms survive the address", () => {
  const parameters = parametersOf(terms);
  expect(parameters.toString()).toBe(
    "text=insulin+%26+glucose&formats=pdf&formats=docx&from=2026-03-01",
  );
  expect(termsOf(new URLSearchParams(parameters.toString()))).toEqual(terms);
});

test("days that are not set are absent from the request", () => {
  expect(requestOf(terms).filter).toMatchObject({ from: "2026-03-01", until: null, as_of: null });
});

test("a value is selected, and selected again no longer", () => {
  const once = toggleValue(terms, "tags", "fees");
  expect(once.filters.tags).toEqual(["fees"]);
  expect(once.filters.formats).toEqual(["pdf", "docx"]);
  expect(toggleValue(once, "tags", "fees").filters.tags).toEqual([]);
  expect(terms.filters.tags).toEqual([]);
});

test("days and values are filters", () => {
  expect(isFiltered(terms)).toBe(true);
  expect(isFiltered({ ...terms, from: "" })).toBe(true);
  expect(isFiltered({ ...terms, from: "", filters: noFilters() })).toBe(false);
});

test("selected values stay in the list of a facet", () => {
  const result = { facets: { formats: { md: 2, pdf: 5, html: 2 } } } as unknown as SearchView;
  expect(facetValues(result, terms.filters, "formats")).toEqual([
    ["pdf", 5],
    ["html", 2],
    ["md", 2],
    ["docx", 0],
  ]);
});
