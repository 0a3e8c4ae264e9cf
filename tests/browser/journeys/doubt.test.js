// What a person should know before they rely on an answer: sources that disagree, a question that
// fits two things, a rule that no longer holds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Appliance, steps } from "../appliance.js";
import { ask, firstAdministrator, inspect, openBrowser } from "../browser.js";

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

test("what a person should know", async (t) => {
  const appliance = await Appliance.start(t);
  const browser = await openBrowser(t);
  const ada = await firstAdministrator(browser, appliance, "ada", password);
  for (const [name, text] of Object.entries(files)) appliance.drop("rules", name, text);
  appliance.drop("rules", "bicycles.md", bicycles("A bicycle may be borrowed for 14 days."));
  appliance.drop("rules", "keys.txt", `Keys of the house\n\n${hostile}\n`);
  await ada.getByText("6 ready").waitFor({ timeout: 60_000 });
  for (const done of [
    ["group", "add", "Desk"],
    ["collection", "grant", "rules", "Desk"],
    ["group", "join", "Desk", "ada"],
  ]) {
    assert.equal(appliance.cli(done).status, 0);
  }

  await t.test("sources that disagree are shown side by side, and it is said", async () => {
    await ask(ada, "Within how many hours is a breach of privacy reported to the authority?");
    await ada.getByText("The sources disagree.").waitFor();
    await ada.getByText(/within 72 hours/).first().waitFor();
    await ada.getByText(/within 24 hours/).first().waitFor();
    await inspect(ada, "disagreement");
  });

  await t.test("a question that fits two things is asked back", async () => {
    await ada.getByRole("button", { name: "New conversation" }).click();
    await ask(ada, "How long is the retention?");
    await ada.getByText("Which do you mean?").waitFor();
    await inspect(ada, "ambiguity");
    await ada.getByRole("button", { name: "Backups" }).click();
    await ada.getByRole("article", { name: "Quote 1" }).getByText(/ninety days/).waitFor();
    assert.equal(await ada.getByText("Which do you mean?").count(), 0);
  });

  await t.test("what a document says is words, on the page and where it is copied to", async () => {
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
    await ada.getByText("Copied with its citations.").waitFor();
    const copied = await ada.evaluate(() => navigator.clipboard.readText());
    assert.ok(copied.startsWith(`“${hostile}”`), copied);
    assert.match(copied, /rules\/keys\.txt; since \d{4}-\d{2}-\d{2}\)/);
    assert.match(copied, /Receipt [0-9a-f]{32}/);
  });

  await t.test("a mistyped word is answered, and how the quotes write it is said", async () => {
    await ask(ada, "How long are bakcups retained in the second building?");
    await ada.getByText("“bakcups” was not found.").waitFor();
    await ada.getByText("The quotes say “Backups”.").waitFor();
    await inspect(ada, "other-spelling");
  });

  await t.test("a rule that no longer holds is shown as such, and does not answer", async () => {
    appliance.drop("rules", "bicycles.md", bicycles("Bells are polished by the porter."));
    const question = "For how many days may a bicycle be borrowed?";
    const cookie = await appliance.signIn("ada", password);
    const superseded = async () => {
      const body = { question };
      const answer = await appliance.request("POST", "/api/v1/answers", { cookie, body });
      return steps(answer).find((step) => step.event === "refusal")?.superseded;
    };
    let tries = 0;
    for (; tries < 100 && !(await superseded()); tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.ok(tries < 100, "the new revision answers");
    await ada.getByRole("button", { name: "New conversation" }).click();
    await ask(ada, question);
    await ada.getByText("It no longer holds.").waitFor();
    await ada.getByText("Not in the documents you may read").waitFor();
    await ada.getByText(/borrowed for 14 days/).waitFor();
    await ada.getByText(/superseded on/).waitFor();
    await inspect(ada, "superseded");
  });
});
