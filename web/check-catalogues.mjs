// Compares the catalogues of texts with the texts that the sources use: `t("…")`. Each kind of entry of
// the audit log needs a sentence, too.

import fs from "node:fs";
import path from "node:path";

const here = import.meta.dirname;
const sources = fs
  .readdirSync(path.join(here, "src"), { recursive: true })
  .filter((file) => /(?<!\.test)\.(svelte|ts)$/.test(file));
const text = sources
  .map((file) => fs.readFileSync(path.join(here, "src", file), "utf8"))
  .join("\n");
// `msg` marks a text that is translated later. A text may be the first argument, or one of two in a condition: t(isFuture ? "…" : "…").
const used = new Set(
  [
    ...text.matchAll(
      /(?<![\w.])(?:t|msg)\(\s*(?:[\w.]+ \? ("(?:[^"\\]|\\.)+") : )?("(?:[^"\\]|\\.)+")/g,
    ),
  ]
    .flatMap((match) => [match[1], match[2]])
    .filter(Boolean)
    .map((literal) => JSON.parse(literal)),
);

const texts = ["../server/src", "../answer/src", "../index/src"]
  .flatMap((folder) =>
    fs
      .readdirSync(path.join(here, folder), { recursive: true })
      .filter((file) => file.endsWith(".rs"))
      .map((file) => fs.readFileSync(path.join(here, folder, file), "utf8")),
  )
  .join("\n");

let problems = 0;
const report = (problem) => {
  console.error(problem);
  problems += 1;
};
const placeholders = (value) =>
  [...value.matchAll(/{{(\w+)}}/g)]
    .map((match) => match[1])
    .sort()
    .join();
for (const language of ["de", "fr"]) {
  const catalogue = JSON.parse(
    fs.readFileSync(path.join(here, `src/catalogues/${language}.json`), "utf8"),
  );
  for (const key of used) {
    if (!(key in catalogue) && !(`${key}_other` in catalogue))
      report(`${language}: no text for “${key}”`);
  }
  for (const [key, value] of Object.entries(catalogue)) {
    const plural = key.match(/^(.*)_(one|many|other)$/)?.[1];
    if (!plural && placeholders(key) !== placeholders(value)) {
      report(`${language}: other placeholders than in “${key}”`);
    }
    // Texts of the appliance and tables of labels are translated by their value.
    if (!text.includes(JSON.stringify(plural ?? key).slice(1, -1)) && !isOfAppliance(key)) {
      report(`${language}: nothing uses “${key}”`);
    }
  }
}

/** Whether the appliance itself sends a text: about an error, or the reason of a refusal. */
function isOfAppliance(key) {
  return texts.includes(`"${key}"`);
}

const events = fs.readFileSync(path.join(here, "../audit/src/event.rs"), "utf8");
const sentences = fs.readFileSync(path.join(here, "src/state/sentences.ts"), "utf8");
for (const [, kind] of events.matchAll(/^ {4}\w+ = "([a-z.-]+)",$/gm)) {
  if (!sentences.includes(`"${kind}": `)) report(`sentences.ts: no sentence for ${kind}`);
}

if (problems > 0) process.exit(1);
console.log(`${used.size} texts are in all catalogues.`);
