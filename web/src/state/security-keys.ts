// Security keys and passkeys (WebAuthn) of the browser.

import { Problem, type KeyChallenge, type KeyResponse } from "../api/client";
import { t } from "./locale.svelte";

/** Whether this browser can use security keys. */
export function hasSecurityKeys(): boolean {
  return "parseRequestOptionsFromJSON" in (window.PublicKeyCredential ?? {});
}

/** Lets a key answer a challenge of a registration. */
export async function createKey({ ticket, options }: KeyChallenge): Promise<KeyResponse> {
  const json = options as unknown as PublicKeyCredentialCreationOptionsJSON;
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(json);
  return respond(ticket, () => navigator.credentials.create({ publicKey }));
}

/** Lets a registered key answer a challenge. */
export async function signWithKey({ ticket, options }: KeyChallenge): Promise<KeyResponse> {
  const json = options as unknown as PublicKeyCredentialRequestOptionsJSON;
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(json);
  return respond(ticket, () => navigator.credentials.get({ publicKey }));
}

async function respond(
  ticket: string,
  ask: () => Promise<Credential | null>,
): Promise<KeyResponse> {
  const credential = await ask().catch((cause: unknown) => {
    throw explain(cause);
  });
  if (!(credential instanceof PublicKeyCredential)) throw explain(null);
  return { ticket, credential: credential.toJSON() as Record<string, never> };
}

/** What a person can do about an error of the browser. */
function explain(cause: unknown): Problem {
  const name = cause instanceof DOMException ? cause.name : "";
  if (name === "InvalidStateError")
    return new Problem(name, "This security key is registered already");
  if (name === "SecurityError") {
    const detail = "Open the page by the host name of the appliance";
    return new Problem(name, "Security keys do not work at this address", detail);
  }
  return new Problem(name, "The security key was not used", "Try again, or use another one");
}

/** The name that a new key is suggested. */
export function suggestName(count: number): string {
  return count === 0 ? t("Security key") : t("Security key {{number}}", { number: count + 1 });
}
