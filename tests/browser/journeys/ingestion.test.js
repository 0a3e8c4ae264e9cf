// Ingestion for administrators: scans, metadata, pausing, cancelling, moving files.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import zlib from "node:zlib";
import { Appliance } from "../appliance.js";
import { ask, createFirstAdministrator, inspect, openBrowser } from "../browser.js";

const password = "correct horse battery";

/** A scanned page of a handbook: only pixels. */
async function scan(browser) {
  const context = await browser.newContext({
    viewport: { width: 827, height: 1169 },
    deviceScaleFactor: 2,
  });
  const page = await context.newPage();
  await page.setContent(`
    <body style="margin: 90px; font: 20px/1.5 serif">
      <h1>Cold chain of vaccines</h1>
      <p>Vaccines are kept between 2 and 8 degrees Celsius at all times.</p>
      <p>A fridge that was warmer than 8 degrees is reported to the pharmacist within
      30 minutes, and its vaccines are set aside until she decides.</p>
    </body>`);
  const picture = await page.screenshot();
  await context.close();
  return picture;
}

/** A PDF of a few hundred kilobytes whose only page decompresses to half a gigabyte. */
function bomb() {
  const content = zlib.deflateSync(Buffer.alloc(512 << 20, "0 "));
  const before = `%PDF-1.7
1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj
2 0 obj <</Type/Pages/Kids[3 0 R]/Count 1>> endobj
3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R>> endobj
4 0 obj <</Filter/FlateDecode/Length ${content.length}>> stream
`;
  const after = "\nendstream endobj\ntrailer <</Root 1 0 R>>\n";
  return Buffer.concat([Buffer.from(before), content, Buffer.from(after)]);
}

test("ingestion of files", async (t) => {
  const appliance = await Appliance.start(t);
  const browser = await openBrowser(t);
  const admin = await createFirstAdministrator(browser, appliance, "ada", password);

  await t.test("a scan is recognised, and document.toml gives its metadata", async () => {
    const metadata = `["fridge.png"]
title = "Vaccine fridges"
classification = "internal"
effective = 2026-03-01
tags = ["pharmacy"]
`;
    appliance.drop("ward", "document.toml", metadata);
    appliance.drop("ward", "fridge.png", await scan(browser));
    await admin.getByText("1 ready").waitFor({ timeout: 60_000 });
    await admin.getByText("page 1: was a picture; its text was recognised").waitFor();
    await inspect(admin, "files-scan");
  });

  await t.test("its quote shows the metadata, and opens the cited place of the image", async () => {
    assert.equal(appliance.cli(["group", "add", "Nurses"]).status, 0);
    appliance.cli(["group", "join", "Nurses", "ada"]);
    appliance.cli(["collection", "grant", "ward", "Nurses"]);
    await ask(admin, "Within what time is a warm fridge reported to the pharmacist?");
    const quote = admin.getByRole("article", { name: "Quote 1" });
    const text = await quote.innerText();
    assert.match(text, /reported to the pharmacist within 30 minutes/);
    assert.match(text, /Vaccine fridges/);
    assert.match(text, /internal/);
    assert.match(text, /in force since/);
    await quote.getByRole("link").click();
    await admin.waitForFunction(() => document.querySelector("figure img")?.naturalWidth > 500);
    assert.ok((await admin.locator("rect.cited").count()) > 0, "the place is highlighted");
    await inspect(admin, "page-scan");
  });

  await t.test("an error in document.toml is shown, and stops nothing else", async () => {
    appliance.drop("ward", "document.toml", "efective = 2026-03-01\n");
    await admin.goto(`${appliance.url}/#/administration/files`);
    await admin.getByRole("link", { name: "Files", exact: true }).click();
    await admin.getByText(/unknown field `efective`/).waitFor({ timeout: 30_000 });
    await admin.getByText("1 ready").waitFor({ timeout: 30_000 });
    fs.rmSync(path.join(appliance.inbox, "ward/document.toml"));
    await admin.getByText("0 quarantined").waitFor({ timeout: 30_000 });
  });

  await t.test("a pause stops the ingestion, and a cancelled file can be retried", async () => {
    await admin.getByRole("button", { name: "Pause" }).click();
    await admin.getByText("paused").waitFor();
    appliance.drop("ward", "rounds.md", "# Rounds\n\nThe ward round begins at eight.\n");
    await admin.getByText("1 waiting").waitFor({ timeout: 30_000 });
    await inspect(admin, "files-paused");
    await admin.getByRole("button", { name: "Cancel rounds.md" }).click();
    await admin.getByText("Cancelled by ada. Retry to ingest it").waitFor();
    await admin.getByRole("button", { name: "Resume" }).click();
    await admin.getByRole("button", { name: "Retry" }).click();
    await admin.getByText("2 ready").waitFor({ timeout: 60_000 });
    const entries = appliance.cli(["audit", "list", "--json"]).out;
    for (const kind of ["ingestion.paused", "document.cancelled", "ingestion.resumed"]) {
      assert.ok(entries.includes(kind), kind);
    }
  });

  await t.test("a moved file keeps its history, and is not ingested again", async () => {
    const file = path.join(appliance.inbox, "ward/rounds.md");
    fs.mkdirSync(path.join(appliance.inbox, "ward/2026"));
    fs.renameSync(file, path.join(appliance.inbox, "ward/2026/rounds.md"));
    await admin.getByText("2026/rounds.md").waitFor({ timeout: 30_000 });
    await admin.getByText("2 ready").waitFor({ timeout: 30_000 });
    await ask(admin, "When does the ward round begin?");
    const quote = admin.getByRole("article", { name: "Quote 1" });
    assert.match(await quote.innerText(), /begins at eight/);
    const entries = appliance.cli(["audit", "list", "--json"]).out;
    assert.ok(entries.includes("document.moved"));
  });

  await t.test("a decompression bomb is quarantined, and the appliance keeps answering", async () => {
    appliance.drop("ward", "bomb.pdf", bomb());
    await admin.goto(`${appliance.url}/#/administration/files`);
    await admin.getByText("bomb.pdf").first().waitFor({ timeout: 30_000 });
    await ask(admin, "When does the ward round begin?");
    const quote = admin.getByRole("article", { name: "Quote 1" });
    assert.match(await quote.innerText(), /begins at eight/);
    await admin.goto(`${appliance.url}/#/administration/files`);
    await admin.getByText("1 quarantined").waitFor({ timeout: 180_000 });
    assert.match(await admin.locator(".reason").innerText(), /bomb\.pdf/);
  });

  await t.test("the console sets how a collection is read", async () => {
    const languages = appliance.cli(["collection", "reading", "ward", "--languages", "eng"]);
    assert.match(languages.out, /scanned pages are recognised in eng/);
    const passwords = appliance.cli(["collection", "reading", "ward", "--passwords", "-"], "one\ntwo\n");
    assert.match(passwords.out, /2 passwords are tried/);
    const unknown = appliance.cli(["collection", "reading", "ward", "--languages", "xyz"]);
    assert.notEqual(unknown.status, 0);
    assert.match(unknown.err, /does not know the language `xyz`/);
  });
});
