// The state of a request that a person started: whether it is running, and its error.

import { Problem } from "../api/client";
import { t } from "./locale.svelte";

export class ActionState {
  busy = $state(false);
  problem = $state<string | null>(null);

  /** Runs the action, and returns whether it succeeded. */
  async run(action: () => Promise<void>): Promise<boolean> {
    this.problem = null;
    this.busy = true;
    try {
      return await this.refresh(action);
    } finally {
      this.busy = false;
    }
  }

  /** Runs an action that the person did not start. An earlier error stays until it succeeds, so that a
   * screen reader does not announce it again and again. */
  async refresh(action: () => Promise<void>): Promise<boolean> {
    try {
      await action();
      this.problem = null;
      return true;
    } catch (cause) {
      this.problem =
        cause instanceof Problem ? cause.message : t("Something went wrong. Try again.");
      return false;
    }
  }
}
