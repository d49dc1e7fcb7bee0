export default {
  test: {
    include: ["*.vitest.mjs"],
    globals: false,
    globalSetup: "acs-emulator/vitest.js",
    setupFiles: "acs-emulator/setup.js",
  },
};
