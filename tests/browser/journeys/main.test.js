// From an empty machine to a verified audit record: first administrator, collection, file, question,
// quote, highlighted page, compliance officer. And a second person, who must not find a thing.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { Appliance, samples, steps } from "../appliance.js";
import { ask, inspect, openBrowser, person, signIn } from "../browser.js";

const password = "correct horse battery";
const question = "Within what time are antibiotics given when sepsis is recognised?";

test("the main journey", async (t) => {
  const library = samples(fs.mkdtempSync(path.join(os.tmpdir(), "cloister-samples-")));
  t.after(() => fs.rmSync(library, { recursive: true }));
  const sepsis = fs.readFileSync(path.join(library, "hospital/sepsis-guideline.pdf"));
  const appliance = await Appliance.start(t);
  const browser = await openBrowser(t);
  const admin = await person(browser, appliance);

  await t.test("the one-time link makes the first administrator, once", async () => {
    await admin.goto(appliance.setupLink);
    await inspect(admin, "setup");
    await admin.getByLabel("Name").fill("ada");
    await admin.getByLabel(/Password/).fill(password);
    await admin.getByLabel(/I also ask/).uncheck();
    await admin.getByRole("button", { name: "Begin" }).click();
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

  await t.test("an administrator makes people, a group, and a collection granted to it", async () => {
    await admin.getByRole("link", { name: "People" }).click();
    const add = async (name, role) => {
      const form = admin.getByRole("form", { name: "New person" });
      await form.getByLabel("Name").fill(name);
      await form.getByLabel(/First password/).fill(password);
      if (role !== "Staff") {
        await form.getByLabel(/Staff/).uncheck();
        await form.getByLabel(new RegExp(role)).check();
      }
      await form.getByRole("button", { name: "Add person" }).click();
      await admin.getByText(`${name} can sign in now`).waitFor();
    };
    await add("sam", "Staff");
    await add("nina", "Staff");
    await add("olive", "Compliance officer");
    await inspect(admin, "people");
    await admin.getByRole("link", { name: "Groups" }).click();
    await admin.getByLabel("New group").fill("Emergency");
    await admin.getByRole("button", { name: "Add group" }).click();
    await admin.getByRole("region", { name: "Group Emergency" }).getByLabel("sam").check();
    await inspect(admin, "groups");
    await admin.getByRole("link", { name: "Collections" }).click();
    await admin.getByLabel("New collection").fill("guidelines");
    await admin.getByRole("button", { name: "Add collection" }).click();
    const card = admin.getByRole("region", { name: "Collection guidelines" });
    await card.getByLabel("Emergency").check();
    await inspect(admin, "collections");
  });

  await t.test("a dropped file becomes ready, and one that cannot be read says why", async () => {
    appliance.drop("guidelines", "sepsis.pdf", sepsis);
    appliance.drop("guidelines", "archive.pdf", Buffer.from("PK\u0003\u0004 not a PDF at all"));
    await admin.getByRole("link", { name: "Files" }).click();
    await admin.getByText("1 ready").waitFor({ timeout: 60_000 });
    await admin.getByText("1 quarantined").waitFor({ timeout: 60_000 });
    await admin.getByRole("button", { name: "Try again" }).waitFor();
    assert.match(await admin.locator(".reason").innerText(), /archive\.pdf/);
    await inspect(admin, "files");
    await admin.getByRole("link", { name: "Machine" }).click();
    await admin.getByText("no sockets but local ones").waitFor();
    await inspect(admin, "machine");
  });

  let address, receipt;
  await t.test("staff asks, sees a quote, and opens its page with the place highlighted", async () => {
    const sam = await person(browser, appliance);
    await signIn(sam, "sam", password);
    await sam.waitForFunction(async () => {
      const about = await (await fetch("/api/v1/about")).json();
      return about.generator_state === "ready";
    });
    await ask(sam, question);
    const quote = sam.getByRole("article", { name: "Quote 1" });
    assert.match(await quote.innerText(), /antibiotics are given within one hour of recognition/);
    // What the model adds, or that it adds nothing, comes after the quotes.
    await sam.getByText(/^Written by the model|withheld|quotes stand alone/).first().waitFor();
    await sam.getByRole("button", { name: "No", exact: true }).click();
    await sam.getByLabel("What was wrong or missing?").fill("It does not say which antibiotic.");
    await sam.getByRole("button", { name: "Send" }).click();
    await sam.getByText("It is kept with the answer").waitFor();
    await inspect(sam, "answer");
    receipt = (await sam.getByText(/^Receipt/).locator("code").innerText()).trim();
    await quote.getByRole("link").click();
    const picture = sam.getByRole("img", { name: /Page 1 of/ });
    await picture.waitFor();
    await sam.waitForFunction(() => document.querySelector("figure img")?.naturalWidth > 500);
    assert.ok((await sam.locator("rect.cited").count()) > 0, "the place is highlighted");
    address = sam.url();
    await inspect(sam, "page");
    await sam.getByRole("link", { name: /Back to the answer/ }).click();
    await sam.getByRole("article", { name: "Quote 1" }).waitFor();
    await ask(sam, "Who won the football championship in 1998?");
    await sam.getByText("Not in the documents you may read").waitFor();
    await inspect(sam, "refusal");
    await sam.getByRole("link", { name: "Documents" }).click();
    const listed = sam.getByRole("table").getByRole("link", { name: /First Hour in Sepsis/ });
    await listed.waitFor();
    await inspect(sam, "documents");
  });

  await t.test("a second person without the grant finds nothing, not even a count", async () => {
    const nina = await person(browser, appliance);
    await signIn(nina, "nina", password);
    await ask(nina, question);
    await nina.getByText("Not in the documents you may read").waitFor();
    await nina.getByText("There is no document that you may read").waitFor();
    assert.equal(await nina.getByText(/nearest passages/i).count(), 0);
    await nina.goto(address);
    await nina.getByText("There is nothing here").waitFor();
    const cookie = await appliance.signIn("nina", password);
    const hidden = await appliance.request("POST", "/api/v1/answers", { cookie, body: { question } });
    assert.equal(steps(hidden)[0].documents, 0);
    assert.ok(!hidden.text.includes("epsis"), "no title, path or text leaks");
    const found = await appliance.request("POST", "/api/v1/search", { cookie, body: { text: "sepsis" } });
    assert.deepEqual(found.json.hits, []);
    const nothing = { collections: {}, formats: {}, languages: {}, tags: {} };
    assert.deepEqual(found.json.facets, nothing, "no count leaks");
    for (const where of ["/files", "/people", "/collections", "/audit", "/status"]) {
      assert.equal((await appliance.request("GET", `/api/v1${where}`, { cookie })).status, 403, where);
    }
    const rating = { cookie, body: { helpful: true } };
    const others = await appliance.request("POST", `/api/v1/answers/${receipt}/feedback`, rating);
    assert.equal(others.status, 404, "an answer of somebody else");
    const image = await appliance.request("GET", "/api/v1/revisions/1/pages/1/image?view=x", { cookie });
    assert.equal(image.status, 404);
  });

  await t.test("a compliance officer finds the record and verifies the log", async () => {
    const olive = await person(browser, appliance);
    await signIn(olive, "olive", password);
    await olive.getByLabel("Text").fill("antibiotics given when sepsis");
    await olive.getByLabel("Kind").selectOption("question.answered");
    await olive.getByRole("button", { name: "Find" }).click();
    await olive.getByRole("cell", { name: new RegExp(question.slice(0, 20)) }).first().waitFor();
    // The list of before holds that cell, too; it is gone once what was asked for is there.
    await olive.getByRole("cell", { name: "answer.ended" }).first().waitFor({ state: "hidden" });
    const row = olive.getByRole("row").filter({ hasText: "sam" }).first();
    await row.getByText("Details").click();
    await row.getByRole("button", { name: /All of request/ }).click();
    await olive.getByRole("cell", { name: "answer.ended" }).waitFor();
    await olive.getByRole("button", { name: "Verify the log" }).click();
    await olive.getByText(/The log holds/).waitFor();
    await inspect(olive, "audit");
    await olive.getByLabel("Kind").selectOption("answer.rated");
    await olive.getByLabel("Request or receipt").fill("");
    await olive.getByLabel("Text").fill("which antibiotic");
    await olive.getByRole("button", { name: "Find" }).click();
    await olive.getByRole("cell", { name: "answer.rated" }).first().waitFor();
    await olive.getByLabel("Kind").selectOption("page.opened");
    await olive.getByLabel("Request or receipt").fill("");
    await olive.getByLabel("Text").fill("sepsis.pdf");
    await olive.getByRole("button", { name: "Find" }).click();
    await olive.getByRole("cell", { name: "page.opened" }).first().waitFor();
  });

  await t.test("a revoked grant and a removed file stop answering at once", async () => {
    const cookie = await appliance.signIn("sam", password);
    const answered = async () => {
      const response = await appliance.request("POST", "/api/v1/answers", { cookie, body: { question } });
      return steps(response).some((step) => step.event === "quote");
    };
    assert.ok(await answered());
    await admin.getByRole("link", { name: "Collections" }).click();
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
    await admin.getByRole("link", { name: "Files" }).click();
    await admin.getByText("0 ready").waitFor({ timeout: 30_000 });
    assert.ok(!(await answered()), "the file is gone");
  });
});
