// Faults, and what people see of them. No fault loses data.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { password, program, answerEvents, startWithWard } from "../appliance.js";
import { inspect, inspectThemes, openBrowser, openPage, signIn } from "../browser.js";

const isReady = (appliance) => appliance.cli(["ingest", "--json"]).out.includes('"ready":1');

test("a wrong password is reported, and too many delay the next attempt", async (t) => {
  const appliance = await startWithWard(t, { CLOISTER_SESSION_MAX_FAILED_SIGN_INS: "3" });
  const browser = await openBrowser(t);
  const page = await openPage(browser, appliance);
  await page.goto(appliance.url);
  const tryOnce = async () => {
    await page.getByLabel("Name").fill("sam");
    await page.getByLabel("Password").fill("wrong wrong wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
  };
  await tryOnce();
  await page.getByText("The name or the password is wrong.").waitFor();
  await inspect(page, "wrong-password");
  for (const name of ["sam", "eve"]) {
    const body = { name, password: "wrong wrong wrong" };
    for (let n = 0; n < 3; n += 1) await appliance.request("POST", "/api/v1/session", { body });
    const delayed = await appliance.request("POST", "/api/v1/session", { body: { name, password } });
    assert.equal(delayed.status, 429, `${name}: a name that exists is not told`);
    assert.match(delayed.json.detail, /Try again in \d+ seconds/);
  }
  await tryOnce();
  await page.getByText("Too many wrong passwords.").waitFor();
  const log = appliance.cli(["audit", "list", "--json", "--text", "auth.signed-in"]).out;
  assert.equal(log.trim().split("\n").filter((line) => line.includes('"failure"')).length, 6);
  assert.ok(!log.includes('"eve"'), "a name that does not exist is not logged");
});

test("after the session has ended, the person signs in again and the question is still there", async (t) => {
  const appliance = await startWithWard(t, { CLOISTER_SESSION_IDLE_MINUTES: "1" });
  const browser = await openBrowser(t);
  const page = await openPage(browser, appliance);
  await signIn(page, "sam", password);
  await page.getByLabel("Your question").fill("How are hands cleaned?");
  appliance.cli(["user", "password", "sam"], `${password}\n`);
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await page.getByText("Your session has ended.").waitFor();
  await inspect(page, "session-ended");
  await page.getByLabel("Name").fill("sam");
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  assert.equal(await page.getByLabel("Your question").inputValue(), "How are hands cleaned?");
});

test("a page that is slow or cannot be loaded says so, and can be tried again", async (t) => {
  const appliance = await startWithWard(t);
  const browser = await openBrowser(t);
  const page = await openPage(browser, appliance);
  await signIn(page, "sam", password);
  const body = { code: "disk-full", title: "The disk is full" };
  const answers = [{ status: 503, json: body }, null];
  await page.route("**/api/v1/documents", async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 6000));
    const answer = answers.shift();
    await (answer ? route.fulfill(answer) : route.continue());
  });
  await page.getByRole("link", { name: "Documents", exact: true }).click();
  await page.getByText("This takes longer than usual.").waitFor();
  await page.getByText("The disk is full. Tell an administrator the code disk-full.").waitFor();
  await inspectThemes(page, "cannot-be-loaded");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByText("There are no documents that you may read.").waitFor();
  assert.equal(await page.getByRole("alert").count(), 0, "the error is gone");
});

test("an appliance that is not reachable loses no question", async (t) => {
  const appliance = await startWithWard(t);
  const browser = await openBrowser(t);
  const page = await openPage(browser, appliance);
  await signIn(page, "sam", password);
  await page.getByLabel("Your question").fill("How are hands cleaned?");
  await page.context().setOffline(true);
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await page.getByText("The appliance is not reachable. Check that it is running.").first().waitFor();
  assert.equal(await page.getByLabel("Your question").inputValue(), "How are hands cleaned?");
  await page.context().setOffline(false);
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await page.getByText("How this was made").waitFor({ timeout: 60_000 });
});

test("an idle session ends", async (t) => {
  const appliance = await startWithWard(t, { CLOISTER_SESSION_IDLE_MINUTES: "0" });
  const cookie = await appliance.signIn("sam", password);
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (const detail of [/The session has ended/, /^$/]) {
    const refused = await appliance.request("GET", "/api/v1/session", { cookie });
    assert.equal(refused.status, 401);
    assert.match(refused.json.detail ?? "", detail);
  }
});

test("another site cannot send requests with the session of the browser", async (t) => {
  const appliance = await startWithWard(t);
  const cookie = await appliance.signIn("sam", password);
  const body = { question: "How are hands cleaned?" };
  for (const headers of [{ "sec-fetch-site": "cross-site" }, { origin: "https://evil.example" }]) {
    const response = await appliance.request("POST", "/api/v1/answers", { cookie, body, headers });
    assert.equal(response.status, 403);
  }
  const sameOrigin = { "sec-fetch-site": "same-origin" };
  assert.equal((await appliance.request("POST", "/api/v1/answers", { cookie, body, headers: sameOrigin })).status, 200);
  const page = await appliance.request("GET", "/");
  assert.match(page.headers["content-security-policy"], /default-src 'none'/);
  assert.match(page.headers["strict-transport-security"], /max-age=31536000/);
});

