// An administrator sets up the site in the browser alone: files, access, and what is left to do.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Appliance } from "../appliance.js";
import { createFirstAdministrator, inspect, openBrowser } from "../browser.js";

const password = "correct horse 7 battery";
const rules = (days) => `# Keys\n\nEffective 1 March 2026.\n\nLost keys are replaced within ${days} days.\n`;

/** The file of the form for uploads. */
const upload = (name, text) => ({ name, mimeType: "text/markdown", buffer: Buffer.from(text) });

test("a site is set up in the browser", async (t) => {
  const appliance = await Appliance.start(t);
  const browser = await openBrowser(t);
  const admin = await createFirstAdministrator(browser, appliance, "ada", password);
  const inInbox = path.join(appliance.inbox, "rules/keys.md");
  const ask = async () => {
    const cookie = await appliance.signIn("ada", password);
    const body = { question: "Within how many days are lost keys replaced?" };
    const response = await appliance.request("POST", "/api/v1/answers", { cookie, body });
    return response.text;
  };

  await t.test("the overview says what is left to do", async () => {
    await admin.getByRole("link", { name: "Overview", exact: true }).click();
    const tasks = admin.getByRole("region", { name: "To do" });
    await tasks.getByRole("link", { name: "Drop files into the inbox" }).waitFor();
    await tasks.getByRole("link", { name: "Name a compliance officer" }).click();
    await admin.getByRole("columnheader", { name: "Compliance officer" }).waitFor();
    await admin.getByRole("link", { name: "Collections", exact: true }).click();
    await admin.getByLabel("New collection").fill("rules");
    await admin.getByRole("button", { name: "Add collection" }).click();
    await admin.getByRole("region", { name: "Collection rules" }).waitFor();
    await admin.getByRole("link", { name: "Groups", exact: true }).click();
    await admin.getByLabel("New group").fill("Desk");
    await admin.getByRole("button", { name: "Add group" }).click();
    await admin.getByRole("region", { name: "Group Desk" }).getByLabel("ada").check();
  });

  await t.test("a group gets access in the table of access", async () => {
    await admin.getByRole("link", { name: "Access", exact: true }).click();
    await admin.getByText("Nobody may read it").waitFor();
    await admin.getByRole("checkbox", { name: "Desk may read rules" }).check();
    await admin.getByText("Nobody may read it").waitFor({ state: "hidden" });
    await inspect(admin, "access");
  });

  await t.test("a file is uploaded, replaced, deleted and put back", async () => {
    await admin.getByRole("link", { name: "Files", exact: true }).click();
    const form = admin.getByLabel("Choose files, or drop them here");
    await form.setInputFiles([upload("keys.md", rules(7)), upload("x.part", "unfinished")]);
    await admin.getByText("`x.part` cannot be the name of a document", { exact: false }).waitFor();
    await admin.getByText("1 ready").waitFor({ timeout: 60_000 });
    await inspect(admin, "upload");
    assert.match(await ask(), /within 7 days/);
    assert.match(await ask(), /"effective_date":"2026-03-01"/, "the document says since when");
    await form.setInputFiles(upload("keys.md", rules(9)));
    await admin.getByRole("button", { name: "Replace keys.md" }).click();
    await waitUntil(async () => /within 9 days/.test(await ask()));
    await admin.getByRole("button", { name: "Delete keys.md" }).click();
    await admin.getByRole("button", { name: "Delete it: keys.md" }).click();
    await waitUntil(async () => !/within 9 days/.test(await ask()));
    assert.ok(!fs.existsSync(inInbox));
    await admin.getByLabel("State").selectOption("removed");
    await admin.getByRole("button", { name: "Put back keys.md" }).click();
    await waitUntil(async () => /within 9 days/.test(await ask()));
    assert.equal(fs.readFileSync(inInbox, "utf8"), rules(9));
  });

  await t.test("an upload outside the folder of a collection is refused", async () => {
    const cookie = await appliance.signIn("ada", password);
    for (const name of ["..%2Fescape.md", "%2Fetc%2Fx.md", ".hidden", "a%5Cb.md", "document.toml"]) {
      const put = await appliance.request("PUT", `/api/v1/uploads/1/${name}`, { cookie, body: "x" });
      assert.equal(put.status, 422, name);
    }
    const nowhere = await appliance.request("PUT", "/api/v1/uploads/99/a.md", { cookie, body: "x" });
    assert.equal(nowhere.status, 404);
    assert.deepEqual(fs.readdirSync(appliance.inbox), ["rules"]);
  });

  await t.test("the overview is done with these tasks", async () => {
    await admin.getByRole("link", { name: "Overview", exact: true }).click();
    await admin.getByText(/^Done \(\d\)/).click();
    for (const task of ["Make groups", "Let a group read each collection", "Put all staff into a group"]) {
      await admin.getByText(`✓ ${task}`).waitFor();
    }
    await inspect(admin, "overview");
  });
});

async function waitUntil(holds) {
  for (let tries = 0; tries < 150; tries += 1) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.fail("it did not become true");
}
