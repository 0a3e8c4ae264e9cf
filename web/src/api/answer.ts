// Reads an answer while it is being made: the server-sent events of a POST request.

import { msg } from "../state/locale.svelte";
import { Problem, request, type AnswerEvent } from "./client";

/** A question, and the conversation that it continues. */
export type Question = { question: string; conversation: string | null; as_typed: boolean };

/** Asks a question, and passes on each event when it arrives. */
export async function ask(
  question: Question,
  onEvent: (event: AnswerEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const response = await request("POST", "/answers", question, { signal });
  if (!response.body)
    throw new Problem("unreachable", msg("The answer was interrupted"), msg("Ask again"));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    pending += value;
    const messages = pending.split("\n\n");
    pending = messages.pop() ?? "";
    for (const message of messages) {
      const data = message
        .split("\n")
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).trimStart());
      if (data.length > 0) onEvent(JSON.parse(data.join("\n")) as AnswerEvent);
    }
  }
}
