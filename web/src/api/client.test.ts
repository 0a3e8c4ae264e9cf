import { beforeEach, expect, test, vi } from "vitest";
import { locale } from "../state/locale.svelte";
import { Problem, json, listeners, query, request, send } from "./client";

const respond = (status: number, body: unknown) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
const fetched = vi.fn<typeof fetch>();

beforeEach(() => {
  fetched.mockReset();
  vi.stubGlobal("fetch", fetched);
  Object.assign(listeners, { signedOut: vi.fn(), used: vi.fn(), confirm: async () => false });
});

test("empty parameters are left out, and 0 is not empty", () => {
  expect(query("/audit", { kind: "", actor: null, before: 0, text: "a&b" })).toBe(
    "/audit?before=0&text=a%26b",
  );
  expect(query("/audit", {})).toBe("/audit");
});

test("a response prolongs the session, unless the interface asked by itself", async () => {
  fetched.mockImplementation(async () => respond(200, { a: 1 }));
  expect(await json("GET", "/status")).toEqual({ a: 1 });
  expect(listeners.used).toHaveBeenCalledTimes(1);
  await json("GET", "/status", undefined, { background: true });
  expect(listeners.used).toHaveBeenCalledTimes(1);
});

test("an error has its code and a sentence", async () => {
  fetched.mockResolvedValue(respond(409, { code: "conflict", title: "That is already taken" }));
  const error = await send("POST", "/groups", {}).catch((cause) => cause);
  expect(error).toBeInstanceOf(Problem);
  expect(error.code).toBe("conflict");
  expect(error.message).toBe("That is already taken.");
});

test("a time to wait is translated, and an error for administrators names its code", async () => {
  const locked = new Problem("locked", "Too many wrong passwords", "Try again in 15 minutes");
  expect(locked.message).toBe("Too many wrong passwords. Try again in 15 minutes.");
  await locale.choose("de");
  const busy = new Problem("busy", "Too many questions at once", "Ask again in 1 seconds");
  expect(busy.message).toBe(
    "Zu viele Fragen auf einmal. Versuchen Sie es in 1 Sekunde noch einmal.",
  );
  await locale.choose(null);
  const full = new Problem("disk-full", "The disk is full");
  expect(full.message).toBe("The disk is full. Tell an administrator the code disk-full.");
});

test("an ended session is reported", async () => {
  fetched.mockResolvedValue(respond(401, { code: "signed-out", title: "You are not signed in" }));
  await expect(send("GET", "/about")).rejects.toThrow("You are not signed in.");
  expect(listeners.signedOut).toHaveBeenCalledOnce();
});

test("an appliance that is not reachable says what to check", async () => {
  fetched.mockRejectedValue(new TypeError("failed to fetch"));
  await expect(request("GET", "/about")).rejects.toThrow(
    "The appliance is not reachable. Check that it is running.",
  );
});

test("a request that needs the password again is sent again after it was confirmed", async () => {
  listeners.confirm = async () => true;
  fetched
    .mockResolvedValueOnce(respond(403, { code: "reauthentication-needed", title: "Confirm" }))
    .mockResolvedValueOnce(respond(200, { done: true }));
  expect(await json("PUT", "/people/1", { roles: [] })).toEqual({ done: true });
  const bodies = fetched.mock.calls.map(([, init]) => init?.body);
  expect(bodies).toEqual(['{"roles":[]}', '{"roles":[]}']);
});