test("a full disk stops answering with a clear error, and answering resumes when there is space", async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cloister-small-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=48m", "tmpfs", folder]);
  if (mounted.status !== 0) {
    fs.rmSync(folder, { recursive: true });
    return t.skip("only root can mount a small disk");
  }
  t.after(() => {
    spawnSync("umount", ["-l", folder]);
    fs.rmSync(folder, { recursive: true, force: true });
  });
  const appliance = await startWithWard(t, {}, folder);
  appliance.drop("ward", "hands.md", "# Hands\n\nHands are cleaned with alcohol rub for 30 seconds.\n");
  assert.ok(isReady(appliance));
  const cookie = await appliance.signIn("sam", password);
  const body = { question: "How long are hands cleaned with alcohol rub?" };
  const ask = () => appliance.request("POST", "/api/v1/answers", { cookie, body });
  assert.ok(answerEvents(await ask()).some((event) => event.event === "quote"));
  const before = appliance.cli(["audit", "verify", "--json"]);

  const ballast = path.join(folder, "ballast");
  spawnSync("dd", ["if=/dev/zero", `of=${ballast}`, "bs=4k"]);
  // The last page of the log has some space left, which is used up first.
  let refused = await ask();
  for (let tries = 0; tries < 40 && refused.status === 200; tries += 1) refused = await ask();
  assert.ok([503, 507].includes(refused.status), `${refused.status} ${refused.text}`);
  assert.match(refused.json.detail, /disk|space/);
  assert.ok(!refused.text.includes("alcohol"), "nothing is shown without a log entry");

  fs.rmSync(ballast);
  assert.ok(answerEvents(await ask()).some((event) => event.event === "quote"), "answering resumes");
  const after = appliance.cli(["audit", "verify", "--json"]);
  assert.equal(after.status, 0, after.out);
  assert.ok(JSON.parse(after.out).entries > JSON.parse(before.out).entries);
});

test("an appliance that is killed loses no data", async (t) => {
  const appliance = await startWithWard(t);
  appliance.drop("ward", "hands.md", "# Hands\n\nHands are cleaned with alcohol rub for 30 seconds.\n");
  assert.ok(isReady(appliance));
  for (let n = 0; n < 3; n += 1) {
    appliance.drop("ward", `note-${n}.md`, `# Note ${n}\n\nBed ${n} is cleaned every day.\n`);
    await new Promise((resolve) => setTimeout(resolve, 120 * n));
    await appliance.stop("SIGKILL");
    await appliance.run();
  }
  assert.match(appliance.cli(["ingest", "--json"]).out, /"ready":4/);
  const asked = appliance.cli(["ask", "--as", "sam", "--json", "How long are hands cleaned with alcohol rub?"]);
  assert.match(asked.out, /alcohol rub for 30 seconds/);
  assert.equal(appliance.cli(["audit", "verify"]).status, 0);
  const rebuilt = appliance.cli(["index", "rebuild", "--json"]);
  assert.equal(rebuilt.status, 0, rebuilt.err);
  const again = appliance.cli(["ask", "--as", "sam", "--json", "How long are hands cleaned with alcohol rub?"]);
  assert.match(again.out, /alcohol rub for 30 seconds/);
});

test("an appliance that cannot start says what to do", async (t) => {
  const appliance = await startWithWard(t);
  const start = (settings) =>
    spawnSync(program, ["serve"], {
      env: { ...appliance.environment(), ...settings },
      encoding: "utf8",
      timeout: 20_000,
    }).stderr;
  const elsewhere = fs.mkdtempSync(path.join(os.tmpdir(), "cloister-elsewhere-"));
  t.after(() => fs.rmSync(elsewhere, { recursive: true, force: true }));
  const otherData = { CLOISTER_PATHS_DATA: path.join(elsewhere, "data") };
  assert.match(start(otherData), /another program uses port \d+.*server\.address/);
  const anyPort = { CLOISTER_SERVER_ADDRESS: "127.0.0.1:0" };
  assert.match(start(anyPort), /an appliance is already running on this data folder/);
  const noModels = { ...otherData, ...anyPort, CLOISTER_PATHS_MODELS: path.join(elsewhere, "none") };
  assert.match(start(noModels), /make models/);
  assert.match(start({ CLOISTER_SERVER_ADRESS: "x" }), /Did you mean `CLOISTER_SERVER_ADDRESS`\?/);

  const models = path.join(elsewhere, "models");
  fs.cpSync(appliance.environment().CLOISTER_PATHS_MODELS, models, { recursive: true });
  fs.appendFileSync(path.join(models, "minilm/model.safetensors"), "x");
  assert.match(start({ ...otherData, ...anyPort, CLOISTER_PATHS_MODELS: models }), /SHA-256/);
});
