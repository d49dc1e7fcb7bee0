"use strict";

const dns = require("node:dns");
const fs = require("node:fs");
const tls = require("node:tls");

/** The host that the official SDK downloads content from. */
const CONTENT_HOST = "eu-storage.asm.skype.com";
const MARK = Symbol.for("acs-emulator.trust");

/** Makes this process trust the emulator, and resolve the host of content to it. */
function trust(caFile) {
  const certificates = (tls[MARK] ??= patch());
  certificates.add(fs.readFileSync(caFile, "utf8"));
}

function patch() {
  const certificates = new Set();
  const createSecureContext = tls.createSecureContext;
  tls.createSecureContext = (options) => {
    const secure = createSecureContext(options);
    // A client that brings its own authorities trusts only those.
    if (!options?.ca) for (const certificate of certificates) secure.context.addCACert(certificate);
    return secure;
  };
  const lookup = dns.lookup;
  dns.lookup = (name, ...rest) => lookup(name === CONTENT_HOST ? "127.0.0.1" : name, ...rest);
  return certificates;
}

module.exports = { trust };
