// The state of a request that a person started: whether it is running, and its error.

import { Problem } from "../api/client";
import { t } from "./locale.svelte";

export class ActionState {
  busy = $state(false);
  problem = $state<string | null>(null);

  /** Runs the action, and returns whether it succeeded. */
  async run(action: () => Promise<void>): Promise<boolean> {
    this.busy = true;
    this.problem = null;
    try {
      await action();
      return true;
    } catch (cause) {
      this.problem =
        cause instanceof Problem ? cause.message : t("Something went wrong. Try again.");
      return false;
    } finally {
      this.busy = false;
    }
  }
}
