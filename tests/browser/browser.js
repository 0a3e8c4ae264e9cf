// A headless Chromium, and the checks that every page must pass.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { chromium } from "playwright-core";

const axe = fs.readFileSync(new URL(import.meta.resolve("axe-core")), "utf8");
const results = path.join(import.meta.dirname, "results");

export async function openBrowser(t) {
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  t.after(() => browser.close());
  return browser;
}

/** A person at a browser of their own. */
export async function person(browser, appliance) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    viewport: { width: 1280, height: 900 },
  });
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(error.message));
  page.on("console", (message) => {
    const expected = /status of (401|403|404|429|503)/.test(message.text());
    if (message.type() === "error" && !expected) page.faults.push(message.text());
  });
  page.appliance = appliance;
  return page;
}

export async function signIn(page, name, password) {
  await page.goto(`${page.appliance.url}/`);
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Sign out").waitFor();
}

/** The first administrator, who also asks, at the page of files. */
export async function firstAdministrator(browser, appliance, name, password) {
  const page = await person(browser, appliance);
  await page.goto(appliance.setupLink);
  await page.getByLabel("Name").fill(name);
  await page.getByLabel(/Password/).fill(password);
  await page.getByRole("button", { name: "Begin" }).click();
  await page.getByText("No files.").waitFor();
  return page;
}

export async function ask(page, question) {
  await page.goto(`${page.appliance.url}/#/ask`);
  await page.getByLabel("Your question").fill(question);
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await page.getByText(/Receipt/).waitFor({ timeout: 60_000 });
}

/** Takes a picture for whoever looks, and checks accessibility and the page's own errors. */
export async function inspect(page, name) {
  fs.mkdirSync(results, { recursive: true });
  await page.screenshot({ path: path.join(results, `${name}.png`), fullPage: true });
  await page.evaluate(axe);
  const found = await page.evaluate(() =>
    // eslint-disable-next-line no-undef
    axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }),
  );
  const faults = found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`);
  assert.deepEqual(faults, [], `accessibility of ${name}`);
  assert.deepEqual(page.faults, [], `errors on ${name}`);
}
