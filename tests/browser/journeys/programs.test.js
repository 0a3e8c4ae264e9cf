// Programs use the appliance: OpenAI's own clients with a person's token, and what monitors it.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { password, program, startWithWard } from "../appliance.js";

const root = path.resolve(import.meta.dirname, "../../..");
const python = path.resolve(root, process.env.CARGO_TARGET_DIR ?? "target", "clients/bin/python");
const suite = (file) => path.join(root, "tests/clients", file);
const hands = "# Hands\n\nHands are cleaned with alcohol rub for 30 seconds.\n";

async function get(port, route) {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: "127.0.0.1", port, path: route }, (response) => {
      let text = "";
      response.on("data", (part) => (text += part));
      response.on("end", () => resolve({ status: response.statusCode, text }));
    });
    request.on("error", reject);
  });
}

async function start(t, settings) {
  const appliance = await startWithWard(t, settings);
  appliance.drop("ward", "hands.md", hands);
  assert.match(appliance.cli(["ingest", "--json"]).out, /"ready":1/);
  const cookie = await appliance.signIn("sam", password);
  const makeToken = async (scopes) => {
    const body = { name: `for ${scopes}`, scopes, days: 1, password };
    const made = await appliance.request("POST", "/api/v1/account/tokens", { cookie, body });
    assert.equal(made.status, 201, made.text);
    return made.json.secret;
  };
  return { appliance, makeToken };
}

