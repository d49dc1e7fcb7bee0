// Packs the main package and the package of one platform: node pack.mjs PROGRAM OUT [PLATFORM]
//
// PLATFORM is such as linux-x64; the default is this one. Prints the tarballs, one a line.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const [program, out, platform = `${process.platform}-${process.arch}`] = process.argv.slice(2);
if (!program || !out) throw new Error("usage: node pack.mjs PROGRAM OUT [PLATFORM]");
const here = path.dirname(fileURLToPath(import.meta.url));
const main = path.join(here, "acs-emulator");
const { version, license, engines, optionalDependencies } = JSON.parse(
  fs.readFileSync(path.join(main, "package.json"), "utf8"),
);
const name = `@acs-recording/acs-emulator-${platform}`;
if (optionalDependencies[name] !== version) throw new Error(`no platform: ${name} ${version}`);

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "acs-emulator-pack-"));
const [system, cpu] = platform.split("-");
const file = system === "win32" ? "acs-emulator.exe" : "acs-emulator";
fs.mkdirSync(path.join(folder, "bin"));
fs.copyFileSync(program, path.join(folder, "bin", file));
fs.chmodSync(path.join(folder, "bin", file), 0o755);
const description = `The program acs-emulator for ${platform}. Install the package acs-emulator instead.`;
const manifest = { name, version, description, license, engines, os: [system], cpu: [cpu], files: ["bin"] };
fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify(manifest, null, 2));

fs.mkdirSync(out, { recursive: true });
// npm is a script on Windows.
const npm = (cwd) =>
  execFileSync("npm", ["pack", "--silent", "--pack-destination", path.resolve(out)], {
    cwd,
    encoding: "utf8",
    shell: process.platform === "win32",
  }).trim();
for (const cwd of [main, folder]) console.log(path.join(path.resolve(out), npm(cwd)));
fs.rmSync(folder, { recursive: true });
