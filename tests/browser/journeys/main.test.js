// From an empty machine to a verified audit record: first administrator, collection, file, question,
// quote, highlighted page, compliance officer. A second person must not find anything.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { Appliance, samples, answerEvents } from "../appliance.js";
import { ask, inspect, openBrowser, openPage, signIn } from "../browser.js";

const password = "correct horse battery";
const question = "Within what time are antibiotics given when sepsis is recognised?";

test("the main journey", async (t) => {
  const library = samples(fs.mkdtempSync(path.join(os.tmpdir(), "cloister-samples-")));
  t.after(() => fs.rmSync(library, { recursive: true }));
  const sepsis = fs.readFileSync(path.join(library, "hospital/sepsis-guideline.pdf"));
  const appliance = await Appliance.start(t);
  const browser = await openBrowser(t);
  const admin = await openPage(browser, appliance);

  await t.test("the one-time link creates the first administrator, once", async () => {
    await admin.goto(appliance.setupLink);
    await inspect(admin, "setup");
    await admin.getByLabel("Name").fill("ada");
    await admin.getByLabel(/Password/).fill(password);
    await admin.getByLabel(/I also ask/).uncheck();
    await admin.getByRole("button", { name: "Create administrator" }).click();
    await admin.getByRole("heading", { name: "To do" }).waitFor();
    await inspect(admin, "overview-empty");
    await admin.getByRole("link", { name: "Files", exact: true }).click();
    await admin.getByText("No files.").waitFor();
    await inspect(admin, "files-empty");
    const again = await appliance.request("POST", "/api/v1/setup", {
      body: {
        link: appliance.setupLink.split("/").at(-1),
        name: "eve",
        password,
        also_staff: false,
      },
    });
    assert.equal(again.status, 410);
  });

  await t.test("an administrator adds people, a group, and a collection that the group may read", async () => {
    await admin.getByRole("link", { name: "People", exact: true }).click();
    for (const name of ["sam", "nina"]) {
      const form = admin.getByRole("form", { name: "New person" });
      await form.getByLabel("Name").fill(name);
      await form.getByRole("button", { name: "Add person" }).click();
      const link = await admin.getByRole("textbox", { name: `Link for ${name}` }).inputValue();
      const body = { link: link.split("/").at(-1), password };
      assert.equal((await appliance.request("POST", "/api/v1/activation", { body })).status, 200);
    }
    await inspect(admin, "people");
    // There is no second administrator yet who could approve an officer.
    const officer = ["user", "add", "olive", "--role", "compliance-officer"];
    assert.equal(appliance.cli(officer, `${password}\n`).status, 0);
    await admin.getByRole("link", { name: "Groups", exact: true }).click();
    await admin.getByLabel("New group").fill("Emergency");
    await admin.getByRole("button", { name: "Add group" }).click();
    await admin.getByRole("region", { name: "Group Emergency" }).getByLabel("sam").check();
    await inspect(admin, "groups");
    await admin.getByRole("link", { name: "Collections", exact: true }).click();
    await admin.getByLabel("New collection").fill("guidelines");
    await admin.getByRole("button", { name: "Add collection" }).click();
    const card = admin.getByRole("region", { name: "Collection guidelines" });
    await card.getByLabel("Emergency").check();
    await inspect(admin, "collections");
  });

  await t.test("a dropped file becomes ready, and an unreadable file says why", async () => {
    appliance.drop("guidelines", "sepsis.pdf", sepsis);
    appliance.drop("guidelines", "archive.pdf", Buffer.from("PK\u0003\u0004 not a PDF at all"));
    await admin.getByRole("link", { name: "Files", exact: true }).click();
    await admin.getByText("1 ready").waitFor({ timeout: 60_000 });
    await admin.getByText("1 quarantined").waitFor({ timeout: 60_000 });
    await admin.getByRole("button", { name: "Retry" }).waitFor();
    assert.match(await admin.locator(".reason").innerText(), /archive\.pdf/);
    await inspect(admin, "files");
    await admin.getByRole("link", { name: "Machine", exact: true }).click();
    await admin.getByText("no sockets except local ones").waitFor();
    await inspect(admin, "machine");
  });

  let address, receipt;
  await t.test("staff ask, see a quote, and open its page with the cited place highlighted", async () => {
    const sam = await openPage(browser, appliance);
    await signIn(sam, "sam", password);
    await sam.waitForFunction(async () => {
      const about = await (await fetch("/api/v1/about")).json();
      return about.generator_state === "ready";
    });
    await ask(sam, question);
    const quote = sam.getByRole("article", { name: "Quote 1" });
    assert.match(await quote.innerText(), /antibiotics are given within one hour of recognition/);
    // The generated text, or a note why there is none, follows the quotes.
    await sam.getByText("How this was made").click();
    await sam.getByText(/^Written by the model|withheld|quotes above|quotes answer/).first().waitFor();
    await sam.getByRole("button", { name: "No", exact: true }).click();
    await sam.getByLabel("What was wrong or missing?").fill("It does not say which antibiotic.");
    await sam.getByRole("button", { name: "Send" }).click();
    await sam.getByText("Your feedback was saved").waitFor();
    await inspect(sam, "answer");
    receipt = (await sam.getByText(/^Receipt/).locator("code").innerText()).trim();
    address = new URL(await quote.getByRole("link").getAttribute("href"), sam.url()).href;
    await quote.getByRole("link").click();
    const image = sam.getByRole("img", { name: /Page 1 of/ });
    await image.waitFor();
    await sam.waitForFunction(() => document.querySelector("figure img")?.naturalWidth > 500);
    assert.ok((await sam.locator("rect.cited").count()) > 0, "the place is highlighted");
    await inspect(sam, "page");
    await sam.getByRole("link", { name: "Entire document" }).click();
    await sam.getByRole("heading", { level: 1, name: /First Hour in Sepsis/ }).waitFor();
    await sam.locator("rect.cited").first().waitFor();
    await inspect(sam, "document");
    await sam.getByRole("button", { name: "‹ Back" }).click();
    await sam.getByRole("button", { name: "Close the page" }).click();
    await sam.getByRole("article", { name: "Quote 1" }).waitFor();
    const conversation = sam.url();
    await sam.reload();
    await sam.getByRole("heading", { name: question }).waitFor();
    assert.equal(sam.url(), conversation, "the address names the conversation");
    await sam.getByRole("article", { name: "Quote 1" }).waitFor();
    await ask(sam, "Who won the football championship in 1998?");
    await sam.getByText("Not found in the documents that you may read").waitFor();
    await inspect(sam, "refusal");
    await sam.getByRole("link", { name: "Documents", exact: true }).click();
    const listed = sam.getByRole("table").getByRole("link", { name: /First Hour in Sepsis/ });
    await listed.waitFor();
    await inspect(sam, "documents");
  });

  await t.test("a second person without the grant finds nothing, not even a count", async () => {
    const nina = await openPage(browser, appliance);
    await signIn(nina, "nina", password);
    await ask(nina, question);
    await nina.getByText("Not found in the documents that you may read").waitFor();
    await nina.getByText("There are no documents that you may read").waitFor();
    assert.equal(await nina.getByText(/nearest passages/i).count(), 0);
    await nina.goto(address);
    await nina.getByText("Not found.").waitFor();
    const cookie = await appliance.signIn("nina", password);
    const hidden = await appliance.request("POST", "/api/v1/answers", { cookie, body: { question } });
    assert.equal(answerEvents(hidden)[0].documents, 0);
    assert.ok(!hidden.text.includes("epsis"), "no title, path or text leaks");
    const found = await appliance.request("POST", "/api/v1/search", { cookie, body: { text: "sepsis" } });
    assert.deepEqual(found.json.hits, []);
    const nothing = { collections: {}, formats: {}, languages: {}, tags: {} };
    assert.deepEqual(found.json.facets, nothing, "no count leaks");
    for (const route of ["/files", "/people", "/collections", "/audit", "/status"]) {
      assert.equal((await appliance.request("GET", `/api/v1${route}`, { cookie })).status, 403, route);
    }
    const rating = { cookie, body: { helpful: true } };
    const others = await appliance.request("POST", `/api/v1/answers/${receipt}/feedback`, rating);
    assert.equal(others.status, 404, "an answer of another person");
    const image = await appliance.request("GET", "/api/v1/revisions/1/pages/1/image?ticket=x", { cookie });
    assert.equal(image.status, 404);
  });

  await t.test("a compliance officer finds the record and verifies the log", async () => {
    const olive = await openPage(browser, appliance);
    await signIn(olive, "olive", password);
    await olive.getByRole("heading", { name: "Worth a look" }).waitFor();
    await inspect(olive, "audit-overview");
    await olive.getByRole("button", { name: "Verify the log" }).click();
    await olive.getByText(/The log is intact/).waitFor();
    await olive.getByText(/by olive: intact/).waitFor();
    await olive.getByRole("link", { name: "Activity", exact: true }).click();
    await olive.getByLabel("Text").fill("antibiotics given when sepsis");
    await olive.getByLabel("What").selectOption("Questions");
    await olive.getByRole("button", { name: "Find" }).click();
    // The previous list has that cell, too. The end of the answer disappears with it.
    await olive.getByText("The answer ended.").first().waitFor({ state: "hidden" });
    await olive.getByText(`sam asked “${question}” and was shown`).first().waitFor();
    const row = olive.getByRole("row").filter({ hasText: "sam" }).first();
    await row.getByText("Details").click();
    await row.getByRole("button", { name: /Show all entries of request/ }).click();
    await olive.getByText("The answer ended.").waitFor();
    await inspect(olive, "audit");
    await olive.getByLabel("What").selectOption("Feedback");
    await olive.getByLabel("Request or receipt").fill("");
    await olive.getByLabel("Text").fill("which antibiotic");
    await olive.getByRole("button", { name: "Find" }).click();
    await olive.getByText(/rated an answer as not helpful: “It does not say/).first().waitFor();
    await olive.getByLabel("What").selectOption("Pages opened");
    await olive.getByLabel("Text").fill("sepsis.pdf");
    await olive.getByRole("button", { name: "Find" }).click();
    await olive.getByText("sam opened page 1 of guidelines/sepsis.pdf.").first().waitFor();
    const saved = olive.waitForEvent("download");
    await olive.getByRole("button", { name: "Download as CSV" }).click();
    const csv = fs.readFileSync(await (await saved).path(), "utf8");
    assert.match(csv, /"page.opened","success","sam"/);
    assert.doesNotMatch(csv, /question.answered/, "the filter acts on the file");
    await olive.reload();
    await olive.getByText("sam opened page 1 of guidelines/sepsis.pdf.").first().waitFor();
  });

  await t.test("a revoked grant and a removed file stop answering at once", async () => {
    const cookie = await appliance.signIn("sam", password);
    const answered = async () => {
      const response = await appliance.request("POST", "/api/v1/answers", { cookie, body: { question } });
      return answerEvents(response).some((event) => event.event === "quote");
    };
    assert.ok(await answered());
    await admin.getByRole("link", { name: "Collections", exact: true }).click();
    const card = admin.getByRole("region", { name: "Collection guidelines" });
    const saved = admin.waitForResponse((r) => r.url().includes("/readers/"));
    await card.getByLabel("Emergency").uncheck();
    await saved;
    assert.ok(!(await answered()), "the grant is gone");
    const granted = admin.waitForResponse((r) => r.url().includes("/readers/"));
    await card.getByLabel("Emergency").check();
    await granted;
    assert.ok(await answered(), "the grant is back");
    fs.rmSync(path.join(appliance.inbox, "guidelines/sepsis.pdf"));
    await admin.getByRole("link", { name: "Files", exact: true }).click();
    await admin.getByText("0 ready").waitFor({ timeout: 30_000 });
    assert.ok(!(await answered()), "the file is gone");
  });
});
