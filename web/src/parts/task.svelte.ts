// A request that a person started: whether it runs, and what went wrong.

import { Problem } from "../api/client";

export class Task {
  busy = $state(false);
  problem = $state<string | null>(null);

  /** Does it, and returns whether it went well. */
  async run(act: () => Promise<void>): Promise<boolean> {
    this.busy = true;
    this.problem = null;
    try {
      await act();
      return true;
    } catch (cause) {
      this.problem = cause instanceof Problem ? cause.message : "Something went wrong. Try again.";
      return false;
    } finally {
      this.busy = false;
    }
  }
}
