// A site with the sample library and a person for each audience.

import assert from "node:assert/strict";
import { Appliance, password, samples } from "./appliance.js";

/** The number of files of the sample library. */
const FILES = 13;

const commands = [
  ["group", "add", "nurses"],
  ["group", "add", "tellers"],
  ["collection", "grant", "hospital", "nurses"],
  ["collection", "grant", "bank", "tellers"],
  ["user", "add", "ada", "--role", "administrator"],
  ["user", "add", "olive", "--role", "compliance-officer"],
  ["user", "add", "nina", "--group", "nurses"],
  ["user", "add", "tom", "--group", "tellers"],
];

/** Starts an appliance on the sample library: nina is a nurse, tom a teller, ada an administrator, and
 * olive a compliance officer. */
export async function startSite(t) {
  const appliance = await Appliance.start(t);
  samples(appliance.inbox);
  await waitFor(() => appliance.cli(["collection", "list"]).out.includes("hospital"));
  for (const command of commands) {
    const { status, err } = appliance.cli(command, `${password}\n`);
    assert.equal(status, 0, err);
  }
  const cookie = await appliance.signIn("ada", password);
  await waitFor(async () => {
    const { json } = await appliance.request("GET", "/api/v1/files?state=ready", { cookie });
    return json.files.length >= FILES;
  });
  return appliance;
}

/** Waits until the condition holds, at most a minute and a half. */
async function waitFor(holds) {
  for (let tries = 0; tries < 300; tries += 1) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  throw new Error(`it did not become true: ${holds}`);
}
