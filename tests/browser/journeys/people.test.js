// People and their accounts: activation links, own account, second factor, API tokens, and what two
// administrators do together.

import assert from "node:assert/strict";
import fs from "node:fs";
import https from "node:https";
import { userInfo } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { Appliance, answerEvents, password, startWithWard } from "../appliance.js";
import { createFirstAdministrator, inspect, openBrowser, openPage, signIn } from "../browser.js";
import { fromBase32, totp } from "../totp.js";

const newPassword = "seven green kettles sing";

/** The entries of the audit log with a text, the oldest first. */
function entries(appliance, text) {
  const { out } = appliance.cli(["audit", "list", "--json", "--limit", "300", "--text", text]);
  const lines = out.trim().split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line)).filter((entry) => entry.kind !== "audit.viewed").reverse();
}

const outcomes = (appliance, kind) =>
  entries(appliance, kind).filter((entry) => entry.kind === kind).map((entry) => entry.outcome);

const activate = (appliance, link, typed) =>
  appliance.request("POST", "/api/v1/activation", {
    body: { link: link.split("/").at(-1), password: typed },
  });

async function isSignedIn(appliance, cookie) {
  return (await appliance.request("GET", "/api/v1/session", { cookie })).status === 200;
}

test("a person sets their own password with a link that works once", async (t) => {
  const appliance = await startWithWard(t);
  const browser = await openBrowser(t);
  const added = JSON.parse(appliance.cli(["user", "add", "nina", "--link", "--json"]).out);
  assert.match(added.link, /^https:\/\/127\.0\.0\.1:\d+\/#\/activate\/[\w-]{43}$/);
  const early = { body: { name: "nina", password: "" } };
  assert.equal((await appliance.request("POST", "/api/v1/session", early)).status, 401);

  const page = await openPage(browser, appliance);
  await page.goto(added.link);
  await inspect(page, "activate");
  await page.getByLabel(/New password, at least/).fill(newPassword);
  await page.getByLabel("New password again").fill("something else entirely");
  await page.getByText("The two new passwords are different.").waitFor();
  await page.getByLabel("New password again").fill(newPassword);
  await page.getByRole("button", { name: "Set password" }).click();
  await page.getByRole("heading", { name: "Your password is set" }).waitFor();
  await inspect(page, "activated");
  await signIn(page, "nina", newPassword);
  const cookie = await appliance.signIn("nina", newPassword);
  assert.equal((await activate(appliance, added.link, newPassword)).status, 410, "it was used");

  const makeLink = () => JSON.parse(appliance.cli(["user", "link", "nina", "--json"]).out).link;
  const [first, second] = [makeLink(), makeLink()];
  assert.equal((await activate(appliance, first, password)).status, 410, "it was replaced");
  assert.equal((await activate(appliance, second, "nina nina nina")).status, 422, "easy to guess");
  assert.ok(await isSignedIn(appliance, cookie), "the old password works until the link is used");
  assert.equal((await activate(appliance, second, password)).status, 200);
  assert.ok(!(await isSignedIn(appliance, cookie)), "all sessions have ended");
  await appliance.signIn("nina", password);

  const third = makeLink();
  assert.equal(appliance.cli(["user", "link", "nina", "--revoke"]).status, 0);
  assert.equal((await activate(appliance, third, newPassword)).status, 410, "it was revoked");
  const links = outcomes(appliance, "user.activation-link-made");
  assert.equal(links.filter((outcome) => outcome === "success").length, 4);
  assert.deepEqual(outcomes(appliance, "user.activated"), ["started", "success", "started", "success"]);
  const log = appliance.cli(["audit", "list", "--json", "--limit", "300"]).out;
  assert.ok(!log.includes(third.split("/").at(-1)), "no secret is in the log");
});

test("people change their password, and see and end their sessions", async (t) => {
  const appliance = await startWithWard(t);
  const browser = await openBrowser(t);
  const page = await openPage(browser, appliance);
  await signIn(page, "sam", password);
  const [elsewhere, another] = [await appliance.signIn("sam", password), await appliance.signIn("sam", password)];
  await page.getByRole("link", { name: "sam" }).click();
  const sessions = page.getByRole("region", { name: "Sessions" });
  await sessions.getByText("this session").waitFor();
  assert.equal(await sessions.getByRole("row").count(), 4);
  await sessions.getByText("Chrome on Linux").waitFor();
  await inspect(page, "account");
  await sessions.getByRole("button", { name: "End", exact: true }).first().click();
  await sessions.getByRole("row").nth(3).waitFor({ state: "detached" });
  const alive = [await isSignedIn(appliance, elsewhere), await isSignedIn(appliance, another)];
  assert.equal(alive.filter(Boolean).length, 1, "one of them has ended");

  const form = page.getByRole("form", { name: "Change password" });
  const change = async (current, typed) => {
    await form.getByLabel("Present password").fill(current);
    await form.getByLabel(/New password, at least/).fill(typed);
    await form.getByLabel("New password again").fill(typed);
    await form.getByRole("button", { name: "Change password" }).click();
  };
  await change("not my password at all", newPassword);
  await form.getByText("Your password is wrong.").waitFor();
  await change(password, "sam sam sam sam");
  await form.getByText(/easy to guess/).waitFor();
  await change(password, newPassword);
  await form.getByText("Your password is changed.").waitFor();
  assert.ok(!(await isSignedIn(appliance, elsewhere)) && !(await isSignedIn(appliance, another)));
  await page.getByText("You are sam.").waitFor();
  await inspect(page, "account-changed");
  await appliance.signIn("sam", newPassword);
  assert.deepEqual(outcomes(appliance, "user.password-changed"), ["started", "success"]);
  assert.deepEqual(outcomes(appliance, "auth.reauthentication-failed"), ["failure"]);
  assert.deepEqual(outcomes(appliance, "auth.session-ended"), ["success"]);
});

test("wrong passwords on the account page delay the next one like those to sign in", async (t) => {
  const appliance = await startWithWard(t, { CLOISTER_SESSION_MAX_FAILED_SIGN_INS: "3" });
  const cookie = await appliance.signIn("sam", password);
  const change = (current) =>
    appliance.request("PUT", "/api/v1/account/password", { cookie, body: { current, new: newPassword } });
  const statuses = await Promise.all(Array.from({ length: 8 }, () => change("wrong wrong wrong")));
  assert.equal(statuses.filter(({ status }) => status === 401).length, 3);
  assert.equal((await change(password)).status, 429);
  const again = { body: { name: "sam", password } };
  assert.equal((await appliance.request("POST", "/api/v1/session", again)).status, 429, "one limit for both");
});

test("a program uses the API with a token of its person", async (t) => {
  const appliance = await startWithWard(t);
  appliance.drop("ward", "hands.md", "# Hands\n\nHands are cleaned with alcohol rub for 30 seconds.\n");
  assert.match(appliance.cli(["ingest", "--json"]).out, /"ready":1/);
  const browser = await openBrowser(t);
  const page = await openPage(browser, appliance);
  await signIn(page, "sam", password);
  await page.getByRole("link", { name: "sam" }).click();
  const form = page.getByRole("form", { name: "New token" });
  await form.getByLabel("Name").fill("nightly report");
  await form.getByRole("checkbox", { name: /^Ask/ }).check();
  await form.getByLabel("Your password").fill(password);
  await form.getByRole("button", { name: "Create token" }).click();
  const secret = await page.getByRole("textbox", { name: "Token", exact: true }).inputValue();
  assert.match(secret, /^cloister_[\w-]{43}$/);
  await inspect(page, "token");

  const call = (method, route, { token = secret, ...options } = {}) =>
    appliance.request(method, `/api/v1${route}`, { ...options, headers: { authorization: `Bearer ${token}` } });
  const question = { question: "How long are hands cleaned with alcohol rub?" };
  const answer = await call("POST", "/answers", { body: question });
  assert.ok(answerEvents(answer).some((event) => event.event === "quote"));
  const receipt = answerEvents(answer)[0].id;
  const logged = entries(appliance, receipt).find((entry) => entry.kind === "question.answered");
  assert.equal(logged.actor.name, "sam");
  assert.match(logged.origin, /^127\.0\.0\.1, token 1$/);
  // The token has one scope, and some routes need a session whatever the scopes are.
  for (const [method, route] of [
    ["GET", "/documents"],
    ["GET", "/conversations"],
    ["GET", "/account"],
    ["POST", "/account/tokens"],
    ["GET", "/people"],
    ["GET", "/files"],
    ["GET", "/audit"],
  ]) {
    const body = method === "POST" ? { name: "x", scopes: ["ask"], days: 1, password } : undefined;
    assert.equal((await call(method, route, { body })).status, 403, `${method} ${route}`);
  }
  assert.ok(entries(appliance, "a token without the scope").length >= 7);
  assert.equal((await call("GET", "/about", { token: `${secret}x` })).json.code, "token-refused");
  const cookie = await appliance.signIn("sam", password);
  const create = (body) =>
    appliance.request("POST", "/api/v1/account/tokens", {
      cookie,
      body: { name: "x", scopes: ["audit"], days: 1, password, ...body },
    });
  assert.equal((await create({ password: "wrong wrong wrong" })).status, 401);
  for (const wrong of [{ days: 91 }, { days: 0 }, { scopes: [] }, { scopes: ["all"] }, { name: " " }]) {
    assert.equal((await create(wrong)).status, 422, JSON.stringify(wrong));
  }
  const beyond = (await create({})).json.secret;
  assert.equal((await call("GET", "/audit", { token: beyond })).status, 403, "sam is no officer");

  await page.reload();
  await page.getByRole("button", { name: "Revoke nightly report" }).click();
  await page.getByText("nightly report").waitFor({ state: "hidden" });
  assert.equal((await call("POST", "/answers", { body: question })).status, 401, "it was revoked");
  assert.equal(appliance.cli(["user", "disable", "sam"]).status, 0);
  assert.equal((await call("GET", "/about", { token: beyond })).status, 401, "sam is disabled");
  assert.equal(appliance.cli(["user", "enable", "sam"]).status, 0);
  assert.equal((await call("GET", "/about", { token: beyond })).status, 401, "a token does not come back");
  assert.deepEqual(outcomes(appliance, "token.revoked"), ["started", "success"]);
});

test("a second factor is required by role, and a code is used once", async (t) => {
  const appliance = await startWithWard(t, {
    CLOISTER_SESSION_SECOND_FACTOR: "compliance-officer",
    CLOISTER_SESSION_MAX_FAILED_SIGN_INS: "8",
  });
  const browser = await openBrowser(t);
  const added = appliance.cli(["user", "add", "olive", "--role", "compliance-officer"], `${password}\n`);
  assert.equal(added.status, 0, added.err);
  const send = (body) => appliance.request("POST", "/api/v1/session", { body: { name: "olive", password, ...body } });
  const without = await appliance.signIn("olive", password);
  for (const route of ["/audit", "/account", "/about"]) {
    const refused = await appliance.request("GET", `/api/v1${route}`, { cookie: without });
    assert.deepEqual([refused.status, refused.json.code], [403, "second-factor-missing"], route);
  }

  const page = await openPage(browser, appliance);
  await signIn(page, "olive", password);
  await page.getByRole("heading", { name: "Set up a second factor" }).waitFor();
  await page.getByLabel("Your password").fill(password);
  await page.getByRole("button", { name: "Set up a second factor" }).click();
  await page.getByRole("img", { name: /QR code/ }).waitFor();
  await inspect(page, "second-factor");
  const secret = await page.locator("code").innerText();
  await page.getByLabel(/The code that the app shows/).fill("000000");
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByText("The code is wrong or was used before.").waitFor();
  const first = totp(secret);
  await page.getByLabel(/The code that the app shows/).fill(first);
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByRole("heading", { name: "Recovery codes" }).waitFor();
  await inspect(page, "recovery-codes");
  const codes = await page.locator("li code").allInnerTexts();
  assert.equal(codes.length, 10);
  await page.getByRole("button", { name: "I have saved the codes" }).click();
  await page.getByRole("heading", { name: "Audit log" }).waitFor();

  assert.equal((await send({})).json.code, "second-factor-needed");
  assert.equal((await send({ password: "wrong wrong wrong", code: totp(secret, 1) })).json.code, "wrong-password");
  assert.equal((await send({ code: first })).json.code, "wrong-code", "it was used to confirm");
  const next = totp(secret, 1);
  const together = await Promise.all([send({ code: next }), send({ code: next })]);
  assert.deepEqual(together.map(({ status }) => status).sort(), [200, 401], "a code is used once");
  assert.equal((await send({ code: codes[0].toLowerCase().replaceAll("-", " ") })).status, 200);
  assert.equal((await send({ code: codes[0] })).status, 401, "a recovery code is used once");

  const again = await openPage(browser, appliance);
  await again.goto(appliance.url);
  await again.getByLabel("Name").fill("olive");
  await again.getByLabel("Password").fill(password);
  await again.getByRole("button", { name: "Sign in" }).click();
  await again.getByLabel(/Code of your authenticator app/).waitFor();
  await inspect(again, "sign-in-code");
  await again.getByLabel(/Code of your authenticator app/).fill(codes[1]);
  await again.getByRole("button", { name: "Sign in", exact: true }).click();
  await again.getByRole("link", { name: "olive" }).click();
  await again.getByText("8 recovery codes left").waitFor();
  await inspect(again, "account-second-factor");

  // Wrong codes delay the next one for this account, from every address.
  const tries = await Promise.all(Array.from({ length: 12 }, () => send({ code: "123456" })));
  assert.equal(tries.filter(({ status }) => status === 401).length, 8);
  const agent = new https.Agent({ localAddress: "127.0.0.9" });
  const right = { body: { name: "olive", password, code: codes[2] }, agent };
  assert.equal((await appliance.request("POST", "/api/v1/session", right)).status, 429);
  const signIns = entries(appliance, "recovery-code").filter((entry) => entry.kind === "auth.signed-in");
  assert.equal(signIns.length, 2);
  assert.ok(entries(appliance, "wrong code of the second factor").length >= 3);

  for (const file of ["cloister.db", "cloister.db-wal"]) {
    const stored = fs.readFileSync(path.join(appliance.folder, "data", file));
    assert.ok(!stored.includes(fromBase32(secret)), "the secret is encrypted");
    assert.ok(!stored.includes(codes[5]), "recovery codes are hashed");
  }
  const reset = appliance.cli(["user", "reset-second-factor", "olive"]);
  assert.equal(reset.status, 0, reset.err);
  assert.deepEqual(outcomes(appliance, "auth.second-factor-removed"), ["started", "success"]);
});

test("two administrators appoint an officer, and nobody changes their own account", async (t) => {
  const appliance = await Appliance.start(t);
  const browser = await openBrowser(t);
  const ada = await createFirstAdministrator(browser, appliance, "ada", password);
  await ada.getByRole("link", { name: "People", exact: true }).click();
  const add = async (name, ...roles) => {
    const form = ada.getByRole("form", { name: "New person" });
    await form.getByLabel("Name").fill(name);
    await form.getByRole("checkbox", { name: /^Staff/ }).uncheck();
    for (const role of roles) await form.getByRole("checkbox", { name: new RegExp(`^${role}`) }).check();
    await form.getByRole("button", { name: "Add person" }).click();
    const link = await ada.getByRole("textbox", { name: `Link for ${name}` }).inputValue();
    await ada.getByRole("cell", { name, exact: false }).first().waitFor();
    return link;
  };
  const bobLink = await add("bob", "Administrator");
  assert.equal((await activate(appliance, bobLink, password)).status, 200);
  const oliveLink = await add("olive", "Compliance officer");
  await ada.getByText("The change of olive waits for another administrator").waitFor();
  assert.equal((await activate(appliance, oliveLink, password)).status, 200);
  await inspect(ada, "people-waiting");

  const adaCookie = await appliance.signIn("ada", password);
  const bobCookie = await appliance.signIn("bob", password);
  const as = (cookie) => async (method, route, body) =>
    appliance.request(method, `/api/v1${route}`, { cookie, body });
  const [byAda, byBob] = [as(adaCookie), as(bobCookie)];
  const people = (await byAda("GET", "/people")).json;
  const [adaId, bobId, oliveId] = ["ada", "bob", "olive"].map((name) => people.find((p) => p.name === name).id);
  assert.deepEqual(people.find((p) => p.name === "olive").roles, [], "no role before the approval");
  const [request] = (await byAda("GET", "/account-requests")).json;
  assert.equal((await byAda("POST", `/account-requests/${request.id}`)).status, 403, "not by the one who asked");
  const own = { roles: ["administrator", "staff"], disabled: false };
  assert.equal((await byAda("PUT", `/people/${adaId}`, own)).status, 200, "nothing changes");
  for (const roles of [["administrator"], ["staff"], []]) {
    assert.equal((await byAda("PUT", `/people/${adaId}`, { roles, disabled: false })).status, 403);
  }
  assert.equal((await byAda("PUT", `/people/${adaId}`, { ...own, disabled: true })).status, 403);
  const both = { roles: ["administrator", "compliance-officer"], disabled: false };
  assert.equal((await byAda("PUT", `/people/${bobId}`, both)).status, 422, "not both at once");
  assert.equal((await byAda("POST", "/people", { name: "eve", roles: both.roles })).status, 422);
  const twice = appliance.cli(["user", "roles", "bob", "--role", "administrator", "--role", "compliance-officer"]);
  assert.notEqual(twice.status, 0, "not at the console either");
  assert.equal((await byBob("POST", `/people/${adaId}/activation-link`)).status, 202);

  const bob = await openPage(browser, appliance);
  await signIn(bob, "bob", password);
  await bob.getByRole("link", { name: "People", exact: true }).click();
  await bob.getByRole("region", { name: /Waiting/ }).waitFor();
  await inspect(bob, "people-approval");
  await bob.getByRole("button", { name: "Approve the change of olive" }).click();
  await bob.getByRole("checkbox", { name: "olive is Compliance officer" }).and(bob.locator(":checked")).waitFor();
  await appliance.signIn("olive", password);

  // From now on nobody opens the officer's account, or takes the role away, alone.
  assert.equal((await byAda("PUT", `/people/${oliveId}`, { roles: ["staff"], disabled: false })).json.requested.change, "roles");
  assert.equal((await byAda("POST", `/people/${oliveId}/activation-link`)).status, 202);
  const waiting = (await byBob("GET", "/account-requests")).json;
  const link = waiting.find((r) => r.change === "activation-link" && r.person === oliveId);
  const approved = await byBob("POST", `/account-requests/${link.id}`);
  assert.equal((await activate(appliance, approved.json.link.secret, newPassword)).status, 200);
  await appliance.signIn("olive", newPassword);
  const roles = waiting.find((r) => r.change === "roles" && r.person === oliveId);
  assert.equal((await byBob("DELETE", `/account-requests/${roles.id}`)).status, 204);
  assert.equal((await byBob("POST", `/account-requests/${roles.id}`)).status, 404, "it was rejected");

  assert.equal((await byAda("PUT", `/people/${bobId}`, { roles: ["administrator"], disabled: true })).status, 200);
  assert.ok(!(await isSignedIn(appliance, bobCookie)));
  const last = appliance.cli(["user", "disable", "ada"]);
  assert.match(last.err, /last administrator/);
  for (const kind of ["user.change-requested", "user.change-approved", "user.change-withdrawn"]) {
    assert.ok(outcomes(appliance, kind).includes("success"), kind);
  }
  assert.ok(outcomes(appliance, "access.denied").includes("denied"));
});

test("an administrator types the password again before changing access", async (t) => {
  const appliance = await Appliance.start(t, { CLOISTER_SESSION_REAUTHENTICATION_MINUTES: "0" });
  const browser = await openBrowser(t);
  const ada = await createFirstAdministrator(browser, appliance, "ada", password);
  await ada.getByRole("link", { name: "Groups", exact: true }).click();
  await new Promise((resolve) => setTimeout(resolve, 5500));
  await ada.getByLabel("New group").fill("Emergency");
  await ada.getByRole("button", { name: "Add group" }).click();
  const dialog = ada.getByRole("dialog", { name: "Confirm that it is you" });
  await dialog.waitFor();
  await inspect(ada, "confirmation");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await ada.getByText("Confirm that it is you.").waitFor();
  assert.equal(await ada.getByRole("region", { name: "Group Emergency" }).count(), 0);
  await ada.getByRole("button", { name: "Add group" }).click();
  await dialog.getByLabel("Your password").fill("wrong wrong wrong");
  await dialog.getByRole("button", { name: "Confirm" }).click();
  await dialog.getByText("Your password is wrong.").waitFor();
  await dialog.getByLabel("Your password").fill(password);
  await dialog.getByRole("button", { name: "Confirm" }).click();
  await ada.getByRole("region", { name: "Group Emergency" }).waitFor();
  assert.deepEqual(outcomes(appliance, "auth.reauthenticated"), ["success"]);
  assert.deepEqual(outcomes(appliance, "auth.reauthentication-failed"), ["failure"]);
});

test("the log names who runs a command, and the console does nothing for disabled people", async (t) => {
  const appliance = await startWithWard(t);
  const { username, uid } = userInfo();
  const [added] = entries(appliance, "user.added");
  assert.ok(added.origin.startsWith(`console: ${username} (uid ${uid})`), added.origin);
  assert.equal(added.actor.name, "console");
  assert.equal(appliance.cli(["search", "--as", "sam", "hands"]).status, 0);
  const [searched] = entries(appliance, "search.done");
  assert.ok(searched.origin.startsWith(`console: ${username}`), searched.origin);
  assert.equal(searched.actor.name, "sam (at the console)");
  assert.equal(appliance.cli(["user", "disable", "sam"]).status, 0);
  for (const command of [["ask", "--as", "sam", "How?"], ["search", "--as", "sam", "hands"]]) {
    const refused = appliance.cli(command);
    assert.notEqual(refused.status, 0);
    assert.match(refused.err, /sam is disabled/);
  }
  assert.match(appliance.cli(["user", "link", "sam"]).err, /sam is disabled/);
  assert.equal(appliance.cli(["user", "enable", "sam"]).status, 0);
  assert.equal(appliance.cli(["search", "--as", "sam", "hands"]).status, 0);
});
