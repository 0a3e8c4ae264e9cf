// Backups: made while the appliance runs, rehearsed, and restored on another machine.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Appliance, answerEvents, password, startWithWard } from "../appliance.js";

const hands = "# Hand Hygiene\n\n## How hands are cleaned\n\nHands are cleaned with alcohol rub for 30 seconds.\n";
const question = "How long are hands cleaned with alcohol rub?";

async function asks(appliance, name) {
  const cookie = await appliance.signIn(name, password);
  const response = await appliance.request("POST", "/api/v1/answers", { cookie, body: { question } });
  return answerEvents(response).some((event) => event.event === "quote");
}

test("a backup is made, rehearsed, and restored without reviving what was taken away", async (t) => {
  const folder = fs.mkdtempSync(path.join(process.env.TMPDIR ?? "/tmp", "cloister-backups-"));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const backups = path.join(folder, "backups");
  fs.mkdirSync(backups);
  const identity = path.join(folder, "identity.txt");
  const settings = { CLOISTER_BACKUP_FOLDER: backups };
  const appliance = await startWithWard(t, settings);
  const made = appliance.cli(["backup", "keygen", identity]);
  assert.equal(made.status, 0, made.err);
  settings.CLOISTER_BACKUP_RECIPIENT = made.out.match(/age1\w+/)[0];
  assert.equal(fs.statSync(identity).mode & 0o077, 0, "only its owner reads the secret key");
  await appliance.stop();
  await appliance.run();
  appliance.drop("ward", "document.toml", '["hands.md"]\ntags = ["hygiene"]\n');
  appliance.drop("ward", "hands.md", hands);
  assert.match(appliance.cli(["ingest", "--json"]).out, /"ready":1/);
  assert.ok(await asks(appliance, "sam"));
  const create = () => JSON.parse(appliance.cli(["backup", "create", "--json"]).out);
  const first = create();
  assert.ok(first.files > 5 && first.new_bytes > 100_000, JSON.stringify(first));

  await t.test("nothing in it can be read without the secret key", () => {
    const files = fs.readdirSync(backups, { recursive: true, withFileTypes: true });
    for (const file of files.filter((entry) => entry.isFile())) {
      const content = fs.readFileSync(path.join(file.parentPath, file.name));
      assert.ok(!content.includes("alcohol rub"), file.name);
    }
  });

  await t.test("a rehearsal answers questions from the copy", () => {
    const scratch = path.join(folder, "scratch");
    const rehearsed = appliance.cli(["backup", "rehearse", "--identity", identity, "--scratch", scratch]);
    assert.equal(rehearsed.status, 0, rehearsed.err + rehearsed.out);
    assert.match(rehearsed.out, /The database is sound/);
    assert.match(rehearsed.out, /The audit log is intact/);
    assert.match(rehearsed.out, /Answered: What does the Hand Hygiene say about how hands are cleaned\?/);
    assert.deepEqual(fs.readdirSync(scratch), [], "nothing of it is left");
  });

  await t.test("a restored copy starts only after somebody has accepted it", async () => {
    const cookie = await appliance.signIn("sam", password);
    assert.equal(appliance.cli(["user", "disable", "sam"]).status, 0);
    const newer = path.join(folder, "newer");
    await appliance.stop();
    fs.cpSync(path.join(appliance.folder, "data/audit"), newer, { recursive: true });
    const restored = new Appliance();
    restored.folder = path.join(folder, "machine");
    restored.settings = { ...settings };
    restored.port = appliance.port;
    fs.mkdirSync(restored.folder);
    const done = restored.cli(["backup", "restore", "--identity", identity]);
    assert.equal(done.status, 0, done.err);
    const again = restored.cli(["backup", "restore", "--identity", identity]);
    assert.notEqual(again.status, 0);
    assert.match(again.err, /is not empty/);
    await assert.rejects(restored.run(), /was restored from a backup/);
    const review = restored.cli(["backup", "review", "--newer-log", newer]);
    assert.match(review.out, /user\.changed .*"name":"sam".*"disabled":true/, review.err);
    const accepted = restored.cli(["backup", "accept", "--reason", "the disk of ward 3 failed"]);
    assert.equal(accepted.status, 0, accepted.err);
    t.after(() => restored.stop());
    await restored.run();
    const old = await restored.request("GET", "/api/v1/session", { cookie });
    assert.equal(old.status, 401, "sessions of the backup have ended");
    const file = path.join(restored.folder, "inbox/ward/hands.md");
    assert.equal(fs.readFileSync(file, "utf8"), hands, "the inbox is filled");
    // The index is not in the backup. It is built again from the database.
    for (let tries = 0; !(await asks(restored, "sam")); tries += 1) {
      assert.ok(tries < 100, "documents and people are back");
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    const tagged = JSON.parse(restored.cli(["search", "--as", "sam", "--json", "--tag", "hygiene", "hands"]).out);
    assert.equal(tagged.hits.length, 1, "metadata is back");
    const log = restored.cli(["audit", "list", "--json", "--limit", "50"]).out;
    for (const kind of ["backup.made", "backup.restored", "backup.accepted"]) assert.ok(log.includes(kind), kind);
    assert.match(restored.cli(["audit", "verify"]).out, /intact/);
  });

  await t.test("a changed backup is refused", () => {
    const [prefix] = fs.readdirSync(path.join(backups, "objects"));
    const [chunk] = fs.readdirSync(path.join(backups, "objects", prefix));
    const file = path.join(backups, "objects", prefix, chunk);
    const bytes = fs.readFileSync(file);
    bytes[bytes.length - 1] ^= 1;
    fs.writeFileSync(file, bytes);
    const scratch = path.join(folder, "scratch");
    const rehearsed = appliance.cli(["backup", "rehearse", "--identity", identity, "--scratch", scratch]);
    assert.notEqual(rehearsed.status, 0);
    assert.match(rehearsed.err, /cannot be decrypted/);
  });
});
