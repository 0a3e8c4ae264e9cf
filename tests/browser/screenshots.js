// Takes a screenshot of every page, at three widths and in both themes: `make screenshots`.

import fs from "node:fs";
import path from "node:path";
import { password } from "./appliance.js";
import { ask, openBrowser, openPage, signIn } from "./browser.js";
import { startSite } from "./site.js";

const folder = path.join(import.meta.dirname, "screenshots");
const widths = [390, 1024, 1600];
const themes = ["light", "dark"];

const cleanups = [];
const t = { after: (cleanup) => cleanups.unshift(cleanup) };

async function shoot(page, name) {
  for (const width of widths) {
    await page.setViewportSize({ width, height: 900 });
    for (const colorScheme of themes) {
      await page.emulateMedia({ colorScheme });
      const file = path.join(folder, `${name}-${width}-${colorScheme}.png`);
      await page.screenshot({ path: file, fullPage: true });
    }
  }
  console.log(name);
}

async function shootRoute(page, route, name, shown) {
  await page.goto(`${page.appliance.url}/#${route}`);
  await shown.first().waitFor();
  await page.waitForTimeout(300);
  await shoot(page, name);
}

async function shootEntrance(browser, appliance) {
  const page = await openPage(browser, appliance);
  await shootRoute(page, "/", "sign-in", page.getByRole("button", { name: "Sign in" }));
  const button = page.getByRole("button", { name: "Create administrator" });
  await shootRoute(page, "/setup/link", "setup", button);
  await shootRoute(page, "/activate/link", "activate", page.getByRole("button"));
}

async function shootStaff(browser, appliance) {
  const page = await openPage(browser, appliance);
  await signIn(page, "nina", password);
  await page.waitForFunction(async () => {
    const examples = await (await fetch("/api/v1/examples")).json();
    return examples.questions.length > 0;
  });
  await page.reload();
  await page.getByRole("region", { name: "Example questions" }).waitFor();
  await shoot(page, "start");
  await ask(page, "Who won the football championship in 1998?");
  await shoot(page, "refusal");
  await page.goto(`${appliance.url}/#/ask`);
  await ask(page, "When is the dose of apixaban reduced?");
  await shoot(page, "answer");
  await page.getByRole("article", { name: "Quote 1" }).getByRole("link").click();
  await page.waitForFunction(() => document.querySelector("figure img")?.naturalWidth > 500);
  await shoot(page, "answer-with-page");
  await page.getByRole("link", { name: "Entire document" }).click();
  await page.getByLabel("Find in this document").fill("daily");
  await page.getByRole("button", { name: "Next hit" }).click();
  await shoot(page, "document");
  const hits = page.getByRole("region", { name: "Passages found" });
  await shootRoute(page, "/search?text=insulin", "search", hits);
  await shootRoute(page, "/documents", "documents", page.getByRole("row"));
  await shootRoute(page, "/history", "history", page.getByRole("row"));
  await shootRoute(page, "/account", "account", page.getByRole("heading", { name: "Sessions" }));
}

async function shootAdministrator(browser, appliance) {
  const page = await openPage(browser, appliance);
  await signIn(page, "ada", password);
  const pages = {
    overview: page.getByRole("heading", { name: "To do" }),
    files: page.getByRole("row"),
    collections: page.getByRole("region", { name: "Collection hospital" }),
    groups: page.getByRole("region", { name: "Group nurses" }),
    access: page.getByRole("checkbox"),
    people: page.getByRole("row"),
    machine: page.getByText("Landlock"),
  };
  for (const [name, shown] of Object.entries(pages)) {
    await shootRoute(page, `/administration/${name}`, `administration-${name}`, shown);
  }
}

async function shootOfficer(browser, appliance) {
  const page = await openPage(browser, appliance);
  await signIn(page, "olive", password);
  const overview = page.getByRole("heading", { name: "Worth a look" });
  await shootRoute(page, "/audit/overview", "audit-overview", overview);
  const questions = "/audit/activity?what=Questions";
  await shootRoute(page, questions, "audit-activity", page.getByText(/nina asked/));
  await page.getByText("Details", { exact: true }).first().click();
  await page.getByRole("button", { name: "Replay the answer" }).click();
  await page.getByText(/The answer is/).waitFor({ timeout: 60_000 });
  await shoot(page, "audit-entry");
}

fs.rmSync(folder, { recursive: true, force: true });
fs.mkdirSync(folder, { recursive: true });
try {
  const appliance = await startSite(t);
  const browser = await openBrowser(t);
  await shootEntrance(browser, appliance);
  await shootStaff(browser, appliance);
  await shootAdministrator(browser, appliance);
  await shootOfficer(browser, appliance);
  console.log(`The screenshots are in ${folder}`);
} finally {
  for (const cleanup of cleanups) await cleanup();
}
