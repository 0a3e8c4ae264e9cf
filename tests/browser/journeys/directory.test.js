// People of the site's directory sign in, with a real directory on the loopback interface.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { password, startWithWard } from "../appliance.js";
import { inspect, openBrowser, openPage, signIn } from "../browser.js";
import { Directory, group, isInstalled } from "../directory.js";

const skip = isInstalled ? false : "slapd is missing: deploy/install-tools test";
const ninasPassword = "ninas directory password";

function entries(appliance, kind) {
  const { out } = appliance.cli(["audit", "list", "--json", "--limit", "500"]);
  const all = out.trim().split("\n").map((line) => JSON.parse(line));
  return all.filter((entry) => entry.kind === kind);
}

/** Starts an appliance whose group `nurses` is `ward nurses` of the directory. */
async function start(t) {
  const directory = await Directory.start(t);
  const settings = directory.settings([`${group("ward nurses")} -> nurses`]);
  const folder = fs.mkdtempSync("/tmp/cloister-");
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  // The local account has another name than the people of the directory.
  const appliance = await startWithWard(t, settings, folder);
  assert.equal(appliance.cli(["user", "add", "ada", "--role", "administrator"], `${password}\n`).status, 0);
  return { appliance, directory };
}

test("a person of the directory signs in, with nested groups and without a local password", { skip }, async (t) => {
  const { appliance } = await start(t);
  const browser = await openBrowser(t);
  const page = await openPage(browser, appliance);
  await signIn(page, "nina", ninasPassword);
  await page.getByRole("link", { name: "Documents", exact: true }).click();
  await page.getByRole("link", { name: "nina" }).click();
  await page.getByText("You sign in with the password of your organization.").waitFor();
  assert.equal(await page.getByLabel("New password").count(), 0);
  await inspect(page, "account-directory");

  const cookie = await appliance.signIn("nina", ninasPassword);
  const documents = await appliance.request("GET", "/api/v1/documents", { cookie });
  assert.equal(documents.status, 200);
  const [joined] = entries(appliance, "group.joined");
  assert.deepEqual([joined.detail.group, joined.detail.user, joined.detail.source], ["nurses", "nina", "directory"]);

  const change = { current: ninasPassword, new: "another long password 7" };
  const refused = await appliance.request("PUT", "/api/v1/account/password", { cookie, body: change });
  assert.equal(refused.status, 409, refused.text);
  assert.notEqual(appliance.cli(["user", "password", "nina"], `${password}\n`).status, 0);
  assert.notEqual(appliance.cli(["user", "link", "nina"]).status, 0);

  for (const [name, typed] of [
    ["nina", "wrong"],
    ["nina", ""],
    ["s*m", ninasPassword],
    ["bob", "bobs directory password"],
    ["ada", ninasPassword],
  ]) {
    const body = { name, password: typed };
    const answer = await appliance.request("POST", "/api/v1/session", { body });
    assert.deepEqual([answer.status, answer.json.code], [401, "wrong-password"], name);
  }
  const reasons = entries(appliance, "auth.signed-in").map(({ detail }) => detail.refused);
  assert.ok(reasons.some((reason) => reason?.includes("no group")), "bob is in no group");
  await appliance.signIn("ada", password);
});

test("a disabled person is signed out, and a silent directory lets nobody pass", { skip }, async (t) => {
  const { appliance, directory } = await start(t);
  const cookie = await appliance.signIn("nina", ninasPassword);
  const ada = await appliance.signIn("ada", password);
  const account = async (of) => (await appliance.request("GET", "/api/v1/account", { cookie: of })).status;
  assert.equal(await account(cookie), 200);
  await directory.stop();
  assert.equal(await account(cookie), 503, "it fails closed");
  assert.equal(await account(ada), 200, "local accounts are not affected");
  const body = { name: "nina", password: ninasPassword };
  const silent = await appliance.request("POST", "/api/v1/session", { body });
  assert.deepEqual([silent.status, silent.json.code], [503, "directory-unavailable"]);
  await directory.run();
  assert.equal(await account(cookie), 200, "the session lives on");
  const search = () => appliance.cli(["search", "--as", "nina", "hands"]).status;
  assert.equal(search(), 0);

  directory.disable("nina");
  assert.equal(await account(cookie), 401);
  assert.notEqual(search(), 0, "the console does nothing for her either");
  assert.equal((await appliance.request("POST", "/api/v1/session", { body })).status, 401);
  const [refused] = entries(appliance, "auth.directory-refused");
  assert.match(refused.detail.refused, /disabled/);
  assert.deepEqual(
    entries(appliance, "directory.asked").map(({ outcome }) => outcome),
    ["success", "failure"],
  );
});

test("the check of the directory takes each step", { skip }, async (t) => {
  const { appliance, directory } = await start(t);
  const good = appliance.cli(["directory", "check", "nina"]);
  assert.equal(good.status, 0, good.out + good.err);
  assert.match(good.out, /ok {4}find the person nina: .*ward nurses/);
  await directory.stop();
  const bad = appliance.cli(["directory", "check", "--json"]);
  assert.equal(bad.status, 1);
  const { steps } = JSON.parse(bad.out);
  assert.match(steps.at(-1).advice, /check that the directory runs/);
});
