"use strict";

// For each test process: it trusts the emulator that the global set-up has started.
require("./trust.js").trust(require("./index.js").running().caFile);
