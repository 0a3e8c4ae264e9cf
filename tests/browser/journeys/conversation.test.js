// Questions that follow each other, and the history of them: one's own, and nobody else's.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Appliance, steps } from "../appliance.js";
import { ask, firstAdministrator, inspect, openBrowser } from "../browser.js";

const password = "correct horse battery";

const access = `# Access rights

Access rights are reviewed every quarter by the head of each department. Access rights of people who
leave are withdrawn on their last day.

# Audit logs

Audit logs are retained for six years. The security officer reviews audit logs every week.

# Backups

Backups are retained for ninety days in a second building.
`;

test("questions that follow each other", async (t) => {
  const appliance = await Appliance.start(t);
  const browser = await openBrowser(t);
  const ada = await firstAdministrator(browser, appliance, "ada", password);
  appliance.drop("rules", "access.md", access);
  await ada.getByText("1 ready").waitFor({ timeout: 60_000 });
  for (const done of [
    ["group", "add", "Desk"],
    ["collection", "grant", "rules", "Desk"],
    ["group", "join", "Desk", "ada"],
    ["user", "add", "eve", "--role", "staff"],
  ]) {
    const { status, err } = appliance.cli(done, `${password}\n`);
    assert.equal(status, 0, err);
  }

  await t.test("a follow-up is understood, says how, and can be asked as typed", async () => {
    await ask(ada, "How long are audit logs retained?");
    await ada.getByText(/retained for six years/).first().waitFor();
    await ask(ada, "Who reviews them?");
    await ada.getByText("Understood as: Who reviews audit logs?").waitFor();
    const quote = ada.getByRole("article", { name: "Quote 1" });
    await quote.getByText(/security officer reviews audit logs every week/).waitFor();
    const earlier = ada.getByRole("region", { name: "Earlier in this conversation" });
    await earlier.getByText(/retained for six years/).first().waitFor();
    await inspect(ada, "follow-up");
    await ask(ada, "And backups?");
    await ada.getByText(/Understood as: .*backups/).waitFor();
    await ada.getByRole("article", { name: "Quote 1" }).getByText(/ninety days/).waitFor();
    await ada.getByRole("button", { name: "Ask it as typed" }).click();
    await ada.getByRole("heading", { name: "And backups?" }).first().waitFor();
    await ada.getByText(/Receipt/).waitFor();
    assert.equal(await ada.getByText(/Understood as: .*backups/).count(), 1, "only the earlier one");
  });

  await t.test("the history opens the conversation again, and a question follows it", async () => {
    await ada.getByRole("button", { name: "New conversation" }).click();
    assert.equal(await ada.getByRole("article").count(), 0);
    await ada.getByRole("link", { name: "History" }).click();
    const known = ada.getByRole("button", { name: "How long are audit logs retained?", exact: true });
    await ada.getByText("4 questions").waitFor();
    await inspect(ada, "history");
    await known.click();
    const earlier = ada.getByRole("region", { name: "Earlier in this conversation" });
    await earlier.getByText(/security officer reviews/).first().waitFor();
    await ask(ada, "Where are they kept?");
    await ada.getByText(/Understood as: Where are .* kept\?/).waitFor();
  });

  await t.test("nobody else reads, follows or deletes it", async () => {
    const cookie = await appliance.signIn("eve", password);
    const mine = await appliance.signIn("ada", password);
    const list = await appliance.request("GET", "/api/v1/conversations", { cookie: mine });
    const { id } = list.json.conversations[0];
    const theirs = await appliance.request("GET", "/api/v1/conversations", { cookie });
    assert.deepEqual(theirs.json.conversations, []);
    for (const method of ["GET", "DELETE"]) {
      const tried = await appliance.request(method, `/api/v1/conversations/${id}`, { cookie });
      assert.equal(tried.status, 404);
    }
    const body = { question: "Who reviews them?", conversation: id };
    const asked = await appliance.request("POST", "/api/v1/answers", { cookie, body });
    const [receipt] = steps(asked);
    assert.equal(receipt.understood, null, "another's question is not followed");
    assert.notEqual(receipt.conversation, id);
    assert.ok(!asked.text.includes("audit logs"));
  });

  await t.test("what may no longer be read is no longer shown; a deleted one is gone", async () => {
    assert.equal(appliance.cli(["collection", "revoke", "rules", "Desk"]).status, 0);
    await ada.getByRole("button", { name: "New conversation" }).click();
    await ada.getByRole("link", { name: "History" }).click();
    await ada.getByRole("button", { name: "How long are audit logs retained?", exact: true }).click();
    await ada.getByText(/One quote is of documents/).first().waitFor();
    assert.equal(await ada.getByText(/six years/).count(), 0);
    await ada.getByRole("link", { name: "History" }).click();
    await ada.getByRole("button", { name: /^Delete/ }).click();
    await ada.getByRole("button", { name: "Yes, delete" }).click();
    await ada.getByText("You have asked nothing yet.").waitFor();
  });
});
