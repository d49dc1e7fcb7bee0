module.exports = {
  testMatch: ["**/*.jest.js"],
  globalSetup: "acs-emulator/jest-setup.js",
  globalTeardown: "acs-emulator/jest-teardown.js",
  setupFiles: ["acs-emulator/setup.js"],
};
