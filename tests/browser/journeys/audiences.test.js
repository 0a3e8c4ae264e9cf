// What each audience does in its first minutes, on a phone and on a desktop, in both themes.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { password } from "../appliance.js";
import { ask, inspectThemes, openBrowser, openPage, signIn } from "../browser.js";
import { startSite } from "../site.js";

test("the audiences at 390 and 1280 px", async (t) => {
  const appliance = await startSite(t);
  const browser = await openBrowser(t);
  for (const width of [390, 1280]) {
    await t.test(`a nurse at ${width} px`, () => asNurse(browser, appliance, width));
    await t.test(`an administrator at ${width} px`, () => asAdministrator(browser, appliance, width));
    await t.test(`an officer at ${width} px`, () => asOfficer(browser, appliance, width));
  }
  await t.test("the interface in German", () => inGerman(browser, appliance));
});

async function asNurse(browser, appliance, width) {
  const page = await openPage(browser, appliance, { width });
  await signIn(page, "nina", password);
  await page.waitForFunction(async () => {
    const examples = await (await fetch("/api/v1/examples")).json();
    return examples.questions.length > 0;
  });
  await page.reload();
  const examples = page.getByRole("region", { name: "Example questions" }).getByRole("button");
  await examples.first().waitFor();
  await inspectThemes(page, `nurse-start-${width}`);
  await examples.first().click();
  await page.getByText("How this was made").waitFor({ timeout: 60_000 });

  await ask(page, "When is the dose of apixaban reduced?");
  const quote = page.getByRole("article", { name: "Quote 1" });
  await quote.getByText("creatinine 133 or more", { exact: false }).first().waitFor();
  await inspectThemes(page, `nurse-answer-${width}`);
  await quote.getByRole("link").click();
  await page.waitForFunction(() => document.querySelector("figure img")?.naturalWidth > 500);
  await inspectThemes(page, `nurse-page-${width}`);
  await page.keyboard.press("Escape");
  await page.getByRole("complementary", { name: "Page of the document" }).waitFor({ state: "detached" });

  await page.getByRole("link", { name: "Documents", exact: true }).click();
  await page.getByLabel("Filter by title, path or collection").fill("hygiene");
  await page.getByRole("table").getByRole("link", { name: "Hand Hygiene Policy" }).click();
  await page.getByRole("heading", { level: 1, name: "Hand Hygiene Policy" }).waitFor();
  await page.getByLabel("Find in this document").fill("hands");
  await page.getByText(/^\d+ hits\./).waitFor();
  // On a tall screen, all pages open by themselves, and the button goes.
  const others = page.getByRole("button", { name: "Open the others, too" });
  await others.click({ timeout: 3_000 }).catch(() => {});
  await page.getByText("pages are open", { exact: false }).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Next hit" }).click();
  await page.getByText(/^Hit 1 of \d+/).waitFor();
  assert.ok(await page.locator("mark.current").isVisible());
  await inspectThemes(page, `nurse-document-${width}`);

  await page.getByRole("link", { name: "Search", exact: true }).click();
  await page.getByLabel("Search terms").fill("insulin");
  await page.getByRole("button", { name: "Search" }).click();
  await page.getByText(/has all of the words/).waitFor();
  await inspectThemes(page, `nurse-search-${width}`);
  await page.getByRole("link", { name: "History", exact: true }).click();
  await page.getByRole("button", { name: /^What does/ }).first().waitFor();
  await inspectThemes(page, `nurse-history-${width}`);
  await page.getByRole("link", { name: "nina" }).click();
  await page.getByRole("heading", { name: "Sessions" }).waitFor();
  await inspectThemes(page, `nurse-account-${width}`);
}

async function asAdministrator(browser, appliance, width) {
  const page = await openPage(browser, appliance, { width });
  await signIn(page, "ada", password);
  const shown = {
    Overview: page.getByRole("heading", { name: "To do" }),
    Files: page.getByText("13 ready"),
    Collections: page.getByRole("region", { name: "Collection hospital" }),
    Groups: page.getByRole("region", { name: "Group nurses" }),
    Access: page.getByRole("checkbox", { name: "nurses may read hospital" }),
    People: page.getByRole("checkbox", { name: "nina is Staff" }),
    Machine: page.getByText("no sockets except local ones", { exact: false }),
  };
  for (const [tab, sign] of Object.entries(shown)) {
    await page.getByRole("link", { name: tab, exact: true }).click();
    await sign.waitFor();
    await inspectThemes(page, `administrator-${tab.toLowerCase()}-${width}`);
  }
  await page.getByRole("link", { name: "Files", exact: true }).click();
  await page.getByLabel("State").selectOption("quarantined");
  await page.getByText("No files match the filter.").waitFor();
  await page.reload();
  await page.getByText("No files match the filter.").waitFor();
  await page.goto(`${appliance.url}/#/audit`);
  await page.getByText("This page is for another role.").waitFor();
}

async function asOfficer(browser, appliance, width) {
  const page = await openPage(browser, appliance, { width });
  await signIn(page, "olive", password);
  await page.getByRole("heading", { name: "Worth a look" }).waitFor();
  await page.getByRole("button", { name: "Verify the log" }).click();
  await page.getByText(/The log is intact/).waitFor();
  await inspectThemes(page, `officer-overview-${width}`);
  await page.getByRole("link", { name: "Activity", exact: true }).click();
  await page.getByLabel("Person").fill("nina");
  await page.getByLabel("What").selectOption("Questions");
  await page.getByRole("button", { name: "Find" }).click();
  const row = page.getByRole("row").filter({ hasText: "nina asked “When is the dose of apixaban reduced?”" });
  await row.first().getByText("Details", { exact: true }).click();
  await row.first().getByText("Quotes that were shown").waitFor();
  await row.first().getByRole("button", { name: "Replay the answer" }).click();
  await page.getByText("The answer is the same.").waitFor({ timeout: 60_000 });
  await inspectThemes(page, `officer-activity-${width}`);
  const saved = page.waitForEvent("download");
  await page.getByRole("link", { name: "JSON Lines" }).click();
  const lines = fs.readFileSync(await (await saved).path(), "utf8").trim().split("\n");
  assert.ok(lines.length > 1);
  const kinds = lines.map((line) => JSON.parse(line).kind);
  assert.ok(kinds.every((kind) => /^question\./.test(kind)), "the filter acts on the file");
}

async function inGerman(browser, appliance) {
  const page = await openPage(browser, appliance, { width: 390, locale: "de-DE" });
  await page.goto(`${appliance.url}/`);
  await page.getByLabel("Name").fill("olive");
  await page.getByLabel("Passwort").fill(password);
  await page.getByRole("button", { name: "Anmelden" }).click();
  await page.getByRole("heading", { name: "Protokoll" }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "de");
  await page.goto(`${appliance.url}/#/audit/activity?what=Questions`);
  await page.getByText(/nina fragte „When is the dose/).first().waitFor();
  await inspectThemes(page, "officer-german-390");
  await page.getByRole("link", { name: "olive" }).click();
  await page.getByLabel("Sprache der Oberfläche").selectOption("fr");
  await page.getByRole("heading", { name: "Votre compte" }).waitFor();
}
