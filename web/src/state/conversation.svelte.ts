// One question and its answer, as far as it has come. It outlives the page, so that a person who
// opens a citation finds the answer again when they return.

import { ask } from "../api/answer";
import { Problem, type PassageView, type QuoteView, type Step } from "../api/client";

export type Composed = { text: string; quotes: number[] };

class Conversation {
  question = $state("");
  asked = $state("");
  busy = $state(false);
  receipt = $state<{ id: string; documents: number } | null>(null);
  quotes = $state<QuoteView[]>([]);
  refusal = $state<{ reason: string; nearest: PassageView[] } | null>(null);
  composed = $state<Composed[]>([]);
  withheld = $state(0);
  note = $state<string | null>(null);
  took = $state<number | null>(null);
  problem = $state<string | null>(null);
  #stop: AbortController | null = null;

  async ask(question: string) {
    this.stop();
    this.#clear(question);
    const stop = new AbortController();
    this.#stop = stop;
    this.busy = true;
    try {
      await ask(question, (step) => this.#take(step), stop.signal);
    } catch (cause) {
      if (!stop.signal.aborted) {
        this.problem =
          cause instanceof Problem ? cause.message : "The answer broke off. Ask again.";
      }
    } finally {
      if (this.#stop === stop) this.busy = false;
    }
  }

  stop() {
    this.#stop?.abort();
    this.busy = false;
  }

  forget() {
    this.stop();
    this.question = "";
    this.#clear("");
  }

  #clear(question: string) {
    this.asked = question;
    this.receipt = this.refusal = this.note = this.took = this.problem = null;
    this.quotes = [];
    this.composed = [];
    this.withheld = 0;
  }

  #take(step: Step) {
    switch (step.event) {
      case "receipt":
        this.receipt = step;
        break;
      case "quote":
        this.quotes.push(step);
        break;
      case "refusal":
        this.refusal = step;
        break;
      case "sentence":
        this.composed.push(step);
        break;
      case "withheld":
        this.withheld = step.count;
        break;
      case "done":
        this.note = step.note ?? null;
        this.took = step.took_ms;
        break;
      case "problem":
        this.problem = step.detail ? `${step.title}. ${step.detail}.` : `${step.title}.`;
    }
  }
}

export const conversation = new Conversation();
