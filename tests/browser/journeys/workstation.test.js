// A workstation that several people share: nobody sees what another person asked or was told.

import assert from "node:assert/strict";
import { test } from "node:test";
import { password, startWithWard } from "../appliance.js";
import { ask, inspect, openBrowser, openPage, signIn } from "../browser.js";

const question = "How long are hands cleaned with alcohol rub?";
const answer = /alcohol rub for 30 seconds/;

async function startShared(t, settings) {
  const appliance = await startWithWard(t, settings);
  assert.equal(appliance.cli(["user", "add", "nina"], `${password}\n`).status, 0);
  appliance.drop("ward", "hands.md", "# Hands\n\nHands are cleaned with alcohol rub for 30 seconds.\n");
  assert.match(appliance.cli(["ingest", "--json"]).out, /"ready":1/);
  const browser = await openBrowser(t);
  return { appliance, page: await openPage(browser, appliance) };
}

const text = (page) => page.locator("body").innerText();

async function signInHere(page, name) {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Sign out").waitFor();
}

test("an unattended page is blanked, and the next person sees nothing of the one before", async (t) => {
  const { page } = await startShared(t, { CLOISTER_SESSION_IDLE_MINUTES: "1" });
  await signIn(page, "sam", password);
  await ask(page, question);
  await page.getByRole("article").getByText(answer).waitFor();
  await page.getByLabel("Your question").fill("How is Mr Smith treated?");
  // Nobody touches the page.
  await page.getByText("Your session has ended.").waitFor({ timeout: 90_000 });
  assert.doesNotMatch(await text(page), answer);
  assert.doesNotMatch(await text(page), /Smith|How long/);
  await inspect(page, "blanked");
  await signInHere(page, "nina");
  await page.getByLabel("Your question").waitFor();
  assert.equal(await page.getByLabel("Your question").inputValue(), "");
  assert.doesNotMatch(await text(page), answer);
  assert.doesNotMatch(await text(page), /Earlier in this conversation|Smith|How long/);
});

test("only the same person gets the question and the conversation of the address back", async (t) => {
  const { appliance, page } = await startShared(t);
  await signIn(page, "sam", password);
  await ask(page, question);
  const conversation = page.url();
  await page.getByLabel("Your question").fill("And for whom?");
  appliance.cli(["user", "password", "sam"], `${password}\n`);
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await page.getByText("Your session has ended.").waitFor();
  assert.doesNotMatch(await text(page), answer);
  // The conversation of the address is loaded again, with the rights of today.
  const loaded = page.waitForResponse(/\/conversations\/\w+$/);
  await signInHere(page, "sam");
  assert.equal((await loaded).status(), 200);
  assert.equal(await page.getByLabel("Your question").inputValue(), "And for whom?");
  await page.getByRole("article").getByText(answer).waitFor();
  await page.reload();
  await page.getByRole("article").getByText(answer).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Password").waitFor();
  await signInAt(page, conversation, "nina");
  await page.getByText("There is no such conversation.").waitFor();
  assert.doesNotMatch(await text(page), answer);
  assert.doesNotMatch(await text(page), /How long/);
});

/** Another person signs in at an address that the browser has remembered. */
async function signInAt(page, address, name) {
  await page.goto(address);
  await page.reload();
  await signInHere(page, name);
}

test("a tab that shows one person's answer follows when another signs in beside it", async (t) => {
  const { page } = await startShared(t);
  await signIn(page, "sam", password);
  await ask(page, question);
  await page.getByRole("article").getByText(answer).waitFor();
  const other = await page.context().newPage();
  await other.goto(`${page.appliance.url}/`);
  await other.getByRole("button", { name: "Sign out" }).click();
  await signInHere(other, "nina");
  await page.locator("header").getByText("nina").waitFor().catch(() => {});
  assert.doesNotMatch(await text(page), answer);
  assert.doesNotMatch(await text(page), /How long/);
});
