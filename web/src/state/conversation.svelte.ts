// The current conversation: the question that is being answered, and the questions before it.
// It outlives the page, so the answer is still there when a person returns from a citation.

import { ask } from "../api/answer";
import {
  Problem,
  json,
  type AnswerEvent,
  type QuoteView,
  type ReadingView,
  type SentenceView,
  type SpellingView,
  type TurnView,
} from "../api/client";

import { askRoute } from "./links";
import { t } from "./locale.svelte";
import { replaceRoute, route } from "./route.svelte";

type Refusal = Extract<AnswerEvent, { event: "refusal" }>;
type Receipt = Extract<AnswerEvent, { event: "receipt" }>;

class Conversation {
  /** The text in the question field. */
  question = $state("");
  askedQuestion = $state("");
  busy = $state(false);
  /** Whether the person stopped the answer. */
  stopped = $state(false);
  receipt = $state<Receipt | null>(null);
  /** The answer from the history that is shown in place of a new one. */
  reopened = $state<TurnView | null>(null);
  quotes = $state<QuoteView[]>([]);
  refusal = $state<Refusal | null>(null);
  /** The numbers of quotes that contradict each other. */
  conflict = $state<number[]>([]);
  /** The readings of an ambiguous question. */
  readings = $state<ReadingView[]>([]);
  /** Words that the quotes spell differently from the question. */
  spellingVariants = $state<SpellingView[]>([]);
  /** The generated sentences. */
  sentences = $state<SentenceView[]>([]);
  withheldCount = $state(0);
  note = $state<string | null>(null);
  durationMs = $state<number | null>(null);
  problem = $state<string | null>(null);
  /** The questions before this one, newest first. */
  pastTurns = $state<TurnView[]>([]);
  /** The id of the conversation. `null` before its first answer. */
  id = $state<string | null>(null);
  #abortController: AbortController | null = null;

  async ask(question: string, asTyped = false) {
    this.stop();
    this.#archiveTurn();
    this.#clear(question);
    const controller = new AbortController();
    const { signal } = controller;
    this.#abortController = controller;
    this.busy = true;
    try {
      const request = { question, conversation: this.id, as_typed: asTyped };
      await ask(request, (event) => this.#apply(event), signal);
      // Keeps what was typed in the meantime.
      const isUnchanged = this.question.trim() === question;
      if (isUnchanged && !signal.aborted && !this.problem && !this.refusal) this.question = "";
    } catch (cause) {
      if (!signal.aborted) {
        this.problem =
          cause instanceof Problem ? cause.message : t("The answer was interrupted. Ask again.");
      }
    } finally {
      if (this.#abortController === controller) this.busy = false;
    }
  }

  stop() {
    this.#abortController?.abort();
    this.stopped = this.busy;
    this.busy = false;
  }

  /** Shows a past conversation, with the answer to its last question. */
  async resume(id: string) {
    const { turns } = await json<{ turns: TurnView[] }>("GET", `/conversations/${id}`);
    const draft = this.question;
    this.reset();
    this.question = draft;
    this.id = id;
    const [last = null, ...earlier] = turns.reverse();
    this.pastTurns = earlier;
    this.reopened = last;
    this.askedQuestion = last?.question ?? "";
    this.quotes = last?.quotes ?? [];
    this.sentences = last?.sentences ?? [];
  }

  /** The question that was searched for, if it is not the one that was asked. */
  get rewrittenQuestion(): string | null {
    return (this.receipt ?? this.reopened)?.rewritten_question ?? null;
  }

  /** Whether the next question can be a follow-up. */
  get hasHistory(): boolean {
    return this.askedQuestion !== "" || this.pastTurns.length > 0;
  }

  /** Starts a new conversation. */
  reset() {
    this.stop();
    this.question = "";
    this.pastTurns = [];
    this.id = null;
    this.#clear("");
  }

  /** Removes everything but the text in the question field. */
  keepDraft() {
    const draft = this.question;
    this.reset();
    this.question = draft;
  }

  #archiveTurn() {
    if (this.reopened) this.pastTurns.unshift(this.reopened);
    if (!this.receipt) return;
    this.pastTurns.unshift({
      receipt: this.receipt.id,
      asked_at: "",
      question: this.askedQuestion,
      rewritten_question: this.receipt.rewritten_question ?? null,
      quotes: this.quotes,
      hidden: 0,
      sentences: this.sentences,
    });
  }

  #clear(question: string) {
    this.askedQuestion = question;
    this.receipt = this.reopened = this.refusal = this.note = this.durationMs = this.problem = null;
    this.stopped = false;
    this.quotes = [];
    this.conflict = [];
    this.readings = [];
    this.spellingVariants = [];
    this.sentences = [];
    this.withheldCount = 0;
  }

  #apply(event: AnswerEvent) {
    switch (event.event) {
      case "receipt":
        this.receipt = event;
        this.id = event.conversation;
        if (["", "ask"].includes(route.first)) replaceRoute(askRoute(this.id));
        break;
      case "quote":
        this.quotes.push(event);
        break;
      case "refusal":
        this.refusal = event;
        break;
      case "conflict":
        this.conflict = event.quotes;
        break;
      case "ambiguity":
        this.readings = event.choices;
        break;
      case "spelling":
        this.spellingVariants = event.words;
        break;
      case "sentence":
        this.sentences.push(event);
        break;
      case "withheld":
        this.withheldCount = event.count;
        break;
      case "done":
        this.note = event.note ?? null;
        this.durationMs = event.took_ms;
        break;
      case "error":
        this.problem = new Problem(event.code, event.title, event.detail).message;
    }
  }
}

export const conversation = new Conversation();
