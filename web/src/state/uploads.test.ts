import { beforeEach, expect, test, vi } from "vitest";
import { Problem } from "../api/client";
import { uploadFile } from "../api/upload";
import { UploadQueue } from "./uploads.svelte";

vi.mock("../api/upload", () => ({ uploadFile: vi.fn() }));
const file = (name: string) => new File(["text"], name);

beforeEach(() => {
  vi.mocked(uploadFile).mockReset().mockResolvedValue();
});

test("files are sent one after another, also those that are added meanwhile", async () => {
  const queue = new UploadQueue();
  let inFlight = 0;
  vi.mocked(uploadFile).mockImplementation(async () => {
    inFlight += 1;
    expect(inFlight).toBe(1);
    await Promise.resolve();
    inFlight -= 1;
  });
  const sending = queue.add([file("a.md"), file("b.md")], 1);
  queue.add([file("c.md")], 1);
  await sending;
  expect(queue.uploads.map(({ state }) => state)).toEqual(["sent", "sent", "sent"]);
});

test("a file that exists can be replaced", async () => {
  const queue = new UploadQueue();
  vi.mocked(uploadFile).mockRejectedValueOnce(new Problem("conflict", "That is already taken"));
  await queue.add([file("a.md")], 1);
  const [upload] = queue.uploads;
  expect(upload).toMatchObject({ state: "failed", exists: true });
  expect(upload?.problem).toBe("That is already taken.");
  if (upload) await queue.send(upload, 1, true);
  expect(upload).toMatchObject({ state: "sent", exists: false, problem: undefined });
  expect(vi.mocked(uploadFile).mock.calls.at(-1)?.[2]).toBe(true);
});

test("a failure does not stop the next file, and says what to do", async () => {
  const queue = new UploadQueue();
  vi.mocked(uploadFile).mockRejectedValueOnce(new Error("lost"));
  await queue.add([file("a.md"), file("b.md")], 1);
  expect(queue.uploads.map(({ state }) => state)).toEqual(["failed", "sent"]);
  expect(queue.uploads[0]?.problem).toBe("The upload failed. Try again.");
  queue.clear();
  expect(queue.uploads).toEqual([]);
});
