// Search with facets, days and exact phrases; redaction; replay of an answer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Appliance, answerEvents } from "../appliance.js";
import { ask, createFirstAdministrator, inspect, openBrowser, openPage, signIn } from "../browser.js";

const password = "correct horse battery";

const keys = (porter) => `# Keys of the pharmacy

A key of the pharmacy is handed out by the ${porter} against a signature. A lost key is reported
within 30 minutes, and the lock is changed within 7 days.
`;
const refunds = `# Refunds of fees

Refunds of fees are paid from the account DE89 3704 0044 0532 0130 00 within 14 days.
Ask for code RF-2207 at the desk.
`;

/** A compliance officer replays an answer in the browser, after its document has changed. */
async function replayInBrowser(browser, appliance, receipt) {
  const added = appliance.cli(["user", "add", "olive", "--role", "compliance-officer"], `${password}\n`);
  assert.equal(added.status, 0, added.err);
  const olive = await openPage(browser, appliance);
  await signIn(olive, "olive", password);
  await olive.getByRole("link", { name: "Activity", exact: true }).click();
  await olive.getByLabel("Request or receipt").fill(receipt);
  await olive.getByLabel("What").selectOption("Questions");
  await olive.getByRole("button", { name: "Find" }).click();
  await olive.getByText("Details", { exact: true }).last().click();
  await olive.getByRole("button", { name: "Replay the answer" }).click();
  await olive.getByText("The answer is not the same.").waitFor();
  await olive.getByText(/of superseded revisions/).waitFor();
  await inspect(olive, "replay");
}

