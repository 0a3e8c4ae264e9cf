// A change of the embedder: the previous one answers until the new one is ready.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { models, startWithWard } from "../appliance.js";

const sections = 300;

/** A folder of models with the default embedder, and a second one: the same model in floats. */
function twoEmbedders(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cloister-models-"));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  for (const name of ["minilm", "floats"]) {
    fs.cpSync(path.join(models, "minilm"), path.join(folder, name), { recursive: true, dereference: true });
  }
  const manifest = path.join(folder, "floats/model.toml");
  fs.writeFileSync(manifest, fs.readFileSync(manifest, "utf8").replace('weights = "int8"', 'weights = "f32"'));
  return folder;
}

test("the embedder changes while people ask", async (t) => {
  const folder = twoEmbedders(t);
  const appliance = await startWithWard(t, { CLOISTER_PATHS_MODELS: folder, CLOISTER_MODELS_GENERATOR: "" });
  const rooms = Array.from({ length: sections }, (_, n) => `# Room ${n}\n\nRoom ${n} has ${n + 2} beds and one sink.\n`);
  appliance.drop("ward", "rooms.md", rooms.join("\n"));
  appliance.drop("ward", "hands.md", "# Hands\n\nHands are cleaned with alcohol rub for 30 seconds.\n");
  assert.match(appliance.cli(["ingest", "--json"]).out, /"ready":2/);
  const ask = (question) => appliance.cli(["ask", "--as", "sam", "--json", question]).out;
  const status = () => JSON.parse(appliance.cli(["index", "status", "--json"]).out);

  assert.equal(appliance.cli(["models", "activate", "floats"]).status, 0);
  await appliance.stop();
  await appliance.run();
  assert.match(ask("How long are hands cleaned with alcohol rub?"), /alcohol rub for 30 seconds/);
  assert.match(status().reembedding, /\d+ of \d+ passages have their vectors by all-MiniLM-L6-v2/);
  await appliance.stop("SIGKILL");
  await appliance.run();
  appliance.drop("ward", "feet.md", "# Feet\n\nFeet are washed in warm water for five minutes.\n");
  let last = status();
  for (let tries = 0; tries < 600 && last.reembedding !== null; tries += 1) {
    assert.match(ask("How long are hands cleaned with alcohol rub?"), /alcohol rub for 30 seconds/);
    last = status();
  }
  assert.equal(last.reembedding, null);
  assert.match(ask("How long are hands cleaned with alcohol rub?"), /alcohol rub for 30 seconds/);
  assert.match(ask("How long are feet washed?"), /warm water for five minutes/);
  // The previous index is deleted after its last question, which is checked twice a second.
  const indexes = () => fs.readdirSync(path.join(appliance.folder, "data")).filter((name) => name.startsWith("index-"));
  for (let tries = 0; tries < 600 && indexes().length > 1; tries += 1) status();
  assert.equal(indexes().length, 1);
  const log = appliance.cli(["audit", "list", "--json", "--text", "index.rebuilt"]).out;
  assert.match(log, /"embedder"/);

  assert.equal(appliance.cli(["models", "rollback"]).status, 0);
  fs.rmSync(path.join(folder, "floats"), { recursive: true });
  await appliance.stop();
  await appliance.run();
  assert.match(ask("How long are hands cleaned with alcohol rub?"), /alcohol rub for 30 seconds/);
  last = status();
  for (let tries = 0; tries < 600 && `${last.reembedding} ${last.condition}` !== "null sound"; tries += 1) last = status();
  const answer = ask("How long are hands cleaned with alcohol rub?");
  assert.match(answer, /"complete":true/);
  assert.match(answer, /alcohol rub for 30 seconds/);
});
