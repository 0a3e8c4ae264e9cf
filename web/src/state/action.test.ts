import { expect, test } from "vitest";
import { Problem } from "../api/client";
import { ActionState } from "./action.svelte";

const fail = async () => {
  throw new Problem("busy", "Too many questions at once");
};

test("an action is busy while it runs, and an error stays until the next one begins", async () => {
  const action = new ActionState();
  const running = action.run(fail);
  expect(action.busy).toBe(true);
  expect(await running).toBe(false);
  expect(action.busy).toBe(false);
  expect(action.problem).toBe("Too many questions at once.");
  const next = action.run(async () => {});
  expect(action.problem).toBeNull();
  expect(await next).toBe(true);
});

test("a refresh keeps the error until it succeeds", async () => {
  const action = new ActionState();
  await action.refresh(fail);
  const again = action.refresh(fail);
  expect(action.problem).toBe("Too many questions at once.");
  expect(action.busy).toBe(false);
  await again;
  await action.refresh(async () => {});
  expect(action.problem).toBeNull();
});

test("an error of the program has no words of the program", async () => {
  const action = new ActionState();
  await action.run(async () => {
    throw new TypeError("undefined is not a function");
  });
  expect(action.problem).toBe("Something went wrong. Try again.");
});

test("an action that ends late does not hide the outcome of a later one", async () => {
  const action = new ActionState();
  let failLate = () => {};
  const early = action.run(
    () => new Promise((_, reject) => (failLate = () => reject(new Error("late")))),
  );
  await action.run(async () => {});
  failLate();
  expect(await early).toBe(false);
  expect(action.problem).toBeNull();
  expect(action.busy).toBe(false);
});
