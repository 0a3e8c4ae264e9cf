// Follow-up questions, and the history of conversations, which only its owner can read.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Appliance, answerEvents } from "../appliance.js";
import { ask, createFirstAdministrator, inspect, openBrowser } from "../browser.js";

const password = "correct horse battery";

const access = `# Access rights

Access rights are reviewed every quarter by the head of each department. Access rights of people who
leave are withdrawn on their last day.

# Audit logs

Audit logs are retained for six years. The security officer reviews audit logs every week.

# Backups

Backups are retained for ninety days in a second building.
`;

test("follow-up questions", async (t) => {
  const appliance = await Appliance.start(t);
  const browser = await openBrowser(t);
  const ada = await createFirstAdministrator(browser, appliance, "ada", password);
  appliance.drop("rules", "access.md", access);
  await ada.getByText("1 ready").waitFor({ timeout: 60_000 });
  for (const command of [
    ["group", "add", "Desk"],
    ["collection", "grant", "rules", "Desk"],
    ["group", "join", "Desk", "ada"],
    ["user", "add", "eve", "--role", "staff"],
  ]) {
    const { status, err } = appliance.cli(command, `${password}\n`);
    assert.equal(status, 0, err);
  }

  await t.test("a follow-up is rewritten, shows the rewriting, and can be asked as typed", async () => {
    await ask(ada, "How long are audit logs retained?");
    await ada.getByText(/retained for six years/).first().waitFor();
    await ask(ada, "Who reviews them?");
    await ada.getByText("Searched for: Who reviews audit logs?").waitFor();
    const quote = ada.getByRole("article", { name: "Quote 1" });
    await quote.getByText(/security officer reviews audit logs every week/).waitFor();
    const earlier = ada.getByRole("region", { name: "Earlier in this conversation" });
    await earlier.getByText(/retained for six years/).first().waitFor();
    await inspect(ada, "follow-up");
    await ask(ada, "And backups?");
    await ada.getByText(/Searched for: .*backups/).waitFor();
    // The document says how long backups are retained, but not who reviews them. So the passage is
    // shown, as a quote or as the nearest passage of a refusal.
    await ada.getByText(/ninety days/).first().waitFor();
    await ada.getByRole("button", { name: "Ask as typed" }).click();
    await ada.getByRole("heading", { name: "And backups?" }).first().waitFor();
    await ada.getByText("How this was made").waitFor();
    assert.equal(await ada.getByText(/Searched for: .*backups/).count(), 1, "only the earlier one");
  });

  await t.test("the history opens the conversation again, and a question can follow it", async () => {
    await ada.getByRole("button", { name: "New conversation" }).click();
    assert.equal(await ada.getByRole("article").count(), 0);
    await ada.getByRole("link", { name: "History", exact: true }).click();
    const entry = ada.getByRole("button", { name: "How long are audit logs retained?", exact: true });
    await ada.getByText("4 questions").waitFor();
    await inspect(ada, "history");
    await entry.click();
    const earlier = ada.getByRole("region", { name: "Earlier in this conversation" });
    await earlier.getByText(/security officer reviews/).first().waitFor();
    await ask(ada, "Where are they kept?");
    await ada.getByText(/Searched for: Where are .* kept\?/).waitFor();
  });

  await t.test("nobody else can read, continue or delete it", async () => {
    const cookie = await appliance.signIn("eve", password);
    const owner = await appliance.signIn("ada", password);
    const list = await appliance.request("GET", "/api/v1/conversations", { cookie: owner });
    const { id } = list.json.conversations[0];
    const others = await appliance.request("GET", "/api/v1/conversations", { cookie });
    assert.deepEqual(others.json.conversations, []);
    for (const method of ["GET", "DELETE"]) {
      const response = await appliance.request(method, `/api/v1/conversations/${id}`, { cookie });
      assert.equal(response.status, 404);
    }
    const body = { question: "Who reviews them?", conversation: id };
    const asked = await appliance.request("POST", "/api/v1/answers", { cookie, body });
    const [receipt] = answerEvents(asked);
    assert.equal(receipt.rewritten_question, null, "another person's conversation is not continued");
    assert.notEqual(receipt.conversation, id);
    assert.ok(!asked.text.includes("audit logs"));
  });

  await t.test("quotes that may no longer be read are hidden, and a deleted conversation is gone", async () => {
    assert.equal(appliance.cli(["collection", "revoke", "rules", "Desk"]).status, 0);
    await ada.getByRole("button", { name: "New conversation" }).click();
    await ada.getByRole("link", { name: "History", exact: true }).click();
    await ada.getByRole("button", { name: "How long are audit logs retained?", exact: true }).click();
    await ada.getByText(/One quote is hidden/).first().waitFor();
    assert.equal(await ada.getByText(/six years/).count(), 0);
    await ada.getByRole("link", { name: "History", exact: true }).click();
    await ada.getByRole("button", { name: /^Delete/ }).click();
    await ada.getByRole("button", { name: "Yes, delete" }).click();
    await ada.getByText("You have not asked any questions yet.").waitFor();
  });
});
