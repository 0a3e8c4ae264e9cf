// Every route has a decision: who may call it, and whether an API token may. Every command of the
// console leaves an entry in the audit log, or the table says why not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { password, startWithWard } from "../appliance.js";

/** All routes, by who may call them. A route that is missing here, or here only, fails the test. */
const ROUTES = {
  nobody: ["POST /setup", "POST /session", "POST /activation"],
  everybody: [
    "GET /session",
    "DELETE /session",
    "PUT /session/confirmation",
    "GET /account",
    "PUT /account/password",
    "DELETE /account/sessions",
    "DELETE /account/sessions/{id}",
    "POST /account/tokens",
    "DELETE /account/tokens/{id}",
    "POST /account/second-factor",
    "PUT /account/second-factor",
    "POST /account/second-factor/removal",
    "POST /account/security-keys/challenge",
    "POST /account/security-keys",
    "POST /account/security-keys/{id}/removal",
    "POST /account/recovery-codes",
    "GET /about",
    "GET /examples",
    "GET /v1/models",
    "POST /v1/chat/completions",
    "POST /v1/embeddings",
    "POST /answers",
    "POST /answers/{receipt}/feedback",
    "POST /search",
    "GET /documents",
    "GET /revisions/{id}/pages/{number}",
    "GET /revisions/{id}/pages/{number}/image",
    "GET /conversations",
    "GET /conversations/{id}",
    "DELETE /conversations/{id}",
  ],
  administrator: [
    "GET /people",
    "POST /people",
    "PUT /people/{id}",
    "DELETE /people/{id}/second-factor",
    "POST /people/{id}/activation-link",
    "DELETE /people/{id}/activation-link",
    "GET /account-requests",
    "POST /account-requests/{id}",
    "DELETE /account-requests/{id}",
    "GET /groups",
    "POST /groups",
    "DELETE /groups/{id}",
    "PUT /groups/{id}/members/{user}",
    "DELETE /groups/{id}/members/{user}",
    "GET /collections",
    "POST /collections",
    "PUT /collections/{id}",
    "PUT /collections/{id}/readers/{group}",
    "DELETE /collections/{id}/readers/{group}",
    "GET /status",
    "GET /files",
    "POST /files/{id}/retry",
    "POST /files/{id}/cancel",
    "PUT /uploads/{collection}/{name}",
    "DELETE /files/{id}",
    "POST /files/{id}/restoration",
    "PUT /ingestion",
  ],
  officer: [
    "GET /audit",
    "GET /audit/overview",
    "POST /audit/replays/{receipt}",
    "POST /audit/verification",
    "GET /audit/checkpoint",
    "GET /audit/export",
  ],
};

/** The routes that a token with each scope may call. All others refuse every token. */
const SCOPES = {
  ask: [
    "GET /v1/models",
    "POST /v1/chat/completions",
    "POST /v1/embeddings",
    "GET /about",
    "GET /examples",
    "POST /answers", "POST /answers/{receipt}/feedback", "POST /search"],
  documents: [
    "GET /documents",
    "GET /revisions/{id}/pages/{number}",
    "GET /revisions/{id}/pages/{number}/image",
  ],
  files: ["GET /status", "GET /files", "POST /files/{id}/retry", "POST /files/{id}/cancel", "PUT /uploads/{collection}/{name}", "DELETE /files/{id}", "POST /files/{id}/restoration", "PUT /ingestion"],
  audit: ROUTES.officer,
};

const SETTINGS_ONLY = "it reads settings or the machine, and nothing of people or documents";
const LISTS = "it lists names and rights, which every entry about them has already";
const BACKUPS = "it needs a folder, a key or a restored copy: the journey of backups checks its entry";
const MODELS = "it changes the models folder, before the appliance uses it";

/** All commands: the kind of the entry that they leave and arguments that make them succeed, or why
 * they leave none. */
