#!/usr/bin/env node
"use strict";

// Runs the program, and ends as it does.
const { spawn } = require("node:child_process");
const os = require("node:os");
const { program } = require("./program.js");

let path;
try {
  path = program();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
const child = spawn(path, process.argv.slice(2), { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  // The terminal sends Ctrl-C to the program itself.
  process.on(signal, () => signal === "SIGINT" && process.stdin.isTTY || child.kill(signal));
}
child.once("error", (error) => {
  console.error(`cannot run ${path}: ${error.message}`);
  process.exit(126);
});
child.once("exit", (code, signal) => {
  process.exit(code ?? 128 + os.constants.signals[signal]);
});
