// Asks the everyday questions of tests/questions/everyday.jsonl about its library, as a person does, and
// compares how many are answered right with the least that was measured before.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test from "node:test";
import { Appliance, answerEvents, password } from "../appliance.js";

const questions = path.resolve(import.meta.dirname, "../../questions");
const library = path.join(questions, "library");

/** Lowest shares of answerable questions that are right, and highest of those that are wrong: just below
 * what was measured. `other` are questions in another language than the document. */
const limits = {
  eng: { right: 0.95, wrong: 0.03 },
  deu: { right: 0.92, wrong: 0.04 },
  fra: { right: 0.92, wrong: 0.04 },
  other: { right: 0.7, wrong: 0.1 },
};
/** Lowest share of unanswerable questions that are refused. */
const leastRefused = 0.75;

function load() {
  const lines = fs.readFileSync(path.join(questions, "everyday.jsonl"), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line));
}

/** The language of the document if it is that of the question, or else `other`. */
function group({ document, language }) {
  const ofFolder = { klinik: "deu", amt: "deu", hopital: "fra", mairie: "fra" };
  const ofFile = { "bank/preisverzeichnis.md": "deu", "bank/tarifs.md": "fra" };
  const written = ofFile[document] ?? ofFolder[document.split("/")[0]] ?? "eng";
  return written === language ? language : "other";
}

const normal = (text) => text.toLowerCase().replaceAll(/\s+/g, " ");

/** `right` if one quote has all parts of the answer, `wrong` if there are only other quotes. */
function grade(question, events) {
  const quotes = events.filter((event) => event.event === "quote");
  if (quotes.length === 0) return "refused";
  const has = (quote) => {
    const cells = quote.table?.header.flat().map((cell) => cell.text) ?? [];
    const text = normal([quote.context ?? "", ...cells, quote.text].join(" "));
    return question.answers.length > 0 && question.answers.every((part) => text.includes(normal(part)));
  };
  return quotes.some(has) ? "right" : "wrong";
}

async function start(t) {
  const appliance = await Appliance.start(t, { CLOISTER_MODELS_GENERATOR: "" });
  const run = (args, input) => {
    const { status, err } = appliance.cli(args, input);
    assert.equal(status, 0, err);
  };
  run(["group", "add", "staff"]);
  for (const collection of fs.readdirSync(library)) {
    run(["collection", "add", collection]);
    run(["collection", "grant", collection, "staff"]);
    for (const file of fs.readdirSync(path.join(library, collection))) {
      appliance.drop(collection, file, fs.readFileSync(path.join(library, collection, file)));
    }
  }
  run(["user", "add", "sam", "--group", "staff"], `${password}\n`);
  run(["ingest"]);
  return appliance;
}

test("everyday questions are answered right, or refused", { timeout: 900_000 }, async (t) => {
  const appliance = await start(t);
  const cookie = await appliance.signIn("sam", password);
  const counts = {};
  for (const question of load()) {
    const response = await appliance.request("POST", "/api/v1/answers", { cookie, body: { question: question.question } });
    assert.equal(response.status, 200, response.text);
    const result = grade(question, answerEvents(response));
    const of = question.answers.length > 0 ? group(question) : "unanswerable";
    counts[of] ??= { right: 0, wrong: 0, refused: 0 };
    counts[of][result] += 1;
    const expected = of === "unanswerable" ? "refused" : "right";
    if (result !== expected) t.diagnostic(`${result}: ${question._id} ${question.question}`);
  }
  t.diagnostic(JSON.stringify(counts));
  for (const [of, { right, wrong }] of Object.entries(limits)) {
    const total = counts[of].right + counts[of].wrong + counts[of].refused;
    assert.ok(counts[of].right / total >= right, `${of}: ${counts[of].right} of ${total} are right`);
    assert.ok(counts[of].wrong / total <= wrong, `${of}: ${counts[of].wrong} of ${total} are wrong`);
  }
  const { wrong, refused } = counts.unanswerable;
  assert.ok(refused / (wrong + refused) >= leastRefused, `${wrong} unanswerable questions are answered`);
});
