"use strict";

/** The path of the program, which is in the package of this platform. */
function program() {
  const name = `@acs-recording/acs-emulator-${process.platform}-${process.arch}`;
  const file = process.platform === "win32" ? "acs-emulator.exe" : "acs-emulator";
  try {
    return require.resolve(`${name}/bin/${file}`);
  } catch {
    throw new Error(
      `${name} is not installed. Install with optional dependencies, or set up the program with ` +
        "`cargo install acs-emulator --features cli` where this platform has no package.",
    );
  }
}

module.exports = { program };
