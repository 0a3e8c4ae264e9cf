// One conversation, as far as it has come: the question that is being answered, and those before it.
// It outlives the page, so that a person who opens a citation finds the answer when they return.

import { ask } from "../api/answer";
import {
  Problem,
  json,
  type ChoiceView,
  type QuoteView,
  type SpellingView,
  type Step,
  type TurnView,
} from "../api/client";

export type Composed = { text: string; quotes: number[] };
type Refused = Extract<Step, { event: "refusal" }>;
type Receipt = Extract<Step, { event: "receipt" }>;

class Conversation {
  question = $state("");
  asked = $state("");
  busy = $state(false);
  receipt = $state<Receipt | null>(null);
  quotes = $state<QuoteView[]>([]);
  refusal = $state<Refused | null>(null);
  /** Numbers of quotes that disagree. */
  disagreement = $state<number[]>([]);
  /** What the question may ask about, where it does not say. */
  choices = $state<ChoiceView[]>([]);
  /** Words of the question that the quotes write otherwise. */
  otherSpelling = $state<SpellingView[]>([]);
  composed = $state<Composed[]>([]);
  withheld = $state(0);
  note = $state<string | null>(null);
  took = $state<number | null>(null);
  problem = $state<string | null>(null);
  /** The questions before this one, the latest first. */
  earlier = $state<TurnView[]>([]);
  #id: string | null = null;
  #stop: AbortController | null = null;

  async ask(question: string, asTyped = false) {
    this.stop();
    this.#setAside();
    this.#clear(question);
    const stop = new AbortController();
    this.#stop = stop;
    this.busy = true;
    try {
      const asked = { question, conversation: this.#id, as_typed: asTyped };
      await ask(asked, (step) => this.#take(step), stop.signal);
      // What was typed meanwhile stays.
      const typed = this.question.trim() === question;
      if (typed && !stop.signal.aborted && !this.problem && !this.refusal) this.question = "";
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

  /** Goes on with a conversation of before. */
  async resume(id: string) {
    const { turns } = await json<{ turns: TurnView[] }>("GET", `/conversations/${id}`);
    this.begin();
    this.#id = id;
    this.earlier = turns.reverse();
  }

  /** Whether there is something that a question could follow. */
  get going(): boolean {
    return this.asked !== "" || this.earlier.length > 0;
  }

  /** Begins a new conversation. */
  begin() {
    this.stop();
    this.question = "";
    this.earlier = [];
    this.#id = null;
    this.#clear("");
  }

  #setAside() {
    if (!this.receipt) return;
    this.earlier.unshift({
      receipt: this.receipt.id,
      asked_at: "",
      question: this.asked,
      understood: this.receipt.understood ?? null,
      quotes: this.quotes,
      hidden: 0,
      sentences: this.composed,
    });
  }

  #clear(question: string) {
    this.asked = question;
    this.receipt = this.refusal = this.note = this.took = this.problem = null;
    this.quotes = [];
    this.disagreement = [];
    this.choices = [];
    this.otherSpelling = [];
    this.composed = [];
    this.withheld = 0;
  }

  #take(step: Step) {
    switch (step.event) {
      case "receipt":
        this.receipt = step;
        this.#id = step.conversation;
        break;
      case "quote":
        this.quotes.push(step);
        break;
      case "refusal":
        this.refusal = step;
        break;
      case "disagreement":
        this.disagreement = step.quotes;
        break;
      case "ambiguity":
        this.choices = step.choices;
        break;
      case "other-spelling":
        this.otherSpelling = step.words;
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
