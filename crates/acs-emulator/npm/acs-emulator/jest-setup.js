"use strict";

const setup = require("./vitest.js");

/** Starts an emulator for the whole test run. jest-teardown.js stops it. */
module.exports = async function jestSetup() {
  globalThis.__acsEmulatorStop = await setup();
};
