// The state of a request that a person started: whether it is running, and its error.

import { Problem } from "../api/client";
import { t } from "./locale.svelte";

export class ActionState {
  busy = $state(false);
  problem = $state<string | null>(null);
  /** The number of runs. Only the latest one shows its outcome. */
  #runs = 0;

  /** Runs the action, and returns whether it succeeded. */
  async run(action: () => Promise<void>): Promise<boolean> {
    this.#runs += 1;
    const run = this.#runs;
    this.problem = null;
    this.busy = true;
    const succeeded = await this.refresh(action);
    if (run === this.#runs) this.busy = false;
    return succeeded;
  }

  /** Runs an action that the person did not start. An earlier error stays until it succeeds, so that a
   * screen reader does not announce it again and again. */
  async refresh(action: () => Promise<void>): Promise<boolean> {
    const run = this.#runs;
    const problem = await action().then(() => null, describeProblem);
    if (run === this.#runs) this.problem = problem;
    return problem === null;
  }
}

function describeProblem(cause: unknown): string {
  return cause instanceof Problem ? cause.message : t("Something went wrong. Try again.");
}
