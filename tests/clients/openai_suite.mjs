// Uses the appliance through OpenAI's own JavaScript client, and prints what it got as JSON.
//
//     NODE_EXTRA_CA_CERTS=ca.pem node openai_suite.mjs https://127.0.0.1:8443/v1 TOKEN

import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

// The client is installed beside the journeys.
const journeys = path.resolve(import.meta.dirname, "../browser/package.json");
const { default: OpenAI } = await import(pathToFileURL(createRequire(journeys).resolve("openai")));

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "How long are hands cleaned with alcohol rub?" }];
const whole = await client.chat.completions.create({ model: "cloister", messages });
let streamed = "";
for await (const chunk of await client.chat.completions.create({ model: "cloister", messages, stream: true })) {
  streamed += chunk.choices[0].delta.content ?? "";
}
const models = (await client.models.list()).data.map((model) => model.id);
const embedded = await client.embeddings.create({ model: models[1], input: ["hands", "feet"] });
let error;
try {
  await client.chat.completions.create({ model: "gpt-4o", messages });
} catch (cause) {
  error = [cause.constructor.name, cause.code];
}
console.log(
  JSON.stringify({
    models,
    content: whole.choices[0].message.content,
    streamed,
    dimensions: embedded.data.map((item) => item.embedding.length),
    error,
  }),
);
