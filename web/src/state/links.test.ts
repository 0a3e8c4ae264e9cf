import { expect, test } from "vitest";
import type { QuoteView } from "../api/client";
import { askRoute, pageLink, placeOf, quoteLink, quotePlace } from "./links";

const quote = { revision: 7, page: 2, passage: 31, start: 0, end: 40 } as QuoteView;

test("a link to a page has the cited place, also if it begins at 0", () => {
  expect(pageLink(7, 2)).toBe("#/page/7/2");
  expect(quoteLink(quote)).toBe("#/page/7/2?passage=31&start=0&end=40");
});

test("the place of a quote survives the address", () => {
  const route = askRoute("c1", quotePlace(quote));
  const parameters = new URLSearchParams(route.split("?")[1]);
  expect(route).toMatch(/^\/ask\/c1\?/);
  expect(placeOf(parameters)).toEqual(quotePlace(quote));
});

test("an address without a page names no place", () => {
  expect(askRoute(null)).toBe("/ask");
  expect(placeOf(new URLSearchParams())).toBeNull();
  expect(placeOf(new URLSearchParams("revision=7"))).toBeNull();
  expect(placeOf(new URLSearchParams("revision=seven&page=1"))).toBeNull();
});
