"use strict";

const { start } = require("./index.js");

/** Starts an emulator for the whole test run. Vitest calls what this returns at the end. */
module.exports = async function setup() {
  const options = (process.env.ACS_EMULATOR_OPTIONS ?? "").split(" ").filter(Boolean);
  const emulator = await start(options);
  Object.assign(process.env, emulator.environment());
  return () => emulator.stop();
};
