"use strict";

const { spawn } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const readline = require("node:readline");
const { program } = require("./program.js");
const { trust } = require("./trust.js");

/** A running emulator. */
class Emulator {
  constructor(ready) {
    /** The addresses and connection strings that the program has printed. */
    this.ready = ready;
  }

  /** The connection string, with an HTTPS endpoint. */
  get connectionString() {
    return this.ready.https_connection_string;
  }

  /** The file of the CA certificate. */
  get caFile() {
    return this.ready.ca_file;
  }

  /** Sends a request to the admin interface: POST if there is a body, otherwise GET. */
  async admin(path, body) {
    const post = {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    };
    const response = await fetch(`${this.ready.admin}/${path}`, body === undefined ? {} : post);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: status ${response.status}: ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  /** The calls, recordings and subscriptions. */
  state() {
    return this.admin("state");
  }

  /** Moves the clock of the service. */
  advance(ms) {
    return this.admin("clock:advance", { ms });
  }

  /** Calls the application, and returns what the event IncomingCall contains. */
  ring(caller) {
    return this.admin("calls:ring", { caller });
  }

  /** Subscribes a webhook to Event Grid events: to these types, or to all. */
  subscribe(url, events = [], schema = "event-grid") {
    return this.admin("subscriptions", { url, schema, events });
  }

  /** The variables that clients in this process and its children need. */
  environment() {
    return {
      ACS_CONNECTION_STRING: this.connectionString,
      COMMUNICATION_SERVICES_CONNECTION_STRING: this.connectionString,
      COMMUNICATION_SAMPLES_CONNECTION_STRING: this.connectionString,
      ACS_EMULATOR_ADMIN: this.ready.admin,
      ACS_EMULATOR_CA_FILE: this.caFile,
      ACS_EMULATOR_READY: JSON.stringify(this.ready),
      NODE_EXTRA_CA_CERTS: this.caFile,
    };
  }
}

/** An emulator that this process has started. */
class OwnEmulator extends Emulator {
  #child;
  #folder;
  #exited;

  constructor(ready, child, folder, exited) {
    super(ready);
    this.#child = child;
    this.#folder = folder;
    this.#exited = exited;
  }

  /** Stops the emulator. */
  async stop() {
    this.#child.kill("SIGTERM");
    await this.#exited;
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Starts an emulator at free ports. `options` are those of the program. */
async function start(options = []) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "acs-emulator-"));
  const args = ["--random-keys", "--official-sdks", "--ca-out", path.join(folder, "ca.pem")];
  for (const option of ["--http", "--https", "--admin"]) {
    const given = options.some((one) => one === option || one.startsWith(`${option}=`));
    if (!given) args.push(option, "127.0.0.1:0");
  }
  const child = spawn(program(), [...args, ...options], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { RUST_LOG: "warn", ...process.env },
  });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  // It must not outlive this process.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  exited.then(() => process.removeListener("exit", kill));

  const line = await new Promise((resolve, reject) => {
    child.once("error", reject);
    exited.then((code) =>
      reject(new Error(`acs-emulator exited with code ${code}; its log has the reason`)),
    );
    readline.createInterface({ input: child.stdout }).once("line", resolve);
  }).catch((error) => {
    fs.rmSync(folder, { recursive: true, force: true });
    throw error;
  });
  // An emulator that nobody stops does not keep the process running.
  child.unref();
  child.stdout.unref();
  return new OwnEmulator(JSON.parse(line), child, folder, exited);
}

/** The emulator of this test run, which a global set-up or `acs-emulator exec` has started. */
function running() {
  const ready = process.env.ACS_EMULATOR_READY;
  if (!ready) throw new Error("no emulator is running: ACS_EMULATOR_READY is not set");
  return new Emulator(JSON.parse(ready));
}

module.exports = { Emulator, program, running, start, trust };
