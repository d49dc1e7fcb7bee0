"use strict";

/** Stops the emulator of jest-setup.js. */
module.exports = async function jestTeardown() {
  await globalThis.__acsEmulatorStop?.();
};
