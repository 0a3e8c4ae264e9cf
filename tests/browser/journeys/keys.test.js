// Security keys and passkeys, with the virtual authenticators of Chromium.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { Appliance, password } from "../appliance.js";
import { inspect, openBrowser, openPage } from "../browser.js";

/** Keys work with the host name of the appliance, and not with its address. */
function byHostName(appliance) {
  return { url: appliance.url.replace("127.0.0.1", "localhost") };
}

/** Opens a page of a browser that has a security key. */
async function openPageWithKey(browser, appliance) {
  const page = await openPage(browser, byHostName(appliance));
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const options = {
    protocol: "ctap2",
    transport: "usb",
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: true,
    automaticPresenceSimulation: true,
  };
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", { options });
  page.key = {
    credentials: async () => (await cdp.send("WebAuthn.getCredentials", { authenticatorId })).credentials,
    add: (credential) => cdp.send("WebAuthn.addCredential", { authenticatorId, credential }),
  };
  return page;
}

async function typePassword(page, name) {
  await page.goto(`${page.appliance.url}/`);
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

function entries(appliance, kind) {
  const { out } = appliance.cli(["audit", "list", "--json", "--limit", "500"]);
  const all = out.trim().split("\n").map((line) => JSON.parse(line));
  return all.filter((entry) => entry.kind === kind);
}

test("a person signs in with a security key, and a copy of it is refused", async (t) => {
  const appliance = await Appliance.start(t, {
    CLOISTER_SESSION_SECOND_FACTOR: "compliance-officer",
    CLOISTER_SESSION_MAX_FAILED_SIGN_INS: "20",
  });
  const added = appliance.cli(["user", "add", "olive", "--role", "compliance-officer"], `${password}\n`);
  assert.equal(added.status, 0, added.err);
  const browser = await openBrowser(t);
  const page = await openPageWithKey(browser, appliance);
  const answers = [];
  page.on("request", (request) => {
    const body = request.method() === "POST" ? request.postData() : null;
    if (body?.includes("clientDataJSON")) answers.push({ url: request.url(), body: JSON.parse(body) });
  });

  await t.test("registration, required by the role", async () => {
    await typePassword(page, "olive");
    await page.getByRole("heading", { name: "Set up a second factor" }).waitFor();
    await page.getByRole("button", { name: "Use a security key instead" }).click();
    await page.getByLabel("Name of the key").fill("blue key");
    await page.getByLabel("Your password").fill(password);
    await inspect(page, "security-key-first");
    await page.getByRole("button", { name: "Add a security key" }).click();
    await page.getByRole("heading", { name: "Recovery codes" }).waitFor();
    assert.equal(await page.locator("li code").count(), 10);
    await page.getByRole("button", { name: "I have saved the codes" }).click();
    await page.getByRole("heading", { name: "Audit log" }).waitFor();
    assert.equal((await page.key.credentials()).length, 1);
  });

  await t.test("the same key is not registered twice", async () => {
    await page.getByRole("link", { name: "olive" }).click();
    await page.getByRole("cell", { name: "blue key", exact: true }).waitFor();
    await page.getByRole("button", { name: "Add a security key" }).click();
    const form = page.getByRole("form", { name: "Add a security key" });
    await form.getByLabel("Your password").fill(password);
    await form.getByRole("button", { name: "Add a security key" }).click();
    await form.getByRole("button", { name: "Use your security key" }).click();
    await form.getByText("This security key is registered already.").waitFor();
    await inspect(page, "security-keys");
  });

  await t.test("sign-in, and each answer is accepted once", async () => {
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Name", { exact: true }).waitFor();
    await typePassword(page, "olive");
    await page.getByRole("button", { name: "Use your security key" }).waitFor();
    await inspect(page, "sign-in-key");
    answers.length = 0;
    await page.getByRole("button", { name: "Use your security key" }).click();
    await page.getByRole("heading", { name: "Audit log" }).waitFor();
    const [{ body }] = answers;
    const again = await appliance.request("POST", "/api/v1/session", { body });
    assert.deepEqual([again.status, again.json.code], [401, "key-refused"]);
    const newest = entries(appliance, "auth.signed-in").filter(({ outcome }) => outcome === "success");
    assert.ok(newest.some(({ detail }) => detail.second_factor === "security-key" && detail.key === "blue key"));
  });

  await t.test("a copy, another key, and no key", async () => {
    const [credential] = await page.key.credentials();
    assert.ok(credential.signCount > 1, JSON.stringify(credential));
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const other = privateKey.export({ type: "pkcs8", format: "der" }).toString("base64");
    for (const [changed, reason] of [
      [{ signCount: 1 }, "there may be a copy"],
      [{ privateKey: other, signCount: 99 }, "did not sign the challenge"],
    ]) {
      const thief = await openPageWithKey(browser, appliance);
      await thief.key.add({ ...credential, ...changed });
      await typePassword(thief, "olive");
      await thief.getByRole("button", { name: "Use your security key" }).click();
      await thief.getByText("The security key was not accepted.").waitFor();
      const refused = entries(appliance, "auth.signed-in").find(({ outcome }) => outcome === "failure");
      assert.match(refused.detail.refused, new RegExp(reason));
      await thief.context().close();
    }
    const without = await appliance.request("POST", "/api/v1/session", { body: { name: "olive", password } });
    assert.equal(without.json.code, "second-factor-needed");
    assert.equal(without.json.second_factor.app, false);
  });

  await t.test("removal", async () => {
    await page.getByRole("link", { name: "olive" }).click();
    await page.getByRole("button", { name: "Remove blue key" }).click();
    const form = page.getByRole("form", { name: "Remove blue key" });
    await form.getByLabel("Your password").fill(password);
    await form.getByRole("button", { name: "Remove blue key" }).click();
    await form.getByRole("button", { name: "Use your security key" }).click();
    await page.getByRole("heading", { name: "Set up a second factor" }).waitFor();
    const signIn = await appliance.request("POST", "/api/v1/session", { body: { name: "olive", password } });
    assert.deepEqual([signIn.status, signIn.json.lacks_second_factor], [200, true]);
    for (const [kind, expected] of [
      ["auth.security-key-added", ["success", "started"]],
      ["auth.security-key-removed", ["success", "started"]],
    ]) {
      assert.deepEqual(entries(appliance, kind).map(({ outcome }) => outcome), expected);
    }
  });
});

test("an administrator confirms with a security key, and the operator resets it", async (t) => {
  const appliance = await Appliance.start(t, { CLOISTER_SESSION_REAUTHENTICATION_MINUTES: "0" });
  const added = appliance.cli(["user", "add", "ada", "--role", "administrator"], `${password}\n`);
  assert.equal(added.status, 0, added.err);
  const browser = await openBrowser(t);
  const page = await openPageWithKey(browser, appliance);
  await typePassword(page, "ada");
  await page.getByRole("link", { name: "ada" }).click();
  await page.getByRole("button", { name: "Add a security key" }).click();
  const form = page.getByRole("form", { name: "Add a security key" });
  await form.getByLabel("Your password").fill(password);
  await form.getByRole("button", { name: "Add a security key" }).click();
  await page.getByRole("button", { name: "I have saved the codes" }).click();
  await page.getByText("You have 10 recovery codes left.").waitFor();

  await page.goto(`${page.appliance.url}/#/administration/groups`);
  await new Promise((resolve) => setTimeout(resolve, 5500));
  await page.getByLabel("New group").fill("Emergency");
  await page.getByRole("button", { name: "Add group" }).click();
  const dialog = page.getByRole("dialog", { name: "Confirm that it is you" });
  await dialog.getByLabel("Your password").fill(password);
  await dialog.getByRole("button", { name: "Confirm" }).click();
  await dialog.getByRole("button", { name: "Use your security key" }).click();
  await page.getByRole("region", { name: "Group Emergency" }).waitFor();
  const [confirmed] = entries(appliance, "auth.reauthenticated");
  assert.equal(confirmed.detail.second_factor, "security-key");

  const atAddress = await openPage(browser, appliance);
  await atAddress.goto(appliance.url);
  await atAddress.getByLabel("Name").fill("ada");
  await atAddress.getByLabel("Password").fill(password);
  await atAddress.getByRole("button", { name: "Sign in" }).click();
  await atAddress.getByRole("button", { name: "Use your security key" }).click();
  await atAddress.getByText("Security keys do not work at this address.").waitFor();

  const reset = appliance.cli(["user", "reset-second-factor", "ada"]);
  assert.equal(reset.status, 0, reset.err);
  const signIn = await appliance.request("POST", "/api/v1/session", { body: { name: "ada", password } });
  assert.equal(signIn.status, 200, signIn.text);
});
