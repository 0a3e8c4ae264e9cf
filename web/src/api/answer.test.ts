import { expect, test, vi } from "vitest";
import { ask } from "./answer";
import type { AnswerEvent } from "./client";

/** Answers a question with a body that arrives in these pieces. */
async function receive(...pieces: string[]): Promise<AnswerEvent[]> {
  const bytes = pieces.map((piece) => new TextEncoder().encode(piece));
  return receiveBytes(bytes);
}

async function receiveBytes(pieces: Uint8Array<ArrayBuffer>[]): Promise<AnswerEvent[]> {
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  vi.stubGlobal("fetch", async () => new Response(body));
  const events: AnswerEvent[] = [];
  const question = { question: "Who?", conversation: null, as_typed: false };
  await ask(question, (event) => events.push(event), new AbortController().signal);
  return events;
}

test("events are read also if they arrive in pieces, or several at once", async () => {
  const events = await receive(
    'data: {"event":"wit',
    'hheld","count":1}\n\ndata: {"event":"withheld","count":2}\n\n',
    ": keep-alive\n\n",
  );
  expect(events).toEqual([
    { event: "withheld", count: 1 },
    { event: "withheld", count: 2 },
  ]);
});

test("a character of several bytes may be split", async () => {
  const bytes = new TextEncoder().encode('data: {"event":"note","text":"Gebühr"}\n\n');
  const split = bytes.indexOf(0xc3) + 1;
  const [event] = await receiveBytes([bytes.slice(0, split), bytes.slice(split)]);
  expect(event).toMatchObject({ text: "Gebühr" });
});

test("an event that was cut off is left out", async () => {
  expect(await receive('data: {"event":"withheld","count":1}')).toEqual([]);
});
