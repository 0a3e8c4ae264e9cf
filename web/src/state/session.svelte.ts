// The person who is signed in. Their roles only decide what the interface shows: the appliance
// checks permissions on every request.
//
// A shared workstation must not show one person what another one asked. So the page is blanked when
// the session ends, also if nobody clicks, and only the same person gets the typed question back.

import { json, listeners, type CurrentPerson } from "../api/client";
import { conversation } from "./conversation.svelte";
import { history } from "./history.svelte";
import type { Role } from "./roles";
import { navigate } from "./route.svelte";

/** Tells the other tabs of this browser that a session began or ended. */
const tabs = new BroadcastChannel("cloister-session");

/** Browsers end longer timers at once. The session is then checked in between. */
const LONGEST_TIMER_MS = 24 * 3600 * 1000;

class Session {
  person = $state<CurrentPerson | null>(null);
  isLoaded = $state(false);
  hasEnded = $state(false);
  /** The id of the person whose question is in the question field. */
  #draftOwner: number | null = null;
  /** The time at which the session ends even if it is used. */
  #endsAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    listeners.signedOut = () => this.#blank();
    listeners.used = () => this.#waitForEnd(this.person?.idle_s ?? 0);
    tabs.onmessage = () => this.#check();
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#check();
    });
    // A page that the browser kept for its Back button shows what it showed before.
    window.addEventListener("pageshow", (event) => {
      if (event.persisted) this.#check();
    });
  }

  /** Loads the session of the browser's cookie, if there is one. */
  async resume() {
    const person = await json<CurrentPerson>("GET", "/session").catch(() => null);
    if (person) this.#show(person);
    this.hasEnded = false;
    this.isLoaded = true;
  }

  /** Begins the session of a person who has just signed in. */
  start(person: CurrentPerson) {
    this.#show(person);
    this.isLoaded = true;
    tabs.postMessage("began");
  }

  /** Signs the person out. */
  async end() {
    await json("DELETE", "/session").catch(() => null);
    this.#forget();
    this.hasEnded = false;
    tabs.postMessage("ended");
  }

  is(role: Role): boolean {
    return this.person?.roles.includes(role) ?? false;
  }

  #show(person: CurrentPerson) {
    const isAnother = this.#draftOwner !== null && this.#draftOwner !== person.id;
    if (isAnother) {
      this.#forget();
      navigate("/");
    }
    this.person = person;
    this.hasEnded = false;
    this.#draftOwner = person.id;
    this.#endsAt = Date.now() + person.ends_in_s * 1000;
    this.#waitForEnd(person.expires_in_s);
  }

  /** Removes everything that the person saw or typed. */
  #forget() {
    clearTimeout(this.#timer);
    conversation.reset();
    history.forget();
    this.person = null;
    this.#draftOwner = null;
  }

  /** Hides the page after the session has ended. The typed question waits for the same person. */
  #blank() {
    clearTimeout(this.#timer);
    if (!this.person) return;
    conversation.keepDraft();
    history.forget();
    this.person = null;
    this.hasEnded = true;
  }

  #waitForEnd(seconds: number) {
    if (!this.person) return;
    clearTimeout(this.#timer);
    const left = Math.min(seconds * 1000, this.#endsAt - Date.now(), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => this.#check(), Math.max(left, 0) + 1000);
  }

  /** Asks the appliance whose session the browser has now. This does not prolong the session. */
  async #check() {
    if (!this.person) return;
    try {
      const options = { background: true };
      this.#show(await json<CurrentPerson>("GET", "/session", undefined, options));
    } catch {
      this.#blank();
    }
  }
}

export const session = new Session();
