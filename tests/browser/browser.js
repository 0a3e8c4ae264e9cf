// A headless Chromium, and checks for every page.

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

/** Opens a page in a separate browser session, as for another person. */
export async function openPage(browser, appliance, { width = 1280, locale = "en-US" } = {}) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    viewport: { width, height: 900 },
    locale,
  });
  const page = await context.newPage();
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(error.message));
  page.on("console", (message) => {
    const expected = /status of (401|403|404|409|410|422|429|503)/.test(message.text());
    if (message.type() === "error" && !expected) page.errors.push(message.text());
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

/** Creates the first administrator, who is also staff, and waits for the list of files. */
export async function createFirstAdministrator(browser, appliance, name, password) {
  const page = await openPage(browser, appliance);
  await page.goto(appliance.setupLink);
  await page.getByLabel("Name").fill(name);
  await page.getByLabel(/Password/).fill(password);
  await page.getByRole("button", { name: "Create administrator" }).click();
  await page.getByRole("heading", { name: "To do" }).waitFor();
  await page.goto(`${appliance.url}/#/administration/files`);
  await page.getByText("No files.").waitFor();
  return page;
}

export async function ask(page, question) {
  await page.goto(`${page.appliance.url}/#/ask`);
  await page.getByLabel("Your question").fill(question);
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await page.getByText("How this was made").waitFor({ timeout: 60_000 });
}

/** Takes a screenshot, and checks for accessibility violations and errors of the page. */
export async function inspect(page, name) {
  fs.mkdirSync(results, { recursive: true });
  await page.screenshot({ path: path.join(results, `${name}.png`), fullPage: true });
  await page.evaluate(axe);
  const report = await page.evaluate(() =>
    // eslint-disable-next-line no-undef
    axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }),
  );
  const violations = report.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`);
  assert.deepEqual(violations, [], `accessibility of ${name}`);
  assert.deepEqual(page.errors, [], `errors on ${name}`);
}

/** Inspects a page in both themes, and checks that nothing leaves the screen at its side. */
export async function inspectThemes(page, name) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await inspect(page, `${name}-${colorScheme}`);
  }
  const { scrollWidth, innerWidth } = await page.evaluate(() => ({
    scrollWidth: document.documentElement.scrollWidth,
    innerWidth: window.innerWidth,
  }));
  assert.ok(scrollWidth <= innerWidth, `${name} is ${scrollWidth} px wide on a screen of ${innerWidth} px`);
}
