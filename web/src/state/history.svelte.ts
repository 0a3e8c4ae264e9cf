// The person's own conversations, as the list beside the answers shows them.

import { json, send, type ConversationsView } from "../api/client";
import { conversation } from "./conversation.svelte";
import { askRoute } from "./links";
import { locale, t } from "./locale.svelte";
import { navigate, route } from "./route.svelte";

export type ConversationEntry = ConversationsView["conversations"][number];

class History {
  view = $state<ConversationsView | null>(null);

  async load() {
    this.view = await json<ConversationsView>("GET", "/conversations", undefined, {
      background: true,
    });
  }

  /** Deletes a conversation. If it is shown, a new one begins. */
  async remove(id: string) {
    await send("DELETE", `/conversations/${id}`);
    if (conversation.id === id) startConversation();
    await this.load();
  }

  /** Removes the list from the memory of the page. */
  forget() {
    this.view = null;
  }
}

export const history = new History();

/** Starts a new conversation. */
export function startConversation() {
  conversation.reset();
  if (route.first === "ask") navigate(askRoute(null));
}

/** The conversations under the days of their last questions, newest first. */
export function groupByDay(entries: ConversationEntry[]): [string, ConversationEntry[]][] {
  const groups = new Map<string, ConversationEntry[]>();
  for (const entry of entries) {
    const day = dayName(new Date(entry.asked_at));
    groups.set(day, [...(groups.get(day) ?? []), entry]);
  }
  return [...groups];
}

function dayName(time: Date): string {
  const days = Math.round((startOfDay(new Date()) - startOfDay(time)) / 86_400_000);
  if (days === 0) return t("Today");
  if (days === 1) return t("Yesterday");
  return time.toLocaleDateString(locale.tag, { dateStyle: "long" });
}

function startOfDay(time: Date): number {
  return new Date(time.getFullYear(), time.getMonth(), time.getDate()).getTime();
}