test("OpenAI's clients get quotes with their places, with the rights of the token's person", async (t) => {
  const { appliance, makeToken } = await start(t);
  const ca = path.join(appliance.folder, "data/tls/ca.pem");
  const token = await makeToken(["ask"]);
  const call = (program, args, variable) =>
    JSON.parse(
      execFileSync(program, [...args, `${appliance.url}/v1`, token], {
        env: { PATH: process.env.PATH, [variable]: ca },
        encoding: "utf8",
      }),
    );

  await t.test("in Python", () => {
    const got = call(python, [suite("openai_suite.py")], "SSL_CERT_FILE");
    assert.equal(got.models[0], "cloister");
    assert.match(got.content, /> Hands are cleaned with alcohol rub for 30 seconds\.\n\n?\[1\] Hands, page 1 \(ward\/hands\.md\)/);
    const [citation] = got.annotations;
    assert.equal(citation.title, "Hands");
    assert.match(citation.url, /^https:\/\/127\.0\.0\.1:\d+\/#\/page\/\d+\/1\?passage=\d+&start=\d+&end=\d+$/);
    const cited = [...got.content].slice(citation.start_index, citation.end_index).join("");
    assert.match(cited, /^> Hands are cleaned.*hands\.md\)$/s);
    assert.ok(got.streamed.startsWith(got.content.slice(0, 80)), got.streamed);
    assert.equal(got.finish, "stop");
    assert.match(got.refused, /Not found in the documents that you may read/);
    assert.match(got.in_parts, /30 seconds/);
    assert.ok(got.after.length > 0);
    assert.deepEqual(got.dimensions, [384, 384]);
    assert.ok(got.same < 1e-6, "both encodings are the same vector");
    assert.ok(got.usage > 5);
    assert.deepEqual(got.errors, {
      model: ["NotFoundError", "not-found"],
      tools: ["UnprocessableEntityError", "invalid"],
      token: ["AuthenticationError", "token-refused"],
    });
  });

  await t.test("in JavaScript", () => {
    const got = call(process.execPath, [suite("openai_suite.mjs")], "NODE_EXTRA_CA_CERTS");
    assert.match(got.content, /30 seconds/);
    assert.match(got.streamed, /30 seconds/);
    assert.deepEqual(got.dimensions, [384, 384]);
    assert.deepEqual(got.error, ["NotFoundError", "not-found"]);
  });

  await t.test("the log has the questions, and another scope may not ask", async () => {
    const log = appliance.cli(["audit", "list", "--json", "--limit", "300"]).out;
    assert.match(log, /"kind":"question.answered".*"name":"sam/);
    const other = await makeToken(["documents"]);
    const headers = { authorization: `Bearer ${other}` };
    const body = { model: "cloister", messages: [{ role: "user", content: "x" }] };
    const refused = await appliance.request("POST", "/v1/chat/completions", { headers, body });
    assert.equal(refused.status, 403, refused.text);
    assert.equal(refused.json.error.code, "forbidden");
    const nobody = await appliance.request("POST", "/v1/chat/completions", { body });
    assert.equal(nobody.status, 401);
  });
});

test("the appliance is monitored on a port of its own, without questions or names", async (t) => {
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const { appliance } = await start(t, { CLOISTER_SERVER_MONITORING_PORT: String(port) });
  assert.deepEqual(await get(port, "/healthz"), { status: 200, text: "ok\n" });
  for (let tries = 0; (await get(port, "/readyz")).status !== 200; tries += 1) {
    assert.ok(tries < 300, "it becomes ready");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const cookie = await appliance.signIn("sam", password);
  const body = { question: "How long are hands cleaned with alcohol rub?" };
  await appliance.request("POST", "/api/v1/answers", { cookie, body });
  const other = { question: "Who painted the Mona Lisa?" };
  await appliance.request("POST", "/api/v1/answers", { cookie, body: other });
  const wrong = { body: { name: "sam", password: "wrong" } };
  await appliance.request("POST", "/api/v1/session", wrong);
  const { text } = await get(port, "/metrics");
  const samples = JSON.parse(execFileSync(python, [suite("metrics.py")], { input: text, encoding: "utf8" }));
  assert.equal(samples["cloister_questions_total{outcome=answered}"], 1);
  assert.equal(samples["cloister_questions_total{outcome=refused}"], 1);
  assert.equal(samples["cloister_first_quote_seconds_count{}"], 1);
  assert.equal(samples["cloister_files{state=ready}"], 1);
  assert.equal(samples["cloister_sign_ins_total{outcome=failure}"], 1);
  assert.ok(samples["cloister_sign_ins_total{outcome=success}"] >= 2);
  assert.ok(samples["cloister_certificate_valid_seconds{}"] > 86_400);
  assert.equal(samples["cloister_ready{}"], 1);
  assert.doesNotMatch(text, /sam|hands|Mona/i);
});

test("other programs read the audit log, and verify it with checkpoints from elsewhere", async (t) => {
  const anchors = fs.mkdtempSync(path.join(os.tmpdir(), "cloister-anchors-"));
  t.after(() => fs.rmSync(anchors, { recursive: true }));
  const { appliance } = await start(t, { CLOISTER_AUDIT_ANCHOR_FOLDER: anchors });
  const cookie = await appliance.signIn("sam", password);
  const question = "How long are hands cleaned with alcohol rub?";
  await appliance.request("POST", "/api/v1/answers", { cookie, body: { question } });

  const run = (program, args, input) => {
    const { status, stdout, stderr } = spawnSync(program, args, { input, encoding: "utf8" });
    return { status, stdout, stderr };
  };

  await t.test("a validator of FHIR accepts each entry", () => {
    const exported = appliance.cli(["audit", "export", "--format", "fhir"]);
    const read = run(python, [suite("audit_events.py")], exported.out);
    assert.equal(read.status, 0, read.stderr);
    const asked = JSON.parse(read.stdout).find((event) => event.kind === "question.answered");
    assert.equal(asked.who, "sam");
    assert.equal(asked.type, "110112");
    assert.equal(asked.outcome, "0");
    assert.equal(asked.details.question, question);
  });

  await t.test("an officer downloads a period, and nobody else does", async () => {
    appliance.cli(["user", "add", "olga", "--role", "compliance-officer"], `${password}\n`);
    const officer = await appliance.signIn("olga", password);
    const all = await appliance.request("GET", "/api/v1/audit/export?format=csv", { cookie: officer });
    assert.equal(all.status, 200, all.text);
    const [header, ...rows] = all.text.trimEnd().split("\n");
    assert.match(header, /^"number","time","kind"/);
    assert.match(rows.at(-1), /"audit\.exported"/);
    const later = "/api/v1/audit/export?format=csv&from=2100-01-01T00:00:00Z";
    const none = await appliance.request("GET", later, { cookie: officer });
    assert.deepEqual([none.status, none.text], [200, `${header}\n`]);
    const refused = await appliance.request("GET", later, { cookie });
    assert.equal(refused.status, 403);
  });

  await t.test("both verifiers confirm the log with the stored checkpoint, and find a change", async () => {
    const [checkpoint] = fs.readdirSync(anchors).filter((name) => name.endsWith(".checkpoint"));
    await appliance.stop();
    const log = path.join(appliance.folder, "data/audit");
    const key = path.join(anchors, "key.pub");
    const args = ["verify", log, "--key", key, "--against", path.join(anchors, checkpoint)];
    const verifiers = [
      [path.join(path.dirname(program), "cloister-audit"), args],
      ["python3", [path.join(root, "tests/audit/verify_log.py"), ...args]],
    ];
    const statuses = () => verifiers.map(([verifier, args]) => run(verifier, args).status);
    assert.deepEqual(statuses(), [0, 0]);
    const entries = path.join(log, "entries.jsonl");
    const original = fs.readFileSync(entries, "utf8");
    fs.writeFileSync(entries, original.replace('"sam"', '"tim"'));
    assert.deepEqual(statuses(), [1, 1]);
  });
});
