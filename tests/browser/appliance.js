// Starts the real appliance on loopback, in a folder of its own, and speaks to it as its people do.

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

/** Makes the sample library in a folder, and returns it. */
export function samples(folder) {
  const script = path.join(root, "deploy/samples/make_samples.py");
  const made = spawnSync("python3", [script, folder], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(made.stderr);
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
  /** A new one; it ends with the test `t`. `settings` are CLOISTER_* variables. */
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
      CLOISTER_INBOX_STABLE_SECONDS: "0",
      CLOISTER_INBOX_SCAN_SECONDS: "1",
      ...this.settings,
    };
  }

  async run() {
    this.port = await freePort();
    this.said = "";
    this.child = spawn(program, ["serve"], { env: this.environment() });
    this.child.stderr.on("data", (text) => (this.said += text));
    this.ended = new Promise((resolve) => this.child.on("exit", resolve));
    for (let tries = 0; tries < 300; tries += 1) {
      if (this.said.includes("Browsers trust")) return;
      if (this.child.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the appliance did not start:\n${this.said}`);
  }

  async stop(signal = "SIGTERM") {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    await this.ended;
  }

  get url() {
    return `https://127.0.0.1:${this.port}`;
  }

  get setupLink() {
    return this.said.match(/https:\S+\/#\/setup\/\S+/)?.[0];
  }

  /** Runs the command line on the same data. */
  cli(args, input = "") {
    const done = spawnSync(program, args, { env: this.environment(), input, encoding: "utf8" });
    return { status: done.status, out: done.stdout, err: done.stderr };
  }

  /** Puts a file into a collection's folder. */
  drop(collection, file, content) {
    const target = path.join(this.inbox, collection, file);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(`${target}.part`, content);
    fs.renameSync(`${target}.part`, target);
  }

  /** A request without a browser. */
  async request(method, where, { body, cookie, headers } = {}) {
    const sent = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const options = {
        method,
        ca: fs.readFileSync(path.join(this.folder, "data/tls/ca.pem")),
        headers: { ...(sent && { "content-type": "application/json" }), ...(cookie && { cookie }), ...headers },
      };
      const request = https.request(`${this.url}${where}`, options, (response) => {
        let text = "";
        response.on("data", (piece) => (text += piece));
        response.on("end", () => {
          const type = response.headers["content-type"] ?? "";
          const json = type.includes("json") ? JSON.parse(text) : undefined;
          resolve({ status: response.statusCode, headers: response.headers, text, json });
        });
      });
      request.on("error", reject);
      request.end(sent);
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

/** An appliance with one person, sam, who may read the collection `ward`. */
export async function ward(t, settings, folder) {
  const appliance = await Appliance.start(t, settings, folder);
  const well = (args, input) => {
    const done = appliance.cli(args, input);
    assert.equal(done.status, 0, done.err);
  };
  well(["group", "add", "nurses"]);
  well(["collection", "add", "ward"]);
  well(["collection", "grant", "ward", "nurses"]);
  well(["user", "add", "sam", "--group", "nurses"], `${password}\n`);
  return appliance;
}

/** The events of an answer. */
export function steps(response) {
  return response.text
    .split("\n\n")
    .filter((event) => event.startsWith("data:"))
    .map((event) => JSON.parse(event.slice(5)));
}
