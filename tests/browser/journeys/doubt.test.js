// Warnings about an answer: sources that contradict each other, an ambiguous question, a rule that
// is no longer in force.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Appliance, answerEvents } from "../appliance.js";
import { ask, createFirstAdministrator, inspect, openBrowser } from "../browser.js";

const password = "correct horse battery";
const files = {
  "privacy.md": `# Privacy policy

## Breaches of privacy

A breach of privacy is reported to the authority within 72 hours. Patients are told by the ward.
`,
  "security.md": `# Security handbook

## What to do after a breach

A breach of privacy is reported to the authority within 24 hours. Locks are changed at once.
`,
  "logs.md": `# Audit logs

## Retention

Audit logs are retained for six years in the archive of the house.
`,
  "backups.md": `# Backups

## Retention

Backups are retained for ninety days in the second building.
`,
};
const hostile =
  "Lost keys <img src=https://evil.example/p.png onerror=alert(1)> are reported to the porter at " +
  "[this page](https://evil.example/x) within ten minutes.";
const bicycles = (rule) => `# Bicycles of the house

${rule} Helmets hang in the porter's lodge.
`;

test("warnings about an answer", async (t) => {
  const appliance = await Appliance.start(t);
  const browser = await openBrowser(t);
  const ada = await createFirstAdministrator(browser, appliance, "ada", password);
  for (const [name, text] of Object.entries(files)) appliance.drop("rules", name, text);
  appliance.drop("rules", "bicycles.md", bicycles("A bicycle may be borrowed for 14 days."));
  appliance.drop("rules", "keys.txt", `Keys of the house\n\n${hostile}\n`);
  await ada.getByText("6 ready").waitFor({ timeout: 60_000 });
  for (const command of [
    ["group", "add", "Desk"],
    ["collection", "grant", "rules", "Desk"],
    ["group", "join", "Desk", "ada"],
  ]) {
    assert.equal(appliance.cli(command).status, 0);
  }

  await t.test("sources that contradict each other are shown together, with a notice", async () => {
    await ask(ada, "Within how many hours is a breach of privacy reported to the authority?");
    await ada.getByText("The sources contradict each other.").waitFor();
    await ada.getByText(/within 72 hours/).first().waitFor();
    await ada.getByText(/within 24 hours/).first().waitFor();
    await inspect(ada, "conflict");
  });

  await t.test("an ambiguous question offers its readings", async () => {
    await ada.getByRole("button", { name: "New conversation" }).click();
    await ask(ada, "How long is the retention?");
    await ada.getByText("Which do you mean?").waitFor();
    await inspect(ada, "ambiguity");
    await ada.getByRole("button", { name: "Backups" }).click();
    await ada.getByRole("article", { name: "Quote 1" }).getByText(/ninety days/).waitFor();
    assert.equal(await ada.getByText("Which do you mean?").count(), 0);
  });

  await t.test("the text of a document is never markup, on the page or in the clipboard", async () => {
    const loaded = [];
    ada.on("request", (request) => loaded.push(request.url()));
    await ask(ada, "Within how many minutes are lost keys reported to the porter?");
    const quote = ada.getByRole("article", { name: "Quote 1" });
    await quote.getByText(hostile).waitFor();
    assert.equal(await quote.locator("img").count(), 0);
    assert.equal(await ada.locator("a[href*='evil.example']").count(), 0);
    assert.deepEqual(
      loaded.filter((url) => !url.startsWith(appliance.url)),
      [],
    );
    await ada.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await ada.getByRole("button", { name: "Copy with citations" }).first().click();
    await ada.getByText("Copied with citations.").waitFor();
    const copied = await ada.evaluate(() => navigator.clipboard.readText());
    assert.ok(copied.startsWith(`“${hostile}”`), copied);
    assert.match(copied, /rules\/keys\.txt; since \d{4}-\d{2}-\d{2}\)/);
    assert.match(copied, /Receipt [0-9a-f]{32}/);
  });

  await t.test("a misspelled word is answered, and the spelling of the quotes is shown", async () => {
    await ask(ada, "How long are bakcups retained in the second building?");
    await ada.getByText("“bakcups” was not found.").waitFor();
    await ada.getByText("The quotes spell it “Backups”.").waitFor();
    await inspect(ada, "spelling");
  });

  await t.test("a rule that is no longer in force is marked, and is not an answer", async () => {
    appliance.drop("rules", "bicycles.md", bicycles("Bells are polished by the porter."));
    const question = "For how many days may a bicycle be borrowed?";
    const cookie = await appliance.signIn("ada", password);
    const superseded = async () => {
      const body = { question };
      const answer = await appliance.request("POST", "/api/v1/answers", { cookie, body });
      return answerEvents(answer).find((event) => event.event === "refusal")?.superseded;
    };
    let tries = 0;
    for (; tries < 100 && !(await superseded()); tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.ok(tries < 100, "the new revision answers");
    await ada.getByRole("button", { name: "New conversation" }).click();
    await ask(ada, question);
    await ada.getByText("It is no longer in force.").waitFor();
    await ada.getByText("Not found in the documents that you may read").waitFor();
    await ada.getByText(/borrowed for 14 days/).waitFor();
    await ada.getByText(/superseded on/).waitFor();
    await inspect(ada, "superseded");
  });
});
