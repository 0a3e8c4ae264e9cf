// Reading an answer while it is being made: server-sent events of a POST request.

import { Problem, request, type Step } from "./client";

/** A question, and the conversation that it follows. */
export type Question = { question: string; conversation: string | null; as_typed: boolean };

/** Asks a question and hands over each step as it arrives. */
export async function ask(
  question: Question,
  onStep: (step: Step) => void,
  signal: AbortSignal,
): Promise<void> {
  const response = await request("POST", "/answers", question, signal);
  if (!response.body) throw new Problem("unreachable", "The answer broke off", "Ask again");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    pending += value;
    const events = pending.split("\n\n");
    pending = events.pop() ?? "";
    for (const event of events) {
      const data = event
        .split("\n")
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).trimStart());
      if (data.length > 0) onStep(JSON.parse(data.join("\n")) as Step);
    }
  }
}