test("search, redaction and replay", async (t) => {
  const appliance = await Appliance.start(t);
  const browser = await openBrowser(t);
  const admin = await createFirstAdministrator(browser, appliance, "ada", password);
  appliance.drop("house", "keys.md", keys("porter"));
  appliance.drop("house", "copies/keys.md", keys("porter"));
  appliance.drop("bank", "refunds.md", refunds);
  appliance.drop("bank", "document.toml", '["refunds.md"]\ntags = ["fees"]\n');
  await admin.getByText("3 ready").waitFor({ timeout: 60_000 });
  assert.equal(appliance.cli(["group", "add", "Desk"]).status, 0);
  for (const collection of ["house", "bank"]) {
    assert.equal(appliance.cli(["collection", "grant", collection, "Desk"]).status, 0);
  }
  assert.equal(appliance.cli(["group", "join", "Desk", "ada"]).status, 0);
  const cookie = await appliance.signIn("ada", password);
  const search = async (text, filter = {}) => {
    const body = { text, filter };
    const found = await appliance.request("POST", "/api/v1/search", { cookie, body });
    assert.equal(found.status, 200, found.text);
    return found.json;
  };

  await t.test("a copy is merged, its words are highlighted, and facets filter", async () => {
    await admin.goto(`${appliance.url}/#/search`);
    await admin.getByLabel("Search terms").fill("refund for a lost key of the pharmacy");
    await admin.getByRole("button", { name: "Search" }).click();
    await admin.getByText(/3 documents that you may read/).waitFor();
    await admin.getByText(/Also in/).waitFor();
    assert.ok((await admin.locator("mark").count()) > 0);
    await inspect(admin, "search");
    await admin.getByRole("checkbox", { name: /bank/ }).check();
    await admin.getByText(/1 document that you may read/).waitFor();
    assert.equal(await admin.getByText(/handed out by the porter/).count(), 0);
    await admin.getByRole("button", { name: "Clear all filters" }).click();
    await admin.getByText(/3 documents that you may read/).waitFor();
  });

  await t.test("the expansions of a term are searched too, and are shown", async () => {
    await admin.getByLabel("Search terms").fill("quick ratio");
    await admin.getByRole("button", { name: "Search" }).click();
    await admin.getByText(/Also searched for: balance sheet · /).waitFor();
    await inspect(admin, "expansions");
    const found = await search("keys");
    assert.deepEqual(found.expansions, []);
    const output = appliance.cli(["search", "--as", "ada", "quick ratio"]);
    assert.match(output.out, /^Also searched for: balance sheet; /m);
  });

  await t.test("the console shows the same as the page", async () => {
    const found = appliance.cli(["search", "--as", "ada", "refund for a lost key of the pharmacy"]);
    assert.match(found.out, /, page 1, of \d{4}-\d\d-\d\d$/m);
    assert.match(found.out, /The same text is in /);
    assert.match(found.out, /^Documents among the best passages, by collections: bank 1, .*formats: /m);
    const page = await search("refund for a lost key of the pharmacy");
    const json = appliance.cli(["search", "--as", "ada", "--limit", "10", "--json", "refund for a lost key of the pharmacy"]);
    assert.deepEqual(JSON.parse(json.out), page);
    const nothing = appliance.cli(["search", "--as", "ada", "--tag", "nowhere", "key"]);
    assert.match(nothing.out, /^Nothing found in 0 documents$/m);
  });

  await t.test("a phrase, a code, a tag and a day find their documents", async () => {
    const titles = (found) => found.hits.map((hit) => hit.passage.title);
    assert.deepEqual(titles(await search('"against a signature"')), ["Keys of the pharmacy"]);
    assert.equal(titles(await search("RF-2207"))[0], "Refunds of fees");
    assert.equal(titles(await search("DE89370400440532013000"))[0], "Refunds of fees");
    assert.deepEqual(titles(await search("account", { tags: ["fees"] })), ["Refunds of fees"]);
    assert.deepEqual(titles(await search("account", { as_of: "2001-01-01" })), []);
    const wrong = { text: "key", filter: { from: "yesterday" } };
    const refused = await appliance.request("POST", "/api/v1/search", { cookie, body: wrong });
    assert.equal(refused.status, 422);
    assert.match(refused.text, /yesterday/);
  });

  let receipt;
  await t.test("an account number is redacted in the answer, the search and the log", async () => {
    await ask(admin, "From which account are refunds of fees paid?");
    const quote = admin.getByRole("article", { name: "Quote 1" });
    assert.match(await quote.innerText(), /\[account number\]|\[IBAN\]/i);
    await inspect(admin, "redacted");
    const body = { question: "From which account are refunds of fees paid?" };
    const answered = await appliance.request("POST", "/api/v1/answers", { cookie, body });
    receipt = answerEvents(answered).find((event) => event.event === "receipt");
    assert.match(receipt.embedder, /^[0-9a-f]{64}$/);
    const log = appliance.cli(["audit", "list", "--limit", "40", "--json"]);
    for (const text of [answered.text, log.out, JSON.stringify(await search("account"))]) {
      assert.ok(!text.includes("3704 0044"), "the number is nowhere");
    }
  });

  await t.test("an opened page redacts it too, and has no image", async () => {
    const quote = admin.getByRole("article", { name: "Quote 1" });
    await quote.getByRole("link").click();
    await admin.getByText("Personal data on this page is redacted for you").waitFor();
    assert.ok(!(await admin.locator("main").innerText()).includes("3704"));
    const drawn = await admin.context().newPage();
    await drawn.setContent("<h1>Fees of the bank</h1><p>Account DE89 3704 0044 0532 0130 00.</p>");
    appliance.drop("bank", "fees.pdf", await drawn.pdf());
    await drawn.close();
    let hit;
    for (let turn = 0; !hit && turn < 100; turn += 1) {
      await new Promise((done) => setTimeout(done, 200));
      const found = await search("fees of the bank", { formats: ["pdf"] });
      hit = found.hits[0]?.passage;
    }
    const where = `/api/v1/revisions/${hit.revision}/pages/1`;
    const page = await appliance.request("GET", where, { cookie });
    assert.equal(page.json.redacted, true);
    assert.equal(page.json.image, null);
    assert.deepEqual(page.json.words, []);
    assert.ok(!page.text.includes("3704") && page.text.includes("Account"));
    const image = await appliance.request("GET", `${where}/image?ticket=x`, { cookie });
    assert.equal(image.status, 404);
  });

  await t.test("a replayed answer is the same until its document changes", async () => {
    const replay = appliance.cli(["audit", "replay", receipt.id]);
    assert.equal(replay.status, 0, replay.out + replay.err);
    assert.match(replay.out, /The answer is the same/);
    appliance.drop("bank", "refunds.md", refunds.replace("14 days", "21 days"));
    await admin.getByRole("link", { name: "Administration", exact: true }).click();
    const wanted = /paid from the account .* within 21 days/;
    for (let turn = 0; ; turn += 1) {
      const found = await search("refunds of fees");
      if (found.hits.some((hit) => wanted.test(hit.passage.text))) break;
      assert.ok(turn < 100, "the new revision is found");
      await new Promise((done) => setTimeout(done, 200));
    }
    await replayInBrowser(browser, appliance, receipt.id);
    const changed = appliance.cli(["audit", "replay", receipt.id]);
    assert.equal(changed.status, 3, changed.out + changed.err);
    assert.match(changed.out, /superseded/);
    assert.equal(appliance.cli(["audit", "replay", "nothing"]).status, 1);
  });
});