const COMMANDS = {
  serve: { kind: "service.started" },
  doctor: { because: SETTINGS_ONLY },
  openapi: { because: SETTINGS_ONLY },
  "directory check": { because: "it asks the directory, and reads nothing of the appliance" },
  "config check": { because: SETTINGS_ONLY },
  "config show": { because: SETTINGS_ONLY },
  "models list": { because: SETTINGS_ONLY },
  "models plan": { because: SETTINGS_ONLY },
  "models bench": { because: SETTINGS_ONLY },
  "models verify": { because: SETTINGS_ONLY },
  "models compare": { because: "it computes figures from documents, and shows figures only" },
  "models add": { because: MODELS },
  "models activate": { because: MODELS },
  "models rollback": { because: MODELS },
  "models quantize": { because: MODELS },
  "models synth": { because: MODELS },
  "backup keygen": { because: SETTINGS_ONLY },
  "backup create": { because: BACKUPS },
  "backup list": { because: SETTINGS_ONLY },
  "backup rehearse": { because: "it reads a copy, and keeps nothing of it" },
  "backup restore": { because: BACKUPS },
  "backup review": { because: "it reads a copy of a log, before the appliance starts" },
  "backup accept": { because: BACKUPS },
  "setup-link": { because: "it makes a link only if there is nobody yet, which the start logs" },
  ingest: { kind: "ingestion.paused", args: ["--pause"] },
  search: { kind: "search.done", args: ["--as", "sam", "hands"] },
  ask: { kind: "question.refused", args: ["--as", "sam", "How are hands cleaned?"] },
  "user add": { kind: "user.added", args: ["nina"], input: `${password}\n` },
  "user password": { kind: "user.password-changed", args: ["nina"], input: `${password}\n` },
  "user link": { kind: "user.activation-link-made", args: ["nina"] },
  "user roles": { kind: "user.changed", args: ["nina", "--role", "administrator"] },
  "user disable": { kind: "user.changed", args: ["sam"] },
  "user enable": { kind: "user.changed", args: ["sam"] },
  "user reset-second-factor": { because: "the journey of the second factor checks it" },
  "user list": { because: LISTS },
  "group add": { kind: "group.added", args: ["doctors"] },
  "group join": { kind: "group.joined", args: ["doctors", "nina"] },
  "group list": { because: LISTS },
  "collection add": { kind: "collection.added", args: ["theatre"] },
  "collection grant": { kind: "access.granted", args: ["theatre", "doctors"] },
  "collection revoke": { kind: "access.revoked", args: ["theatre", "doctors"] },
  "collection reading": {
    kind: "collection.changed",
    args: ["theatre", "--passwords", "-"],
    input: "open sesame\n",
  },
  "collection list": { because: LISTS },
  "audit verify": { kind: "audit.verified" },
  "audit replay": { because: "the journey of answers checks it" },
  "audit checkpoint": { kind: "audit.checkpoint-taken" },
  "audit list": { kind: "audit.viewed" },
  "audit export": { kind: "audit.exported", args: ["--format", "jsonl"] },
  "audit recover": { because: "it is for a log that does not open; the tests of the log check it" },
  "index rebuild": { kind: "index.rebuilt" },
  "index rollback": { because: "it needs an earlier generation" },
  "index status": { because: SETTINGS_ONLY },
};

/** The commands that the program describes, down to those without subcommands. */
function commands(appliance, parents = []) {
  const { out } = appliance.cli([...parents, "--help"]);
  const [, list] = out.split(/^Commands:\n/m);
  if (!list) return [parents.join(" ")];
  const names = list.split("\n\n")[0].match(/^ {2}[\w-]+/gm).map((name) => name.trim());
  const others = names.filter((name) => name !== "help");
  return others.flatMap((name) => commands(appliance, [...parents, name]));
}

