// The person who is signed in. Their roles only decide what the interface shows: the appliance
// checks permissions on every request.

import { json, signedOut, type CurrentPerson } from "../api/client";
import type { Role } from "./roles";

class Session {
  person = $state<CurrentPerson | null>(null);
  isLoaded = $state(false);
  hasEnded = $state(false);

  constructor() {
    signedOut.listener = () => {
      this.hasEnded = this.person !== null;
      this.person = null;
    };
  }

  /** Loads the session of the browser's cookie, if there is one. */
  async resume() {
    this.person = await json<CurrentPerson>("GET", "/session").catch(() => null);
    this.hasEnded = false;
    this.isLoaded = true;
  }

  start(person: CurrentPerson) {
    this.person = person;
    this.hasEnded = false;
    this.isLoaded = true;
  }

  async end() {
    await json("DELETE", "/session").catch(() => null);
    this.person = null;
    this.hasEnded = false;
  }

  is(role: Role): boolean {
    return this.person?.roles.includes(role) ?? false;
  }
}

export const session = new Session();
