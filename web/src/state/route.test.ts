import { expect, test } from "vitest";
import { Route, navigate, replaceRoute, route } from "./route.svelte";

function routeOf(hash: string): Route {
  window.location.hash = hash;
  return new Route();
}

test.each([
  ["", []],
  ["#/", []],
  ["#/ask", ["ask"]],
  ["#/page/7/2?passage=31", ["page", "7", "2"]],
  ["#/setup/a%2Fb", ["setup", "a/b"]],
])("the address %s has the parts %j", (hash, parts) => {
  expect(routeOf(hash).parts).toEqual(parts);
});

test("parameters are decoded", () => {
  const { parameters, first } = routeOf("#/search?text=a%26b&tags=x&tags=y");
  expect(first).toBe("search");
  expect(parameters.get("text")).toBe("a&b");
  expect(parameters.getAll("tags")).toEqual(["x", "y"]);
});

test("a damaged address is read as far as possible", () => {
  expect(routeOf("#/ask/%E0%A4%A").parts).toEqual(["ask", "%E0%A4%A"]);
});

test("a route is read at once, and a replaced one has no entry in the history", () => {
  navigate("/documents");
  expect(route.first).toBe("documents");
  const length = window.history.length;
  replaceRoute("/search?text=x");
  expect(route.first).toBe("search");
  expect(window.history.length).toBe(length);
});
