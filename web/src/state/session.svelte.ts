// Who is signed in, and what they may see of the interface. What they may do is decided by the
// appliance, for each request.

import { json, signedOut, type Me } from "../api/client";

class Session {
  me = $state<Me | null>(null);
  known = $state(false);
  ended = $state(false);

  constructor() {
    signedOut.listener = () => {
      this.ended = this.me !== null;
      this.me = null;
    };
  }

  async resume() {
    this.me = await json<Me>("GET", "/session").catch(() => null);
    this.ended = false;
    this.known = true;
  }

  begin(me: Me) {
    this.me = me;
    this.ended = false;
  }

  async end() {
    await json("DELETE", "/session").catch(() => null);
    this.me = null;
    this.ended = false;
  }

  is(role: "staff" | "administrator" | "compliance-officer"): boolean {
    return this.me?.roles.includes(role) ?? false;
  }
}

export const session = new Session();