function described(appliance) {
  const { paths } = JSON.parse(appliance.cli(["openapi"]).out);
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace("/api/v1", "")}`),
  );
  return operations.sort();
}

test("every route says who may call it, and refuses everybody else", async (t) => {
  const appliance = await startWithWard(t);
  const all = Object.values(ROUTES).flat().sort();
  assert.deepEqual(described(appliance), all, "add the route to the table");
  for (const [name, role] of [["ada", "administrator"], ["olive", "compliance-officer"]]) {
    assert.equal(appliance.cli(["user", "add", name, "--role", role], `${password}\n`).status, 0);
  }
  const call = (route, options) => {
    const [method, path] = route.split(" ");
    const body = method === "GET" || method === "DELETE" ? undefined : {};
    const address = (path.startsWith("/v1/") ? path : `/api/v1${path}`).replaceAll(/\{\w+\}/g, "1");
    return appliance.request(method, address, { body, ...options });
  };
  const cookies = {
    staff: await appliance.signIn("sam", password),
    administrator: await appliance.signIn("ada", password),
    officer: await appliance.signIn("olive", password),
  };
  const denials = () => appliance.cli(["audit", "list", "--json", "--limit", "999"]).out
    .split("\n").filter((line) => line.includes('"access.denied"')).length;

  await t.test("without a session", async () => {
    for (const route of all.filter((route) => !ROUTES.nobody.includes(route))) {
      assert.equal((await call(route)).status, 401, route);
      const cookie = "__Host-cloister=made-up";
      assert.equal((await call(route, { cookie })).status, 401, route);
    }
  });

  await t.test("with the wrong role, which the log shows", async () => {
    const before = denials();
    let refused = 0;
    for (const [role, routes] of [
      ["staff", [...ROUTES.administrator, ...ROUTES.officer]],
      ["administrator", ROUTES.officer],
      ["officer", ROUTES.administrator],
    ]) {
      for (const route of routes) {
        assert.equal((await call(route, { cookie: cookies[role] })).status, 403, `${role}: ${route}`);
        refused += 1;
      }
    }
    assert.equal(denials() - before, refused);
  });

  await t.test("with a token without the scope, whatever the role", async () => {
    const person = { ask: "staff", documents: "staff", files: "administrator", audit: "officer" };
    for (const [scope, allowed] of Object.entries(SCOPES)) {
      const body = { name: scope, scopes: [scope], days: 1, password };
      const cookie = cookies[person[scope]];
      const created = await appliance.request("POST", "/api/v1/account/tokens", { cookie, body });
      assert.equal(created.status, 201, created.text);
      const headers = { authorization: `Bearer ${created.json.secret}` };
      for (const route of all.filter((route) => !ROUTES.nobody.includes(route))) {
        const { status } = await call(route, { headers });
        const enrols = /(second-factor|security-keys|security-keys\/challenge)$/.test(route);
        const isSessionOnly = ["GET /session", "DELETE /session"].includes(route) || enrols;
        if (allowed.includes(route)) assert.ok(![401, 403].includes(status), `${scope}: ${route}: ${status}`);
        else assert.ok([401, 403].includes(status), `${scope}: ${route}: ${status}`);
        if (!allowed.includes(route) && !isSessionOnly) assert.equal(status, 403, `${scope}: ${route}`);
      }
    }
  });
});

test("every command leaves an entry in the log that names who ran it", async (t) => {
  const appliance = await startWithWard(t);
  assert.deepEqual(commands(appliance).sort(), Object.keys(COMMANDS).sort(), "add the command to the table");
  const kindsSince = (seq) => {
    const { out } = appliance.cli(["audit", "list", "--json", "--limit", "200"]);
    const entries = out.trim().split("\n").map((line) => JSON.parse(line));
    return entries.filter((entry) => entry.seq > seq);
  };
  for (const [command, { kind, args = [], input = "", because }] of Object.entries(COMMANDS)) {
    if (because) continue;
    const [{ seq }] = kindsSince(-1);
    if (command !== "serve") {
      const { status, err } = appliance.cli([...command.split(" "), ...args], input);
      assert.ok([0, 3].includes(status), `${command}: ${err}`);
    }
    const since = kindsSince(command === "serve" ? -1 : seq).filter((entry) => entry.kind === kind);
    assert.ok(since.length > 0, `${command} leaves no ${kind}`);
    const origin = command === "serve" ? /^appliance$/ : /^console: .*uid \d+/;
    for (const entry of since) assert.match(entry.origin, origin, command);
  }
});
