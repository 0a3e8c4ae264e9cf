// Starts the real appliance on loopback with its own data folder, and uses it as people do.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import https from "node:https";
import net from "node:net";
import os from "node:os";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "../..");
const target = path.resolve(root, process.env.CARGO_TARGET_DIR ?? "target");
export const program = path.join(target, "debug", "cloister");
export const models = process.env.CLOISTER_MODELS ?? path.join(root, "models");

/** Creates the sample library in a folder, and returns the folder. */
export function samples(folder) {
  const script = path.join(root, "deploy/samples/make_samples.py");
  const result = spawnSync("python3", [script, folder], { encoding: "utf8" });
  if (result.status !== 0) throw new Error(result.stderr);
  return folder;
}

async function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export class Appliance {
  /** Starts an appliance that stops with the test `t`. `settings` are CLOISTER_* variables. */
  static async start(t, settings = {}, folder = undefined) {
    const appliance = new Appliance();
    appliance.folder = folder ?? fs.mkdtempSync(path.join(os.tmpdir(), "cloister-"));
    appliance.settings = settings;
    t.after(async () => {
      await appliance.stop();
      if (!folder) fs.rmSync(appliance.folder, { recursive: true, force: true });
    });
    await appliance.run();
    return appliance;
  }

  get inbox() {
    return path.join(this.folder, "inbox");
  }

  environment() {
    return {
      PATH: process.env.PATH,
      CLOISTER_SERVER_ADDRESS: `127.0.0.1:${this.port}`,
      CLOISTER_PATHS_DATA: path.join(this.folder, "data"),
      CLOISTER_PATHS_INBOX: this.inbox,
      CLOISTER_PATHS_MODELS: models,
      CLOISTER_INBOX_STABILITY_SECONDS: "0",
      CLOISTER_INBOX_SCAN_INTERVAL_SECONDS: "1",
      ...this.settings,
    };
  }

  async run() {
    this.port = await freePort();
    this.log = "";
    this.child = spawn(program, ["serve"], { env: this.environment() });
    this.child.stderr.on("data", (text) => (this.log += text));
    this.ended = new Promise((resolve) => this.child.on("exit", resolve));
    for (let tries = 0; tries < 300; tries += 1) {
      if (this.log.includes("Browsers trust")) return;
      if (this.child.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the appliance did not start:\n${this.log}`);
  }

  async stop(signal = "SIGTERM") {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    await this.ended;
  }

  get url() {
    return `https://127.0.0.1:${this.port}`;
  }

  get setupLink() {
    return this.log.match(/https:\S+\/#\/setup\/\S+/)?.[0];
  }

  /** Runs a command of the console on the same data. */
  cli(args, input = "") {
    const { status, stdout, stderr } = spawnSync(program, args, {
      env: this.environment(),
      input,
      encoding: "utf8",
    });
    return { status, out: stdout, err: stderr };
  }

  /** Drops a file into the folder of a collection. */
  drop(collection, file, content) {
    const target = path.join(this.inbox, collection, file);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(`${target}.part`, content);
    fs.renameSync(`${target}.part`, target);
  }

  /** Sends a request without a browser. */
  async request(method, route, { body, cookie, headers, agent } = {}) {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const options = {
        method,
        agent,
        ca: fs.readFileSync(path.join(this.folder, "data/tls/ca.pem")),
        headers: { ...(payload && { "content-type": "application/json" }), ...(cookie && { cookie }), ...headers },
      };
      const request = https.request(`${this.url}${route}`, options, (response) => {
        let text = "";
        response.on("data", (chunk) => (text += chunk));
        response.on("end", () => {
          const type = response.headers["content-type"] ?? "";
          const json = type.includes("json") ? JSON.parse(text) : undefined;
          resolve({ status: response.statusCode, headers: response.headers, text, json });
        });
      });
      request.on("error", reject);
      request.end(payload);
    });
  }

  /** Signs in and returns the cookie. */
  async signIn(name, password) {
    const response = await this.request("POST", "/api/v1/session", { body: { name, password } });
    if (response.status !== 200) throw new Error(`sign-in failed: ${response.text}`);
    return response.headers["set-cookie"][0].split(";")[0];
  }
}

export const password = "correct horse battery";

/** Starts an appliance with one person, sam, who may read the collection `ward`. */
export async function startWithWard(t, settings, folder) {
  const appliance = await Appliance.start(t, settings, folder);
  const run = (args, input) => {
    const { status, err } = appliance.cli(args, input);
    assert.equal(status, 0, err);
  };
  run(["group", "add", "nurses"]);
  run(["collection", "add", "ward"]);
  run(["collection", "grant", "ward", "nurses"]);
  run(["user", "add", "sam", "--group", "nurses"], `${password}\n`);
  return appliance;
}

/** The events of an answer. */
export function answerEvents(response) {
  return response.text
    .split("\n\n")
    .filter((event) => event.startsWith("data:"))
    .map((event) => JSON.parse(event.slice(5)));
}
