// The second factor in a form: what the appliance asks for, and what the person gives.

import { Problem, type FactorProof, type FactorRequest } from "../api/client";
import { signWithKey } from "./security-keys";

type Send = (proof: FactorProof) => Promise<void>;

export class FactorState {
  /** What the appliance asks for. `null` until it has asked. */
  request = $state<FactorRequest | null>(null);
  code = $state("");

  /** Sends the form with the code, if one was asked for. */
  async send(send: Send) {
    await this.#try(send, this.request ? { code: this.code } : {});
  }

  /** Sends the form after a security key has signed. A challenge is used once. */
  async sendWithKey(send: Send) {
    if (!this.request?.key) await this.#try(send, {});
    const challenge = this.request?.key;
    if (!challenge) return;
    this.request = { app: this.request?.app ?? false };
    this.canUseKey = true;
    await this.#try(send, { key: await signWithKey(challenge) });
  }

  /** Whether the person has a security key that works with this site. */
  canUseKey = $state(false);

  reset() {
    this.request = null;
    this.canUseKey = false;
    this.code = "";
  }

  async #try(send: Send, proof: FactorProof) {
    try {
      await send(proof);
    } catch (cause) {
      if (!(cause instanceof Problem) || !cause.secondFactor) throw cause;
      this.request = cause.secondFactor;
      this.canUseKey = cause.secondFactor.key != null;
    }
  }
}
