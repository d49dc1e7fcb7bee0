// The emulator, the browser and the official SDK, for the tests of the page.
//
// ACS_EMULATOR is the program, ACS_PACKAGES the folder with node_modules, and ACS_SCREENSHOTS the
// folder for pictures.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";

const require = createRequire(path.join(process.env.ACS_PACKAGES, "package.json"));
const { CallAutomationClient } = require("@azure/communication-call-automation");
const { chromium } = require("playwright-core");

const screenshots = process.env.ACS_SCREENSHOTS;
fs.mkdirSync(screenshots, { recursive: true });

/** A running emulator. */
export class Emulator {
  static async start(admin = "127.0.0.1:0") {
    const options = ["--http", "127.0.0.1:0", "--admin", admin];
    const child = spawn(process.env.ACS_EMULATOR, options, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, RUST_LOG: "error" } });
    const [line] = await once(readline.createInterface({ input: child.stdout }), "line");
    return new Emulator(child, JSON.parse(line));
  }

  constructor(child, ready) {
    this.child = child;
    this.ready = ready;
    this.origin = new URL(ready.admin).origin;
  }

  /** A client of the official SDK that does not retry. */
  client(key) {
    const text = key ? this.ready.connection_string.replace(/accesskey=.*/, `accesskey=${key}`) : this.ready.connection_string;
    return new CallAutomationClient(text, { allowInsecureConnection: true, retryOptions: { maxRetries: 0 } });
  }

  async api(method, path, body) {
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    const response = await fetch(`${this.origin}/api/v1${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await response.text();
    assert(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  async stop() {
    if (this.child.exitCode !== null) return;
    this.child.kill();
    await once(this.child, "exit");
  }
}

/** A server that accepts callbacks, and events as soon as `accepting` is set. */
export async function webhook() {
  const state = { accepting: true, received: 0 };
  const server = http.createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    if (request.headers["aeg-event-type"] === "SubscriptionValidation") {
      const [event] = JSON.parse(Buffer.concat(parts).toString());
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify({ validationResponse: event.data.validationCode }));
      return;
    }
    state.received += 1;
    response.statusCode = state.accepting || request.url !== "/events" ? 200 : 500;
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  state.url = `http://127.0.0.1:${server.address().port}`;
  state.close = () => {
    server.close();
    server.closeAllConnections();
  };
  return state;
}

/** Chromium, with a list of everything that must not happen. */
export class Browser {
  static async start() {
    const browser = await chromium.launch({
      executablePath: process.env.ACS_TEST_CHROMIUM ?? findChromium(),
      args: [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
    return new Browser(browser);
  }

  constructor(browser) {
    this.browser = browser;
    this.problems = [];
    this.contexts = [];
  }

  /** A page in a context of its own. `allow` matches console messages that are expected. */
  async page(emulator, view = "", { allow, ...options } = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
    context.setDefaultTimeout(15_000);
    this.contexts.push(context);
    return this.tab(context, emulator, view, allow);
  }

  /** Another page in the same context. */
  async tab(context, emulator, view = "", allow = undefined) {
    const page = await context.newPage();
    const report = (text) => allow?.test(text) || this.problems.push(text);
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && report(`console: ${message.text()}`));
    page.on("pageerror", (error) => report(`error: ${error.stack}`));
    page.on("request", (request) => {
      const { protocol, origin } = new URL(request.url());
      if (protocol !== "data:" && protocol !== "blob:" && origin !== emulator.origin) report(`foreign host: ${request.url()}`);
    });
    // Violations of the policy that are not reported on the console.
    await page.addInitScript(() => {
      window.violations = [];
      document.addEventListener("securitypolicyviolation", (event) => {
        window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
      });
      // A marker that is gone after a reload.
      window.loadedOnce = true;
    });
    const response = await page.goto(`${emulator.origin}/#/${view}`);
    const policy = response.headers()["content-security-policy"] ?? "";
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe/);
    await page.getByText("Live", { exact: true }).waitFor();
    await page.locator(".loading").waitFor({ state: "detached" });
    await page.evaluate(() => (window.notReloaded = true));
    return page;
  }

  /** Closes the pages of a test, and fails if something has happened that must not. */
  async finish() {
    for (const context of this.contexts) {
      for (const page of context.pages()) this.problems.push(...(await page.evaluate(() => window.violations)));
      await context.close();
    }
    this.contexts = [];
    assert.deepEqual(this.problems.splice(0), []);
  }
}

function findChromium() {
  for (const folder of (process.env.PATH ?? "").split(path.delimiter)) {
    const file = path.join(folder, "chromium");
    if (fs.existsSync(file)) return file;
  }
  throw new Error("chromium is not installed; set ACS_TEST_CHROMIUM to the program");
}

/** Takes a picture of the whole page. */
export async function picture(page, name) {
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: path.join(screenshots, `${name}.png`), fullPage: true });
}

/** Fails if the page was loaded again since it was opened. */
export async function assertNotReloaded(page) {
  assert.equal(await page.evaluate(() => window.notReloaded), true, "the page was reloaded");
}
